"""Processes: started, stopped, and what the kernel counted for them."""

import os
import signal
import socket
import subprocess
import time

HERTZ = os.sysconf("SC_CLK_TCK")


def start(command, log, environment=None):
    """Starts a program in a session of its own, its output in `log`."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )


def stop(process, patience=20):
    """Asks it to end, and sees that it and its group are gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def wait_until(condition, what, limit=30):
    """Returns what `condition` returns once that is true."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"not within {limit} s: {what}")


def is_alive(pid):
    """Whether the process is still there."""
    return os.path.exists(f"/proc/{pid}")


def listens(address):
    """Whether a connection to (host, port) is accepted."""
    try:
        socket.create_connection(address, 0.5).close()
        return True
    except OSError:
        return False


def free_ports(count):
    """As many ports of 127.0.0.1 that nobody has, below those that the kernel gives to clients."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as text:
        first_of_clients = int(text.read().split()[0])
    found, candidates = [], range(min(first_of_clients, 32768) - 1, 16384, -1)
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports")


def tree(pid):
    """A process and all that descend from it."""
    return [pid] + [each for child in children(pid) for each in tree(child)]


def children(pid):
    """The processes that one process started, and that still run."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as text:
                found += [int(child) for child in text.read().split()]
    except OSError:
        pass  # It ended meanwhile.
    return found


def cpu(pids, alone=False):
    """Seconds of CPU, user and system, of processes and their descendants, those that ended included."""
    return sum(ticks(pid) for each in pids for pid in ([each] if alone else tree(each))) / HERTZ


def ticks(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            # The name in brackets may hold anything: the fields count from the last bracket.
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])


def slices(pids):
    """Seconds of CPU of processes that live, their descendants left out, by the scheduler's own clock.

    An idle process runs for some microseconds when a timer wakes it, that is, when the clock ticks: what is counted by
    ticks then counts whole ones, or none.
    """
    return sum(slice_of(f"/proc/{pid}/task/{task}/schedstat") for pid in pids for task in tasks(pid)) / 1e9


def slice_of(path):
    try:
        with open(path) as text:
            return int(text.read().split()[0])
    except OSError:
        return 0


def tasks(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def machine_cpu():
    """Seconds of CPU that the whole machine has spent on anything."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / HERTZ


def memory(pids, peak=False):
    """MiB of processes and their descendants, resident now or at their highest."""
    field = "VmHWM" if peak else "VmRSS"
    return sum(resident(pid, field) for each in pids for pid in tree(each)) / 1024


def resident(pid, name):
    """KiB of one field of a process's status."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith(name + ":")), 0)
    except OSError:
        return 0


def rolled_up(pid, name):
    """KiB of all of a process's memory, counted page by page: `Rss`, or `Pss`, to which others who share count, too."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as text:
            return next((int(line.split()[1]) for line in text if line.startswith(name + ":")), 0)
    except OSError:
        return 0


def command_line(pid):
    """The words with which a process was started."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return [word.decode(errors="replace") for word in line.read().split(b"\0")]
    except OSError:
        return []


def variable(pid, name):
    """What a variable of the environment was when a process began; empty, if it had none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as text:
            variables = text.read().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return next((each.partition("=")[2] for each in variables if each.startswith(name + "=")), "")
