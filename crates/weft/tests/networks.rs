//! Which connections are turned where lists of networks, ports and interfaces say so: in a real network namespace that
//! stands between a world outside and a virtual machine within, by both families and both back ends. Needs root.

#[path = "meshes/space.rs"]
mod space;

use space::Space;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Tells whoever connects: `turned`, and where they were going, at the proxy's port for what is sent; `taken` at that for what
/// comes; `direct` elsewhere.
const SERVE: &str = r#"
import os, socket, struct, sys, threading
user, _, group = sys.argv[1].partition(":")
os.setgid(int(group or user)); os.setuid(int(user))
def original(c):
    host = c.getpeername()[0]
    if host.startswith("::ffff:"):
        port, ip = struct.unpack("!2xH4s8x", c.getsockopt(0, 80, 16))
        return socket.inet_ntop(socket.AF_INET, ip), port
    port, ip = struct.unpack("!2xH4x16s4x", c.getsockopt(41, 80, 28))
    return socket.inet_ntop(socket.AF_INET6, ip), port
def serve(port):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    # IPV6_TRANSPARENT: what TPROXY hands over goes to other addresses.
    if port == 15006: s.setsockopt(41, 75, 1)
    s.bind(("::", port))
    s.listen(64)
    print("listening", flush=True)
    while True:
        c, _ = s.accept()
        said = {15001: "turned", 15006: "taken"}.get(port, "direct")
        if port == 15001: said += " %s %d" % original(c)
        c.sendall(said.encode())
        c.close()
for port in sys.argv[2:]:
    threading.Thread(target=serve, args=(int(port),)).start()
"#;

/// Who answers at each address.
const ASK: &str = r#"
import encodings.idna, os, socket, sys
user, _, group = sys.argv[1].partition(":")
os.setgid(int(group or user)); os.setuid(int(user))
for to in sys.argv[2:]:
    host, port = to.rsplit("=", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=10) as c:
            said = c.makefile().read().split()
        assert said[0] != "turned" or said[1:] == [host, port], said
        print(said[0])
    except OSError as error: print(error.strerror or error)
"#;

/// What a list says of one network, of another, and of neither; the second is a part of the first. What comes last is of
/// no network that is ever named.
const PLACES: [[&str; 2]; 3] =
    [["10.8.0.1", "fd00:8::1"], ["10.8.1.1", "fd00:8:1::1"], ["10.20.0.1", "fd00:20::1"]];

/// A program that is gone when this is.
struct Server(Child);

impl Server {
    fn start(python: &str, space: &Space, user: &str, ports: &[&str]) -> Self {
        let words = [&[python, "-c", SERVE, user], ports].concat();
        let mut child = space.command(&words).stdout(Stdio::piped()).spawn().expect("python3 can be run");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let listening = lines.map_while(Result::ok).take(ports.len()).count();
        assert_eq!(listening, ports.len(), "it listens on all of {ports:?}");
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pod with a sidecar's ports, a world behind its `eth0`, and a virtual machine behind its `vm0`.
struct Scene {
    /// The interpreter itself, whatever stands before it.
    python: String,
    pod: Space,
    machine: Space,
    world: Space,
    _servers: [Server; 2],
}

impl Scene {
    fn new() -> Option<Self> {
        let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
        let python = python.expect("python3 can be run").stdout;
        let python = String::from_utf8(python).expect("a path is text").trim().to_owned();
        let (pod, world, machine) = (Space::new()?, Space::new()?, Space::new()?);
        let link = |near: &str, other: &Space, [four, six]: [&str; 2]| {
            pod.does(&format!("ip link add {near} type veth peer name eth0 netns {}", other.0));
            for (space, name, end) in [(&pod, near, 1), (other, "eth0", 2)] {
                space.does(&format!("ip addr add {four}.{end}/24 dev {name}"));
                space.does(&format!("ip addr add {six}::{end}/64 dev {name} nodad"));
                space.does(&format!("ip link set {name} up"));
            }
        };
        link("eth0", &world, ["10.9.0", "fd00:9"]);
        link("vm0", &machine, ["10.9.1", "fd00:9:1"]);
        for [four, six] in PLACES {
            world.does(&format!("ip addr add {four}/32 dev lo"));
            world.does(&format!("ip addr add {six}/128 dev lo nodad"));
        }
        for (space, four, six) in [
            (&pod, "10.9.0.2", "fd00:9::2"),
            (&world, "10.9.0.1", "fd00:9::1"),
            (&machine, "10.9.1.1", "fd00:9:1::1"),
        ] {
            space.does(&format!("ip route add default via {four}"));
            space.does(&format!("ip -6 route add default via {six}"));
        }
        // What the virtual machine sends and nobody turns goes on.
        pod.does("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        let sidecar = Server::start(&python, &pod, "0:1337", &["15001", "15006"]);
        let servers = [sidecar, Server::start(&python, &world, "0", &["80", "81"])];
        Some(Self { python, pod, machine, world, _servers: servers })
    }

    fn redirect(&self, flags: &[&str]) {
        let inbound = ["-p", "15001", "-z", "15006", "-u", "1337", "-b", "*"];
        let group: &[&str] = if flags.contains(&"-g") { &[] } else { &["-g", "1337"] };
        let words = [&[env!("CARGO_BIN_EXE_weft"), "redirect"], &inbound[..], group, flags].concat();
        let output = self.pod.run(&words);
        assert!(output.status.success(), "{flags:?}: {output:?}");
    }

    /// Who answers `user`, or `user:group`, at some ports of each place, port by port and by both families.
    fn ask(&self, space: &Space, user: &str, ports: &[u16]) -> Vec<Vec<String>> {
        let of = |port: &u16| {
            [0, 1]
                .into_iter()
                .flat_map(|family| PLACES.map(|place| format!("{}={port}", place[family])))
                .collect::<Vec<_>>()
        };
        let to: Vec<String> = ports.iter().flat_map(of).collect();
        let said = self.ask_at(space, user, &to);
        said.chunks(PLACES.len()).map(<[String]>::to_vec).collect()
    }

    /// Who answers `user` at each of these, as `address=port`.
    fn ask_at(&self, space: &Space, user: &str, to: &[String]) -> Vec<String> {
        let mut words = vec![self.python.as_str(), "-c", ASK, user];
        words.extend(to.iter().map(String::as_str));
        let output = space.run(&words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), to.len(), "{output:?}");
        lines
    }
}

const T: &str = "turned";
const D: &str = "direct";

/// Flags, and who answers at the three places: on port 80, and on port 81.
const CASES: [(&[&str], [[&str; 3]; 2]); 9] = [
    (&["-i", "*", "-x", ""], [[T, T, T], [T, T, T]]),
    (&["-i", "0.0.0.0/0,::/0"], [[T, T, T], [T, T, T]]),
    (&["-i", "*", "-x", "0.0.0.0/0,::/0"], [[D, D, D], [D, D, D]]),
    (&["-i", "*", "-x", "10.8.1.0/24,fd00:8:1::/48"], [[T, D, T], [T, D, T]]),
    (&["-i", "10.8.0.0/16,fd00:8::/32"], [[T, T, D], [T, T, D]]),
    (&["-i", "10.8.0.0/16,fd00:8::/32", "-x", "10.8.1.0/24,fd00:8:1::/48"], [[T, D, D], [T, D, D]]),
    // Ports that are asked for are turned wherever they are, but for networks that are left out.
    (&["-i", "10.8.0.1,fd00:8::1", "-x", "10.8.1.1,fd00:8:1::1", "-q", "81"], [[T, D, D], [T, D, T]]),
    (&["-i", "*", "-o", "81"], [[T, T, T], [D, D, D]]),
    (&["-i", ""], [[D, D, D], [D, D, D]]),
];

fn all_cases(native: bool) {
    let Some(scene) = Scene::new() else { return };
    let back_end = format!("--native-nftables={native}");
    for (flags, expected) in CASES {
        scene.redirect(&[flags, &[&back_end]].concat());
        let [first, second] = expected;
        assert_eq!(scene.ask(&scene.pod, "1000", &[80, 81]), [first, first, second, second], "{flags:?}");
    }
    // Whatever lists say, the sidecar itself goes where it will.
    scene.redirect(&["-i", "*", "-q", "80", &back_end]);
    assert_eq!(scene.ask(&scene.pod, "1337", &[80]), [[D; 3], [D; 3]]);
    // A list of one family says nothing of the other: there is nothing of it to turn.
    scene.redirect(&["-i", "10.8.0.0/16", &back_end]);
    assert_eq!(scene.ask(&scene.pod, "1000", &[80]), [[T, T, D], [D; 3]]);
    scene.redirect(&["-i", "fd00:8::/32", &back_end]);
    assert_eq!(scene.ask(&scene.pod, "1000", &[80]), [[D; 3], [T, T, D]]);
    // What is sent is turned alike where what comes keeps its address.
    scene.redirect(&[
        "-m",
        "TPROXY",
        "-i",
        "10.8.0.0/16,fd00:8::/32",
        "-x",
        "10.8.1.1,fd00:8:1::1",
        &back_end,
    ]);
    assert_eq!(scene.ask(&scene.pod, "1000", &[80]), [[T, D, D], [T, D, D]]);
}

#[test]
fn by_iptables_what_goes_to_networks_is_turned_as_lists_say() {
    all_cases(false);
}

#[test]
fn by_nft_what_goes_to_networks_is_turned_as_lists_say() {
    all_cases(true);
}

/// Flags about groups, and who answers a program of user 1000 and of group 1000, 100, which is `users`, or 2000.
const GROUPS: [(&[&str], [&str; 3]); 6] = [
    (&["--istio-outbound-owner-groups=*"], [T, T, T]),
    (&["--istio-outbound-owner-groups=1000,users"], [T, T, D]),
    (&["--istio-outbound-owner-groups=2000"], [D, D, T]),
    (&["--istio-outbound-owner-groups-exclude=1000,users"], [D, D, T]),
    (&["--istio-outbound-owner-groups-exclude=2000"], [T, T, D]),
    // Groups whose programs are sidecars.
    (&["-g", "1337,2000"], [T, T, D]),
];

#[test]
fn what_programs_of_a_group_send_is_turned_as_lists_of_groups_say_by_both_back_ends() {
    for native in [false, true] {
        let Some(scene) = Scene::new() else { return };
        let back_end = format!("--native-nftables={native}");
        for (flags, expected) in GROUPS {
            scene.redirect(&[flags, &["-i", "*", &back_end]].concat());
            for (group, said) in ["1000", "100", "2000"].into_iter().zip(expected) {
                let asked = scene.ask(&scene.pod, &format!("1000:{group}"), &[80]);
                assert_eq!(asked, [[said; 3]; 2], "{flags:?} {back_end}: group {group}");
            }
            // Whatever they say, the sidecar itself goes where it will, by its user and by its group.
            for sidecar in ["1337:1000", "1000:1337"] {
                assert_eq!(
                    scene.ask(&scene.pod, sidecar, &[80]),
                    [[D; 3]; 2],
                    "{flags:?} {back_end}: {sidecar}"
                );
            }
        }
    }
}

/// The flags, and who answers the virtual machine.
const MACHINE: [(&[&str], [&str; 3]); 3] = [
    // Where it is not known for one, whoever comes from there comes to the pod.
    (&["-i", "*"], ["taken"; 3]),
    (&["-i", "*", "-k", "vm0"], [T, T, T]),
    (&["-i", "10.8.0.0/16,fd00:8::/32", "-k", "vm0,none0"], [T, T, D]),
];

#[test]
fn what_a_virtual_machine_within_sends_is_outbound_by_both_back_ends() {
    for native in [false, true] {
        let Some(scene) = Scene::new() else { return };
        let back_end = format!("--native-nftables={native}");
        for (flags, expected) in MACHINE {
            scene.redirect(&[flags, &[&back_end]].concat());
            let said = scene.ask(&scene.machine, "0", &[80]);
            assert_eq!(said, [expected, expected], "{flags:?} {back_end}");
        }
        // Its pod is no virtual machine: nothing is turned because it goes to that.
        scene.redirect(&["-i", "10.20.0.0/16,fd00:20::/32", "-k", "vm0", &back_end]);
        assert_eq!(scene.ask(&scene.pod, "1000", &[80]), [[D, D, T], [D, D, T]]);
        assert_eq!(scene.ask(&scene.machine, "0", &[80]), [[D, D, T], [D, D, T]]);
    }
}

/// Flags about what comes, and who answers the world at the pod's port 80, and at its port 81.
const INBOUND: [(&[&str], [&str; 2]); 8] = [
    (&["-b", "*"], ["taken", "taken"]),
    (&["-b", "*", "-d", "81,15021"], ["taken", D]),
    // Who names ports means these, whatever is left out of all.
    (&["-b", "81,9999", "-d", "81"], [D, "taken"]),
    (&["-b", ""], [D, D]),
    (&["-b", "*", "-c", "eth0"], [D, D]),
    (&["-b", "*", "-c", "none0,eth+"], [D, D]),
    (&["-b", "*", "-c", "vm0,eth1"], ["taken", "taken"]),
    (&["-b", "*", "-k", "vm0", "-i", "*"], ["taken", "taken"]),
];

#[test]
fn what_comes_is_taken_as_lists_of_ports_and_interfaces_say_by_both_back_ends_and_in_both_modes() {
    for (native, mode) in [(false, "REDIRECT"), (true, "REDIRECT"), (false, "TPROXY"), (true, "TPROXY")] {
        let Some(scene) = Scene::new() else { return };
        let _app = Server::start(&scene.python, &scene.pod, "0:1000", &["80", "81"]);
        let back_end = format!("--native-nftables={native}");
        let own = ["10.9.0.1=80", "10.9.0.1=81", "fd00:9::1=80", "fd00:9::1=81"].map(str::to_owned);
        for (flags, [first, second]) in INBOUND {
            scene.redirect(&[flags, &["-m", mode, &back_end]].concat());
            let said = scene.ask_at(&scene.world, "0", &own);
            assert_eq!(said, [first, second, first, second], "{flags:?} {mode} {back_end}");
            // Whom the app itself calls at its own address is itself.
            assert_eq!(scene.ask_at(&scene.pod, "1000", &own), [D; 4], "{flags:?} {mode} {back_end}");
        }
    }
}
