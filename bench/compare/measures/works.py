"""Other kinds of work than small requests on connections that stay, beside Envoy and HAProxy."""

import os

import apps
import loads
import pairs
import rounds

MIB = 1 << 20
# Of a load before it is measured: time enough for a thousand handshakes, too.
WARM = 3


def wrk(connections, **more):
    return lambda pair, secs: loads.closed_loop(pair, connections, secs, **more)


def grpc(kind, connections, streams, length):
    return lambda pair, secs: loads.grpc(pair, kind, connections, streams, length, secs)


# Which of a program's pairs is asked (that for gRPC has HTTP/2 throughout), and how.
LOADS = {
    "connections-1": ("", wrk(1)),
    "connections-1000": ("", wrk(1000)),
    "churn": ("", wrk(64, headers=["Connection: close"])),
    "download": ("", wrk(16, path=f"/bytes/{MIB}", words=["GET", MIB], body=MIB)),
    "upload": ("", wrk(16, path=f"/bytes/{MIB}", words=["POST", MIB])),
    "grpc-unary": ("-grpc", grpc("unary", 8, 8, 100)),
    "grpc-unary-mib": ("-grpc", grpc("unary", 8, 1, MIB)),
    "grpc-stream": ("-grpc", grpc("stream", 8, 8, 100)),
    "grpc-stream-mib": ("-grpc", grpc("stream", 8, 1, MIB)),
}


def measure(wanted, given):
    """Ratios to each peer, of each round of each work."""
    figures = {}
    for flavour in dict.fromkeys(LOADS[work][0] for work, _, _ in wanted):
        here = [figure for figure in wanted if LOADS[figure[0]][0] == flavour]
        try:
            figures |= of_flavour(flavour, here, given)
        except (OSError, loads.Unclean) as reason:
            figures |= {figure: str(reason) for figure in here}
    return figures


def of_flavour(flavour, wanted, given):
    names = dict.fromkeys(f"{name}{flavour}" for name in ("weft", *(peer for _, _, peer in wanted)))
    scratch, weft = os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"]
    with pairs.Stage(scratch, weft, given.threads, apps.calls) as stage:
        running = stage.all(names)
        results = {work: of_one(work, running, given) for work in dict.fromkeys(work for work, _, _ in wanted)}
    return {
        (work, key, peer): rounds.ratios(results[work], f"weft{flavour}", f"{peer}{flavour}", key)
        for work, key, peer in wanted
    }


def of_one(work, running, given):
    load = LOADS[work][1]

    def measured(pair):
        load(pair, WARM)
        return rounds.spending(pair, lambda pair: load(pair, given.secs))

    told = lambda result: f"{work}: {result['rate']:.0f} req/s, {result['cpu']:.1f} us of CPU"
    return rounds.interleaved(running, given.rounds, measured, told)
