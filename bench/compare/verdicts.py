"""Measures the goals of rows.py and gives each a verdict.

Verdicts: goal (it is reached), pass (not quite, but well), missed, MINIMUM (missed by so much that the whole fails), told (a
figure without a goal). A row that could not be measured has no result, which fails the whole, too.
"""

import argparse
import importlib
import json
import signal
import statistics
import sys

import about
import loads
import rows

# What fails the whole.
FAILED = ("MINIMUM", "no result")


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/goals", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="names, or their beginnings up to a slash; all, if none")
    parser.add_argument("--list", action="store_true", help="only says which rows there are")
    parser.add_argument("--rounds", type=int, default=5, help="of each load (%(default)s)")
    parser.add_argument("--secs", type=int, default=4, help="length of each load (%(default)s)")
    loads.options(parser)
    parser.add_argument("--json", metavar="FILE", help="writes the figures of all rounds there")
    given = parser.parse_args()
    given.wanted = [row for row in rows.ROWS if not given.rows or any(is_named(row, name) for name in given.rows)]
    for name in given.rows:
        if not any(is_named(row, name) for row in rows.ROWS):
            parser.error(f"no row {name!r}; --list says which there are")
    return given


def is_named(row, name):
    return row.name == name or row.name.startswith(name.rstrip("/") + "/")


def main():
    given = arguments()
    if given.list:
        print("\n".join(about.aligned([["row", "what"], *([row.name, row.what] for row in given.wanted)], left=2)))
        return 0
    # Whoever ends this ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = about.machine() | {
        "loads": f"{given.rounds} rounds of {given.secs} s; each proxy with {given.threads} threads",
        "rows": "all" if len(given.wanted) == len(rows.ROWS) else f"{len(given.wanted)} of {len(rows.ROWS)}",
    }
    figures = measured(given)
    verdicts = {row.name: verdict(row, figures[row]) for row in given.wanted}
    for row in given.wanted:
        if row.measure == "tally":
            figures[row] = tally(row, verdicts)
            verdicts[row.name] = verdict(row, figures[row])
    print(table(given.wanted, figures, verdicts, run))
    if given.json:
        told = {row.name: {"verdict": verdicts[row.name], "rounds": figures[row]} for row in given.wanted}
        with open(given.json, "w") as file:
            json.dump({"about": run, "rows": told}, file, indent=1)
            file.write("\n")
    return 1 if any(verdict in FAILED for verdict in verdicts.values()) else 0


def measured(given):
    """The figures of each row, of every round; a text where there are none. What several rows need is measured once."""
    figures = {row: [] for row in given.wanted}
    for name in dict.fromkeys(row.measure for row in given.wanted if row.measure != "tally"):
        of_it = [row for row in given.wanted if row.measure == name]
        print(f"# {name}: {', '.join(row.name for row in of_it)}", file=sys.stderr, flush=True)
        try:
            found = importlib.import_module(f"measures.{name}").measure([row.figure for row in of_it], given)
        except (OSError, loads.Unclean) as reason:
            found = {row.figure: str(reason) for row in of_it}
        for row in of_it:
            figures[row] = found.get(row.figure) or "no clean round; standard error said why"
    return figures


def tally(row, verdicts):
    """The share of the works' rows that reached their goal, of those that ran."""
    ran = [each for each in rows.OF_WORKS if each.name in verdicts and each.name.endswith(row.figure[0])]
    return [sum(verdicts[each.name] == "goal" for each in ran) / len(ran)] if ran else "none of these rows ran"


def verdict(row, figures):
    if isinstance(figures, str) or not figures:
        return "no result"
    if row.goal is None:
        return "told"
    figure = statistics.median(figures)
    reached = lambda limit: limit is not None and (figure >= limit if row.more else figure <= limit)
    if reached(row.goal):
        return "goal"
    if reached(row.passes):
        return "pass"
    return "missed" if row.minimum is None or reached(row.minimum) else "MINIMUM"


def table(wanted, figures, verdicts, run):
    lines = [["row", "what", "measured", "lowest to highest", "goal", "passes", "minimum", "verdict"]]
    for row in wanted:
        cell = lambda limit: "-" if limit is None else f"{limit:g}{row.unit}"
        found = figures[row]
        if verdicts[row.name] == "no result":
            said = ["none", "-"]
        else:
            spread = f"{min(found):.2f} to {max(found):.2f}" if len(found) > 1 else "-"
            said = [f"{statistics.median(found):.2f}{row.unit}", spread]
        limits = [cell(row.goal), cell(row.passes), cell(row.minimum)]
        lines.append([row.name, row.what, *said, *limits, verdicts[row.name]])
    text = [f"{key}: {value}" for key, value in run.items()] + ["", *about.aligned(lines, left=2), ""]
    counts = {name: list(verdicts.values()).count(name) for name in ("goal", "pass", "missed", *FAILED, "told")}
    text.append(", ".join(f"{name} {count}" for name, count in counts.items() if count))
    for row in wanted:
        if verdicts[row.name] == "no result":
            text.append(f"{row.name}: no result: {figures[row]}")
        elif verdicts[row.name] in ("missed", "MINIMUM"):
            text.append(f"{row.name}: {row.why or 'not known yet why'}")
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(main())
