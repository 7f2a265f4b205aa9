"""What a weft that counts is to carry, so that the compiler knows what is run often: the pairs of bench/compare under each
kind of traffic, with what keeps traffic alive and without, and the start of deploy/selfmonitor."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../bench/compare"))

import apps
import idle
import loads
import pairs

SECS = 3
MIB = 1 << 20


def main():
    weft = os.environ["WEFT_BIN"]
    scratch = os.path.join(os.environ["WEFT_BENCH_SCRATCH"], "train")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch, mode=0o700)
    with pairs.Stage(scratch, weft, 1) as stage:
        http = stage.pair("weft")
        told("small requests", loads.closed_loop(http, 64, SECS))
        told("a connection a request", loads.closed_loop(http, 16, SECS, headers=["Connection: close"]))
        told("HTTP/2 before HTTP/1.1", http2(http))
        resilient = stage.mesh("weft-resilient", "mesh", "versions", "access-log/on", "resilience")
        told("with all that keeps traffic alive", loads.closed_loop(resilient, 64, SECS))
        told("TCP", loads.closed_loop(stage.pair("weft-tcp"), 64, SECS))
    with pairs.Stage(scratch, weft, 1, apps.calls) as stage:
        http = stage.pair("weft")
        told("1,000 connections", loads.closed_loop(http, 1000, SECS))
        told("answers of 1 MiB", loads.closed_loop(http, 16, SECS, path=f"/bytes/{MIB}", words=["GET", MIB], body=MIB))
        told("uploads of 1 MiB", loads.closed_loop(http, 16, SECS, path=f"/bytes/{MIB}", words=["POST", MIB]))
        grpc = stage.pair("weft-grpc")
        told("gRPC calls", loads.grpc(grpc, "unary", 8, 8, 100, SECS))
        told("gRPC streams", loads.grpc(grpc, "stream", 8, 8, 100, SECS))
        told("gRPC messages of 1 MiB", loads.grpc(grpc, "stream", 8, 1, MIB, SECS))
    environment = {**os.environ, "XDG_RUNTIME_DIR": scratch}
    subprocess.run([weft, "up", idle.SELFMONITOR, "--", weft, "status"], env=environment, check=True, timeout=120)
    return 0


def http2(pair):
    """As an app speaks it that multiplexes."""
    url = "http://{}:{}/things/7?page=2".format(*pair.address)
    command = ["h2load", "-D", str(SECS), "-c8", "-m8", "-H", f":authority: {pair.host}", url]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    (counted,) = [line for line in done.stdout.splitlines() if line.startswith("requests:")]
    asked, well = (int(counted.split(f" {word}")[0].split()[-1]) for word in ("total", "succeeded"))
    return {"requests": well, "failed": asked - well}


def told(what, counted):
    """What was carried is said, so that a training that went wrong is seen."""
    failed = f", {counted['failed']} failed" if counted.get("failed") else ""
    print(f"# {what}: {counted['requests']} requests{failed}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
