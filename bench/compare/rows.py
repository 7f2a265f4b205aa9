"""The goals, each a row of plain data: what is measured, what is wanted of it, and what must not be missed.

A row whose goal is `None` is only told. Where weft loses, WHY says why, as far as that is known.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One goal."""

    # As the command line calls it.
    name: str
    # As a reader does.
    what: str
    # The module of measures/ that measures it, and which of its figures it is.
    measure: str
    figure: tuple
    goal: float = None
    # What passes, where that is less than the goal, and what fails the whole.
    passes: float = None
    minimum: float = None
    # More is better.
    more: bool = False
    unit: str = ""

    @property
    def why(self):
        """Why weft has lost there, as far as that is known."""
        return WHY.get(self.name, "")


# Where weft has lost, and what is known of it.
WHY = {
    "cpu/limit": "the limit reads no HTTP, judges, measures and logs nothing; a sidecar that does runs 36,000 instructions a request, of"
    " which sealing and opening are a fifth and the rest is flat, and writes a line of the log; where the kernel is fast, all of that"
    " is a larger part (JOURNAL.md)",
    "tcp/limit": "a runtime for any number of connections beside a loop for one kind: 1.4 us of its own a request more, which shows where"
    " the kernel is fast (0.98 where it takes twice as long)",
    "cpu/haproxy": "rounds of the same pair differ by more than is missing; HAProxy's neither judges, measures nor logs",
    "tcp/haproxy": "within what rounds of the same pair differ by",
    "latency/p99": "within what rounds of the same pair differ by",
    "latency/p999": "a wait for one of two cores, which the load and the app use, too: the limit pair's is as long",
    "churn/cpu/haproxy": "within what rounds of the same pair differ by",
    "churn/rate/haproxy": "within what rounds of the same pair differ by",
    "grpc-unary/cpu/haproxy": "the h2 crate makes maps of names and values of each head, which are read, judged and made anew: four maps"
    " a call and sidecar; HAProxy keeps a head in one form of its own, and here neither judges, measures nor logs",
    "grpc-unary/rate/haproxy": "as its CPU",
    "memory/idle": "3.4 MiB are its own; the rest is what of the program it runs, which all sidecars of a machine share",
    "memory/spike": "pages that something small still lives in are not given back",
    "services/p50": "medians of 0.2 ms that differ by a few hundredths; the CPU is the same",
    "app-python": "a request that comes alone finds every cache cold and everybody asleep: the limit pair, which only seals and opens,"
    " spends 180 us on it, HAProxy's 290 to 450",
    "app-compiled": "a request that comes alone finds every cache cold and everybody asleep: the limit pair, which only seals and opens,"
    " spends 110 to 150 us on it, HAProxy's 200",
}

MAIN = [
    Row("cpu/limit", "CPU a request, of the limit pair's", "loop", ("cpu", "weft", "limit"), 1.25, 1.35, 1.45),
    Row("cpu/haproxy", "CPU a request, of HAProxy's", "loop", ("cpu", "weft", "haproxy"), 0.80, 1.0, 1.0),
    Row("cpu/envoy", "CPU a request, of Envoy's", "loop", ("cpu", "weft", "envoy"), 0.28, 0.28, 0.35),
    Row("tcp/limit", "TCP: CPU a request, of the limit pair's", "loop", ("cpu", "weft-tcp", "limit"), 1.1),
    Row("tcp/haproxy", "TCP: CPU a request, of HAProxy's in TCP mode", "loop", ("cpu", "weft-tcp", "haproxy-tcp"), 0.80),
    Row("rate/haproxy", "requests/s, 64 connections, of HAProxy's", "loop", ("rate", "weft", "haproxy"), 1.0, more=True),
    Row("rate/envoy", "requests/s, 64 connections, of Envoy's", "loop", ("rate", "weft", "envoy"), 3.0, more=True),
    Row("latency/p50", "p50 added at 1,000/s, of what the limit adds", "loop", ("added", "p50"), 1.15),
    Row("latency/p99", "p99 added at 1,000/s, of what the limit adds", "loop", ("added", "p99"), 1.15),
    Row("latency/p999", "p99.9 at 1,000/s, of Envoy's p99", "loop", ("tail",), 1.0),
]

# What wrk, or bench/calls, does in each; every one beside Envoy and beside HAProxy.
WORKS = {
    "connections-1": "1 connection",
    "connections-1000": "1,000 connections",
    "churn": "a connection a request",
    "download": "answers of 1 MiB",
    "upload": "uploads of 1 MiB",
    "grpc-unary": "gRPC unary, 100 bytes",
    "grpc-unary-mib": "gRPC unary, 1 MiB",
    "grpc-stream": "gRPC streaming, 100 bytes",
    "grpc-stream-mib": "gRPC streaming, 1 MiB",
}
PEERS = {"envoy": "Envoy's", "haproxy": "HAProxy's"}
# HAProxy 2.6 loses the trailers of such answers now and then, so that there is no clean round of it.
NOT_BESIDE = {("grpc-unary-mib", "haproxy")}
OF_WORKS = [
    row
    for work, what in WORKS.items()
    for peer, whose in PEERS.items()
    if (work, peer) not in NOT_BESIDE
    for row in (
        Row(f"{work}/cpu/{peer}", f"{what}: CPU a request, of {whose}", "works", (work, "cpu", peer), 1.0),
        Row(f"{work}/rate/{peer}", f"{what}: requests/s, of {whose}", "works", (work, "rate", peer), 1.0, more=True),
    )
]

# Of the rows above that ran: those of these names, and how many of them have to be won.
TALLIES = [
    Row("ahead/envoy", "rows of these works ahead of Envoy", "tally", ("/envoy",), 1.0, more=True, unit=" of all"),
    Row("ahead/haproxy", "rows of these works ahead of HAProxy", "tally", ("/haproxy",), 0.5, more=True, unit=" of all"),
]

OTHERS = [
    Row("transfer/http", "1 GiB at once by HTTP: bytes/s, of HAProxy's TCP", "transfer", ("weft",), 0.85, more=True),
    Row("transfer/tcp", "1 GiB at once by TCP: bytes/s, of HAProxy's TCP", "transfer", ("weft-tcp",), 0.85, more=True),
    Row("memory/idle", "memory of an idle sidecar", "memory", ("idle",), 10, 10, 14, unit=" MiB"),
    Row("memory/plain", "memory of an idle connection of an app", "memory", ("plain",), 2, unit=" KiB"),
    Row("memory/tls", "memory of an idle connection in mTLS, beyond the limit's", "memory", ("tls",), 2, unit=" KiB"),
    Row("memory/spike", "memory after 1,000 busy connections, of that before", "memory", ("spike",), 1.20),
    Row("syscalls/client", "system calls a request, the client's sidecar", "syscalls", ("weft", 0), 5),
    Row("syscalls/server", "system calls a request, the server's sidecar", "syscalls", ("weft", 1), 5),
    Row("syscalls/haproxy", "system calls a request, HAProxy before the client", "syscalls", ("haproxy", 0)),
    Row("allocations/client", "allocations a request, the client's sidecar", "allocations", (0,)),
    Row("allocations/server", "allocations a request, the server's sidecar", "allocations", (1,)),
    Row("start", "a sidecar is ready after its first configuration", "start", ("ready",), 30, unit=" ms"),
    Row("image", "an image with nothing but weft, compressed", "image", ("compressed",), 15, unit=" MB"),
    Row("image/unpacked", "the same, unpacked", "image", ("unpacked",), unit=" MB"),
    Row("services/cpu", "CPU a request among 1,000 services, of that among two", "services", ("cpu",), 1.05),
    Row("services/p50", "p50 at 1,000/s among 1,000 services, of that among two", "services", ("p50",), 1.05),
    Row("app-python", "an app of 10 ms in Python: throughput lost", "loss", ("python", "rate"), 1, unit=" %"),
    Row("app-python/cpu", "the same by CPU: the pair's part of all", "loss", ("python", "cpu"), unit=" %"),
    Row("app-compiled", "a compiled app of 2 ms: throughput lost", "loss", ("compiled", "rate"), 1, unit=" %"),
    Row("app-compiled/cpu", "the same by CPU: the pair's part of all", "loss", ("compiled", "cpu"), unit=" %"),
]

ROWS = [*MAIN, *OF_WORKS, *TALLIES, *OTHERS]
