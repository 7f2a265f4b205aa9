"""Finds out which functions sidecars enter, for the linker to put them side by side: writes dist/entered.gz.

Three looks at sidecars of real meshes. Callgrind counts what is run from a sidecar's start through its first requests, and
in a part of deploy/selfmonitor that is left alone for a while. What it cannot see (a processor has instructions that it does
not know) shows as pages of code that are missed in a real run: those are added, in a few rounds.
"""

import argparse
import bisect
import collections
import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../bench/compare"))

import idle
import instructions
import pairs
import processes

# A leaf of the system and what it calls: eight pods are enough, and as many as valgrind can carry.
PART = "banking-connector"


def arguments():
    parser = argparse.ArgumentParser(prog="dist/order", description=__doc__.splitlines()[0])
    parser.add_argument("--quiet-for", type=int, default=35, metavar="SECS", help="of idleness (%(default)s)")
    parser.add_argument("--check", action="store_true", help="only tells how many of the names the program still has")
    return parser.parse_args()


def main():
    given = arguments()
    weft = os.environ["WEFT_BIN"]
    file = os.path.join(HERE, "entered.gz")
    if given.check:
        with gzip.open(file, "rt") as text:
            names = text.read().split()
        there = {name for _, name in symbols(weft)}
        print(f"{sum(name in there for name in names)} of {len(names)} names are the program's")
        return 0
    scratch = os.path.join(os.environ["WEFT_BENCH_SCRATCH"], "order")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch, mode=0o700)
    requests(weft, scratch)
    idleness(weft, scratch, given.quiet_for)
    names = counted(os.path.join(scratch, name) for name in os.listdir(scratch) if re.match(r"callgrind\.\d+\.1$", name))
    print(f"# callgrind: {len(names)} functions", file=sys.stderr, flush=True)
    known = set(names)
    missed = [name for name in pages(weft, scratch) if name not in known]
    print(f"# pages missed: {len(missed)} more", file=sys.stderr, flush=True)
    with open(file, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as text:
        text.write("".join(f"{name}\n" for name in (*names, *missed)).encode())
    return 0


def grind(scratch):
    return ["valgrind", "-q", "--tool=callgrind", "--demangle=no", "--trace-children=yes",
            f"--trace-children-skip-by-arg={instructions.APART}", f"--callgrind-out-file={scratch}/callgrind.%p"]


def dump(scratch, pids):
    for pid in pids:
        instructions.control(scratch, "--dump", pid)


def requests(weft, scratch):
    """The pair that bench/compare measures: start, and requests."""
    with pairs.Stage(scratch, weft, 1) as stage:
        pair = stage.mesh("mesh", "mesh", "access-log/on", before=grind(scratch), patience=400)
        with socket.create_connection(pair.address, 60) as connection:
            connection.settimeout(60)
            instructions.ask(connection, 300)
        dump(scratch, pair.pids)


def selfmonitor(weft, scratch, before, then):
    home = os.path.join(scratch, "selfmonitor")
    os.makedirs(home, mode=0o700, exist_ok=True)
    environment = {"XDG_RUNTIME_DIR": home}
    up = processes.start([*before, weft, "up", idle.SELFMONITOR, "--only", PART], f"{home}/up.log", environment)
    try:
        status = [weft, "status", "--output", "json"]
        ready = lambda: pairs.ready_status(up, status, environment)
        processes.wait_until(ready, f"the mesh is ready; see {home}/up.log", limit=400)
        then(pairs.sidecars_of(up.pid))
    finally:
        processes.stop(up)


def idleness(weft, scratch, secs):
    """Many clusters, policies and names, and nothing to do."""
    def then(pids):
        time.sleep(secs)
        dump(scratch, pids)
    selfmonitor(weft, scratch, grind(scratch), then)


def counted(files):
    """The program's functions in callgrind's dumps, those that cost most first."""
    cost = collections.Counter()
    for file in files:
        names, objects, ours, current, inclusive = {}, {}, False, None, False

        def known(table, text):
            number, name = re.match(r"(\(\d+\))(?: (.*))?$", text).groups()
            return table.setdefault(number, name)

        with open(file, errors="replace") as lines:
            for line in lines:
                key, _, rest = line.rstrip("\n").partition("=")
                if key == "ob":
                    ours = os.path.basename(known(objects, rest)).startswith("weft")
                elif key == "cob":
                    known(objects, rest)
                elif key == "fn":
                    # Callgrind tells the depths of recursion apart.
                    current = re.sub(r"'\d+$", "", known(names, rest))
                elif key == "cfn":
                    known(names, rest)
                elif key == "calls":
                    inclusive = True
                elif line[:1].isdigit() or line[:1] in "+-*":
                    if not inclusive and ours:
                        cost[current] += int(line.split()[-1])
                    inclusive = False
    return [name for name, _ in cost.most_common()]


def symbols(weft):
    """Address and name of each function."""
    out = subprocess.run(["nm", "-n", "--defined-only", weft], capture_output=True, text=True, check=True).stdout
    lines = (line.split(" ", 2) for line in out.splitlines())
    return [(int(at, 16), name) for at, kind, name in lines if kind in "tTwW"]


def pages(weft, scratch):
    """The functions at which sidecars miss pages of code, in a run by the processor itself."""
    data = os.path.join(scratch, "perf.data")
    record = ["perf", "record", "-q", "-e", "page-faults", "-c", "1", "-d", "-o", data]
    selfmonitor(weft, scratch, record, lambda pids: time.sleep(5))
    script = lambda *words: subprocess.run(["perf", "script", "-i", data, *words], capture_output=True, text=True).stdout
    maps = {}
    for line in script("--show-mmap-events").splitlines():
        found = re.search(r"MMAP2 (\d+)/\d+: \[0x(\w+)\(0x(\w+)\) @ (\w+) .*r-xp (.*)", line)
        if found and os.path.basename(found[5]).startswith("weft"):
            maps[found[1]] = tuple(int(part, 16) for part in found.groups()[1:4])
    functions = symbols(weft)
    addresses = [at for at, _ in functions]
    shift = next(
        int(words[2], 16) - int(words[1], 16)
        for words in map(str.split, subprocess.run(["readelf", "-lW", weft], capture_output=True, text=True).stdout.splitlines())
        if words[:1] == ["LOAD"] and "E" in words[6:8]
    )
    count = collections.Counter()
    for line in script("-F", "pid,ip,addr").splitlines():
        pid, address, at = (line.split() + ["", ""])[:3]
        if address == at and pid in maps:
            start, length, offset = maps[pid]
            if start <= int(at, 16) < start + length:
                count[functions[bisect.bisect_right(addresses, int(at, 16) - start + offset + shift) - 1][1]] += 1
    # What but one process or two entered is none of a sidecar's.
    return [name for name, times in count.most_common() if times > 2]


if __name__ == "__main__":
    sys.exit(main())
