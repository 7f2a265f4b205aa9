//! More connections to one pod's app than the kernel has ports to give, at two ports of it: each is carried. Needs root, for
//! network namespaces; says so where there is none.

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, annotated, nothing_is_left};
use pods::{exec, root, text, within};

/// `turned`'s app is called from 127.0.0.6, and `kept`'s from its client's own address.
const PODS: [(&str, &str); 2] = [("turned", "REDIRECT"), ("kept", "TPROXY")];

fn mesh() -> String {
    let ports = [("tcp-one", 9001, 9001), ("tcp-two", 9002, 9002)];
    let one = |(name, mode): (&str, &str)| {
        annotated(name, &ports, &format!("sidecar.istio.io/interceptionMode: {mode}"))
    };
    let all: String = PODS.into_iter().map(one).collect();
    [STRICT, &all, &one(("caller", "REDIRECT"))].concat()
}

/// Says back what it hears, on as many connections as there are.
const ECHO: &str = r#"
import asyncio
async def echo(reader, writer):
    while said := await reader.read(4096):
        writer.write(said)
async def main():
    for port in (9001, 9002):
        await asyncio.start_server(echo, "0.0.0.0", port, backlog=512)
    await asyncio.Event().wait()
asyncio.run(main())
"#;

/// Opens so many connections to each port, all at once, and counts those that carry.
const OPEN: &str = r#"
import socket, sys
opened = [socket.create_connection((sys.argv[1], port), timeout=20) for port in (9001, 9002) for _ in range(50)]
carried = 0
for c in opened: c.sendall(b"hello")
for c in opened:
    try: carried += c.recv(5) == b"hello"
    except OSError: pass
print(carried)
"#;

#[test]
fn an_app_is_called_as_often_as_each_of_its_ports_can_tell_connections_apart() {
    if !root() {
        return;
    }
    let home = Home::new(&mesh());
    let mut up = pods::ready(&home, ECHO, &PODS.map(|(name, _)| (name, "")));
    for (name, _) in PODS {
        // More than one port of the app has connections, and fewer than both.
        let few = "net.ipv4.ip_local_port_range=40000 40079";
        assert!(within(&home, name, &["sysctl", "-qw", few]).status.success());
        assert_eq!(text(&exec(&home, "caller", &["python3", "-c", OPEN, name])), "100", "{name}");
    }
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}
