"""Counts the instructions that a pair of sidecars spends on a fixed script of requests.

Under callgrind, so that the machine and whoever else uses it have no part in the figure. What varies is one in a hundred
(the seeds of hash tables, where timers and threads happen to meet), so each is counted several times and the lowest is it.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pairs

BODY = 786
# What keeps traffic alive may cost so much, in per cent, while it is not needed: of instructions of the program's own, which
# are less than half of a request's CPU. So this is some 2 % of that.
RESILIENCE = 5
# So long, in seconds, has been slowed down who was new: the DestinationRule's `warmup` there, and a little.
WARMUP = 11
# What is left running at its own speed: everything but the sidecars.
APART = "control,stand-in,child"


def arguments():
    parser = argparse.ArgumentParser(prog="bench/instructions", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=300, help="that are counted (%(default)s)")
    parser.add_argument("--warm", type=int, default=100, help="before those (%(default)s)")
    parser.add_argument("--times", type=int, default=3, help="to count (%(default)s)")
    parser.add_argument("--against", metavar="REV", help="counts an older state of the repository, too, and compares")
    parser.add_argument("--resilience", action="store_true", help="counts two versions with all of resilience/ on and without it, too, and compares")
    parser.add_argument("--worse", type=float, default=1.5, help="per cent that are a failure (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there")
    return parser.parse_args()


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    figures = {"now": lowest(os.environ["WEFT_BIN"], "now", given, "breakers")}
    if given.against:
        figures[given.against] = lowest(os.environ["WEFT_BIN_AGAINST"], "against", given, "breakers")
    if given.resilience:
        figures["two versions"] = lowest(os.environ["WEFT_BIN"], "versions", given, "versions")
        figures["with resilience/"] = lowest(os.environ["WEFT_BIN"], "resilience", given, "versions", "resilience")
    rows = [f"{'instructions a request':<24}" + "".join(f"{side:>12}" for side in ("client's", "servers'", "all"))]
    for name, sides in figures.items():
        rows.append(f"{name:<24}" + "".join(f"{count:>12.0f}" for count in (*sides, sum(sides))))
    print("\n".join(rows))
    if given.json:
        with open(given.json, "w") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")
    totals = {name: sum(sides) for name, sides in figures.items()}
    failed = False
    if given.against:
        failed |= told(f"against {given.against}", totals["now"], totals[given.against], given.worse)
    if given.resilience:
        failed |= told("with resilience/", totals["with resilience/"], totals["two versions"], RESILIENCE)
    return 1 if failed else 0


def told(what, count, of, most):
    """Says how much more one is than another, in per cent; whether that is more than may be."""
    change = (count / of - 1) * 100
    print(f"{change:+.2f} % {what}, of {most} % that may be")
    return change > most


def lowest(weft, name, given, *more):
    """The least of several counts."""
    return min((counted(weft, name, given, *more) for _ in range(given.times)), key=sum)


def counted(weft, name, given, *more):
    """Instructions a request of the client's and of the servers' sidecars; `more` folders of YAML are in force."""
    client, *servers = (total(dump) / given.requests for dump in dumps(weft, name, given, *more))
    return [client, sum(servers)]


def dumps(weft, name, given, *more):
    """What callgrind saw of the client's and of the servers' sidecars, as files."""
    scratch = os.path.join(os.environ["WEFT_BENCH_SCRATCH"], f"instructions-{name}")
    os.makedirs(scratch, mode=0o700, exist_ok=True)
    for old in os.listdir(scratch):
        if old.startswith("callgrind."):
            os.unlink(os.path.join(scratch, old))
    grind = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--trace-children=yes"]
    grind += [f"--trace-children-skip-by-arg={APART}", f"--callgrind-out-file={scratch}/callgrind.%p"]
    with pairs.Stage(scratch, weft, 1) as stage:
        pair = stage.mesh("mesh", "mesh", "access-log/on", *more, before=grind, patience=400)
        with socket.create_connection(pair.address, 60) as connection:
            connection.settimeout(60)
            ask(connection, 1)
            for pid in pair.pids:
                control(scratch, "--instr=on", pid)
            if "resilience" in more:
                # Nobody is to be asked any more how warm he is.
                time.sleep(WARMUP)
            # Caches of the program are filled before anything counts.
            ask(connection, given.warm)
            for pid in pair.pids:
                control(scratch, "--zero", pid)
            ask(connection, given.requests)
            for pid in pair.pids:
                control(scratch, "--dump", pid)
        return [newest(scratch, pid) for pid in pair.pids]


def control(scratch, what, pid):
    """Valgrind's pipe to a process is called by the user and host of that one's environment."""
    with open(f"/proc/{pid}/environ") as text:
        its = dict(line.split("=", 1) for line in text.read().split("\0") if "=" in line)
    named = {key: value for key, value in its.items() if key in ("LOGNAME", "HOST", "HOSTNAME")}
    environment = {key: value for key, value in os.environ.items() if key not in ("LOGNAME", "HOST", "HOSTNAME")}
    done = subprocess.run(["callgrind_control", what, str(pid)], cwd=scratch, check=True, capture_output=True,
                          text=True, timeout=120, env=environment | named)
    if "error" in done.stderr:
        raise SystemExit(f"callgrind does not hear {what}: {done.stderr}")


def ask(connection, times):
    """One request after another on one connection, each answer checked."""
    request = b"GET /things/7?page=2 HTTP/1.1\r\nHost: server\r\nUser-Agent: script\r\nAccept: */*\r\n\r\n"
    for _ in range(times):
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < BODY:
            part = connection.recv(65536)
            if not part:
                raise SystemExit(f"the connection ended: {answer[:300]!r}")
            answer += part
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not answered as expected: {answer[:300]!r}")


def newest(scratch, pid):
    """The last dump of a process."""
    of_it = [name for name in os.listdir(scratch) if name.startswith(f"callgrind.{pid}.")]
    return os.path.join(scratch, max(of_it, key=lambda name: int(name.rsplit(".", 1)[1])))


def known(names, text):
    """What a line of a dump names, by number and name the first time, by its number alone after that."""
    number, name = re.match(r"(\(\d+\))(?: (.*))?$", text).groups()
    return names.setdefault(number, name)


def total(dump):
    """What a dump says all in all."""
    with open(dump) as text:
        totals = [line for line in text if line.startswith(("totals:", "summary:"))]
    if not totals:
        raise SystemExit(f"{dump} has no total")
    return int(totals[-1].split()[1])


if __name__ == "__main__":
    sys.exit(main())
