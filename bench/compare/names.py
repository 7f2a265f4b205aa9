"""Asks the DNS proxy of a running sidecar for names of its mesh and for names that it keeps: answers a second, and how many one
core would give, by the CPU time of the one thread that answers."""

import argparse
import os
import signal
import socket
import statistics
import sys
import threading
import time

import about
import pairs
import processes

# So many queries are in flight, so that the answering thread never waits.
WINDOW = 64
NAMES = 1000

MESH = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |
    defaultConfig:
      proxyMetadata:
        ISTIO_META_DNS_CAPTURE: "true"
        WEFT_RESOLV_CONF: {resolv}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: client, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: client}}}}
  template:
    metadata: {{labels: {{app: client}}}}
    spec: {{containers: [{{name: app, image: client, ports: [{{name: http, containerPort: 8000}}]}}]}}
"""
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {{name: service-{n}, namespace: shop}}
spec: {{clusterIP: 10.96.{high}.{low}, selector: {{app: client}}, ports: [{{name: http, port: 80, targetPort: 8000}}]}}
"""


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/names", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each kind of answer (%(default)s)")
    parser.add_argument("--secs", type=int, default=3, help="length of each (%(default)s)")
    return parser.parse_args()


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = about.machine()
    kinds = {
        "names of the mesh": [query(f"service-{n}.shop.svc.cluster.local") for n in range(NAMES)],
        "kept answers of a server": [query(f"www-{n}.example.org") for n in range(NAMES)],
    }
    results = {kind: [] for kind in kinds}
    with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], 1) as stage:
        address, task = sidecar(stage)
        for _ in range(given.rounds):
            for kind, queries in kinds.items():
                results[kind].append(measured(address, task, queries, given.secs))
    for line, value in run.items():
        print(f"{line}: {value}")
    print(f"load: {given.rounds} rounds of {given.secs} s of each kind, {NAMES} names in turns, {WINDOW} queries in flight\n")
    for kind, rounds in results.items():
        rate, core = (sorted(each[index] for each in rounds) for index in (0, 1))
        print(
            f"{kind}: {statistics.median(rate):.0f} answers/s; on one core {statistics.median(core):.0f}"
            f" ({core[0]:.0f} to {core[-1]:.0f})"
        )


def sidecar(stage):
    """Where the sidecar of a mesh of so many services answers, and the thread that does."""
    folder = os.path.join(stage.scratch, "names")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    resolv = os.path.join(folder, "resolv.conf")
    with open(resolv, "w") as file:
        file.write(f"nameserver [127.0.0.1]:{server()}\n")
    path = os.path.join(folder, "mesh.yaml")
    with open(path, "w") as file:
        file.write(MESH.format(resolv=resolv))
        file.writelines(SERVICE.format(n=n, high=n // 250, low=n % 250 + 1) for n in range(NAMES))
    own = {"XDG_RUNTIME_DIR": folder}
    up = stage.start("names", [stage.weft, "up", path], own)
    ready = lambda: pairs.ready_status(up, [stage.weft, "status", "--output", "json"], own)
    status = processes.wait_until(ready, f"the mesh is ready; see {stage.scratch}/names.log", limit=90)
    (process,) = [pid for pid in processes.tree(up.pid) if "sidecar" in processes.command_line(pid)]
    for task in processes.tasks(process):
        with open(f"/proc/{process}/task/{task}/comm") as name:
            if name.read().strip() == "dns":
                return (status["pods"][0]["localhost"], 15053), f"/proc/{process}/task/{task}/schedstat"
    raise OSError("the sidecar has no thread that answers DNS")


def server():
    """The port of a server that answers every query with one address for an hour."""
    listens = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listens.bind(("127.0.0.1", 0))

    def serve():
        while True:
            asked, peer = listens.recvfrom(512)
            head = asked[:2] + bytes([asked[2] | 0x80]) + asked[3:7] + b"\1" + asked[8:]
            listens.sendto(head + b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4\xc0\0\2\1", peer)

    threading.Thread(target=serve, daemon=True).start()
    return listens.getsockname()[1]


def query(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def measured(address, task, queries, seconds):
    """Answers a second, and answers a second of that thread's CPU time."""
    asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asks.connect(address)
    asks.settimeout(10)
    # Each name once, so that all are known, and that it is answered with one address.
    for each in queries:
        asks.send(each)
        answer = asks.recv(512)
        if answer[3] & 15 or answer[7] != 1:
            raise SystemExit(f"bench/compare/names: not answered with one address: {answer!r}")
    asks.settimeout(0.5)
    send, receive, count, sent, answered = asks.send, asks.recv, len(queries), 0, 0
    before, began = processes.slice_of(task), time.monotonic()
    end = began + seconds
    for sent in range(WINDOW):
        send(queries[sent])
    while time.monotonic() < end:
        # Some at a time, for the clock's sake; a datagram that was lost is not waited for.
        for _ in range(WINDOW):
            try:
                receive(512)
                answered += 1
            except TimeoutError:
                pass
            sent += 1
            send(queries[sent % count])
    took, spent = time.monotonic() - began, (processes.slice_of(task) - before) / 1e9
    return answered / took, answered / spent


if __name__ == "__main__":
    main()
