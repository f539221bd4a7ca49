// From two reports to what happens in a second, and numbers as people read them.

const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);

/** What of `now` came since `before`, by second. */
export function rate(before, now, figure) {
  const seconds = before ? now.now - before.now : 0;
  if (seconds <= 0 || before.pid !== now.pid) return 0;
  return Math.max(0, (figure(now) - figure(before)) / seconds);
}

/** The same figure of all servers. */
export const ofServers = (figure) => (status) => status.servers.reduce((all, server) => all + figure(server), 0);

export const messages = (server) => sum(server.messages);

/** How long something took: mean, and the bound below which 99 of 100 are; null when nothing happened. */
export function latency(before, now) {
  const earlier = before && before.count <= now.count ? before : { count: 0, sum: 0, buckets: [] };
  const count = now.count - earlier.count;
  if (count === 0) return { count, mean: null, p99: null };
  const within = (share) => {
    let below = 0;
    for (const [at, [bound, all]] of now.buckets.entries()) {
      below += all - (earlier.buckets[at]?.[1] ?? 0);
      if (below >= Math.ceil(count * share)) return bound;
    }
    return null;
  };
  return { count, mean: (now.sum - earlier.sum) / count, p99: within(0.99) };
}

/** The times of all servers in one. */
export function together(all) {
  const joined = { count: 0, sum: 0, buckets: [] };
  for (const times of all) {
    joined.count += times.count;
    joined.sum += times.sum;
    times.buckets.forEach(([bound, count], at) => {
      joined.buckets[at] = [bound, (joined.buckets[at]?.[1] ?? 0) + count];
    });
  }
  return joined;
}

/** The same stage in an earlier report. */
export const earlierStage = (before, stage) => before?.stages.find((other) =>
  other.stage === stage.stage && other.processor === stage.processor &&
  other.plugin === stage.plugin && other.generation === stage.generation);

const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

function scaled(value, step, units) {
  let unit = 0;
  while (value >= step && unit + 1 < units.length) {
    value /= step;
    unit += 1;
  }
  return (unit === 0 && Number.isInteger(value) ? String(value) : digits(value)) + units[unit];
}

export const number = (value) => scaled(value, 1000, ["", "k", "M", "G"]);
export const bytes = (value) => scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);

export function seconds(value) {
  if (value === null) return "–";
  if (value >= 1) return `${digits(value)} s`;
  if (value >= 1e-3) return `${digits(value * 1e3)} ms`;
  return value >= 1e-6 ? `${digits(value * 1e6)} µs` : `${digits(value * 1e9)} ns`;
}

export function span(value) {
  const [days, hours, minutes] = [value / 86400, (value / 3600) % 24, (value / 60) % 60].map(Math.floor);
  return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : `${minutes} min ${value % 60} s`;
}
