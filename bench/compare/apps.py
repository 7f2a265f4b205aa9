"""The apps behind the pairs, each as a shell's line that serves at $HOST:$PORT, as `weft up --app` has it."""

import os
import shlex

import processes

HERE = os.path.dirname(os.path.abspath(__file__))


def nginx(folder):
    """Small answers."""
    return "exec {} {}".format(shlex.quote(f"{HERE}/backend"), shlex.quote(folder))


def calls(_folder):
    """bench/calls: gRPC, bodies of any length both ways, work of a fixed length."""
    return f'exec {shlex.quote(os.environ["WEFT_BENCH_CALLS"])} serve "$HOST:$PORT"'


def python(_folder):
    """An app in Python whose requests take 10 ms of its processor."""
    return "exec python3 -B {}".format(shlex.quote(f"{HERE}/app.py"))


def pid_of(up):
    """The process of the app of a mesh's server, which `weft up` was told to run; none where that is none of these."""
    marks = ("nginx:", "nginx", "weft-bench-calls", "app.py")
    for pid in processes.tree(up)[1:]:
        words = processes.command_line(pid)
        if words and any(os.path.basename(word.split(" ")[0]) in marks for word in words[:3]) and "--app" not in words:
            return pid
    return None
