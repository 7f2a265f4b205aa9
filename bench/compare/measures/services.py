"""The same pair in a mesh of two services, and in one of a thousand more."""

import os

import pairs
import rounds

from measures import loop


def measure(wanted, given):
    """Ratios of each round."""
    with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], given.threads) as stage:
        running = stage.all(["weft", "weft-services"])
        results = rounds.interleaved(running, given.rounds, lambda pair: rounds.of_http(pair, given), loop.told)
    return {figure: rounds.ratios(results, "weft-services", "weft", figure[0]) for figure in wanted}
