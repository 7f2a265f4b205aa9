"""Rounds: every pair is asked in turn, each round begins with another, and what is compared is compared within a round."""

import concurrent.futures
import os
import random
import sys
import time

import loads
import processes


def interleaved(running, count, measured, told, before=0):
    """So many rounds of all pairs, after those before: by a pair's name its rounds, each with its figures or the reason why it
    has none."""
    results = {pair.name: [] for pair in running}
    for number in range(before, before + count):
        # Each round begins with another pair, so that no one always follows the same neighbour's heat.
        turn = number % len(running)
        for pair in running[turn:] + running[:turn]:
            note(results, pair, number, of_one(pair, measured), told)
    return results


def at_once(running, count, measured, told):
    """The same with all pairs asked at the same time: what the machine and its others do is done to all alike."""
    results = {pair.name: [] for pair in running}
    with concurrent.futures.ThreadPoolExecutor(len(running)) as asked:
        # In a first one, which does not count, connections are made between the proxies.
        for number in range(-1, count):
            found = list(asked.map(lambda pair: of_one(pair, measured), running))
            for pair, result in zip(running, found) if number >= 0 else []:
                note(results, pair, number, result, told)
    return results


def of_starts(names, count, of_one_start):
    """The rounds of so many starts of all pairs, each round with the number of its start: two starts of one program differ by more
    than rounds of one do."""
    results = {name: [] for name in names}
    for start in range(count):
        for name, found in of_one_start(start).items():
            results[name] += [{**each, "start": start} for each in found]
    return results


def of_one(pair, measured):
    try:
        return measured(pair)
    except loads.Unclean as reason:
        return {"failed": str(reason)}


def note(results, pair, number, result, told):
    results[pair.name].append(result)
    said = f"NO RESULT: {result['failed']}" if "failed" in result else told(result)
    print(f"# round {number + 1} {pair.name}: {said}", file=sys.stderr, flush=True)


def spending(pair, load):
    """What a load counted, with the CPU that the pair spent on a request, and the share of the machine that others took."""
    try:
        # By the scheduler's clock: where a round has few requests, ticks are too coarse.
        proxies = [process for pid in pair.pids for process in processes.tree(pid)]
        before, busy, ours = processes.slices(proxies), processes.machine_cpu(), processes.cpu([os.getpid()])
        began = time.monotonic()
        counted = load(pair)
        took = time.monotonic() - began
        spent = processes.slices(proxies) - before
        strangers = processes.machine_cpu() - busy - (processes.cpu([os.getpid()]) - ours)
        if not all(map(processes.is_alive, pair.pids)):
            raise loads.Unclean("a proxy died and was started again")
    finally:
        for log in pair.logs:
            os.truncate(log, 0)
    others = max(0.0, strangers / (took * os.cpu_count()))
    return {**counted, "cpu": spent / counted["requests"] * 1e6, "others": others}


def of_http(pair, given):
    """One round of small requests: as many as can be, and then so many a second."""
    loads.check(pair)
    loads.closed_loop(pair, given.connections, 1)
    closed = spending(pair, lambda pair: loads.closed_loop(pair, given.connections, given.secs))
    opened = loads.open_loop(pair, given.rate, 16, given.secs)
    loads.check(pair)
    for log in pair.logs:
        os.truncate(log, 0)
    return {
        "rate": closed["rate"],
        "cpu": closed["cpu"],
        "p50": opened["p50"] / 1e3,
        "p99": opened["p99"] / 1e3,
        "p999": opened["p999"] / 1e3,
        "peak": processes.memory(pair.pids, peak=True),
        "others": closed["others"],
        "closed": closed,
        "open": opened,
    }


def of_a_share(pair, given, among):
    """One round of small requests on one's share of the connections."""
    spent = spending(pair, lambda pair: loads.closed_loop(pair, max(1, given.connections // among), given.secs))
    return {key: spent[key] for key in ("rate", "cpu")}


def clean(results, *names):
    """The rounds in which each of these has figures."""
    return [each for each in zip(*(results[name] for name in names)) if not any("failed" in result for result in each)]


def ratios(results, name, base, key):
    """Of each round by itself."""
    return [own[key] / other[key] for own, other in clean(results, name, base) if other[key]]


def nine_of_ten(figures, typical):
    """Where what is typical of them lies in nine of ten runs as this one, by drawing again and again."""
    chance = random.Random(len(figures))
    again = sorted(typical(chance.choices(figures, k=len(figures))) for _ in range(2000))
    return again[100], again[-101]
