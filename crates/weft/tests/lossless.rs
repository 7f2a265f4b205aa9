//! A life without loss: every pod of a service is replaced under load, and what is opened while a pod starts waits
//! instead of failing. In network namespaces, by clients that know nothing of the mesh. Needs root.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, accounted, eventually, nothing_is_left, until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pods::{inside, pods, readable, root};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Requests a second, and on how many connections: half of them are kept, the others made for each request.
const RATE: u32 = 500;
const CLIENTS: u32 = 20;
/// Goes on this long after the last old pod is gone.
const AFTER: Duration = Duration::from_secs(1);

/// What one client sent, and what became of it otherwise than well.
#[derive(Default)]
struct Sent {
    requests: usize,
    failed: Vec<String>,
}

/// Asks for as long as it is not told to stop, by the clock, from inside of a namespace.
fn client(api: SocketAddr, number: u32, stop: &AtomicBool) -> Sent {
    let keeps = number.is_multiple_of(2);
    let every = Duration::from_secs(1) * CLIENTS / RATE;
    let began = Instant::now() + every * number / CLIENTS;
    let (mut sent, mut kept) = (Sent::default(), None);
    while !stop.load(Ordering::Relaxed) {
        // By the clock: what is late is made up for.
        let due = began + every * u32::try_from(sent.requests).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.requests += 1;
        match ask(kept.take(), api) {
            Ok((stream, may_stay)) => kept = (keeps && may_stay).then_some(stream),
            Err(why) => sent.failed.push(format!("{:.1} s: {why}", began.elapsed().as_secs_f64())),
        }
    }
    sent
}

/// One request and its whole answer; the connection, and whether it may be used again.
fn ask(kept: Option<TcpStream>, api: SocketAddr) -> Result<(TcpStream, bool), String> {
    let error = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect(api).map_err(|e| error("connect", e))?,
    };
    stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(|e| error("timeout", e))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n").map_err(|e| error("write", e))?;
    let mut answer = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let length = stream.read(&mut buffer).map_err(|e| error("read", e))?;
        answer.extend(&buffer[..length]);
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if length == 0 {
            return Err(format!("cut: {text:?}"));
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let wanted =
            head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
        if wanted.is_some_and(|wanted: usize| body.len() >= wanted) {
            let good = head.starts_with("http/1.1 200");
            return if good { Ok((stream, !head.contains("connection: close"))) } else { Err(text) };
        }
    }
}

#[test]
fn every_pod_of_a_service_is_replaced_under_load_and_no_request_fails() {
    if !root() {
        return;
    }
    let http = [("http", 80, 8080)];
    let api = accounted("api", &http).replace("spec:\n  selector", "spec:\n  replicas: 3\n  selector");
    let yaml = [STRICT, &accounted("web", &http), &api].concat();
    let home = Home::new(&yaml);
    let mut up = home.up(&["--netns"]);
    up.says("mesh is ready in");
    let web = pods(&home, "web").remove(0);
    let old: Vec<String> = pods(&home, "api").into_iter().map(|pod| pod.name).collect();
    let api = SocketAddr::new(vip(&home), 80);
    let stop = AtomicBool::new(false);
    let all: Vec<Sent> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (netns, stop) = (&web.netns, &stop);
                scope.spawn(move || inside(netns, || client(api, number, stop)))
            })
            .collect();
        // However this ends, the clients do.
        let stop = OnDrop(&stop);
        home.write(&yaml.replace("labels: { app: api },", "labels: { app: api, round: two },"));
        old.iter().for_each(|_| {
            up.says(" is gone");
        });
        std::thread::sleep(AFTER);
        drop(stop);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let new = pods(&home, "api");
    assert!(
        new.len() == old.len() && new.iter().all(|pod| !old.contains(&pod.name)),
        "of {old:?} some are left"
    );
    let sent: usize = all.iter().map(|one| one.requests).sum();
    let failed: Vec<&String> = all.iter().flat_map(|one| &one.failed).collect();
    println!("{sent} requests while all pods were replaced");
    assert!(failed.is_empty(), "{} of {sent} failed: {:#?}", failed.len(), &failed[..failed.len().min(20)]);
    assert!(sent > 1000, "{sent}");
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}

/// Has the one pod of `api` replaced.
fn replace(home: &Home, up: &mut meshes::Up, yaml: &str, round: &str) {
    let labels = format!("labels: {{ app: api, round: {round} }},");
    home.write(&yaml.replace("labels: { app: api },", &labels));
    up.says(" is gone");
    until(&format!("{round} never is alone"), || pods(home, "api").len() == 1);
}

#[test]
fn an_address_leads_to_the_next_pod_that_has_it_at_once_and_one_that_nobody_has_is_refused() {
    if !root() {
        return;
    }
    let http = [("http", 80, 8080)];
    let yaml = [STRICT, &accounted("web", &http), &accounted("api", &http)].concat();
    let home = Home::new(&yaml);
    let mut up = home.up(&["--netns"]);
    up.says("mesh is ready in");
    let (web, first) = (pods(&home, "web").remove(0), pods(&home, "api").remove(0));
    // As the kernel of a caller does for half a minute: without a question, until it has reason to doubt.
    let ip = |words: &[&str]| Command::new("ip").args(words).output().unwrap();
    let link = ip(&["-n", &first.netns, "-o", "link", "show", "eth0"]).stdout;
    let link = String::from_utf8_lossy(&link).into_owned();
    let hardware = link.split_whitespace().skip_while(|word| *word != "link/ether").nth(1).unwrap();
    let address = first.address.to_string();
    let remembered =
        format!("-n {} neigh replace {address} lladdr {hardware} dev eth0 nud permanent", web.netns);
    assert!(ip(&remembered.split(' ').collect::<Vec<_>>()).status.success());
    // The address of the first is free when the third needs one.
    replace(&home, &mut up, &yaml, "two");
    let second = pods(&home, "api").remove(0);
    replace(&home, &mut up, &yaml, "three");
    let third = pods(&home, "api").remove(0);
    assert_eq!((third.address, second.address != first.address), (first.address, true));
    let api = SocketAddr::new(vip(&home), 80);
    inside(&web.netns, || ask(None, api).map(drop)).unwrap();

    // A service's own address that no service has, the world's, and a pod's that is gone or never was.
    let nobodys = ["10.96.255.1", "192.0.2.1", "240.240.255.1", "fd00:10:96::ffff", "10.244.200.1"];
    let second = second.address.to_string();
    for nobody in nobodys.into_iter().chain([second.as_str()]) {
        let began = Instant::now();
        let mut answer = Vec::new();
        let came = inside(&web.netns, || {
            let mut stream = TcpStream::connect(SocketAddr::new(nobody.parse().unwrap(), 4444))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(b"anybody there?\n")?;
            stream.read_to_end(&mut answer)
        });
        let took = began.elapsed();
        assert!(came.is_err() || answer.is_empty(), "{nobody}: {answer:?}");
        // Less than any sidecar waits for a connection.
        assert!(took < Duration::from_secs(8), "{nobody}: {came:?} after {took:?}");
    }
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}

/// The address of the service `api`, as its callers resolve it.
fn vip(home: &Home) -> std::net::IpAddr {
    let output = home.output(&["exec", "web", "--", "getent", "ahostsv4", "api"]);
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().unwrap().parse().unwrap()
}

/// Tells the clients to stop.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Opens a thousand connections as its first deed, asks on each, and writes down what came of them. Then it serves.
const EARLY: &str = r#"
import collections, http.server, json, os, socket, sys
came, opened = collections.Counter(), []
for _ in range(1000):
    try: opened.append(socket.create_connection(("api", 80), timeout=30))
    except OSError as error: came[f"not opened: {error}"] += 1
for c in opened:
    c.sendall(b"GET /early HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
for c in opened:
    try: came[b"".join(iter(lambda: c.recv(65536), b"")).split(b"\r\n")[0].decode()] += 1
    except OSError as error: came[f"no answer: {error}"] += 1
path = os.path.join(sys.argv[1], os.environ["ROUND"])
json.dump(came, open(path + ".new", "w"))
os.rename(path + ".new", path)
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), http.server.SimpleHTTPRequestHandler).serve_forever()
"#;

#[test]
fn a_thousand_connections_opened_while_a_pod_starts_are_held_and_none_is_refused() {
    if !root() {
        return;
    }
    // As many files as a login shell of Debian allows, and a sidecar needs two for each connection.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 1024, most).unwrap();
    let http = [("http", 80, 8080)];
    let web =
        accounted("web", &http).replace("image: app,", "image: app, env: [{ name: ROUND, value: first }],");
    let yaml = [STRICT, &web, &accounted("api", &http)].concat();
    let home = Home::new(&yaml);
    let folder = home.directory.path();
    readable(folder);
    let (script, told) = (folder.join("early.py"), folder.join("told"));
    std::fs::write(&script, EARLY).unwrap();
    std::fs::create_dir(&told).unwrap();
    std::os::unix::fs::chown(&told, Some(1000), Some(1000)).unwrap();
    let app = format!("web=exec python3 {} {}", script.display(), told.display());
    let mut up = home.up(&["--netns", "--app", &app]);
    let came = |round: &str| -> serde_json::Value {
        let text =
            eventually(|| std::fs::read(told.join(round)).map_err(|error| format!("{round}: {error}")));
        serde_json::from_slice(&text).unwrap()
    };
    // All of the mesh starts: whom they call may not be there yet, but each is held and answered.
    let first = came("first");
    let answered = first.as_object().unwrap().iter().filter(|(what, _)| what.starts_with("HTTP/1.1 "));
    assert_eq!(answered.filter_map(|(_, count)| count.as_u64()).sum::<u64>(), 1000, "{first}");
    up.says("mesh is ready in");
    // One pod starts, in a mesh that is there.
    home.write(&yaml.replace("value: first", "value: second"));
    assert_eq!(came("second"), serde_json::json!({ "HTTP/1.1 200 OK": 1000 }));
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}
