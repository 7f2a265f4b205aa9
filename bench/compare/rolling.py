"""Replaces every pod of a service, one rollout after the other, while a client in another pod calls it: no request may fail.

`weft up --netns`: the client is a program that knows nothing of the mesh, and calls the service's virtual address by the clock.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

import about
import loads
import namespaces
import pairs
import processes

# A rollout that takes longer is none.
PATIENCE = 120


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/rolling", description=__doc__)
    parser.add_argument("--secs", type=int, default=300, help="of load (%(default)s; 3600 at most)")
    parser.add_argument("--rate", type=int, default=500, help="requests a second (%(default)s)")
    parser.add_argument("--connections", type=int, default=20, help="at a time, every second made for each request (%(default)s)")
    parser.add_argument("--replicas", type=int, default=3, help="of the service (%(default)s)")
    return parser.parse_args()


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = about.machine()
    with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], 1) as stage:
        mesh = Mesh(stage, given)
        words = [f"{mesh.address}:80", "server", given.rate, given.secs, given.connections, loads.BODY, given.connections // 2]
        load = subprocess.Popen(
            [*namespaces.prefix(mesh.client), os.environ["WEFT_BENCH_LOAD"], *map(str, words)], stdout=subprocess.PIPE, text=True
        )
        try:
            took = []
            while load.poll() is None:
                took.append(mesh.roll())
            counted = json.loads(load.stdout.read())
        finally:
            load.kill()
    for line, value in run.items():
        print(f"{line}: {value}")
    print(
        f"load: {given.rate} requests/s for {given.secs} s on {given.connections} connections, every second made for each request;"
        f" {given.replicas} replicas\n"
    )
    print(
        f"{len(took)} rollouts, {len(took) * given.replicas} pods replaced, {sum(took) / len(took):.1f} s each"
        f" ({min(took):.1f} to {max(took):.1f})"
    )
    failed = counted["expected"] - counted["answered"]
    print(f"{counted['expected']} requests, {failed} failed" + (f", the first: {counted['first_error']}" if failed else ""))
    print("latency, ms: " + ", ".join(f"{name} {counted[name] / 1000:.2f}" for name in ("p50", "p99", "p999", "max")))
    return 1 if failed else 0


class Mesh:
    """The mesh of compare, its service in several replicas."""

    def __init__(self, stage, given):
        self.round, self.stage = 0, stage
        self.home = os.path.join(stage.scratch, "rolling")
        os.makedirs(os.path.join(self.home, "yaml"), mode=0o700, exist_ok=True)
        with open(f"{pairs.HERE}/mesh/services.yaml") as text:
            self.services = text.read().replace(
                "spec:\n  selector: {matchLabels: {app: server}}", f"spec:\n  replicas: {given.replicas}\n  selector: {{matchLabels: {{app: server}}}}"
            )
        with open(f"{pairs.HERE}/mesh/security.yaml") as text, open(f"{self.home}/yaml/security.yaml", "w") as file:
            file.write(text.read())
        self.write()
        own, self.environment = stage.open_folder(), {"XDG_RUNTIME_DIR": self.home}
        app = f"server=exec {own}/backend {own}/files/$$"
        up = stage.start("rolling", [stage.weft, "up", "--netns", f"{self.home}/yaml", "--app", app], self.environment)
        command = [stage.weft, "status", "--output", "json"]
        self.status = lambda: pairs.ready_status(up, command, self.environment)
        status = processes.wait_until(self.status, f"the mesh is ready; see {stage.scratch}/rolling.log", limit=90)
        self.client = next(pod["netns"] for pod in status["pods"] if pod["workload"] == "client")
        named = [stage.weft, "exec", "client", "--", "getent", "ahostsv4", "server"]
        told = subprocess.run(named, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=30)
        self.address = told.stdout.split()[0]

    def write(self):
        """The manifests, with this round's label on the service's pods; at once, since they are watched."""
        text = re.sub(r"app: server, version: v1", f"app: server, version: v1, round: r{self.round}", self.services)
        with open(f"{self.home}/services.new", "w") as file:
            file.write(text)
        os.rename(f"{self.home}/services.new", f"{self.home}/yaml/services.yaml")

    def servers(self):
        """The names of the service's pods."""
        status = self.status()
        return {pod["name"] for pod in status["pods"] if pod["workload"] == "server"} if status else set()

    def roll(self):
        """Has every pod of the service replaced; how long that took."""
        before = processes.wait_until(self.servers, "the mesh is ready", limit=PATIENCE)
        began, self.round = time.monotonic(), self.round + 1
        self.write()
        replaced = lambda: (now := self.servers()) and len(now) == len(before) and not now & before
        processes.wait_until(replaced, f"all pods are replaced; see {self.stage.scratch}/rolling.log", limit=PATIENCE)
        return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
