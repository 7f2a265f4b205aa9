"""Compares pairs of sidecars on the same work, in rounds that follow each other closely.

Figures of a machine that others use too are worth little by themselves; the ratios of one run are worth more,
because every round asks every pair. So ratios are taken round by round, and their median is shown.
"""

import argparse
import json
import os
import signal
import statistics
import sys

import about
import charts
import loads
import pairs
import processes
import rounds

NAMES = ["direct", "limit", "haproxy", "envoy", "weft", "weft-unlogged", "haproxy-tcp", "weft-tcp", "haproxy-intercepted", "weft-intercepted"]
# What something adds is told where a pair runs with and without it.
ADDED = [("interception", name, f"{name}-intercepted") for name in ("haproxy", "weft")]
# Of whom every figure is given as a multiple, too.
BASES = ["limit", "haproxy"]
COLUMNS = [
    ("req/s", "rate", "{:.0f}"),
    ("CPU us/req", "cpu", "{:.1f}"),
    ("p50 ms", "p50", "{:.2f}"),
    ("p99 ms", "p99", "{:.2f}"),
    ("p99.9 ms", "p999", "{:.2f}"),
    ("idle MiB", "idle", "{:.1f}"),
    ("peak MiB", "peak", "{:.1f}"),
    ("others' CPU", "others", "{:.0%}"),
]
RATIOS = [("req/s", "rate"), ("CPU a request", "cpu"), ("p50", "p50"), ("p99", "p99"), ("peak RSS", "peak")]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/run", description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="*", default=NAMES[:5], metavar="PAIR", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=5, help="how often each pair is asked (%(default)s)")
    parser.add_argument("--secs", type=int, default=5, help="length of each load (%(default)s)")
    loads.options(parser)
    parser.add_argument("--at-once", action="store_true",
                        help="all pairs are loaded at the same time, with the connections shared out: for differences that rounds hide")
    parser.add_argument("--starts", type=int, default=1,
                        help="how often all pairs are started anew, for as many rounds each: two starts of one program differ by "
                        "more than rounds do (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="writes all rounds there")
    parser.add_argument("--charts", metavar="FILE", help="draws them there, as SVG")
    given = parser.parse_args()
    for name in given.pairs:
        if name not in NAMES:
            parser.error(f"no pair {name!r}: there are {', '.join(NAMES)}")
    return given


def main():
    given = arguments()
    # Whoever ends this ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = about.machine() | {
        "loads": (f"{given.starts} starts, each of " if given.starts > 1 else "")
        + f"{given.rounds} rounds of {given.secs} s: wrk with {given.connections} connections, "
        + ("shared out, all pairs at once" if given.at_once else f"then {given.rate} requests/s")
        + f"; each proxy with {given.threads} threads",
    }
    try:
        results = rounds.of_starts(given.pairs, given.starts, lambda number: of_one_start(given, number))
    except (OSError, loads.Unclean) as reason:
        raise SystemExit(f"bench/compare: {reason}") from None
    print(table(results, run))
    if given.json:
        with open(given.json, "w") as file:
            json.dump({"about": run, "rounds": results}, file, indent=1)
            file.write("\n")
    if given.charts:
        with open(given.charts, "w") as file:
            file.write(charts.of_rounds(results, run))
    return 0 if all("failed" not in each for all_rounds in results.values() for each in all_rounds) else 1


def of_one_start(given, number):
    with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], given.threads) as stage:
        # Each start begins with another pair.
        turn = number % len(given.pairs)
        running = stage.all(given.pairs[turn:] + given.pairs[:turn])
        idle = {pair.name: processes.memory(pair.pids) for pair in running}
        if given.at_once:
            return rounds.at_once(running, given.rounds, lambda pair: rounds.of_a_share(pair, given, len(running)), told)
        one = lambda pair: {**rounds.of_http(pair, given), "idle": idle[pair.name]}
        return rounds.interleaved(running, given.rounds, one, told)


def told(result):
    return ", ".join(f"{title} {form.format(result[key])}" for title, key, form in COLUMNS if key in result)


def table(results, run):
    """Medians of the clean rounds, and medians of the rounds' ratios to the limit and to HAProxy."""
    seen = {key for all_rounds in results.values() for each in all_rounds for key in each}
    columns, ratios = ([column for column in known if column[1] in seen] for known in (COLUMNS, RATIOS))
    rows = [["pair", *(title for title, _, _ in columns), "rounds"]]
    for name, all_rounds in results.items():
        clean = [each for each, in rounds.clean(results, name)]
        cells = [middle(form, [each[key] for each in clean]) for _, key, form in columns]
        rows.append([name, *cells, f"{len(clean)}/{len(all_rounds)}"])
    text = [f"{key}: {value}" for key, value in run.items()] + ["", *about.aligned(rows)]
    for base in BASES if len(results) > 1 else []:
        if base not in results:
            continue
        rows = [[f"ratio to {base}", *(title for title, _ in ratios)]]
        for name in results:
            rows.append([name, *(ratio(results, name, base, key) for _, key in ratios)])
        text += ["", *about.aligned(rows)]
    return "\n".join([*text, *added(results)])


def added(results):
    """CPU a request that something adds to each pair that ran with and without it: the mean over starts, or the median over
    rounds where there was one start alone; and where that lies in nine of ten runs as this one (by drawing again and again)."""
    both = [(what, name, with_it) for what, name, with_it in ADDED if name in results and with_it in results]
    if both:
        yield ""
    for what, name, with_it in both:
        clean = rounds.clean(results, name, with_it)
        if not clean:
            yield f"{what} adds to {name}: nothing is known, no round was clean"
            continue
        several, groups = len({less["start"] for less, _ in clean}) > 1, {}
        typical = statistics.mean if several else statistics.median
        for nth, each in enumerate(clean):
            groups.setdefault(each[0]["start"] if several else nth, []).append(each)
        cpu = [[statistics.mean(each[side]["cpu"] for each in group) for side in (0, 1)] for group in groups.values()]
        found = [more - less for less, more in cpu]
        shares = [more / less - 1 for less, more in cpu]
        low, high = rounds.nine_of_ten(shares, typical)
        yield (
            f"{what} adds to {name}: {typical(found):.1f} us of CPU a request"
            f" ({min(found):.1f} to {max(found):.1f}), {typical(shares):.1%}"
            f" ({low:.1%} to {high:.1%} in nine of ten runs as this)"
        )


def middle(form, figures):
    """The median; a pair without proxies spends nothing."""
    if not figures:
        return "none"
    return form.format(statistics.median(figures)) if any(figures) else "-"


def ratio(results, name, base, key):
    """Of each round by itself; lowest and highest beside the median."""
    found = sorted(rounds.ratios(results, name, base, key))
    if not found:
        return "none"
    if not any(found):
        return "-"
    return f"{statistics.median(found):.2f} ({found[0]:.2f}-{found[-1]:.2f})"


if __name__ == "__main__":
    sys.exit(main())
