//! A mesh in network namespaces: programs that know nothing of it call each other by plain names, the kernel hands
//! their connections to the sidecars, and nothing is left behind. Needs root; says so where there is none.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, Up, accounted, nothing_is_left, until};
use pods::{curl, exec, inside, of_mesh, pods, readable, root, run_directory, sidecar, text};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const POLICIES: &str = r#"
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: api-callers, namespace: shop }
spec:
  selector: { matchLabels: { app: api } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web, cluster.local/ns/shop/sa/api] } }]
"#;

const SET: &str = r#"---
apiVersion: v1
kind: Service
metadata: { name: set, namespace: shop }
spec: { clusterIP: None, selector: { app: set }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: set, namespace: shop }
spec:
  serviceName: set
  replicas: 2
  selector: { matchLabels: { app: set } }
  template:
    metadata: { labels: { app: set } }
    spec: { serviceAccountName: set, containers: [{ name: app, image: app, ports: [{ containerPort: 8080 }] }] }
"#;

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

/// Whether names are known to be none.
const MISSING: &str = r#"
import socket
for name in ["apy", "apy.shop", "apy.shop.svc.cluster.local", "www.example.org"]:
    try: print(socket.getaddrinfo(name, 80))
    except socket.gaierror as error:
        print("missing" if error.errno == socket.EAI_NONAME else "unknown")
"#;

fn start() -> (Home, Up) {
    let mut yaml = [STRICT, POLICIES, SET].concat();
    yaml.push_str(&accounted("web", &[("http", 80, 8080)]));
    yaml.push_str(&accounted("other", &[("http", 80, 8080)]));
    yaml.push_str(&accounted("api", &[("http", 80, 8080), ("grpc", 9000, 9000)]));
    // Nobody says what it speaks.
    yaml.push_str(&accounted("mail", &[("", 2525, 2525)]));
    let home = Home::new(&yaml);
    let script = home.directory.path().join("greeter.py");
    std::fs::write(&script, GREETER).unwrap();
    readable(home.directory.path());
    let app = format!("mail=exec python3 {}", script.display());
    // Nobody knows the world outside.
    let mut up = home.up(&["--netns", "--resolv-conf", "/dev/null", "--app", &app]);
    up.says("they are not resolved");
    up.says("mesh is ready in");
    (home, up)
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
    // A pod has a name of its own, and a program that is not there is told as a shell tells it.
    let named = text(&exec(&home, "web", &["sh", "-c", "echo $HOSTNAME $(uname -n)"]));
    assert_eq!(named.trim(), "web-1 web-1");
    let nowhere = exec(&home, "web", &["no-such-program"]);
    assert!(nowhere.status.code() == Some(127), "{nowhere:?}");
    let h2 = curl(&home, "web", &["--http2-prior-knowledge", "http://api/"]);
    assert!(h2.ends_with(" 200"), "{h2}");

    // To itself, through its own VIP, it is checked as anybody is; on its localhost it is alone.
    let itself = curl(&home, "api", &["http://api/"]);
    assert!(itself.ends_with(" 200") && itself.contains("ns/shop/sa/api"), "{itself}");
    let alone = curl(&home, "api", &["http://127.0.0.1:8080/"]);
    assert!(alone.ends_with(" 200") && !alone.contains("spiffe://"), "{alone}");
    let headless = curl(&home, "web", &["http://set:8080/"]);
    assert!(headless.ends_with(" 200") && headless.contains("spiffe://"), "{headless}");
    // What is missing in the cluster is known to be; of the world outside nothing is known.
    let missing = text(&exec(&home, "web", &["python3", "-c", MISSING]));
    assert_eq!(missing.lines().collect::<Vec<_>>(), ["missing", "missing", "missing", "unknown"]);
    // Each of its pods has a name, which is that pod's alone.
    for (name, host) in [("set-0", "set-0.set"), ("set-1", "set-1.set.shop.svc.cluster.local")] {
        let one = curl(&home, "web", &[&format!("http://{host}:8080/")]);
        assert!(one.ends_with(" 200") && one.contains("spiffe://"), "{one}");
        assert!(one.contains(&format!("\"pod\": \"{name}\"")), "{host}: {one}");
        let known = text(&exec(&home, "web", &["getent", "-s", "dns", "ahostsv4", host]));
        let address = pods(&home, "set").into_iter().find(|pod| pod.name == name).unwrap().address;
        assert!(known.starts_with(&format!("{address} ")), "{host}: {known}");
    }

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
    let api = pods(&home, "api").remove(0).address;
    let past = curl(&home, "web", &[&format!("http://{api}:8080/")]);
    assert!(!past.ends_with(" 200"), "{past}");

    floods_end(&home, &up);
    let called = curl(&home, "web", &["http://api/"]);
    assert!(called.ends_with(" 200"), "after the flood: {called}");

    let user = text(&exec(&home, "web", &["id", "-u"]));
    assert_eq!(user.trim(), "1000");
    let asked = home.output(&["curl", "--from", "web", "-w", " %{http_code}", "http://api/"]);
    assert!(text(&asked).contains(" 200"), "{asked:?}");

    assert_eq!(of_mesh(&up).len(), 7, "a hub, and six pods");
    let files = run_directory(&up);
    assert!(files.exists());
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
    assert_eq!(of_mesh(&up), [""; 0]);
    assert!(!files.exists());
    assert_eq!(home.runs(), 0);
}

/// So many connections to each of a sidecar's own ports at once.
const FLOOD: usize = 2000;

/// Connections to a sidecar's own ports, which nobody turned there: each ends, none begins another, and what they cost is
/// over with them.
fn floods_end(home: &Home, up: &Up) {
    let (web, api) = (pods(home, "web").remove(0), pods(home, "api").remove(0));
    let process = sidecar(up, "api").unwrap();
    let files = || std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    };
    let (idle, small) = (files(), resident());
    let flood = |port: u16, address: std::net::IpAddr| {
        let mut open: Vec<TcpStream> =
            (0..FLOOD).map(|_| TcpStream::connect(SocketAddr::new(address, port)).unwrap()).collect();
        // Whoever is refused before its first word has its end, too.
        open.iter_mut().for_each(|stream| {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n");
        });
        let most = files();
        for stream in &mut open {
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Ok(_) => assert!(!answer.starts_with(b"HTTP/1.1 200"), "a loop is answered"),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
            }
        }
        most
    };
    for (netns, address) in
        [(&web.netns, api.address), (&api.netns, api.six.unwrap()), (&api.netns, [127, 0, 0, 1].into())]
    {
        for port in [15001, 15006] {
            let most = inside(netns, || flood(port, address));
            assert!(
                most <= idle + FLOOD + 50,
                "{most} files are open for {FLOOD} connections to {address}:{port}"
            );
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while files() > idle + 50 {
        assert!(Instant::now() < deadline, "{} files are still open, {idle} were before", files());
        std::thread::sleep(Duration::from_millis(20));
    }
    let grown = resident().saturating_sub(small);
    assert!(grown < 32 * 1024, "{grown} KiB more than before the flood");
}

/// A namespace of somebody else; gone when it is dropped.
struct Foreign(String);

impl Foreign {
    fn new(name: String) -> Self {
        assert!(Command::new("ip").args(["netns", "add", &name]).status().unwrap().success());
        Self(name)
    }

    fn is_there(&self) -> bool {
        pods::namespaces().contains(&self.0)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// A process in a pod of `home` that has left the group of whoever started it, as a daemon does.
fn daemon(home: &Home) -> std::path::PathBuf {
    let line = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!";
    let said = text(&exec(home, "web", &["sh", "-c", line]));
    let process = std::path::Path::new("/proc").join(said.trim());
    // While a process becomes another, the kernel tells no name of it.
    until(&format!("{process:?} never sleeps"), || is_asleep(&process));
    process
}

fn is_asleep(process: &std::path::Path) -> bool {
    std::fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.contains("sleep"))
}

#[test]
fn what_a_killed_mesh_leaves_the_next_one_takes_away_and_only_that() {
    if !root() {
        return;
    }
    // Of no shape of ours, of our prefix, and of our very shape: the number is none that a process can have.
    let number = 4_000_000_000 + u64::from(std::process::id());
    let names =
        [format!("foreign-{number}"), format!("weft-up-foreign-{number}"), format!("weft-up-{number}-1")];
    let foreign = names.map(Foreign::new);
    let yaml = accounted("web", &[("http", 80, 8080)]);
    let (home, neighbour) = (Home::new(&yaml), Home::new(&yaml));
    let mut lives = neighbour.up(&["--netns"]);
    lives.says("mesh is ready in");
    // Who answers the pods' DNS at the hub is there, too.
    let file = home.directory.path().join("resolv.conf");
    std::fs::write(&file, "nameserver [127.0.0.1]:9\n").unwrap();
    let with_dns = ["--netns", "--resolv-conf", file.to_str().unwrap()];
    let mut first = home.up(&with_dns);
    first.says("mesh is ready in");
    let (left, stays) = (daemon(&home), daemon(&neighbour));
    first.signal("KILL");
    first.ended();
    assert!(!of_mesh(&first).is_empty() && run_directory(&first).exists());
    // Another, in the middle of its start.
    let mut half = home.up(&with_dns);
    let deadline = Instant::now() + meshes::LIMIT;
    while of_mesh(&half).is_empty() {
        assert!(Instant::now() < deadline, "it makes no namespace");
        std::thread::sleep(Duration::from_millis(1));
    }
    half.signal("KILL");
    half.ended();
    let mut last = home.up(&with_dns);
    last.says("mesh is ready in");
    for dead in [&first, &half] {
        assert_eq!(of_mesh(dead), [""; 0]);
        assert!(!run_directory(dead).exists());
    }
    assert!(!is_asleep(&left) && is_asleep(&stays), "the neighbour's goes with its own mesh");
    for (home, what) in [(&home, "the mesh that came"), (&neighbour, "the mesh that lived on")] {
        let called = curl(home, "web", &["http://web/"]);
        assert!(called.ends_with(" 200"), "{what}: {called}");
    }
    for mut up in [last, lives] {
        up.signal("TERM");
        assert!(up.ended().success());
        assert_eq!(of_mesh(&up), [""; 0]);
    }
    assert!(!is_asleep(&stays));
    nothing_is_left(&home);
    nothing_is_left(&neighbour);
    assert!(foreign.iter().all(Foreign::is_there));
}

#[test]
fn a_namespace_that_is_there_already_is_named_and_stays() {
    if !root() {
        return;
    }
    let home = Home::new(&accounted("web", &[("http", 80, 8080)]));
    // The shell's number is that of the mesh that it becomes.
    let line = format!("ip netns add weft-up-$$-1; echo $$; exec $WEFT up {} --netns", home.yaml().display());
    let output = home.shell(&line);
    let number = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let foreign = Foreign(format!("weft-up-{number}-1"));
    let said = text(&output);
    assert!(!output.status.success());
    assert!(said.contains(&format!("the network namespace {} is there", foreign.0)), "{said}");
    assert!(said.contains("ip netns del"), "{said}");
    assert!(foreign.is_there() && !pods::namespaces().contains(&format!("weft-up-{number}")));
    assert_eq!(home.runs(), 0);
}
