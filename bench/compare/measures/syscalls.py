"""System calls a request of each proxy, counted by strace while 64 connections are busy."""

import http.client
import os
import subprocess
import time

import apps
import loads
import pairs
import processes

CONNECTIONS, SECS = 64, 2


def measure(wanted, given):
    """By pair and side, the client's first."""
    scratch, weft = os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"]
    figures = {}
    with pairs.Stage(scratch, weft, given.threads, apps.calls) as stage:
        for pair in stage.all(dict.fromkeys(name for name, _ in wanted)):
            counts = [counted(pair, pid) for pid in pair.pids]
            figures |= {(pair.name, side): [count] for side, count in enumerate(counts)}
    return figures


def counted(pair, pid):
    """Of one process, while the load goes on: the app tells how many requests came meanwhile."""
    trace = None
    load = subprocess.Popen(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECS + 4}s", f"--timeout={loads.PATIENCE}s", "-H", f"Host: {pair.host}",
         "http://{}:{}/".format(*pair.address)],
        stdout=subprocess.PIPE, text=True,
    )
    try:
        # All connections are there by then.
        time.sleep(1)
        trace = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid)], stderr=subprocess.PIPE, text=True)
        processes.wait_until(lambda: is_traced(pid), "strace has attached itself", limit=10)
        before = requests(pair)
        time.sleep(SECS)
        after = requests(pair)
        trace.send_signal(2)
        _, told = trace.communicate(timeout=30)
        said, _ = load.communicate(timeout=SECS + 30)
    finally:
        for each in (trace, load):
            if each and each.poll() is None:
                each.kill()
    if "Non-2xx" in said or "Socket errors" in said or after - before < CONNECTIONS:
        raise loads.Unclean(f"{pair.name} under strace: {after - before} requests; {said}")
    return total(told) / (after - before)


def is_traced(pid):
    with open(f"/proc/{pid}/status") as status:
        return any(line.startswith("TracerPid:") and int(line.split()[1]) for line in status)


def requests(pair):
    """How many requests the app has seen, asked through the pair itself: one more."""
    connection = http.client.HTTPConnection(*pair.address, timeout=loads.PATIENCE)
    try:
        connection.request("GET", "/requests", headers={"Host": pair.host})
        return int(connection.getresponse().read())
    finally:
        connection.close()


def total(told):
    """The calls in all of strace's table: time, seconds, usecs a call, calls, perhaps errors, name."""
    for line in told.splitlines():
        words = line.split()
        if words[-1:] == ["total"]:
            return int(words[3])
    raise loads.Unclean(f"strace counted nothing: {told[-500:]}")
