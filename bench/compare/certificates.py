"""A certificate authority and two identities for the peers; weft brings its own. ECDSA P-256, as weft's."""

import os
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def create(folder):
    """Writes ca.pem and, for client and server, NAME.pem (certificate) and NAME.key."""
    os.makedirs(folder, exist_ok=True)
    request(folder, "ca", "/O=cluster.local", ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"])
    for name in ("client", "server"):
        extensions = [
            f"subjectAltName=critical,URI:{identity(name)},DNS:{name}",
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            "extendedKeyUsage=serverAuth,clientAuth",
        ]
        request(folder, name, "/", extensions, ["-CA", "ca.pem", "-CAkey", "ca.key"])


def identity(name):
    """The SPIFFE identity, as the mesh of weft's pair has it."""
    return f"spiffe://cluster.local/ns/compare/sa/{name}"


def request(folder, name, subject, extensions, issuer=()):
    command = ["openssl", "req", "-x509", *KEY, "-days", "10", "-subj", subject, *issuer]
    command += ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    for extension in extensions:
        command += ["-addext", extension]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise OSError(f"openssl: {done.stderr}")
