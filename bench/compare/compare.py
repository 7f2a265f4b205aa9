"""Compares pairs of sidecars on the same work, in rounds that follow each other closely.

Figures of a machine that others use too are worth little by themselves; the ratios of one run are worth more,
because every round asks every pair. So ratios are taken round by round, and their median is shown.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time

import loads
import pairs
import processes

NAMES = ["direct", "limit", "haproxy", "envoy", "weft", "weft-unlogged", "haproxy-tcp", "weft-tcp", "haproxy-intercepted", "weft-intercepted"]
# What interception adds is told of those that run with and without it.
INTERCEPTED = [(name, f"{name}-intercepted") for name in ("haproxy", "weft")]
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
    parser.add_argument("--connections", type=int, default=64, help="of the closed loop (%(default)s)")
    parser.add_argument("--rate", type=int, default=1000, help="requests a second of the open loop (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of each limit, HAProxy and Envoy; weft up gives a sidecar one")
    parser.add_argument("--json", metavar="FILE", help="writes all rounds there")
    given = parser.parse_args()
    for name in given.pairs:
        if name not in NAMES:
            parser.error(f"no pair {name!r}: there are {', '.join(NAMES)}")
    return given


def main():
    given = arguments()
    # Whoever ends this ends what it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    about = describe(given)
    try:
        results = rounds(given)
    except (OSError, loads.Unclean) as reason:
        raise SystemExit(f"bench/compare: {reason}") from None
    print(table(results, about))
    if given.json:
        with open(given.json, "w") as file:
            json.dump({"about": about, "rounds": results}, file, indent=1)
            file.write("\n")
    return 0 if all("failed" not in each for rounds in results.values() for each in rounds) else 1


def rounds(given):
    """All rounds of all pairs, each with its figures or the reason why it has none."""
    results = {name: [] for name in given.pairs}
    with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], given.threads) as stage:
        running = []
        for name in given.pairs:
            pair = stage.pair(name)
            loads.check(pair)
            running.append(pair)
        # Allocators and logs have come to rest by now, or never do.
        time.sleep(2)
        idle = {pair.name: processes.memory(pair.pids) for pair in running}
        for number in range(given.rounds):
            # Each round begins with another pair, so that no one always follows the same neighbour's heat.
            turn = number % len(running)
            for pair in running[turn:] + running[:turn]:
                result = measured(pair, given)
                result["idle"] = idle[pair.name]
                results[pair.name].append(result)
                print(f"# round {number + 1} {told(pair.name, result)}", file=sys.stderr, flush=True)
    return results


def measured(pair, given):
    """One round of one pair: its figures, or why there are none."""
    try:
        loads.check(pair)
        loads.closed_loop(pair, given.connections, 1)
        before, busy, ours = processes.cpu(pair.pids), processes.machine_cpu(), processes.cpu([os.getpid()])
        began = time.monotonic()
        closed = loads.closed_loop(pair, given.connections, given.secs)
        took = time.monotonic() - began
        spent = processes.cpu(pair.pids) - before
        strangers = processes.machine_cpu() - busy - (processes.cpu([os.getpid()]) - ours)
        opened = loads.open_loop(pair, given.rate, 16, given.secs)
        loads.check(pair)
        if not all(map(processes.is_alive, pair.pids)):
            raise loads.Unclean("a proxy died and was started again")
    except loads.Unclean as reason:
        return {"failed": str(reason)}
    finally:
        for log in pair.logs:
            os.truncate(log, 0)
    return {
        "rate": closed["rate"],
        "cpu": spent / closed["requests"] * 1e6,
        "p50": opened["p50"] / 1e3,
        "p99": opened["p99"] / 1e3,
        "p999": opened["p999"] / 1e3,
        "peak": processes.memory(pair.pids, peak=True),
        "others": max(0.0, strangers / (took * os.cpu_count())),
        "closed": closed,
        "open": opened,
    }


def told(name, result):
    if "failed" in result:
        return f"{name}: NO RESULT: {result['failed']}"
    figures = (f"{title} {form.format(result[key])}" for title, key, form in COLUMNS)
    return f"{name}: {', '.join(figures)}"


def table(results, about):
    """Medians of the clean rounds, and medians of the rounds' ratios to the limit and to HAProxy."""
    clean = {name: [each for each in rounds if "failed" not in each] for name, rounds in results.items()}
    rows = [["pair", *(title for title, _, _ in COLUMNS), "rounds"]]
    for name, rounds in clean.items():
        cells = [middle(form, [each[key] for each in rounds]) for _, key, form in COLUMNS]
        rows.append([name, *cells, f"{len(rounds)}/{len(results[name])}"])
    text = [f"{key}: {value}" for key, value in about.items()] + ["", *aligned(rows)]
    for base in BASES if len(results) > 1 else []:
        if base not in results:
            continue
        rows = [[f"ratio to {base}", *(title for title, _ in RATIOS)]]
        for name in results:
            rows.append([name, *(ratio(results, name, base, key) for _, key in RATIOS)])
        text += ["", *aligned(rows)]
    return "\n".join([*text, *added(results)])


def added(results):
    """CPU a request that interception adds to each whose both layouts ran: round by round, the median, lowest and highest."""
    both = [(name, within) for name, within in INTERCEPTED if name in results and within in results]
    if not both:
        return
    yield ""
    for name, within in both:
        rounds = [pair for pair in zip(results[name], results[within]) if not any("failed" in each for each in pair)]
        found = sorted(intercepted["cpu"] - loopback["cpu"] for loopback, intercepted in rounds) or [float("nan")]
        yield (
            f"interception adds to {name}: {statistics.median(found):.1f} us of CPU a request"
            f" ({found[0]:.1f} to {found[-1]:.1f})"
        )


def middle(form, figures):
    """The median; a pair without proxies spends nothing."""
    if not figures:
        return "none"
    return form.format(statistics.median(figures)) if any(figures) else "-"


def ratio(results, name, base, key):
    """Of each round by itself; lowest and highest beside the median."""
    rounds = [pair for pair in zip(results[name], results[base]) if not any("failed" in each for each in pair)]
    found = sorted(own[key] / other[key] for own, other in rounds if other[key])
    if not found:
        return "none"
    if not any(found):
        return "-"
    return f"{statistics.median(found):.2f} ({found[0]:.2f}-{found[-1]:.2f})"


def aligned(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *rest = (f"{cell:>{width}}" for cell, width in zip(row, widths))
        yield "  ".join([f"{first.strip():<{widths[0]}}", *rest])


def describe(given):
    """What the figures depend on."""
    with open("/proc/cpuinfo") as text:
        model = next((line.split(":")[1].strip() for line in text if line.startswith("model name")), platform.machine())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} x {model}, Linux {platform.release().split('-')[0]},"
        f" load {os.getloadavg()[0]:.1f} at the start",
        "versions": ", ".join(
            [
                f"{said(os.environ['WEFT_BIN'], '--version')} (commit {os.environ['WEFT_COMMIT']})",
                said("haproxy", "-v").split("-")[0].replace(" version", ""),
                "Envoy " + said("envoy", "--version").split("/")[-4],
                said("nginx", "-v").split(": ")[-1],
            ]
        ),
        "loads": f"{given.rounds} rounds of {given.secs} s: wrk with {given.connections} connections, "
        f"then {given.rate} requests/s; the limit, HAProxy and Envoy with {given.threads} threads each",
    }


def said(*command):
    """The first line that a command says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return next(iter((done.stdout or done.stderr).strip().splitlines()), "unknown")


if __name__ == "__main__":
    sys.exit(main())
