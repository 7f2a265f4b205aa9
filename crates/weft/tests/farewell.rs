//! The end of a pod, seen from all sides: its sidecar is told to end while its app still works, and nobody loses anything.
//! Needs root, for network namespaces; says so where there is none.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, Up, annotated, nothing_is_left, until};
use pods::{curl, exec, from_outside, outside, root, sidecar, text};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn mesh() -> String {
    let mut yaml =
        "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio-injection: enabled } }\n"
            .to_owned();
    for (name, drain) in [("api", "30s"), ("web", "1s")] {
        let annotation = format!("proxy.istio.io/config: 'terminationDrainDuration: {drain}'");
        yaml.push_str(&annotated(name, &[("http", 80, 8080)], &annotation));
    }
    yaml
}

/// Is slow where it is asked to be, until a file is there; and closes its port when it is asked to, but lives on.
const API: &str = r#"
import http.server, os, sys, threading, time
class App(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            print("begun", flush=True)
            while not os.path.exists(sys.argv[1]):
                time.sleep(0.02)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        if self.path == "/close":
            threading.Thread(target=server.shutdown).start()
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
server = Server(("0.0.0.0", 8080), App)
server.serve_forever()
server.server_close()
while True:
    time.sleep(1)
"#;

/// HTTP/2 in plaintext: says when its connection stands, and then when it is told GOAWAY.
const H2: &str = r#"
import socket, sys
c = socket.create_connection((sys.argv[1], 8080), timeout=60)
c.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\x00" + bytes(4))
f = c.makefile("rb")
while True:
    head = f.read(9)
    if len(head) < 9:
        print("ended"); break
    f.read(int.from_bytes(head[:3], "big"))
    if head[3] == 4 and not head[4] & 1:
        c.sendall(bytes(3) + b"\x04\x01" + bytes(4))
        print("stands", flush=True)
    if head[3] == 7:
        print("goaway"); break
"#;

/// Tells the sidecar of `workload` to end; which process it is.
fn tell(up: &Up, workload: &str) -> u32 {
    let process = sidecar(up, workload).unwrap();
    let told = std::process::Command::new("kill").args(["-TERM", &process.to_string()]).status();
    assert!(told.unwrap().success());
    process
}

fn lives(process: u32) -> bool {
    std::path::Path::new(&format!("/proc/{process}/environ")).exists()
        && !std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default().is_empty()
}

fn says(child: &mut std::process::Child) -> impl FnMut() -> String + use<> {
    use std::io::BufRead as _;
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    move || lines.next().and_then(Result::ok).unwrap_or_default()
}

#[test]
fn a_sidecar_that_is_told_to_end_loses_nothing_and_stays_for_as_long_as_its_app() {
    if !root() {
        return;
    }
    let home = Home::new(&mesh());
    let released = home.directory.path().join("released");
    let mut up = pods::ready(&home, API, &[("api", released.to_str().unwrap())]);
    let address = pods::address(&home, "api");

    // In flight when it is told: a request between two sidecars, and a connection of HTTP/2 that is open.
    let slow =
        home.weft(&["exec", "web", "--", "curl", "-sS", "-m", "60", "http://api/slow"]).spawn().unwrap();
    let log = pods::folder(&home, "api").join("app.log");
    until("the slow request never begins", || {
        std::fs::read_to_string(&log).unwrap_or_default().contains("begun")
    });
    let mut h2 = outside(&up).args(["python3", "-c", H2, &address]).stdout(Stdio::piped()).spawn().unwrap();
    let mut h2_says = says(&mut h2);
    assert_eq!(h2_says(), "stands");
    let process = tell(&up, "api");
    assert_eq!(h2_says(), "goaway");
    assert!(h2.wait().unwrap().success());

    // It goes on taking what comes, from peers that have not heard of it, and asks them to go.
    let direct = from_outside(&up, &["-si", "-m", "20", &format!("http://{address}:8080/")]);
    let direct = text(&direct).to_ascii_lowercase();
    assert!(direct.starts_with("http/1.1 200") && direct.contains("connection: close"), "{direct}");
    assert_eq!(curl(&home, "web", &["http://api/"]), "ok 200");
    // What is in flight ends well.
    std::fs::write(&released, "").unwrap();
    let answered = slow.wait_with_output().unwrap();
    assert_eq!(text(&answered), "ok");
    // Nothing is in flight any more; but the app listens, and may have last words.
    assert!(curl(&home, "api", &["http://web/"]).ends_with(" 200"));
    assert_eq!(sidecar(&up, "api"), Some(process));
    // When it listens no more, there is nothing to stay for: long before the limit.
    let closing = Instant::now();
    let _ = exec(&home, "api", &["curl", "-sS", "-m", "20", "http://127.0.0.1:8080/close"]);
    until("the sidecar outlives its app", || !lives(process));
    assert!(closing.elapsed() < Duration::from_secs(25), "it waited for its limit");

    // One whose app does not go waits no longer than it is told to.
    let began = Instant::now();
    let process = tell(&up, "web");
    until("the sidecar outlives its limit", || !lives(process));
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(20)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );

    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}
