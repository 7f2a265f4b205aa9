"""What figures depend on, and how they are written down."""

import os
import platform
import subprocess
import time


def machine():
    """When and where."""
    with open("/proc/cpuinfo") as text:
        model = next((line.split(":")[1].strip() for line in text if line.startswith("model name")), platform.machine())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{os.cpu_count()} x {model}, Linux {platform.release().split('-')[0]},"
        f" load {os.getloadavg()[0]:.1f} at the start",
        "versions": ", ".join(
            [
                f"{said(os.environ['WEFT_BIN'], '--version')} (commit {os.environ['WEFT_COMMIT']})",
                said("haproxy", "-v").split("-")[0].replace(" version", ""),
                "Envoy " + said("envoy", "--version").split("/")[-4],
                said("nginx", "-v").split(": ")[-1],
            ]
        ),
    }


def said(*command):
    """The first line that a command says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return next(iter((done.stdout or done.stderr).strip().splitlines()), "unknown")


def aligned(rows, left=1):
    """Rows of cells as lines: the first columns to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = enumerate(zip(row, widths))
        yield "  ".join(f"{cell:<{width}}" if at < left else f"{cell:>{width}}" for at, (cell, width) in cells)
