"""How often a sidecar asks for memory during a request, counted by callgrind; who asks stands on standard error."""

import argparse
import collections
import os
import re
import shutil
import sys

import instructions

# jemalloc's, and those of the C library.
ASKED = re.compile(r"^(_rjem_)?(malloc|calloc|realloc|mallocx|rallocx|xallocx|posix_memalign|aligned_alloc|memalign)$")
REQUESTS, WARM = 200, 100


def measure(_wanted, _given):
    """The client's and the server's."""
    if not shutil.which("valgrind"):
        raise OSError("valgrind is not installed; bench/instructions installs it")
    given = argparse.Namespace(requests=REQUESTS, warm=WARM)
    dumps = instructions.dumps(os.environ["WEFT_BIN"], "allocations", given)
    figures = {}
    for side, dump in enumerate(dumps):
        callers = asking(dump)
        figures[side,] = [sum(callers.values()) / REQUESTS]
        for caller, times in callers.most_common(12):
            print(f"# allocations {('client', 'server')[side]}: {times / REQUESTS:.2f} {caller[:120]}", file=sys.stderr)
    return figures


def asking(dump):
    """By the function that asks, how often it does."""
    names, callers = {}, collections.Counter()
    caller = called = None
    with open(dump, errors="replace") as lines:
        for line in lines:
            key, _, rest = line.rstrip("\n").partition("=")
            if key == "fn":
                caller = instructions.known(names, rest)
            elif key == "cfn":
                called = instructions.known(names, rest)
            elif key == "calls" and called and ASKED.match(called):
                # What an allocator does within itself is no new question.
                if not ASKED.match(caller or ""):
                    callers[caller] += int(rest.split()[0])
    return callers
