"""Draws what compare measured: for each figure a bar a pair, and from the lowest to the highest round a line."""

import statistics

import rounds
import svg

# Of which figures, in words, and how they are written.
PANELS = [
    ("CPU a request, microseconds (less is better)", "cpu", "{:.1f}"),
    ("requests a second (more is better)", "rate", "{:,.0f}"),
    ("median latency, ms (less is better)", "p50", "{:.2f}"),
    ("p99 of latency, ms (less is better)", "p99", "{:.2f}"),
    ("most memory held, MiB (less is better)", "peak", "{:.1f}"),
]
NAMES, BARS, FIGURES, BAR, GAP = 130, 430, 60, 16, 6


def of_rounds(results, run):
    """One page of all pairs."""
    parts, y = [], 0
    for title, key, form in PANELS:
        found = {name: [each[key] for each, in rounds.clean(results, name) if each.get(key)] for name in results}
        found = {name: figures for name, figures in found.items() if figures}
        if found:
            parts += panel(title, form, found, y)
            y += 26 + len(found) * (BAR + GAP) + 14
    for said in (run["date"], run["machine"], run["versions"], run["loads"]):
        y += 16
        parts.append(svg.text(0, y, said, "faint"))
    return svg.page(NAMES + BARS + FIGURES + 80, y + 8, "pairs of sidecars compared", parts)


def panel(title, form, found, y):
    most = max(max(figures) for figures in found.values())
    along = lambda figure: NAMES + figure / most * BARS
    yield svg.text(0, y + 14, title)
    y += 26
    for name, figures in found.items():
        middle, kind = statistics.median(figures), "own" if name.startswith("weft") else "other"
        tip = f"{name}: {form.format(middle)}, {form.format(min(figures))} to {form.format(max(figures))}"
        yield svg.text(NAMES - 8, y + 12, name, anchor="end")
        yield svg.rectangle(NAMES, y, along(middle) - NAMES, BAR, kind, tip)
        yield svg.line(along(min(figures)), y + BAR / 2, along(max(figures)), y + BAR / 2)
        yield svg.text(max(along(middle), along(max(figures))) + 6, y + 12, form.format(middle), "faint")
        y += BAR + GAP
