"""One body of 1 GiB on one connection, beside HAProxy that only passes bytes on."""

import os

import apps
import loads
import pairs
import rounds

LENGTH, BASE = 1 << 30, "haproxy-tcp"


def measure(wanted, given):
    """Ratios of bytes a second, of each round."""
    names = dict.fromkeys([BASE, *(name for name, in wanted)])
    scratch, weft = os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"]
    with pairs.Stage(scratch, weft, given.threads, apps.calls) as stage:
        one = lambda pair: rounds.spending(pair, lambda pair: loads.transfer(pair, LENGTH))
        told = lambda result: f"{result['rate'] / 1e6:.0f} MB/s, {result['cpu'] / 1e6:.2f} s of CPU"
        results = rounds.interleaved(stage.all(names), given.rounds, one, told)
    return {figure: rounds.ratios(results, figure[0], BASE, "rate") for figure in wanted}
