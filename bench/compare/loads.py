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


def options(parser):
    """How they are made, as a command's options. Two threads are what Istio gives a sidecar."""
    parser.add_argument("--connections", type=int, default=64, help="of the closed loop (%(default)s)")
    parser.add_argument("--rate", type=int, default=1000, help="requests a second of the open loop (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of each proxy (%(default)s)")


def closed_loop(pair, connections, seconds, path="/", headers=(), words=(), body=BODY):
    """As many requests as `connections` that wait for each answer can make: wrk's counts, and requests a second.

    `words` are report.lua's: what is sent or looked at byte by byte.
    """
    url = "http://{}:{}{}".format(*pair.address, path)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={PATIENCE}s", "-s", REPORT]
    for header in (f"Host: {pair.host}", *headers):
        command += ["-H", header]
    done = bounded([*namespaces.prefix(pair.within), *command, url, *(["--", *map(str, words)] if words else [])], seconds)
    if done.returncode or not done.stderr.strip():
        raise Unclean(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    counted = json.loads(done.stderr.strip().splitlines()[-1])
    failed = {name: counted[name] for name in ("connect", "read", "write", "status", "timeout", "wrong") if counted[name]}
    # Where not even each connection had its turn, what was asked is not what was answered.
    if failed or counted["requests"] < connections:
        raise Unclean(f"closed loop: {counted['requests']} requests, errors {failed}")
    each = counted["bytes"] / counted["requests"]
    # What had come of answers that were not over yet is counted, too.
    if not body < each < body + 2048 + connections * body / counted["requests"]:
        raise Unclean(f"closed loop: {each:.0f} bytes an answer, with a body of {body}")
    counted["rate"] = counted["requests"] / counted["micros"] * 1e6
    return counted


def open_loop(pair, rate, connections, seconds):
    """Requests at a fixed rate: percentiles of latency in microseconds."""
    words = ["{}:{}".format(*pair.address), pair.host, rate, seconds, connections, BODY]
    done = bounded([*namespaces.prefix(pair.within), os.environ["WEFT_BENCH_LOAD"], *map(str, words)], seconds)
    if done.returncode:
        raise Unclean(f"open loop: {done.stdout.strip() or done.stderr.strip()}")
    return json.loads(done.stdout)


def grpc(pair, kind, connections, streams, length, seconds):
    """Calls of one message, or messages on streams that stay, each of which is compared with its echo."""
    words = [kind, "{}:{}".format(*pair.address), pair.host, seconds, connections, streams, length]
    done = bounded([os.environ["WEFT_BENCH_CALLS"], *map(str, words)], seconds)
    if done.returncode:
        raise Unclean(f"{kind} calls: {done.stdout.strip() or done.stderr.strip()}")
    counted = json.loads(done.stdout)
    counted["rate"] = counted["requests"] / counted["micros"] * 1e6
    return counted


def transfer(pair, length):
    """One body of so many bytes, each of which is looked at: bytes a second."""
    words = ["transfer", "{}:{}".format(*pair.address), pair.host, length]
    done = bounded([os.environ["WEFT_BENCH_CALLS"], *map(str, words)], 120)
    if done.returncode:
        raise Unclean(f"transfer: {done.stderr.strip()}")
    counted = json.loads(done.stdout)
    return {"rate": counted["bytes"] / counted["micros"] * 1e6, "requests": 1}


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
