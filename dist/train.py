"""What a weft that counts is to carry, so that the compiler knows what is run often: the pair of bench/compare under each
kind of traffic, and the start of deploy/selfmonitor."""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../bench/compare"))

import idle
import pairs

SECS = 4


def main():
    weft = os.environ["WEFT_BIN"]
    scratch = os.path.join(os.environ["WEFT_BENCH_SCRATCH"], "train")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch, mode=0o700)
    with pairs.Stage(scratch, weft, 1) as stage:
        http = stage.mesh("mesh", "mesh", "access-log/on")
        url = "http://{}:{}/things/7?page=2".format(*http.address)
        wrk = ["wrk", "-t1", f"-d{SECS}", "-H", "Host: server"]
        # Connections that stay, and one for each request.
        run(*wrk, "-c64", url)
        run(*wrk, "-c16", "-H", "Connection: close", url)
        # HTTP/2 from the app: as gRPC speaks it.
        run("h2load", "-D", str(SECS), "-c8", "-m8", "-H", ":authority: server", url)
        tcp = stage.mesh_of_tcp()
        run(*wrk, "-c64", "http://{}:{}/things/7".format(*tcp.address))
    environment = {**os.environ, "XDG_RUNTIME_DIR": scratch}
    subprocess.run([weft, "up", idle.SELFMONITOR, "--", weft, "status"], env=environment, check=True, timeout=120)
    return 0


def run(*command):
    """What it is answered is said, so that a training that went wrong is seen."""
    print("#", *command, file=sys.stderr, flush=True)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    print("\n".join(line for line in done.stdout.splitlines() if "requests" in line or "codes" in line), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
