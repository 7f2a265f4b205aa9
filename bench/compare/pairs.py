"""The pairs: client -> outbound proxy -> mTLS -> inbound proxy -> app, all of them at once, each at its own ports.

A pair is started once and stays for all rounds, so that rounds can be short and close to each other.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import time

import apps
import certificates
import envoy
import loads
import namespaces
import processes

HERE = os.path.dirname(os.path.abspath(__file__))


@dataclasses.dataclass
class Pair:
    """A running pair."""

    name: str
    # Where requests are sent, and the Host that they carry.
    address: tuple
    host: str = "server"
    # Where the inbound proxy listens; none where there is no proxy.
    between: tuple = None
    # The proxies, and nothing else; the client's first.
    pids: list = dataclasses.field(default_factory=list)
    # The app behind them, where it is told.
    app: int = None
    # Files that grow with each request; emptied after each round.
    logs: list = dataclasses.field(default_factory=list)
    # The network namespaces of the client and of who belongs to no pod, where there are any.
    within: str = None
    outside: str = None


class Stage:
    """Starts pairs in a scratch folder and stops all that it started."""

    def __init__(self, scratch, weft, threads, app=apps.nginx):
        self.scratch, self.weft, self.threads, self.app = scratch, weft, threads, app
        self.running = []
        self.rooms, self.folders = [], []
        self._backend = None
        os.makedirs(scratch, mode=0o700, exist_ok=True)
        self.certificates = os.path.join(scratch, "certificates")
        certificates.create(self.certificates)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            processes.stop(process)
        for room in self.rooms:
            room.remove()
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def all(self, names):
        """Starts the pairs of those names, and sees that they answer."""
        running = [self.pair(name) for name in names]
        for pair in running:
            loads.check(pair)
        # Allocators and logs have come to rest by now, or never do.
        time.sleep(2)
        return running

    def pair(self, name):
        """Starts the pair of that name."""
        return {
            "direct": self.direct,
            "limit": self.limit,
            "haproxy": self.haproxy,
            "haproxy-tcp": lambda: self.haproxy("haproxy-tcp", "tcp", ""),
            "haproxy-grpc": lambda: self.haproxy("haproxy-grpc", h2=True),
            "envoy": self.envoy,
            "envoy-grpc": lambda: self.envoy("envoy-grpc", h2=True),
            "weft": lambda: self.mesh("weft", "mesh", "breakers", "access-log/on"),
            "weft-unlogged": lambda: self.mesh("weft-unlogged", "mesh", "breakers", "access-log/off"),
            "weft-tcp": self.mesh_of_tcp,
            "weft-grpc": lambda: self.mesh("weft-grpc", self.spoken("grpc"), "breakers", "access-log/on"),
            "weft-services": lambda: self.mesh("weft-services", "mesh", "breakers", "access-log/on", self.many_services()),
            "haproxy-intercepted": self.haproxy_intercepted,
            "weft-intercepted": lambda: self.mesh("weft-intercepted", "mesh", "breakers", "access-log/on", netns=True),
        }[name]()

    def start(self, name, command, environment=None):
        process = processes.start(command, os.path.join(self.scratch, f"{name}.log"), environment)
        self.running.append(process)
        return process

    def backend(self):
        """The app of all pairs but weft's, whose app is one of its mesh."""
        if self._backend is None:
            (port,) = processes.free_ports(1)
            folder, address = os.path.join(self.scratch, "backend"), ("127.0.0.1", port)
            own = {"HOST": address[0], "PORT": str(port)}
            self.backend_pid = self.start("backend", ["/bin/sh", "-c", self.app(folder)], own).pid
            processes.wait_until(lambda: processes.listens(address), "the app listens")
            self._backend = address
        return self._backend

    def direct(self):
        address = self.backend()
        return Pair("direct", address, app=self.backend_pid)

    def limit(self):
        """The least that two proxies with mTLS can do."""
        backend, (outer, inner) = self.backend(), processes.free_ports(2)
        pids = []
        # The server's side first: whoever asks whether the client's listens, connects through it.
        for side, listen, upstream in [("server", inner, "{}:{}".format(*backend)), ("client", outer, f"127.0.0.1:{inner}")]:
            words = [side, f"127.0.0.1:{listen}", upstream, self.certificates, str(self.threads)]
            pids.insert(0, self.start(f"limit-{side}", [os.environ["WEFT_BENCH_LIMIT"], *words]).pid)
            processes.wait_until(lambda: processes.listens(("127.0.0.1", listen)), f"limit listens at {listen}")
        return Pair("limit", ("127.0.0.1", outer), between=("127.0.0.1", inner), pids=pids)

    def haproxy(self, name="haproxy", mode="http", reuse=" http-reuse always\n", h2=False):
        backend, (outer, inner) = self.backend(), processes.free_ports(2)
        bundle = {name: self.bundle(name) for name in ("client", "server")}
        authority = f"ca-file {self.certificates}/ca.pem verify required"
        # Who listens without TLS tells HTTP/2 by its first bytes.
        alpn, spoken = (" alpn h2", " proto h2") if h2 else ("", "")
        sides = {
            "outbound": f" bind 127.0.0.1:{outer}\n"
            f" server s 127.0.0.1:{inner} ssl ssl-min-ver TLSv1.3 crt {bundle['client']} {authority}{alpn}\n",
            "inbound": f" bind 127.0.0.1:{inner} ssl ssl-min-ver TLSv1.3 crt {bundle['server']} {authority}{alpn}\n"
            " server s {}:{}{}\n".format(*backend, spoken),
        }
        text = lambda side, text: self.haproxy_text(side, f" mode {mode}\n{reuse}", text)
        return self.two(name, outer, inner, sides, lambda path: ["haproxy", "-f", path, "-db"], text)

    def haproxy_intercepted(self):
        """The same two, each in a namespace, at the ports to which weft's rules turn connections, as the user whom they spare."""
        room = namespaces.Room("bench-haproxy", self.weft)
        self.rooms.append(room)
        backend, local = self.open_folder(), "127.0.0.1"
        # As a container's user: nobody's rules spare it.
        app = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", f"{backend}/backend", f"{backend}/files"]
        self.start("backend-intercepted", namespaces.prefix(room.server) + app, {"HOST": "0.0.0.0", "PORT": "8000"})
        bundle = {name: self.bundle(name) for name in ("client", "server")}
        authority = f"ca-file {self.certificates}/ca.pem verify required"
        sides = [
            ("outbound", room.client, f" bind {namespaces.CLIENT}:15001\n bind {local}:15001\n"
             f" server s {namespaces.SERVER}:8000 ssl ssl-min-ver TLSv1.3 crt {bundle['client']} {authority}\n"),
            ("inbound", room.server, f" bind {namespaces.SERVER}:15006 ssl ssl-min-ver TLSv1.3 crt {bundle['server']} {authority}\n"
             f" server s {local}:8000 source 127.0.0.6\n"),
        ]
        pids = []
        for side, within, text in sides:
            path = os.path.join(self.scratch, f"haproxy-intercepted-{side}.cfg")
            with open(path, "w") as file:
                file.write(self.haproxy_text(side, " mode http\n http-reuse always\n", text, f" uid {namespaces.USER}\n gid {namespaces.USER}\n"))
            pids.append(self.start(f"haproxy-intercepted-{side}", [*namespaces.prefix(within), "haproxy", "-f", path, "-db"]).pid)
        listens = lambda: namespaces.inside(room.client, lambda: processes.listens((namespaces.SERVICE, 80)))
        processes.wait_until(listens, "HAProxy takes what is turned to it")
        return Pair(
            "haproxy-intercepted", (namespaces.SERVICE, 80), between=(namespaces.SERVER, 8000), pids=pids, within=room.client, outside=room.hub
        )

    def open_folder(self):
        """A folder that a pod's user may pass through, with the app in it, and one for the app's files that is its own."""
        folder = tempfile.mkdtemp(prefix="weft-bench-")
        self.folders.append(folder)
        os.chmod(folder, 0o755)
        shutil.copy(f"{HERE}/backend", folder)
        os.mkdir(f"{folder}/files")
        os.chown(f"{folder}/files", 1000, 1000)
        return folder

    def haproxy_text(self, side, defaults, text, more=""):
        return (
            f"global\n nbthread {self.threads}\n maxconn 8000\n{more}"
            f"defaults\n{defaults}"
            " timeout connect 5s\n timeout client 600s\n timeout server 600s\n"
            f"listen {side}\n{text}"
        )

    def bundle(self, name):
        path = os.path.join(self.certificates, f"{name}.bundle.pem")
        with open(path, "w") as bundle:
            for part in ("pem", "key"):
                with open(os.path.join(self.certificates, f"{name}.{part}")) as text:
                    bundle.write(text.read())
        return path

    def envoy(self, name="envoy", h2=False):
        backend, (outer, inner) = self.backend(), processes.free_ports(2)
        sides = {
            "outbound": envoy.bootstrap("outbound", ("127.0.0.1", outer), ("127.0.0.1", inner), self.certificates, h2),
            "inbound": envoy.bootstrap("inbound", ("127.0.0.1", inner), backend, self.certificates, h2),
        }
        threads = ["--concurrency", str(self.threads), "--disable-hot-restart", "-l", "error"]
        command = lambda path: ["envoy", "-c", path, *threads]
        return self.two(name, outer, inner, sides, command, lambda _, bootstrap: json.dumps(bootstrap))

    def two(self, name, outer, inner, sides, command, text):
        """Starts both sides of a peer's pair."""
        pids = []
        for side, content in sides.items():
            path = os.path.join(self.scratch, f"{name}-{side}.json" if "envoy" in name else f"{name}-{side}.cfg")
            with open(path, "w") as file:
                file.write(text(side, content))
            pids.append(self.start(f"{name}-{side}", command(path)).pid)
        for port in (outer, inner):
            processes.wait_until(lambda: processes.listens(("127.0.0.1", port)), f"{name} listens at {port}")
        return Pair(name, ("127.0.0.1", outer), between=("127.0.0.1", inner), pids=pids)

    def mesh_of_tcp(self):
        """The same mesh, whose service is said to speak TCP, and is called at the address that its client has for it."""
        pair = self.mesh("weft-tcp", self.spoken("tcp"), "breakers", "access-log/on")
        block = pair.address[0].rpartition(".")[0]
        pair.address = (f"{block}.10", 80)
        return pair

    def spoken(self, protocol):
        """The folder of the same mesh, whose service is said to speak another protocol."""
        folder = os.path.join(self.scratch, f"mesh-of-{protocol}")
        os.makedirs(folder, exist_ok=True)
        for name in ("services", "security"):
            with open(f"{HERE}/mesh/{name}.yaml") as text, open(f"{folder}/{name}.yaml", "w") as spoken:
                spoken.write(text.read().replace("ports: [{name: http, port: 80", f"ports: [{{name: {protocol}, port: 80"))
        return folder

    def many_services(self, count=1000):
        """A folder of so many more services, which nobody calls."""
        folder = os.path.join(self.scratch, "many-services")
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/services.yaml", "w") as file:
            file.writelines(
                f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: other-{number}, namespace: compare}}\n"
                "spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: 8000}]}\n"
                for number in range(count)
            )
        return folder

    def workers(self):
        """A folder that gives each sidecar as many worker threads as HAProxy and Envoy have; `weft up` gives them one."""
        folder = os.path.join(self.scratch, "workers")
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/mesh.yaml", "w") as file:
            file.write(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
                f"data: {{mesh: 'defaultConfig: {{concurrency: {self.threads}}}'}}\n"
            )
        return folder

    def mesh(self, name, *folders, before=(), patience=90, netns=False):
        """weft's pair is the real thing: `weft up` of Kubernetes and Istio manifests, with nginx as the server."""
        home = os.path.join(self.scratch, name)
        os.makedirs(home, mode=0o700, exist_ok=True)
        if netns:
            own = self.open_folder()
            app = f"exec {own}/backend {own}/files"
        else:
            app = self.app(os.path.join(home, "backend"))
        folders = [*(os.path.join(HERE, folder) for folder in folders), self.workers()]
        command = [*before, self.weft, "up", *folders, "--app", f"server={app}"]
        own = {"XDG_RUNTIME_DIR": home}
        up = self.start(name, command + ["--netns"] * netns, own)
        status = lambda: ready_status(up, [self.weft, "status", "--output", "json"], own)
        status = processes.wait_until(status, f"the mesh is ready; see {self.scratch}/{name}.log", limit=patience)
        pods = {pod["workload"]: pod for pod in status["pods"]}
        sidecars = sidecars_of(up.pid)
        if len(sidecars) != len(status["pods"]):
            raise OSError(f"{name}: {len(sidecars)} sidecars, and {len(status['pods'])} pods")
        pair = Pair(
            name,
            (pods["client"]["localhost"], 15007),
            between=(pods["server"]["address"], 8000),
            pids=sidecars,
            app=apps.pid_of(up.pid),
            logs=[
                os.path.join(status["run"], "pods", "compare." + pod["name"], "access.log") for pod in pods.values()
            ],
        )
        if netns:
            named = [self.weft, "exec", "client", "--", "getent", "ahostsv4", pair.host]
            told = subprocess.run(named, env={**os.environ, **own}, capture_output=True, text=True, timeout=30)
            pair.address, pair.within, pair.outside = (told.stdout.split()[0], 80), pods["client"]["netns"], f"weft-up-{up.pid}"
        return pair


def sidecars_of(up):
    """The sidecars of the mesh of that `weft up`, by the names of their pods."""
    found = [pid for pid in processes.tree(up) if "sidecar" in processes.command_line(pid)]
    return sorted(found, key=lambda pid: processes.variable(pid, "POD_NAME"))


def ready_status(up, command, own):
    """The mesh's status once every pod is ready."""
    if up.poll() is not None:
        raise OSError(f"weft up ended with status {up.returncode}")
    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, text=True, timeout=30)
    status = json.loads(done.stdout) if done.stdout.strip() else {}
    return status if status.get("state", {}).get("ready") else None
