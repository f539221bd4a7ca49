// Asks the daemon every two seconds and shows what it says.

import { Chart } from "./chart.js";
import { element } from "./dom.js";
import { bytes, latency, messages, number, ofServers, rate, seconds, span, together } from "./figures.js";
import { showMessages } from "./messages.js";
import { chains, plugins, servers, stages } from "./tables.js";

const INTERVAL = 2000;
const by = (id) => document.getElementById(id);
const verdict = (name) => ofServers((server) => server.messages[name] ?? 0);

const charts = {
  messages: new Chart("Messages a second", ["accepted", "deferred", "rejected"], number),
  latency: new Chart("From the end of a message to its answer", ["mean", "99 of 100 within"], seconds),
  bytes: new Chart("Bytes of accepted messages a second", ["accepted"], bytes),
  connections: new Chart("Connections", ["open", "new a second"], number),
};
by("charts").append(...Object.values(charts).map((chart) => chart.node));

let before = null;

function tile(name, value) {
  return element("div", "card", element("div", "name", name), element("div", "value", value));
}

function show(now) {
  const state = by("state");
  state.textContent = now.ready ? "ready" : now.unready;
  state.className = now.ready ? "pill good" : "pill bad";
  by("about").textContent = `${now.version}, process ${now.pid}, up ${span(now.uptime)}`;
  const open = ofServers((server) => server.connections)(now);
  const come = rate(before, now, ofServers((server) => server.connections_total));
  const took = latency(before && together(before.servers.map((s) => s.times)), together(now.servers.map((s) => s.times)));
  const cpu = rate(before, now, (status) => status.cpu_seconds);
  const reloads = now.reloads.refused ? `${now.reloads.done}, ${now.reloads.refused} refused` : number(now.reloads.done);
  by("tiles").replaceChildren(
    tile("Messages a second", number(rate(before, now, ofServers(messages)))),
    tile("Connections", number(open)),
    tile("Answer, 99 of 100", seconds(took.p99)),
    tile("Processor", `${(cpu * 100).toFixed(0)} %`),
    tile("Memory", bytes(now.memory.resident)),
    tile("Files", `${number(now.files.open)} of ${number(now.files.limit)}`),
    tile("Reloads", reloads),
  );
  if (before) {
    charts.messages.add(["accepted", "deferred", "rejected"].map((name) => rate(before, now, verdict(name))));
    charts.latency.add([took.mean, took.p99]);
    charts.bytes.add([rate(before, now, ofServers((server) => server.bytes))]);
    charts.connections.add([open, come]);
  }
  servers(before, now);
  chains(before, now);
  stages(before, now);
  plugins(now);
}

async function look() {
  try {
    const answer = await fetch("status");
    if (!answer.ok) throw new Error(`status: ${answer.status}`);
    const now = await answer.json();
    if (before && before.pid !== now.pid) before = null;
    show(now);
    before = now;
    await showMessages();
    document.documentElement.dataset.shown = "yes";
  } catch (error) {
    by("state").textContent = `no answer (${error.message})`;
    by("state").className = "pill bad";
  }
  setTimeout(look, INTERVAL);
}

function theme() {
  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  const root = document.documentElement;
  const set = (name) => {
    root.dataset.theme = name;
    by("theme").textContent = name === "dark" ? "Light" : "Dark";
  };
  let kept = null;
  // A browser may forbid it.
  try { kept = localStorage.getItem("theme"); } catch { /* the system's theme, then */ }
  if (kept === "dark" || kept === "light") set(kept);
  else by("theme").textContent = dark() ? "Light" : "Dark";
  by("theme").addEventListener("click", () => {
    set((root.dataset.theme ?? (dark() ? "dark" : "light")) === "dark" ? "light" : "dark");
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this visit only, then */ }
  });
}

theme();
by("search").addEventListener("input", () => showMessages().catch(() => {}));
look();
