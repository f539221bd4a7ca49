"""Bars of CPU seconds per 10,000 messages for each point, on a logarithmic scale, without a library."""

import math
import statistics
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, GAP = 900, 130, 14, 34
COLOURS = {"floor": "#888888", "ours": "#2b6cb0"}


def svg(results):
    bars, top = [], 40
    for point, about in results["points"].items():
        found = [(name, medians(runs.get(point, []))) for name, runs in results["runs"].items()]
        found = [(name, value) for name, value in found if value]
        if found:
            bars.append((top, point, about, found))
            top += GAP + BAR * len(found)
    values = [value for *_, found in bars for _, value in found]
    low, high = (min(values), max(values)) if values else (1, 1)
    parts = [text(10, 22, "CPU seconds of the server per 10,000 messages or sessions (logarithmic; less is better)", 14)]
    for y, point, about, found in bars:
        parts.append(text(10, y + 12, f"{point}: {about}", 11))
        for row, (name, value) in enumerate(found):
            parts.append(bar(y + 18 + row * BAR, name, value, low / 2, high))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{top}" fill="white"/>', *parts, "</svg>\n"])


def bar(y, name, value, low, high):
    span = math.log(high / low) or 1
    length = (WIDTH - LABEL - 90) * math.log(value / low) / span
    colour = COLOURS.get(name.split("-")[0], "#c0843d")
    return "\n".join([
        text(LABEL - 8, y + 10, name, 10, "end"),
        f'<rect x="{LABEL}" y="{y + 1}" width="{length:.1f}" height="{BAR - 3}" fill="{colour}"/>',
        text(LABEL + length + 5, y + 10, f"{value:.3g}", 10),
    ])


def text(x, y, content, size, anchor="start"):
    return f'<text x="{x:.1f}" y="{y}" font-size="{size}" text-anchor="{anchor}">{escape(content)}</text>'


def medians(runs):
    values = [run["cpu_s_per_10k"] for run in runs if run["cpu_s_per_10k"]]
    return statistics.median(values) if values else None
