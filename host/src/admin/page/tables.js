// Servers, chains, stages and plugins.

import { element, fill } from "./dom.js";
import { earlierStage, latency, messages, number, rate, seconds } from "./figures.js";

const by = (id) => document.getElementById(id);
const some = (counts) => Object.entries(counts).filter(([, count]) => count > 0)
  .map(([name, count]) => `${name} ${number(count)}`).join(", ") || "–";

export function servers(before, now) {
  const earlier = (server) => before?.servers.find((other) => other.listener === server.listener);
  const took = (server) => latency(earlier(server)?.times, server.times);
  const perSecond = (server) => rate(before, now, (status) => {
    const found = status.servers.find((other) => other.listener === server.listener);
    return found ? messages(found) : 0;
  });
  fill(by("servers"), [
    { name: "Listener", of: (s) => s.listener },
    { name: "Host", of: (s) => s.host_name },
    { name: "Open", number: true, of: (s) => number(s.connections) },
    { name: "In all", number: true, of: (s) => number(s.connections_total) },
    { name: "Messages/s", number: true, of: (s) => number(perSecond(s)) },
    { name: "Messages", of: (s) => some(s.messages) },
    { name: "Mean", number: true, of: (s) => seconds(took(s).mean) },
    { name: "99 of 100", number: true, of: (s) => seconds(took(s).p99) },
    { name: "TLS", of: (s) => some(s.tls) },
    { name: "Limits met", of: (s) => some(s.limits) },
  ], now.servers);
}

export function stages(before, now) {
  const took = (stage) => latency(earlierStage(before, stage)?.times, stage.times);
  fill(by("stages"), [
    { name: "Stage", of: (s) => s.stage },
    { name: "From", of: (s) => s.plugin || "built-in" },
    { name: "Generation", number: true, of: (s) => (s.plugin ? s.generation : "–") },
    { name: "Calls/s", number: true, of: (s) => number(perSecond(before, now, s)) },
    { name: "Calls", number: true, of: (s) => number(s.calls) },
    { name: "Mean", number: true, of: (s) => seconds(took(s).mean) },
    { name: "99 of 100", number: true, of: (s) => seconds(took(s).p99) },
    { name: "In flight", number: true, of: (s) => s.in_flight },
    { name: "Waiting", number: true, of: (s) => s.waiting },
    { name: "Lost threads", number: true, of: (s) => s.lost_workers, className: (s) => (s.lost_workers ? "bad" : "") },
    { name: "Faults", number: true, of: (s) => s.faults, className: (s) => (s.faults ? "bad" : "") },
  ], now.stages);
}

export function chains(before, now) {
  const newest = (name) => now.stages.filter((stage) => stage.stage === name)
    .reduce((best, stage) => (best && best.generation >= stage.generation ? best : stage), null);
  const chip = (name) => {
    const stage = newest(name);
    if (!stage) return element("span", "stage", name);
    const took = latency(earlierStage(before, stage)?.times, stage.times);
    const figures = ` ${number(perSecond(before, now, stage))}/s, ${seconds(took.mean)}`;
    return element("span", stage.faults ? "stage bad" : "stage", name, element("small", "", figures));
  };
  const rows = Object.entries(now.chains).filter(([, names]) => names.length > 0).map(([chain, names]) =>
    element("div", "chain", element("span", "name", chain), ...names.flatMap((name, at) =>
      (at ? ["→", chip(name)] : [chip(name)]))));
  by("chains").replaceChildren(...(rows.length ? rows : ["none"]));
}

/** One row for each plugin file that there has been. */
export function plugins(now) {
  const files = new Map();
  for (const stage of now.stages.filter((one) => one.plugin)) {
    const key = `${stage.plugin}\n${stage.generation}`;
    const file = files.get(key) ?? { ...stage, stages: [], calls: 0, faults: {} };
    file.stages.push(stage.stage);
    file.calls += stage.calls;
    for (const [kind, count] of Object.entries(stage.faults_by_kind)) {
      file.faults[kind] = (file.faults[kind] ?? 0) + count;
    }
    files.set(key, file);
  }
  fill(by("plugins"), [
    { name: "Plugin", of: (file) => file.plugin },
    { name: "Version", of: (file) => file.version ?? "–" },
    { name: "Generation", number: true, of: (file) => file.generation },
    { name: "Stages", of: (file) => file.stages.join(", ") },
    { name: "Calls", number: true, of: (file) => number(file.calls) },
    { name: "Faults", of: (file) => some(file.faults), className: (file) => (some(file.faults) === "–" ? "" : "bad") },
  ], [...files.values()]);
}

function perSecond(before, now, stage) {
  const earlier = earlierStage(before, stage);
  return earlier ? rate(before, now, (status) => (status === now ? stage : earlier).calls) : 0;
}
