"""What rules cost: the CPU of the same sidecars under load, with a folder's rules in force and without, in turn.

Two starts of one program differ by more than most rules cost. So the rules come and go while the sidecars stay, as an edit of a
running mesh's files, and only what one start spent with them is compared with what it spent without.
"""

import argparse
import json
import os
import signal
import statistics
import sys

import about
import loads
import pairs
import processes
import rounds

FOLDERS = ["mesh", "versions", "access-log/on"]


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/cost", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=f"{pairs.HERE}/resilience", help="of YAML (all that keeps traffic alive)")
    parser.add_argument("--starts", type=at_least_one, default=30, help="how often the mesh is started anew (%(default)s)")
    parser.add_argument("--turns", type=at_least_one, default=4, help="how often the rules come and go in a start (%(default)s)")
    parser.add_argument("--secs", type=int, default=3, help="length of each load (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="writes all loads there")
    loads.options(parser)
    return parser.parse_args()


def at_least_one(text):
    if (number := int(text)) < 1:
        raise ValueError
    return number


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = about.machine() | {
        "loads": f"{given.starts} starts, in each {given.turns} loads of {given.secs} s with the rules and as many without: wrk with"
        f" {given.connections} connections; each proxy with {given.threads} threads"
    }
    starts = []
    try:
        with_rules = text_of(given.folder)
        for number in range(given.starts):
            starts.append(of_one_start(given, number, with_rules))
            # What took long is not lost to what comes after it.
            write(given.json, run, starts)
    except (OSError, loads.Unclean) as reason:
        raise SystemExit(f"bench/compare/cost: {reason}") from None
    print("\n".join([*(f"{key}: {value}" for key, value in run.items()), "", told(starts)]))
    return 0


def write(path, run, starts):
    if path:
        with open(path, "w") as file:
            json.dump({"about": run, "starts": starts}, file, indent=1)
            file.write("\n")


def text_of(folder):
    """All of a folder's manifests as one file, so that they come and go as one edit."""
    names = sorted(name for name in os.listdir(folder) if name.endswith((".yaml", ".yml")))
    if not names:
        raise OSError(f"no YAML in {folder}")
    texts = []
    for name in names:
        with open(os.path.join(folder, name)) as text:
            texts.append(text.read())
    return "\n---\n".join(texts)


def of_one_start(given, number, with_rules):
    """The CPU of each load, by whether the rules were in force."""
    with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], given.threads) as stage:
        folder = os.path.join(stage.scratch, "rules")
        turns = [(turn + number) % 2 == 0 for turn in range(2 * given.turns)]
        text = {True: with_rules, False: "# none\n"}
        # It begins with the other, so that each turn changes something.
        edit(folder, text[not turns[0]])
        pair = stage.mesh("weft-cost", *FOLDERS, folder)
        found, others = {True: [], False: []}, []
        for on in turns:
            in_force(stage, pair.name, lambda: edit(folder, text[on]))
            # Connections are made anew, and allocators come to rest.
            loads.closed_loop(pair, given.connections, 1)
            spent = rounds.spending(pair, lambda pair: loads.closed_loop(pair, given.connections, given.secs))
            found[on].append(spent["cpu"])
            others.append(spent["others"])
        loads.check(pair)
    on, off = (statistics.mean(found[which]) for which in (True, False))
    print(f"# start {number + 1}: {on:.2f} us with the rules, {off:.2f} without, {on / off - 1:+.1%}", file=sys.stderr, flush=True)
    return {"on": found[True], "off": found[False], "others": others}


def edit(folder, text):
    """As editors do it: the new file takes the old one's place at once."""
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}.new", "w") as file:
        file.write(text)
    os.replace(f"{folder}.new", os.path.join(folder, "rules.yaml"))


def in_force(stage, name, edited):
    """Edits, and waits until every sidecar has what came of it."""
    before = held(stage, name)
    edited()
    has_all = lambda now: now and all(new not in (None, old) for old, new in zip(before, now))
    processes.wait_until(lambda: has_all(held(stage, name)), "the edit is in force in all sidecars")


def held(stage, name):
    """What each sidecar has in force of what the control plane last told it; none where that is still on its way."""
    own = {**os.environ, "XDG_RUNTIME_DIR": os.path.join(stage.scratch, name)}
    status = pairs.ready_status(stage.running[-1], [stage.weft, "status", "--output", "json"], own)
    proxies = status["control_plane"]["status"]["serving"]["proxies"] if status else []
    return [proxy["target"] if proxy["in_sync"] else None for proxy in sorted(proxies, key=lambda proxy: proxy["name"])]


def told(starts):
    shares = [statistics.mean(each["on"]) / statistics.mean(each["off"]) - 1 for each in starts]
    on, off = (statistics.mean(cpu for each in starts for cpu in each[which]) for which in ("on", "off"))
    low, high = rounds.nine_of_ten(shares, statistics.mean)
    return (
        f"CPU a request: {off:.2f} us without the rules, {on:.2f} us with them\n"
        f"the rules add {statistics.mean(shares):.1%} ({low:.1%} to {high:.1%} in nine of ten runs as this;"
        f" by starts {min(shares):.1%} to {max(shares):.1%})\n"
        f"others took {max(share for each in starts for share in each['others']):.0%} of the machine at most"
    )


if __name__ == "__main__":
    sys.exit(main())
