"""From a sidecar's first configuration until it is ready: one is killed, `weft up` starts another."""

import datetime
import http.client
import json
import os
import time

import pairs
import processes

# `weft up` waits longer before each restart.
STARTS, LIMIT = 5, 60
ADMIN = 15000


def measure(_wanted, given):
    """Milliseconds of each start."""
    with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], given.threads) as stage:
        (pair,) = stage.all(["weft"])
        up = stage.running[-1].pid
        return {("ready",): [started(pair.address[0], up) for _ in range(STARTS)]}


def started(address, up):
    """Kills the client's sidecar, and sees its successor become ready."""
    (old, *_) = pairs.sidecars_of(up)
    os.kill(old, 9)
    processes.wait_until(lambda: not processes.is_alive(old), "the old sidecar is gone")
    end = time.monotonic() + LIMIT
    while not (now := ready(address)):
        if time.monotonic() > end:
            raise OSError(f"no new sidecar is ready within {LIMIT} s")
        time.sleep(0.0005)
    return (now - first_configuration(address)) * 1e3


def ready(address):
    """When it said that it is ready, or none."""
    try:
        status, _ = ask(address, "/ready")
    except (OSError, http.client.HTTPException):
        return None
    return time.time() if status == 200 else None


def first_configuration(address):
    """When the first cluster or listener arrived, by the sidecar's own clock, which is the machine's."""
    _, text = ask(address, "/config_dump")
    found = list(times(json.loads(text)))
    if not found:
        raise OSError("/config_dump tells no times")
    return min(found)


def times(of):
    """What of a dump came over ADS: certificates came before that."""
    if isinstance(of, list):
        for each in of:
            yield from times(each)
    elif isinstance(of, dict) and "Secrets" not in of.get("@type", ""):
        if "last_updated" in of:
            # More digits than Python takes.
            seconds, _, fraction = of["last_updated"].rstrip("Z").partition(".")
            whole = datetime.datetime.fromisoformat(seconds).replace(tzinfo=datetime.timezone.utc).timestamp()
            yield whole + float(f"0.{fraction or 0}")
        for each in of.values():
            yield from times(each)


def ask(address, path):
    connection = http.client.HTTPConnection(address, ADMIN, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
