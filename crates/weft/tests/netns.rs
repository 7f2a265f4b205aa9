//! A mesh in network namespaces: programs that know nothing of it call each other by plain names, the kernel hands
//! their connections to the sidecars, and nothing is left behind. Needs root; says so where there is none.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;

use meshes::{Home, Up, nothing_is_left};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const POLICIES: &str = r#"
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio-injection: enabled } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: api-callers, namespace: shop }
spec:
  selector: { matchLabels: { app: api } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web, cluster.local/ns/shop/sa/api] } }]
"#;

/// A Service and what is behind it; `kind` is Deployment or StatefulSet, the second with a headless Service.
fn service(name: &str, kind: &str, ports: &[(&str, u16, u16)]) -> String {
    let of_service: Vec<String> = ports
        .iter()
        .map(|(name, port, target)| format!("{{ {name}port: {port}, targetPort: {target} }}"))
        .collect();
    let of_pod: Vec<String> =
        ports.iter().map(|(_, _, target)| format!("{{ containerPort: {target} }}")).collect();
    let headless = if kind == "StatefulSet" { "clusterIP: None" } else { "type: ClusterIP" };
    format!(
        r#"---
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: shop }}
spec:
  {headless}
  selector: {{ app: {name} }}
  ports: [{}]
---
apiVersion: apps/v1
kind: {kind}
metadata: {{ name: {name}, namespace: shop }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      serviceAccountName: {name}
      containers: [{{ name: app, image: app, ports: [{}] }}]
"#,
        of_service.join(", "),
        of_pod.join(", ")
    )
}

/// Speaks first, as SMTP's and MySQL's servers do.
const GREETER: &str = r#"
import socketserver
class Greeter(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 greeter\n")
        for line in self.rfile:
            self.wfile.write(b"heard " + line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server(("0.0.0.0", 2525), Greeter).serve_forever()
"#;

const GREETED: &str = r#"
import socket
c = socket.create_connection(("mail", 2525), timeout=20)
f = c.makefile("rw", newline="\n")
print(f.readline().strip())
f.write("hello\n"); f.flush()
print(f.readline().strip())
"#;

fn root() -> bool {
    let root = nix::unistd::geteuid().is_root() && Command::new("ip").arg("-V").output().is_ok();
    if !root {
        eprintln!("skipped: a mesh in network namespaces needs root and iproute2");
    }
    root
}

fn start() -> (Home, Up) {
    let mut yaml = POLICIES.to_owned();
    yaml.push_str(&service("web", "Deployment", &[("name: http, ", 80, 8080)]));
    yaml.push_str(&service("other", "Deployment", &[("name: http, ", 80, 8080)]));
    yaml.push_str(&service("api", "Deployment", &[("name: http, ", 80, 8080), ("name: grpc, ", 9000, 9000)]));
    // Nobody says what it speaks.
    yaml.push_str(&service("mail", "Deployment", &[("", 2525, 2525)]));
    yaml.push_str(&service("set", "StatefulSet", &[("name: http, ", 8080, 8080)]));
    let home = Home::new(&yaml);
    let script = home.directory.path().join("greeter.py");
    std::fs::write(&script, GREETER).unwrap();
    open(home.directory.path());
    let app = format!("mail=exec python3 {}", script.display());
    let mut up = home.up(&["--netns", "--app", &app]);
    up.says("mesh is ready in");
    (home, up)
}

/// The app's user has to find its program.
fn open(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn exec(home: &Home, workload: &str, words: &[&str]) -> Output {
    let all: Vec<&str> = ["exec", workload, "--"].into_iter().chain(words.iter().copied()).collect();
    home.output(&all)
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What curl writes: the body, and the status at the end.
fn curl(home: &Home, workload: &str, words: &[&str]) -> String {
    let all: Vec<&str> =
        ["curl", "-sS", "-m", "20", "-w", " %{http_code}"].into_iter().chain(words.iter().copied()).collect();
    text(&exec(home, workload, &all))
}

fn namespaces() -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn of_mesh(up: &Up) -> Vec<String> {
    let hub = format!("weft-up-{}", up.child.id());
    namespaces().into_iter().filter(|name| *name == hub || name.starts_with(&format!("{hub}-"))).collect()
}

#[test]
fn programs_that_know_nothing_of_the_mesh_are_in_it() {
    if !root() {
        return;
    }
    let (home, mut up) = start();
    // What passes over the bridge while the first calls are made.
    let hub = format!("weft-up-{}", up.child.id());
    let capture = home.directory.path().join("wire");
    let tcpdump = Command::new("ip")
        .args([
            "netns",
            "exec",
            &hub,
            "tcpdump",
            "-q",
            "-U",
            "--immediate-mode",
            "-Z",
            "root",
            "-i",
            "br0",
            "-w",
        ])
        .arg(&capture)
        .stderr(Stdio::null())
        .spawn();

    let called = curl(&home, "web", &["http://api/the-secret-path"]);
    assert!(called.ends_with(" 200") && called.contains("spiffe://cluster.local/ns/shop/sa/web"), "{called}");
    let denied = curl(&home, "other", &["http://api.shop.svc.cluster.local/"]);
    assert!(denied.ends_with(" 403") && denied.contains("RBAC: access denied"), "{denied}");
    let python = "import urllib.request as u; print(u.urlopen('http://api.shop/x', timeout=20).status)";
    assert_eq!(text(&exec(&home, "web", &["python3", "-c", python])).trim(), "200");
    let h2 = curl(&home, "web", &["--http2-prior-knowledge", "http://api/"]);
    assert!(h2.ends_with(" 200"), "{h2}");

    // To itself, through its own VIP, it is checked as anybody is; on its localhost it is alone.
    let itself = curl(&home, "api", &["http://api/"]);
    assert!(itself.ends_with(" 200") && itself.contains("ns/shop/sa/api"), "{itself}");
    let alone = curl(&home, "api", &["http://127.0.0.1:8080/"]);
    assert!(alone.ends_with(" 200") && !alone.contains("spiffe://"), "{alone}");
    let headless = curl(&home, "web", &["http://set:8080/"]);
    assert!(headless.ends_with(" 200") && headless.contains("spiffe://"), "{headless}");

    // Its sidecar answers its DNS, too, in all spellings, and knows nothing of what is not there.
    let known = text(&exec(&home, "web", &["getent", "-s", "dns", "ahostsv4", "api.shop.svc.cluster.local"]));
    assert!(known.starts_with("10.96."), "{known}");
    let short = text(&exec(&home, "web", &["getent", "-s", "dns", "ahostsv4", "set"]));
    assert!(short.starts_with("10.244."), "{short}");
    let unknown = exec(&home, "web", &["getent", "-s", "dns", "ahostsv4", "nobody.shop.svc.cluster.local"]);
    assert!(!unknown.status.success(), "{unknown:?}");
    // A kubelet's way in, which speaks no mTLS, is there, and knows of no probe that nobody defined.
    let probed = curl(&home, "web", &["http://127.0.0.1:15020/app-health/app/readyz"]);
    assert!(probed.ends_with(" 404"), "{probed}");

    // A server that speaks first, on a port of which nobody says so; and once more, now that it is known.
    for _ in 0..2 {
        let greeted = text(&exec(&home, "web", &["python3", "-c", GREETED]));
        assert_eq!(greeted.trim(), "220 greeter\nheard hello", "{greeted}");
    }

    if let Ok(mut tcpdump) = tcpdump {
        let _ = Command::new("kill").arg(tcpdump.id().to_string()).status();
        let _ = tcpdump.wait();
        let wire = std::fs::read(&capture).unwrap();
        let has = |words: &[u8]| wire.windows(words.len()).any(|part| part == words);
        assert!(wire.len() > 5000, "{} bytes passed", wire.len());
        assert!(!has(b"the-secret-path") && !has(b"220 greeter"), "plaintext passed between pods");
    }

    // Past its sidecar nobody reaches an app: what comes to a pod in plaintext is refused, at any port of it.
    let status = home.output(&["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let pods = status["pods"].as_array().unwrap();
    let api =
        pods.iter().find(|pod| pod["workload"] == "api").unwrap()["address"].as_str().unwrap().to_owned();
    let past = curl(&home, "web", &[&format!("http://{api}:8080/")]);
    assert!(!past.ends_with(" 200"), "{past}");

    floods_end(&home, &api);
    let called = curl(&home, "web", &["http://api/"]);
    assert!(called.ends_with(" 200"), "after the flood: {called}");

    let user = text(&exec(&home, "web", &["id", "-u"]));
    assert_eq!(user.trim(), "1000");
    let asked = home.output(&["curl", "--from", "web", "-w", " %{http_code}", "http://api/"]);
    assert!(text(&asked).contains(" 200"), "{asked:?}");

    assert_eq!(of_mesh(&up).len(), 6, "a hub, and five pods");
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
    assert_eq!(of_mesh(&up), [""; 0]);
    assert_eq!(home.runs(), 0);
}

/// Connections to the sidecar's own ports, which nobody turned there: each ends, and none begins another.
fn floods_end(home: &Home, peer: &str) {
    let flood = format!(
        r#"
import socket
for port in (15001, 15006):
    for address in ("{peer}", "127.0.0.1"):
        for _ in range(100):
            c = socket.create_connection((address, port), timeout=10)
            c.sendall(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n")
            c.settimeout(10)
            try:
                while c.recv(1000): pass
            except ConnectionError: pass
            c.close()
print("over")
"#
    );
    let over = text(&exec(home, "web", &["python3", "-c", &flood]));
    assert!(over.trim().ends_with("over"), "{over}");
    let open = "print(sum(l.split()[3] == '01' for l in open('/proc/net/tcp').readlines()[1:]))";
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let count = text(&exec(home, "web", &["python3", "-c", open]));
        if count.trim().parse::<usize>().unwrap() < 50 {
            return;
        }
        assert!(Instant::now() < deadline, "{count} connections are still open");
    }
}

#[test]
fn what_a_killed_mesh_leaves_the_next_one_takes_away_and_only_that() {
    if !root() {
        return;
    }
    let foreign = format!("foreign-{}", std::process::id());
    assert!(Command::new("ip").args(["netns", "add", &foreign]).status().unwrap().success());
    let home = Home::new(&service("web", "Deployment", &[("name: http, ", 80, 8080)]));
    let mut first = home.up(&["--netns"]);
    first.says("mesh is ready in");
    first.signal("KILL");
    first.ended();
    assert!(!of_mesh(&first).is_empty());
    let mut second = home.up(&["--netns"]);
    second.says("mesh is ready in");
    assert_eq!(of_mesh(&first), [""; 0]);
    assert!(namespaces().contains(&foreign));
    let called = curl(&home, "web", &["http://web/"]);
    assert!(called.ends_with(" 200"), "{called}");
    second.signal("TERM");
    second.ended();
    nothing_is_left(&home);
    assert_eq!(of_mesh(&second), [""; 0]);
    assert!(Command::new("ip").args(["netns", "del", &foreign]).status().unwrap().success());
}
