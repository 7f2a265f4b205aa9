//! A mesh that `weft up` runs, as a test sees it: through the command, the sidecars' ports and the terminal.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

const READY: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(30);

/// A running mesh.
pub(crate) struct Mesh {
    weft: PathBuf,
    home: PathBuf,
    child: Mutex<Child>,
    said: Arc<Mutex<String>>,
    spy: TcpListener,
}

/// Additions to the manifests: a pod that is slow, and a service whose one endpoint is the test itself.
fn additions(port: u16) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: transactions-slow, namespace: selfmonitor}}
spec:
  selector: {{matchLabels: {{app: transactions-service, pace: slow}}}}
  template:
    metadata: {{labels: {{app: transactions-service, pace: slow}}}}
    spec:
      serviceAccountName: transactions-service
      containers:
      - name: app
        image: app
        env: [{{name: ECHO_DELAY, value: 150ms}}]
        ports: [{{name: http, containerPort: 8000}}, {{name: grpc, containerPort: 9000}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: spy, namespace: selfmonitor}}
spec:
  hosts: [spy.selfmonitor.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {port}}}]
  endpoints:
  - {{address: 127.0.0.1, serviceAccount: spy, labels: {{security.istio.io/tlsMode: istio}}}}
"
    )
}

impl Mesh {
    /// Starts `weft up` on a copy of `folder` and waits until it says that the mesh is ready. `None`, said aloud, where
    /// the binary was not built: `tests/run` builds it.
    pub(crate) fn start(folder: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let weft = std::env::var_os("WEFT_BIN").map(PathBuf::from)?;
        let home = std::env::temp_dir().join(format!("weft-tour-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        copy(&root.join(folder), &home.join("yaml"));
        let spy = TcpListener::bind("127.0.0.1:0").unwrap();
        fs::write(home.join("yaml/zz-tour.yaml"), additions(spy.local_addr().unwrap().port())).unwrap();
        fs::create_dir_all(home.join("run")).unwrap();
        let mut child = Command::new(&weft)
            .arg("up")
            .arg(home.join("yaml"))
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env_remove("WEFT_RUN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (lines, heard) = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                eprintln!("  | {line}");
                let mut said = heard.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mesh = Self { weft, home, child: Mutex::new(child), said, spy };
        mesh.wait(READY, "the mesh is ready", || {
            assert!(
                mesh.child.lock().unwrap().try_wait().unwrap().is_none(),
                "weft up ended:\n{}",
                mesh.said()
            );
            mesh.command(&["status", "--output", "json"]).output().is_ok_and(|o| {
                serde_json::from_slice::<Value>(&o.stdout).is_ok_and(|v| v["state"]["ready"] == true)
            })
        });
        Some(mesh)
    }

    /// The folder of YAML, to be edited.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.join("yaml")
    }

    /// What `weft up` has written to its terminal.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.weft);
        command.args(arguments).env("XDG_RUNTIME_DIR", self.home.join("run")).env_remove("WEFT_RUN");
        command
    }

    /// A command's JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).args(["--output", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
            panic!("weft {arguments:?}: {e}: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// `weft curl` as a workload; `{"status": 0}` where there was no answer.
    pub(crate) fn curl(&self, from: &str, arguments: &[&str]) -> Value {
        let output = self
            .command(&["curl", "--from", from, "-m", "10", "--output", "json"])
            .args(arguments)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(
            |_| serde_json::json!({ "status": 0, "error": String::from_utf8_lossy(&output.stderr) }),
        )
    }

    /// Waits for a condition.
    pub(crate) fn eventually(&self, what: &str, condition: impl FnMut() -> bool) {
        self.wait(PATIENCE, what, condition);
    }

    fn wait(&self, limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + limit;
        while !condition() {
            assert!(Instant::now() < deadline, "not within {limit:?}: {what}\n{}", self.said());
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    fn all_pods(&self) -> Vec<Value> {
        self.json(&["status"])["pods"].as_array().cloned().unwrap_or_default()
    }

    /// Names of the pods of a service.
    pub(crate) fn pods(&self, service: &str) -> Vec<String> {
        let of = |pod: &Value| {
            pod["workload"] == service
                || pod["services"].as_array().is_some_and(|all| all.iter().any(|s| s == service))
        };
        self.all_pods()
            .iter()
            .filter(|p| of(p))
            .filter_map(|p| Some(p["name"].as_str()?.to_owned()))
            .collect()
    }

    /// One pod of a service.
    pub(crate) fn pod(&self, service: &str) -> String {
        self.pods(service).into_iter().next().unwrap_or_else(|| panic!("{service} has no pods"))
    }

    fn field(&self, pod: &str, field: &str) -> String {
        let found = self.all_pods().into_iter().find(|p| p["name"] == pod);
        found.and_then(|p| Some(p[field].as_str()?.to_owned())).unwrap_or_else(|| panic!("no pod {pod}"))
    }

    /// A pod's address, as others see it.
    pub(crate) fn address(&self, pod: &str) -> String {
        self.field(pod, "address")
    }

    /// The access log lines of all pods.
    pub(crate) fn logs(&self) -> Vec<String> {
        let output = self.command(&["logs", "--output", "json"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// A connection to a pod's outbound HTTP proxy.
    fn proxy(&self, workload: &str) -> TcpStream {
        let stream = TcpStream::connect((self.field(&self.pod(workload), "localhost"), 15007)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    /// Many requests on one connection, as an app with keep-alive makes them; the bodies of those answered with 200.
    pub(crate) fn many(&self, from: &str, url: &str, count: usize, headers: &[&str]) -> Vec<Value> {
        let mut stream = self.proxy(from);
        let host = url.split('/').nth(2).unwrap();
        let more: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
        let ask = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        (0..count)
            .filter_map(|_| ask_once(&mut stream, &ask))
            .filter(|(status, _)| *status == 200)
            .map(|(_, body)| body)
            .collect()
    }

    /// Requests of several clients at once.
    pub(crate) fn concurrent(&self, from: &str, url: &str, total: usize, clients: usize) -> Vec<Value> {
        std::thread::scope(|scope| {
            let each: Vec<_> =
                (0..clients).map(|_| scope.spawn(|| self.many(from, url, total / clients, &[]))).collect();
            each.into_iter().flat_map(|one| one.join().unwrap()).collect()
        })
    }

    /// A line to a TCP service through CONNECT, and what comes back; `None` where nothing does.
    pub(crate) fn tcp_echo(&self, from: &str, service: &str, port: &str, line: &str) -> Option<String> {
        let mut stream = self.proxy(from);
        write!(stream, "CONNECT {service}:{port} HTTP/1.1\r\nHost: {service}:{port}\r\n\r\n").ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        if !head.starts_with("HTTP/1.1 200") {
            return None;
        }
        writeln!(stream, "{line}").ok()?;
        let mut answer = String::new();
        reader.read_line(&mut answer).ok().filter(|n| *n > 0)?;
        Some(answer.trim_end().to_owned())
    }

    /// What the one endpoint of service `spy` first hears of a call: the test itself is that endpoint.
    pub(crate) fn first_bytes_at_spy(&self, from: &str, path: &str) -> Vec<u8> {
        let mut stream = self.proxy(from);
        write!(stream, "GET http://spy{path} HTTP/1.1\r\nHost: spy\r\n\r\n").unwrap();
        self.spy.set_nonblocking(true).unwrap();
        let mut heard = None;
        self.eventually("the spy is called", || {
            heard = self.spy.accept().ok();
            heard.is_some()
        });
        let mut socket = heard.unwrap().0;
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut bytes = vec![0; 4096];
        let n = socket.read(&mut bytes).unwrap();
        bytes.truncate(n);
        bytes
    }

    /// A page of a pod's own.
    pub(crate) fn http_get(&self, url: &str) -> String {
        let output = Command::new("curl").args(["-sS", "-m", "5", url]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Kills a child of the mesh (-9): its command line holds all of these words.
    pub(crate) fn kill(&self, words: &[&str]) {
        let own = self.home.join("run");
        let mut killed = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let read = |what: &str| fs::read(entry.path().join(what)).unwrap_or_default();
            let (line, environment) = (read("cmdline"), read("environ"));
            let text = String::from_utf8_lossy(&line).replace('\0', " ")
                + " "
                + &String::from_utf8_lossy(&environment).replace('\0', " ");
            let ours = text.contains(own.to_str().unwrap())
                && line.starts_with(self.weft.as_os_str().as_encoded_bytes());
            let up = String::from_utf8_lossy(&line).contains("\0up\0");
            if ours && !up && words.iter().all(|word| text.contains(word)) {
                killed += u32::from(
                    Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success(),
                );
            }
        }
        assert!(killed > 0, "no process of this mesh has {words:?} in its command line or environment");
    }

    /// Asks again and again on a thread of its own, until told to stop.
    pub(crate) fn background(&self, from: &str, url: &str) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, mut stream) = (stop.clone(), self.proxy(from));
        let host = url.split('/').nth(2).unwrap().to_owned();
        let ask = format!("POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        let thread = std::thread::spawn(move || {
            let (mut sent, mut failed) = (0, Vec::new());
            while !told.load(Ordering::Relaxed) && sent < 100_000 {
                sent += 1;
                match ask_once(&mut stream, &ask) {
                    Some((200, _)) => {}
                    other => failed.push(format!("{other:?}")),
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            (sent, failed)
        });
        Load { stop, thread }
    }

    /// Ctrl-C; then no process and no file of the mesh may be left.
    pub(crate) fn stop_and_leave_nothing(self) {
        let mut child = self.child.lock().unwrap();
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "weft up does not end");
            std::thread::sleep(Duration::from_millis(25));
        }
        let home = self.home.to_str().unwrap().to_owned();
        let left: Vec<String> = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|e| fs::read(e.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(&home))
            .collect();
        assert!(left.is_empty(), "processes are left: {left:?}");
        let files: Vec<_> =
            fs::read_dir(self.home.join("run/weft")).into_iter().flatten().flatten().collect();
        assert!(files.is_empty(), "files are left: {files:?}");
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            for _ in 0..200 {
                if !matches!(child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            let _ = child.kill();
        }
    }
}

/// Requests that go on in the background.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    /// How many were sent, and what became of those that were not answered with 200.
    pub(crate) fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// One request on a connection; `None` where no whole answer came.
fn ask_once(stream: &mut TcpStream, request: &str) -> Option<(u16, Value)> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut status, mut length, mut line) = (0, 0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let text = line.trim_end().to_ascii_lowercase();
        if text.is_empty() {
            break;
        }
        if text.starts_with("http/1.") {
            status = text.split(' ').nth(1)?.parse().ok()?;
        } else if let Some(value) = text.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
