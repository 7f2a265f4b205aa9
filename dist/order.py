"""Finds out which functions sidecars enter, for the linker to put them side by side: writes dist/entered.gz.

Looks at sidecars of real meshes. Callgrind counts what is run from a sidecar's start through its first requests, and
in a part of deploy/selfmonitor that is left alone for a while. First come the functions that requests still enter when all
else is done: side by side they take two thirds of the pages that they take among those of the start. What callgrind cannot
see (a processor has instructions that it does not know) shows as pages of code that are missed in a real run, and so does
what sidecars do once their connections are gone: those are added, in a few rounds.
"""

import argparse
import collections
import contextlib
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
import loads
import missed
import pairs

CONNECTIONS = 16
# A leaf of the system and what it calls: eight pods are enough, and as many as valgrind can carry.
PART = "banking-connector"
# The last round is the one that finds no more than this share of what is known.
LITTLE = 0.005
# So long after its last request a sidecar goes through all that it gives up and gives back then.
AT_REST = 25


def arguments():
    parser = argparse.ArgumentParser(prog="dist/order", description=__doc__.splitlines()[0])
    parser.add_argument("--quiet-for", type=int, default=35, metavar="SECS", help="of idleness (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of misses, at most (%(default)s)")
    parser.add_argument("--only-misses", action="store_true", help="begins with the list that there is, without callgrind")
    parser.add_argument("--check", action="store_true", help="only tells how many of the names the program still has")
    return parser.parse_args()


def main():
    given = arguments()
    weft = os.environ["WEFT_BIN"]
    file = os.path.join(HERE, "entered.gz")
    if given.check:
        there = {name for _, name in missed.symbols(weft)}
        names = listed(file)
        print(f"{sum(name in there for name in names)} of {len(names)} names are the program's")
        return 0
    scratch = os.path.join(os.environ["WEFT_BENCH_SCRATCH"], "order")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch, mode=0o700)
    if given.only_misses:
        there = {name for _, name in missed.symbols(weft)}
        names = [name for name in listed(file) if name in there]
    else:
        requests(weft, scratch)
        idleness(weft, scratch, given.quiet_for)
        steady, all_else = counted(dumped(scratch, 2)), counted(dumped(scratch, 1))
        names = list(dict.fromkeys(steady + all_else))
        print(f"# callgrind: {len(names)} functions, {len(steady)} of each request", file=sys.stderr, flush=True)
    for number in range(given.rounds):
        # As it will be linked: what lies elsewhere then is missed elsewhere.
        program = relinked(weft, names, scratch)
        known = set(names)
        missing = missed.pages(program, scratch, selfmonitor, 5) + missed.pages(program, scratch, traffic, AT_REST)
        more = [name for name in dict.fromkeys(missing) if name not in known]
        names += more
        print(f"# misses, round {number + 1}: {len(more)} more", file=sys.stderr, flush=True)
        if len(more) < len(names) * LITTLE or program == weft:
            break
    with open(file, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as text:
        text.write("".join(f"{name}\n" for name in names).encode())
    return 0


def listed(file):
    with gzip.open(file, "rt") as text:
        return text.read().split()


def relinked(weft, names, scratch):
    """The same program, linked with these names; itself, where nobody kept what it is made of."""
    folder = os.path.join(os.path.dirname(weft), "linked")
    try:
        with open(os.path.join(folder, "words"), "rb") as file:
            words = [word.decode() for word in file.read().split(b"\0")[:-1]]
    except FileNotFoundError:
        print(f"# {folder}: nothing to link again, so one round is all; dist/build keeps it", file=sys.stderr, flush=True)
        return weft
    order, program = os.path.join(scratch, "entered"), os.path.join(scratch, "weft")
    with open(order, "w") as text:
        text.writelines(f"{name}\n" for name in names)
    words[words.index("-o") + 1] = program
    words = [re.sub(r"(--symbol-ordering-file=)[^,]*", lambda found: found[1] + order, word) for word in words]
    subprocess.run(["cc", *words], check=True, timeout=600)
    return program


def grind(scratch):
    return ["valgrind", "-q", "--tool=callgrind", "--demangle=no", "--trace-children=yes",
            f"--trace-children-skip-by-arg={instructions.APART}", f"--callgrind-out-file={scratch}/callgrind.%p"]


def dump(scratch, pids):
    for pid in pids:
        instructions.control(scratch, "--dump", pid)


def dumped(scratch, number):
    """The files of each process's first dump, or of its second: what it has run since the first."""
    return [os.path.join(scratch, name) for name in os.listdir(scratch) if re.match(rf"callgrind\.\d+\.{number}$", name)]


def requests(weft, scratch):
    """The pair that bench/compare measures, with all that keeps traffic alive: start and requests, and then requests alone."""
    with pairs.Stage(scratch, weft, 1) as stage:
        pair = stage.mesh("mesh", "mesh", "versions", "access-log/on", "resilience", before=grind(scratch), patience=400)
        with socket.create_connection(pair.address, 60) as connection:
            connection.settimeout(60)
            for _ in range(2):
                instructions.ask(connection, 300)
                dump(scratch, pair.pids)


def selfmonitor(weft, scratch, before, then):
    with idle.mesh(weft, idle.SELFMONITOR, os.path.join(scratch, "selfmonitor"), ["--only", PART], before, 400) as up:
        then(pairs.sidecars_of(up.pid))


def traffic(weft, scratch, before, then):
    """The pair again: what is asked on many connections, refused in clear text, and given up once nobody asks."""
    with pairs.Stage(scratch, weft, 1) as stage:
        pair = stage.mesh("traffic", "mesh", "breakers", "access-log/on", before=before, patience=400)
        loads.check(pair)
        with contextlib.ExitStack() as open_at_once:
            for _ in range(CONNECTIONS):
                instructions.ask(open_at_once.enter_context(socket.create_connection(pair.address, 60)), 20)
        then(pair.pids)


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
        with open(file, errors="replace") as lines:
            for line in lines:
                key, _, rest = line.rstrip("\n").partition("=")
                if key == "ob":
                    ours = os.path.basename(instructions.known(objects, rest)).startswith("weft")
                elif key == "cob":
                    instructions.known(objects, rest)
                elif key == "fn":
                    # Callgrind tells the depths of recursion apart.
                    current = re.sub(r"'\d+$", "", instructions.known(names, rest))
                elif key == "cfn":
                    instructions.known(names, rest)
                elif key == "calls":
                    inclusive = True
                elif line[:1].isdigit() or line[:1] in "+-*":
                    if not inclusive and ours:
                        cost[current] += int(line.split()[-1])
                    inclusive = False
    return [name for name, _ in cost.most_common()]


if __name__ == "__main__":
    sys.exit(main())
