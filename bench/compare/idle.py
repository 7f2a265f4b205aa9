"""Starts the mesh of a folder with `weft up`: how long until it is ready, and what it costs idle."""

import argparse
import contextlib
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import time

import pairs
import processes

SELFMONITOR = os.path.relpath(os.path.join(pairs.HERE, "../../deploy/selfmonitor"))
GROUPS = {"proxy": "sidecars", "control": "control plane", "stand-in": "stand-in apps", "child": "wrappers of apps"}


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/startup", description=__doc__)
    parser.add_argument("folder", nargs="?", default=SELFMONITOR, help="of YAML (deploy/selfmonitor)")
    parser.add_argument("--rounds", type=int, default=5, help="starts (%(default)s)")
    parser.add_argument("--secs", type=int, default=10, help="of idleness (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="writes the figures there")
    return parser.parse_args()


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    home = os.path.join(os.environ["WEFT_BENCH_SCRATCH"], "startup")
    os.makedirs(home, mode=0o700, exist_ok=True)
    starts = [start(given.folder, {"XDG_RUNTIME_DIR": home}) for _ in range(given.rounds)]
    figures = {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": os.cpu_count(),
        "load at the start": os.getloadavg()[0],
        "starts": starts,
        **rest(given, home),
    }
    print(told(figures, given))
    if given.json:
        with open(given.json, "w") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")
    return 0


def start(folder, environment):
    """`weft up FOLDER -- true`, by the wall's clock and by its own."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [os.environ["WEFT_BIN"], "up", folder, "--", "true"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of all the mesh's processes, from first to last: what a busy machine does not change.
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ready = re.search(r"mesh is ready in ([\d.]+) s: (\d+) services, (\d+) pods", done.stderr)
    if done.returncode or not ready:
        raise SystemExit(f"weft up {folder} did not become ready:\n{done.stderr[-3000:]}")
    seconds, services, pods = ready.groups()
    result = {"ready": float(seconds), "with stop": took, "cpu": spent, "services": int(services), "pods": int(pods)}
    print(f"# ready in {seconds} s; with the stop {took:.2f} s, {spent:.2f} s of CPU", file=sys.stderr, flush=True)
    return result


@contextlib.contextmanager
def mesh(weft, folder, home, more=(), before=(), limit=90):
    """`weft up` of a folder, ready, as long as it is looked at; `home` takes its files."""
    os.makedirs(home, mode=0o700, exist_ok=True)
    log, environment = os.path.join(home, "up.log"), {"XDG_RUNTIME_DIR": home}
    up = processes.start([*before, weft, "up", folder, *more], log, environment)
    try:
        ready = lambda: pairs.ready_status(up, [weft, "status", "--output", "json"], environment)
        processes.wait_until(ready, f"the mesh is ready; see {log}", limit)
        yield up
    finally:
        processes.stop(up)


def rest(given, home):
    """What the ready mesh holds and does while nothing happens."""
    with mesh(os.environ["WEFT_BIN"], given.folder, home) as up:
        # What the start left to do, and status asked for, is over.
        time.sleep(3)
        groups = grouped(up.pid)
        before = {name: processes.slices(pids) for name, pids in groups.items()}
        time.sleep(given.secs)
        spent = {name: (processes.slices(pids) - before[name]) / given.secs for name, pids in groups.items()}
        # Counted page by page: the kernel's own sums (VmRSS) are up to 32 pages a core and kind of page behind.
        held = lambda what: {name: [processes.rolled_up(pid, what) / 1024 for pid in pids] for name, pids in groups.items()}
        memory, private, parts = (held(what) for what in ("Rss", "Anonymous", "Pss"))
        return {"cpu": spent, "memory": memory, "anonymous": private, "part": parts, "seconds": given.secs}


def grouped(up):
    """The mesh's processes by what they are."""
    groups = {"weft up": [up]}
    for pid in processes.tree(up)[1:]:
        words = processes.command_line(pid)
        group = next((GROUPS[word] for word in words[1:3] if word in GROUPS), "apps")
        groups.setdefault(group, []).append(pid)
    return groups


def told(figures, given):
    starts, memory = figures["starts"], figures["memory"]
    ready = sorted(each["ready"] for each in starts)
    first = starts[0]
    lines = [
        f"date: {figures['date']}; {figures['cores']} cores, load {figures['load at the start']:.1f}",
        f"{given.folder}: {first['services']} services, {first['pods']} pods",
        f"ready in {statistics.median(ready):.1f} s ({ready[0]:.1f}-{ready[-1]:.1f}, {len(ready)} starts);"
        f" start and stop together spend {statistics.median(each['cpu'] for each in starts):.1f} s of CPU",
    ]
    for name, each in memory.items():
        share = figures["cpu"][name]
        lines.append(
            f"{name} ({len(each)}): RSS each {statistics.median(each):.1f} MiB, at most {max(each):.1f},"
            f" of it anonymous {statistics.median(figures['anonymous'][name]):.1f},"
            f" PSS {statistics.median(figures['part'][name]):.1f};"
            f" all {sum(each):.0f} MiB; idle CPU of all {share:.3%} of a core"
        )
    lines.append(f"the idle mesh: {sum(figures['cpu'].values()):.3%} of a core over {figures['seconds']} s")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
