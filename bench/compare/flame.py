"""Where the time of weft's pair goes: a flame graph of both sidecars under a closed loop, as SVG.

Needs perf. Stacks are unwound by the program's own tables, since images have no frame pointers.
"""

import argparse
import collections
import os
import re
import signal
import subprocess
import sys

import about
import loads
import pairs
import svg

WIDTH, ROW, LETTER = 1200, 17, 6.6
# What is narrower than this share of all is not drawn.
LEAST = 0.001
# Where stacks begin: what is recorded of one may end before its thread's start, and what lies there is the same for all.
BEGINNINGS = re.compile(r"::serve_h1::serve$|::serve_h2::serve$|::tcp::serve$|^tokio::runtime::time::Driver|::writer::run$")
# Whose code a function is: the first that fits.
KINDS = [
    ("kernel", "the kernel's", "#e0a458", lambda name, module: module.startswith("[")),
    ("tls", "rustls and aws-lc", "#a78bfa", lambda name, module: re.search(r"rustls|aws_lc|aes|gcm|ghash|aead", name)),
    ("runtime", "tokio, mio and the standard library", "#7dafd8", lambda name, module: re.match(r"<?(tokio|mio|std|core|alloc)\b", name)),
    ("own", "weft's", "#4db6a5", lambda name, module: "weft" in name or "weft" in module),
    ("other", "other libraries", "#b8b2a9", lambda name, module: True),
]


class Frame:
    """A function under its caller, and how many samples were taken below it."""

    def __init__(self, name="", module=""):
        self.name, self.module, self.samples, self.callees = name, module, 0, {}

    def add(self, stack):
        self.samples += 1
        if stack:
            self.callees.setdefault(stack[0], Frame(*stack[0])).add(stack[1:])

    def kind(self):
        return next(kind for kind, _, _, fits in KINDS if fits(self.name, self.module))

    def depth(self, least):
        return 1 + max((each.depth(least) for each in self.callees.values() if each.samples >= least), default=0)


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare/flame", description=__doc__.splitlines()[0])
    parser.add_argument("file", metavar="FILE", help="where it is drawn")
    parser.add_argument("--pair", default="weft", help="another pair of `bench/compare/run` (%(default)s)")
    parser.add_argument("--secs", type=int, default=5, help="length of the load (%(default)s)")
    loads.options(parser)
    return parser.parse_args()


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scratch = os.environ["WEFT_BENCH_SCRATCH"]
    run = about.machine() | {"load": f"wrk with {given.connections} connections; each proxy with {given.threads} threads"}
    with pairs.Stage(scratch, os.environ["WEFT_BIN"], given.threads) as stage:
        (pair,) = stage.all([given.pair])
        loads.closed_loop(pair, given.connections, 1)
        samples = os.path.join(scratch, f"perf.{os.getpid()}.data")
        words = ["perf", "record", "--quiet", "--freq", "499", "--call-graph", "dwarf,16384", "--output", samples]
        recorder = subprocess.Popen([*words, "--pid", ",".join(map(str, pair.pids))], stderr=subprocess.DEVNULL)
        try:
            loads.closed_loop(pair, given.connections, given.secs)
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
    root = folded(samples) if os.path.exists(samples) else Frame()
    if not root.samples:
        raise SystemExit("bench/compare/flame: perf took no samples; what does `perf record true` say?")
    os.unlink(samples)
    with open(given.file, "w") as file:
        file.write(drawn(root, f"{given.pair}, both sidecars: {root.samples} samples", run))
    print("\n".join(f"{key}: {value}" for key, value in run.items()))
    for (_, whose, _, _), samples in shares(root):
        print(f"{samples / root.samples:6.1%}  {whose}")
    return 0


def folded(samples):
    """All stacks as one tree, callers above."""
    words = ["perf", "script", "--input", samples, "--fields", "comm,ip,sym,dso", "--max-stack", "64"]
    root, thread, stack = Frame("all"), "", []
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as script:
        for said in script.stdout:
            found = re.match(r"\s+[0-9a-f]+ (.*) \((.*)\)$", said.rstrip())
            if found and found[1] != "[unknown]":
                stack.append((short(found[1]), os.path.basename(found[2])))
            elif not found and said.strip():
                thread = re.sub(r"-\d+$", "", said.strip())
            elif not found and stack:
                begins = max((at for at, (name, _) in enumerate(stack) if BEGINNINGS.search(name)), default=len(stack) - 1)
                root.add([(thread, ""), *reversed(stack[: begins + 1])])
                stack = []
    return root


def short(name):
    """Without what a compiler adds to a name, and one symbol of the kernel's for the many ways into it."""
    name = re.sub(r"\.(llvm|isra|constprop|part|cold)\b[.\d]*|\+0x[0-9a-f]+$", "", name)
    return re.sub(r"(::\{\{closure\}\})+", "", name)


def shares(root):
    """How many samples were taken in functions of each kind themselves."""
    own = collections.Counter()

    def look(frame):
        own[frame.kind()] += frame.samples - sum(each.samples for each in frame.callees.values())
        for each in frame.callees.values():
            look(each)

    look(root)
    return [(kind, own[kind[0]]) for kind in KINDS]


def drawn(root, title, run):
    least = root.samples * LEAST
    height = root.depth(least) * ROW
    fill = {kind: colour for kind, _, colour, _ in KINDS}
    parts = [svg.text(4, 16, title), svg.text(WIDTH - 4, 16, f"{run['date']}, {run['versions'].split(',')[0]}", "faint", "end")]
    x = 4
    for (_, whose, colour, _), samples in shares(root):
        said = f"{whose} {samples / root.samples:.0%}"
        parts += [svg.rectangle(x, 26, 11, 11, fill=colour), svg.text(x + 15, 36, said, "faint")]
        x += 30 + len(said) * LETTER
    bottom = 46 + height

    def draw(frame, x, row):
        width, y = frame.samples / root.samples * WIDTH, bottom - (row + 1) * ROW
        tip = f"{frame.name} ({frame.module}): {frame.samples / root.samples:.1%}" if frame.module else frame.name
        parts.append(svg.rectangle(x, y, max(width - 0.5, 0.3), ROW - 1, tip=tip, fill=fill[frame.kind()]))
        room = int((width - 6) / LETTER)
        if room >= 4:
            name = frame.name if len(frame.name) <= room else frame.name[: room - 1] + "…"
            parts.append(svg.text(x + 3, y + 12, name, "on"))
        for each in sorted(frame.callees.values(), key=lambda each: each.name):
            if each.samples >= least:
                draw(each, x, row + 1)
                x += each.samples / root.samples * WIDTH

    draw(root, 0, 0)
    return svg.page(WIDTH, bottom + 4, title, parts, ".on{font-size:11px;fill:#111;pointer-events:none}")


if __name__ == "__main__":
    sys.exit(main())
