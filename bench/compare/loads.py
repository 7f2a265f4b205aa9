"""The loads. Each is bounded in time, and one with a single error has no result."""

import http.client
import json
import os
import subprocess

import namespaces

BODY = 786
REPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "load", "report.lua")
# wrk's own patience with one answer; longer than any answer here may take.
PATIENCE = 10


class Unclean(Exception):
    """A load that is no measurement, and why."""


def closed_loop(pair, connections, seconds):
    """As many requests as `connections` that wait for each answer can make: wrk's counts, and requests a second."""
    (host, port), url = pair.address, "http://{}:{}/".format(*pair.address)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={PATIENCE}s", "-s", REPORT]
    done = bounded([*namespaces.prefix(pair.within), *command, "-H", f"Host: {pair.host}", url], seconds)
    if done.returncode or not done.stderr.strip():
        raise Unclean(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    counted = json.loads(done.stderr.strip().splitlines()[-1])
    failed = {name: counted[name] for name in ("connect", "read", "write", "status", "timeout") if counted[name]}
    if failed or not counted["requests"]:
        raise Unclean(f"closed loop: {counted['requests']} requests, errors {failed}")
    each = counted["bytes"] / counted["requests"]
    if not BODY < each < BODY + 2048:
        raise Unclean(f"closed loop: {each:.0f} bytes an answer, with a body of {BODY}")
    counted["rate"] = counted["requests"] / counted["micros"] * 1e6
    return counted


def open_loop(pair, rate, connections, seconds):
    """Requests at a fixed rate: percentiles of latency in microseconds."""
    words = ["{}:{}".format(*pair.address), pair.host, rate, seconds, connections, BODY]
    done = bounded([*namespaces.prefix(pair.within), os.environ["WEFT_BENCH_LOAD"], *map(str, words)], seconds)
    if done.returncode:
        raise Unclean(f"open loop: {done.stdout.strip() or done.stderr.strip()}")
    return json.loads(done.stdout)


def check(pair):
    """One answer, looked at closely; and the hop between the two proxies refuses what is not TLS."""
    status, length = namespaces.inside(pair.within, lambda: ask(pair.address, pair.host))
    if (status, length) != (200, BODY):
        raise Unclean(f"answered {status} with {length} bytes, not 200 with {BODY}")
    if pair.between:
        try:
            status, _ = namespaces.inside(pair.outside, lambda: ask(pair.between, pair.host))
        except (OSError, http.client.HTTPException):
            return  # Closed, reset or a TLS alert.
        if status == 200:
            raise Unclean("plaintext passes between the two proxies")


def ask(address, host):
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, len(answer.read())
    finally:
        connection.close()


def bounded(command, seconds):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds + 3 * PATIENCE)
    except subprocess.TimeoutExpired:
        raise Unclean(f"{command[0]} did not end") from None
