//! Pods of an unusual kind in network namespaces: apps that listen on all addresses of IPv6, on their pod's address alone
//! or on localhost alone; several containers; what annotations leave alone; no interception at all; the host's network.
//! And what an app might try to get around its sidecar. Needs root; says so where there is none.

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, Up, deployment, nothing_is_left, service, until};
use pods::{SEEN, curl, exec, from_outside, python, root, text};

/// A pod: its name, its annotations, what stands in its spec beside the containers, where its app listens.
const PODS: [(&str, &str, &str, &str); 8] = [
    ("six", "", "", ":: 8080 9000"),
    ("narrow", "", "", "$POD_IP 8080"),
    ("hidden", "", "", "127.0.0.1 8080"),
    ("many", "", "initContainers: [{ name: first, image: init, command: [\"true\"] }]", "0.0.0.0 8080 9090"),
    ("part", "traffic.sidecar.istio.io/excludeInboundPorts: \"9000\"", "", "0.0.0.0 8080 9000"),
    ("free", "traffic.sidecar.istio.io/excludeOutboundPorts: \"9000\"", "", "0.0.0.0 8080"),
    ("left", "traffic.sidecar.istio.io/excludeInterfaces: eth0", "", "0.0.0.0 8080"),
    ("bound", "sidecar.istio.io/interceptionMode: NONE", "", "127.0.0.1 8080"),
];

const PORTS: &str = "{ name: http, port: 80, targetPort: web }, { name: http-more, port: 81, targetPort: 9090 }, \
     { name: tcp-raw, port: 9000 }";

const CONTAINERS: &str = r#"containers: [{
        name: app,
        image: app,
        env: [{ name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }],
        ports: [{ name: web, containerPort: 8080 }],
        readinessProbe: { httpGet: { path: /, port: web }, timeoutSeconds: 10 },
        livenessProbe: { tcpSocket: { port: web }, timeoutSeconds: 10 },
        startupProbe: { httpGet: { path: /missing, port: web }, timeoutSeconds: 10 },
      }, { name: second, image: second, ports: [{ containerPort: 9090 }] }]"#;

fn mesh() -> String {
    let one = |name: &str, annotations: &str, spec: &str| {
        let spec = format!("serviceAccountName: {name}, {CONTAINERS}, {spec}");
        service(name, PORTS) + &deployment(name, annotations, &spec)
    };
    let all: String = PODS.iter().map(|(name, annotations, spec, _)| one(name, annotations, spec)).collect();
    [STRICT, &all, &one("host", "", "hostNetwork: true")].concat()
}

/// Tells everybody which address they come from, at each of its ports.
const SERVE: &str = r#"
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
for port in sys.argv[2:]:
    threading.Thread(target=Server((sys.argv[1], int(port)), Http).serve_forever).start()
"#;

/// What an app might try: to be the sidecar's user or group, to bear the proxy's mark, to have a network of its own choice.
const TRICKS: &str = r#"
import ctypes, os, socket
def tried(act):
    try: act()
    except OSError as error: return error.strerror
    return "done"
c = socket.socket()
print(tried(lambda: os.setuid(1337)), tried(lambda: os.setgid(1337)), tried(lambda: os.setgroups([1337])), sep="|")
print(tried(lambda: c.setsockopt(socket.SOL_SOCKET, 36, 1337)), tried(lambda: c.setsockopt(0, 19, 1)), sep="|")
print(os.getgroups())
"#;

/// Asks another pod's DNS proxy.
const ASKED: &str = r#"
import socket, sys
query = b"\0\7\1\0\0\1\0\0\0\0\0\0\3six\0\0\1\0\1"
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(3)
u.connect((sys.argv[1], 15053))
u.send(query)
try: print("answered", u.recv(512))
except OSError: print("silence")
"#;

fn start() -> (Home, Up) {
    let home = Home::new(&mesh());
    let up = pods::ready(&home, &[SEEN, SERVE].concat(), &PODS.map(|(name, .., listens)| (name, listens)));
    (home, up)
}

#[test]
fn an_odd_pod_is_in_the_mesh_as_it_would_be_in_a_cluster() {
    if !root() {
        return;
    }
    let (home, mut up) = start();
    let address = |workload: &str| pods::address(&home, workload);
    let plain = |workload: &str, port: u16| {
        let url = format!("http://{}:{port}/", address(workload));
        let asked = from_outside(&up, &["-s", "-m", "5", &url]);
        if asked.status.success() { text(&asked) } else { "refused".to_owned() }
    };
    // Where an app listens decides who reaches it: on localhost alone that is nobody but itself.
    assert_eq!(curl(&home, "free", &["http://six/"]), "::ffff:127.0.0.6 200");
    assert_eq!(curl(&home, "six", &["http://six/"]), "::ffff:127.0.0.6 200");
    assert_eq!(curl(&home, "six", &["http://narrow/"]), "127.0.0.6 200");
    assert!(curl(&home, "six", &["http://hidden/"]).ends_with(" 503"));
    assert_eq!(curl(&home, "hidden", &["http://127.0.0.1:8080/"]), "127.0.0.1 200");
    // Each port of each container.
    for port in [80, 81] {
        assert_eq!(curl(&home, "six", &[&format!("http://many:{port}/")]), "127.0.0.6 200");
    }
    // What annotations leave alone, in both directions, comes and goes as it is; all else is as STRICT as ever.
    let (free, left) = (address("free"), address("left"));
    let raw = format!("http://{}:9000/", address("part"));
    assert_eq!(curl(&home, "free", &[&raw]), format!("{free} 200"));
    assert_eq!((plain("part", 9000), plain("part", 8080)), ("10.244.0.1".into(), "refused".into()));
    assert_eq!(curl(&home, "left", &[&raw]), format!("{left} 200"));
    assert_eq!((plain("left", 8080), plain("free", 8080)), ("10.244.0.1".into(), "refused".into()));
    assert_eq!(pods::sidecar(&up, "host"), None);

    // Without interception HTTP goes by the proxy and TCP by addresses, and what comes is met before the app.
    assert_eq!(curl(&home, "bound", &["http://six/"]), "::ffff:127.0.0.6 200");
    assert_eq!(curl(&home, "bound", &["--noproxy", "*", "http://six:9000/"]), "::ffff:127.0.0.6 200");
    assert_eq!(curl(&home, "six", &["http://bound/"]), "127.0.0.1 200");
    assert_eq!(plain("bound", 8080), "refused");
    let asked = home.output(&["curl", "--from", "bound", "-w", " %{http_code}", "http://six/"]);
    assert_eq!(text(&asked), "::ffff:127.0.0.6 200");
    let rules = pods::within(&home, "bound", &["iptables-save"]);
    assert!(rules.status.success() && !text(&rules).contains("ISTIO"), "{rules:?}");
    let past = exec(
        &home,
        "bound",
        &["curl", "-s", "-m", "5", "--noproxy", "*", &format!("http://{}:8080/", address("six"))],
    );
    assert!(!past.status.success(), "{past:?}");

    // A kubelet hears of the app past the sidecar, and the pod itself of the sidecar.
    let asked = |workload: &str, probe: &str| {
        let url = format!("http://{}:15020/app-health/app/{probe}", address(workload));
        text(&from_outside(&up, &["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", &url]))
    };
    for workload in ["bound", "six", "narrow"] {
        let heard = ["readyz", "livez", "startupz", "other"].map(|probe| asked(workload, probe));
        assert_eq!(heard, ["200", "200", "404", "404"], "{workload}");
        let ready = curl(&home, workload, &["--noproxy", "*", "http://127.0.0.1:15021/healthz/ready"]);
        assert_eq!(ready.replace('\n', ""), "LIVE 200", "{workload}");
    }

    // No app becomes its sidecar, or is taken for it; and a pod's DNS proxy is that pod's alone.
    let tried = python(&home, "six", TRICKS);
    let no = "Operation not permitted";
    assert_eq!(tried, format!("{no}|{no}|{no}\n{no}|{no}\n[]"));
    for (workload, other) in [("left", "six"), ("six", "narrow"), ("bound", "six")] {
        let asked = exec(&home, workload, &["python3", "-c", ASKED, &address(other)]);
        assert_eq!(text(&asked), "silence", "{workload} asks {other}");
    }

    // Who ends a sidecar is in its pod, with or without interception.
    for workload in ["bound", "narrow"] {
        let process = format!("/proc/{}", pods::sidecar(&up, workload).unwrap());
        let quit = |at: &str| format!("http://{at}:15020/quitquitquit");
        let mine = quit(&address(workload));
        let no = "only from the pod's own localhost\n 403";
        let outside = from_outside(&up, &["-s", "-m", "20", "-w", " %{http_code}", "-X", "POST", &mine]);
        assert_eq!(text(&outside), no, "{workload}");
        assert_eq!(curl(&home, "many", &["-X", "POST", &mine]), no, "{workload}");
        let said = curl(&home, workload, &["--noproxy", "*", "-X", "POST", &quit("127.0.0.1")]);
        assert_eq!(said, "OK\n 200", "{workload}");
        until(&format!("the sidecar of {workload} lives on"), || !std::path::Path::new(&process).exists());
    }

    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}
