"""Apps whose requests take a while, alone and behind the pair: what of their throughput the pair takes.

App and sidecars have one core together, and the load another, so that what the sidecars spend is missing from the app.
"""

import contextlib
import os

import apps
import loads
import pairs
import processes
import rounds

# The app, the path, and the microseconds of a request.
KINDS = {"python": (apps.python, "/", 10_000), "compiled": (apps.calls, "/busy/2000", 2_000)}
CONNECTIONS = 16


def measure(wanted, given):
    """Per cent, of each round."""
    figures = {}
    for kind in dict.fromkeys(kind for kind, _ in wanted):
        app, path, micros = KINDS[kind]
        with pairs.Stage(os.environ["WEFT_BENCH_SCRATCH"], os.environ["WEFT_BIN"], given.threads, app) as stage:
            running = stage.all(["direct", "weft"])
            inner, outer = cores()
            for pair in running:
                if pair.app is None:
                    raise OSError(f"{pair.name}: its app is not found among its processes")
                for pid in (pair.app, *pair.pids):
                    for process in processes.tree(pid):
                        pinned(process, inner)
            load = lambda pair: loads.closed_loop(pair, CONNECTIONS, given.secs, path)
            told = lambda result: f"{kind}: {result['rate']:.1f} req/s, {result['cpu']:.1f} us of CPU"
            with ourselves_at(outer):
                results = rounds.interleaved(running, given.rounds, lambda pair: rounds.spending(pair, load), told)
        both = rounds.clean(results, "direct", "weft")
        figures[kind, "rate"] = [100 * (1 - weft["rate"] / direct["rate"]) for direct, weft in both]
        figures[kind, "cpu"] = [100 * weft["cpu"] / (weft["cpu"] + micros) for _, weft in both]
    return figures


def cores():
    """One for what is measured, and the others, where there are any."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


def pinned(process, cores):
    for task in processes.tasks(process):
        os.sched_setaffinity(int(task), cores)


@contextlib.contextmanager
def ourselves_at(cores):
    """Loads that are started meanwhile run there, too."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
