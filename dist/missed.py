"""Functions at whose first instruction a page of the program was not there yet: what no list put beside others."""

import bisect
import collections
import os
import re
import subprocess
import time


def symbols(weft):
    """Address and name of each function."""
    out = subprocess.run(["nm", "-n", "--defined-only", weft], capture_output=True, text=True, check=True).stdout
    lines = (line.split(" ", 2) for line in out.splitlines())
    return [(int(at, 16), name) for at, kind, name in lines if kind in "tTwW"]


def pages(weft, scratch, run, secs):
    """The functions at which sidecars miss pages of code; `run` lets sidecars run, by the processor itself, and they rest then."""
    data = os.path.join(scratch, "perf.data")
    record = ["perf", "record", "-q", "-e", "page-faults", "-c", "1", "-d", "-o", data]
    sidecars = set()

    def rest(pids):
        sidecars.update(map(str, pids))
        time.sleep(secs)

    run(weft, scratch, record, rest)
    script = lambda *words: subprocess.run(["perf", "script", "-i", data, *words], capture_output=True, text=True).stdout
    maps = {}
    for line in script("--show-mmap-events").splitlines():
        found = re.search(r"MMAP2 (\d+)/\d+: \[0x(\w+)\(0x(\w+)\) @ (\w+) .*r-xp (.*)", line)
        if found and os.path.basename(found[5]).startswith("weft"):
            maps[found[1]] = tuple(int(part, 16) for part in found.groups()[1:4])
    functions = symbols(weft)
    addresses = [at for at, _ in functions]
    shift = next(
        int(words[2], 16) - int(words[1], 16)
        for words in map(str.split, subprocess.run(["readelf", "-lW", weft], capture_output=True, text=True).stdout.splitlines())
        if words[:1] == ["LOAD"] and "E" in words[6:8]
    )
    count = collections.Counter()
    for line in script("-F", "pid,ip,addr").splitlines():
        pid, address, at = (line.split() + ["", ""])[:3]
        if address == at and pid in maps and pid in sidecars:
            start, length, offset = maps[pid]
            if start <= int(at, 16) < start + length:
                count[functions[bisect.bisect_right(addresses, int(at, 16) - start + offset + shift) - 1][1]] += 1
    # What but one or two of many enter is no use to the others.
    return [name for name, times in count.most_common() if times * 4 >= len(sidecars)]
