"""Medians, and the ratio to the floor of the same round, as a table."""

import json
import statistics

# Cores that others may use beside a run that counts.
CALM = 0.3


def as_json(results):
    return json.dumps(results, separators=(",", ":"))


def markdown(results):
    """Tables of all that was measured."""
    machine = results["machine"]
    parts = [
        f"# Measured {machine['when']}",
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, load average at the end {machine['load']:.1f}. "
        f"Rounds of {results['seconds']:g} s, each in an order of its own (seeds {', '.join(map(str, results['seeds']))}). "
        "Client and server share the cores.",
        "Median [lowest–highest]; `x floor` is the ratio to the floor of the same round. Runs beside which others used more than "
        f"{CALM} cores are left out where every server has three or more others.",
    ]
    names = [name for name in results["about"] if name in results["runs"]]
    for point, about in results["points"].items():
        only_calm = all(enough(filter(is_calm, runs)) for runs in (results["runs"][name].get(point) for name in names) if runs)
        rows = [row for row in (point_row(results, name, point, only_calm) for name in names) if row]
        if rows:
            count = len({run["round"] for name in names for run in results["runs"][name].get(point, [])})
            parts.append(f"## {point}: {about} ({count} rounds)")
            parts.append(table(["server", "per s", "CPU s/10k", "x floor", "p50 ms", "p99 ms", "peak MB", "others, cores"], rows))
    rows = [row for name in names for row in limit_rows(results, name)]
    if rows:
        parts.append("## Of what the store gives: messages/s beside the rate of storing alone in the same round")
        parts.append(table(["server", "point", "per s", "limit", "limit, per s", "share"], rows))
    costs = [cost_row(results, name) for name in names]
    costs = [row for row in costs if any(cell != "–" for cell in row[1:])]
    if costs:
        parts.append("## Idle connections and system calls")
        parts.append(table(["server", "KiB each, plain", "KiB each, TLS", "syscalls/message", "the same, PIPELINING"], costs))
    parts += [f"{name}: {found['about']}." for name, found in results["limits"].items()]
    parts += [f"Skipped {name}: {why}." for name, why in results["skipped"].items()]
    return "\n\n".join(parts) + "\n"


def point_row(results, name, point, only_calm):
    runs = [run for run in results["runs"][name].get(point, []) if is_calm(run) or not only_calm]
    if not runs:
        return None
    latency = "greeting_ms" if all(run["messages"]["accepted"] == 0 for run in runs) else "latency_ms"
    return [
        name,
        spread([run["per_s"] for run in runs], "{:,.0f}"),
        spread([run["cpu_s_per_10k"] for run in runs], "{:.3g}"),
        spread(ratios(results, name, point), "{:.2f}"),
        *(number(statistics.median(run[latency][quantile] for run in runs), "{:.2f}") for quantile in ("p50", "p99")),
        number(max(run["peak_kib"] for run in runs) / 1024, "{:.0f}"),
        number(statistics.median(run["others_cores"] for run in runs), "{:.1f}"),
    ]


def ratios(results, name, point, key="cpu_s_per_10k", base="floor"):
    """This server's figure over that of `base` in the same round, for each round that has both; calm ones where there are enough."""
    mine, other = ({run["round"]: run for run in results["runs"].get(each, {}).get(point, [])} for each in (name, base))
    pairs = [(mine[number], other[number]) for number in mine if mine[number][key] is not None and other.get(number, {}).get(key)]
    undisturbed = [pair for pair in pairs if all(map(is_calm, pair))]
    return [one[key] / floor[key] for one, floor in (undisturbed if enough(undisturbed) else pairs)]


def enough(runs):
    """Whether a median of them alone says more than one of all."""
    return len(list(runs)) >= 3


def is_calm(run):
    """Whether the rest of the machine let it be measured."""
    return run["others_cores"] <= CALM


def limit_rows(results, name):
    """For each point: this server's rate and its share of the rate that is its limit."""
    for limit, found in results["limits"].items():
        rates = {run["round"]: run["per_s"] for run in found["runs"]}
        for point, runs in results["runs"][name].items() if name in found["of"] else ():
            pairs = [(run["per_s"], rates[run["round"]]) for run in runs if run["round"] in rates]
            if pairs:
                mine, bound = zip(*pairs)
                shares = [own / other for own, other in pairs]
                yield [name, point, spread(mine, "{:,.0f}"), limit, spread(bound, "{:,.0f}"), spread(shares, "{:.2f}")]


def cost_row(results, name):
    idle, calls = results["idle_kib"].get(name) or {}, results["syscalls"].get(name) or {}
    cells = [idle.get("plain"), idle.get("TLS"), calls.get("syscalls"), calls.get("syscalls-pipe")]
    return [name, *(number(cell, "{:.2f}") for cell in cells)]


def spread(values, form):
    values = [value for value in values if value is not None]
    if not values:
        return "–"
    middle, low, high = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} [{low}–{high}]"


def number(value, form):
    return "–" if value is None else form.format(value)


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
