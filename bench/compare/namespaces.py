"""Network namespaces for the pairs whose connections the kernel turns to their proxies, as `weft up --netns` lays them out."""

import ctypes
import os
import subprocess
import threading

CLONE_NEWNET = 0x40000000
# The rules of a pod of `weft up --netns`, and the user whose connections they leave alone.
USER = 1337
RULES = f"-p 15001 -z 15006 -u {USER} -g {USER} -m REDIRECT -i * -b * -d 15090,15021,15020 --redirect-dns --capture-all-dns"
# The same interfaces and addresses as there; nobody has that of the service.
MTU = 65535
HUB, CLIENT, SERVER, SERVICE = "10.244.0.1", "10.244.0.2", "10.244.0.3", "10.96.0.1"


def prefix(namespace):
    """What makes a command one inside of a namespace, if there is one."""
    return ["ip", "netns", "exec", namespace] if namespace else []


def inside(namespace, act):
    """What `act` does in a namespace, if there is one: on a thread that goes there, so that this one stays."""
    if not namespace:
        return act()
    went = []

    def go():
        try:
            with open(f"/run/netns/{namespace}") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
            went.append((act(), None))
        except Exception as error:  # It is the caller's.
            went.append((None, error))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    result, error = went[0]
    if error:
        raise error
    return result


class Room:
    """Two pods on a bridge, without a mesh: their connections are turned by weft's rules, and who takes them is another."""

    def __init__(self, name, weft):
        self.hub = f"{name}-{os.getpid()}"
        self.client, self.server = f"{self.hub}-client", f"{self.hub}-server"
        try:
            run("ip", "netns", "add", self.hub)
            batch(self.hub, f"link set lo up\nlink add br0 mtu {MTU} type bridge\naddr add {HUB}/16 dev br0\nlink set br0 up\n")
            for number, (pod, address) in enumerate([(self.client, CLIENT), (self.server, SERVER)]):
                run("ip", "netns", "add", pod)
                batch(
                    self.hub,
                    f"link add pod{number} mtu {MTU} type veth peer name eth0 mtu {MTU} netns {pod}\nlink set pod{number} master br0\n"
                    f"link set pod{number} up\n",
                )
                batch(pod, f"link set lo up\naddr add {address}/16 dev eth0\nlink set eth0 up\nroute add default via {HUB}\n")
                run(weft, "redirect", *RULES.split(), f"--network-namespace=/run/netns/{pod}")
        except Exception:
            self.remove()
            raise

    def remove(self):
        for namespace in (self.client, self.server, self.hub):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


def run(*command, text=""):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def batch(namespace, lines):
    run("ip", "-n", namespace, "-batch", "-", text=lines)
