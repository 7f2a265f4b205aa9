"""What sidecars hold: idle, for connections that are idle, and after a time when much was asked of them."""

import os
import resource
import socket
import sys
import time

import apps
import loads
import pairs
import processes

PLAIN, SECURE, BUSY = 2000, 500, 1000
# So long connections say nothing before they count as idle: what answering took is given back by sweeps, one in 5 s.
SECS_TO_BE_IDLE = 16
# Whoever has grown has so long to become smaller again.
SECS_TO_REST = 30


def measure(wanted, given):
    """MiB, KiB a connection, and a ratio, each of as many starts as there are rounds."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rounds = [of_one_start(wanted, given) for _ in range(given.rounds)]
    return {figure: [of_round[figure] for of_round in rounds] for figure in wanted}


def of_one_start(wanted, given):
    scratch, weft = os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"]
    figures = {}
    with pairs.Stage(scratch, weft, given.threads, apps.calls) as stage:
        running = {pair.name: pair for pair in stage.all(["weft", *["limit"] * (("tls",) in wanted)])}
        pair = running["weft"]
        figures["idle",] = max(held(pid) for pid in pair.pids) / 1024
        if ("plain",) in wanted:
            figures["plain",] = grown(pair, 0, PLAIN, "/", at_once=False)
        if ("tls",) in wanted:
            own, least = (grown(running[name], 1, SECURE, "/after/1500", at_once=True) for name in ("weft", "limit"))
            figures["tls",] = own - least
        if ("spike",) in wanted:
            figures["spike",] = after_spike(pair, given.secs)
    told = " ".join(f"{figure[0]} {value:.2f}" for figure, value in figures.items())
    print(f"# memory: {told}", file=sys.stderr, flush=True)
    return figures


def held(pid):
    """KiB that are resident."""
    return processes.rolled_up(pid, "Rss")


def grown(pair, side, count, path, at_once):
    """KiB that one proxy holds more for each of so many connections that have been answered once and stay.

    Asked at once, each takes a connection of its own between the proxies, too. Half of those to the app, which nobody needs any
    more, are closed in each sweep.
    """
    pid = pair.pids[side]
    # Code that is run for the first time, and rooms that are made for several.
    close(opened(pair, count // 10, path, at_once))
    time.sleep(SECS_TO_BE_IDLE)
    before = held(pid)
    connections = opened(pair, count, path, at_once)
    time.sleep(SECS_TO_BE_IDLE)
    after = held(pid)
    close(connections)
    return (after - before) / count


def opened(pair, count, path, at_once):
    request = f"GET {path} HTTP/1.1\r\nHost: {pair.host}\r\n\r\n".encode()
    connections = []
    for _ in range(count):
        connection = socket.create_connection(pair.address, loads.PATIENCE)
        connections.append(connection)
        connection.sendall(request)
        if not at_once:
            answered(connection)
    if at_once:
        for connection in connections:
            answered(connection)
    return connections


def answered(connection):
    received = b""
    while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < loads.BODY:
        part = connection.recv(65536)
        if not part:
            raise loads.Unclean(f"a connection ended: {received[:200]!r}")
        received += part
    if not received.startswith(b"HTTP/1.1 200"):
        raise loads.Unclean(f"answered {received[:200]!r}")


def close(connections):
    for connection in connections:
        connection.close()


def after_spike(pair, secs):
    """How much more both hold once many connections have been busy and are gone, of what they held before."""
    loads.closed_loop(pair, 64, secs)
    time.sleep(2)
    both = lambda: sum(held(pid) for pid in pair.pids)
    before = both()
    loads.closed_loop(pair, BUSY, secs)
    lowest, end = both(), time.monotonic() + SECS_TO_REST
    while time.monotonic() < end:
        time.sleep(1)
        lowest = min(lowest, both())
    for log in pair.logs:
        os.truncate(log, 0)
    return lowest / before
