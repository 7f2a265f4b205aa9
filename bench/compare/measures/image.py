"""What a registry holds, and a node loads, of an image with nothing but the program: it needs nothing else."""

import gzip
import os
import shutil
import subprocess
import tempfile


def measure(_wanted, _given):
    """Millions of bytes, compressed as layers are, and as they are not; symbols are nothing that an image needs."""
    with tempfile.TemporaryDirectory() as folder:
        program, packed = os.path.join(folder, "weft"), os.path.join(folder, "weft.gz")
        subprocess.run(["strip", "-o", program, os.environ["WEFT_BIN"]], check=True, timeout=60)
        with open(program, "rb") as plain, gzip.open(packed, "wb", 6) as layer:
            shutil.copyfileobj(plain, layer)
        return {("compressed",): [os.path.getsize(packed) / 1e6], ("unpacked",): [os.path.getsize(program) / 1e6]}
