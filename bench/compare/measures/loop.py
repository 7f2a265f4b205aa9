"""Small requests: as many as 64 connections can make, then so many a second by the clock."""

import os

import pairs
import rounds

# What else than the two pairs of a ratio a figure needs.
NEEDS = {"added": ("direct", "limit", "weft"), "tail": ("weft", "envoy")}


def measure(wanted, given):
    """Ratios of each round."""
    needed = dict.fromkeys(name for figure in wanted for name in NEEDS.get(figure[0], figure[1:]))
    results = anew(needed, given)
    return {figure: figures(figure, results) for figure in wanted}


def anew(names, given):
    """Rounds, each of a start of its own."""

    def one(number):
        with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], given.threads) as stage:
            return rounds.interleaved(stage.all(names), 1, lambda pair: rounds.of_http(pair, given), told, number)

    return rounds.of_starts(names, given.rounds, one)


def figures(figure, results):
    match figure:
        case ("added", key):
            all_three = rounds.clean(results, "direct", "limit", "weft")
            added = [(weft[key] - direct[key], limit[key] - direct[key]) for direct, limit, weft in all_three]
            # Where the limit adds nothing, the round says nothing.
            return [ours / least for ours, least in added if least > 0]
        case ("tail",):
            return [weft["p999"] / envoy["p99"] for weft, envoy in rounds.clean(results, "weft", "envoy")]
        case (key, name, base):
            return rounds.ratios(results, name, base, key)


def told(result):
    return (
        f"{result['rate']:.0f} req/s, {result['cpu']:.1f} us of CPU, p50 {result['p50']:.2f} ms, p99 {result['p99']:.2f},"
        f" p99.9 {result['p999']:.2f}; others took {result['others']:.0%} of the machine"
    )
