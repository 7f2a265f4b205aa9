//! A mesh that `weft up` runs, as a test sees it: through the command, the sidecars' ports and the terminal.

pub(crate) mod calls;
pub(crate) mod place;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use place::{Place, Spy};
use serde_json::Value;

const READY: Duration = Duration::from_secs(120);
const PATIENCE: Duration = Duration::from_secs(30);
/// The port of a sidecar's HTTP proxy, on its pod's localhost.
const HTTP_PROXY: u16 = 15007;

/// A running mesh.
pub(crate) struct Mesh {
    place: Place,
    weft: PathBuf,
    home: PathBuf,
    /// The process of `weft up`.
    pid: u32,
    child: Mutex<Child>,
    said: Arc<Mutex<String>>,
    spy: Spy,
}

/// Additions to the manifests: a pod that is slow, and a service whose one endpoint is the test itself.
fn additions(spy: SocketAddr) -> String {
    let (address, port) = (spy.ip(), spy.port());
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
  - {{address: {address}, serviceAccount: spy, labels: {{security.istio.io/tlsMode: istio}}}}
"
    )
}

/// Whoever says `x-canary: false` gets the stable version, and not the canary by chance.
fn no_canary_for_whom_it_is_not(file: &Path) {
    let route = "    - name: stable-by-header\n      match: [{headers: {x-canary: {exact: \"false\"}}}]\n      \
                 route: [{destination: {host: predictive-analytics, subset: v1}}]\n";
    let by_weight = "    - name: canary-by-weight\n";
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(by_weight), "the canary's route is called otherwise");
    fs::write(file, text.replacen(by_weight, &format!("{route}{by_weight}"), 1)).unwrap();
}

impl Mesh {
    /// Starts `weft up` on a copy of `folder` and waits until it says that the mesh is ready. `None`, said aloud, where
    /// there can be no mesh of this kind, or the binary was not built: `tests/run` builds it.
    pub(crate) fn start(folder: &str, place: Place) -> Option<Self> {
        if !place.is_here() {
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let weft = std::env::var_os("WEFT_BIN").map(PathBuf::from)?;
        let home = std::env::temp_dir().join(format!("weft-tour-{}-{}", place.name(), std::process::id()));
        let _ = fs::remove_dir_all(&home);
        copy(&root.join(folder), &home.join("yaml"));
        let spy = Spy::at(place);
        fs::write(home.join("yaml/zz-tour.yaml"), additions(spy.address)).unwrap();
        no_canary_for_whom_it_is_not(&home.join("yaml/traffic/virtual-services.yaml"));
        fs::create_dir_all(home.join("run")).unwrap();
        let mut child = Command::new(&weft)
            .arg("up")
            .arg(home.join("yaml"))
            .args(place.flags())
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
        let pid = child.id();
        let mut mesh = Self { place, weft, home, pid, child: Mutex::new(child), said, spy };
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
        mesh.spy.settle(pid);
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

    /// What the sidecars of a workload say of themselves.
    pub(crate) fn sidecars_say(&self, workload: &str) -> Vec<String> {
        let output = self.command(&["logs", workload, "--of", "sidecar"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// What `weft status` tells people of a workload.
    pub(crate) fn status(&self, workload: &str) -> String {
        let output = self.command(&["status", workload]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A program that can reach the pods and is in none of them.
    pub(crate) fn outside(&self, program: &str) -> Command {
        match self.place {
            Place::Loopback => Command::new(program),
            Place::Namespaces => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &place::hub(self.pid), program]);
                command
            }
        }
    }

    /// A port that pods can reach, and that says nothing.
    pub(crate) fn silent(&self) -> std::net::TcpListener {
        place::silent(self.place, self.pid)
    }

    /// A page of a pod's own.
    pub(crate) fn http_get(&self, url: &str) -> String {
        let output = self.outside("curl").args(["-sS", "-m", "5", url]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The mesh's own files.
    fn run(&self) -> PathBuf {
        match self.place {
            Place::Loopback => self.home.join("run"),
            Place::Namespaces => PathBuf::from(format!("/run/weft/up-{}", self.pid)),
        }
    }

    /// Kills a child of the mesh (-9): its command line holds all of these words.
    pub(crate) fn kill(&self, words: &[&str]) {
        let own = self.run();
        let mut killed = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let read = |what: &str| fs::read(entry.path().join(what)).unwrap_or_default();
            let (line, environment) = (read("cmdline"), read("environ"));
            let text = String::from_utf8_lossy(&line).replace('\0', " ")
                + " "
                + &String::from_utf8_lossy(&environment).replace('\0', " ");
            // What was started inside of a namespace has this name for its own program.
            let names = [self.weft.as_os_str().as_encoded_bytes(), b"/proc/self/exe"];
            let ours =
                text.contains(own.to_str().unwrap()) && names.iter().any(|name| line.starts_with(name));
            let up = String::from_utf8_lossy(&line).contains("\0up\0");
            if ours && !up && words.iter().all(|word| text.contains(word)) {
                killed += u32::from(
                    Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success(),
                );
            }
        }
        assert!(killed > 0, "no process of this mesh has {words:?} in its command line or environment");
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
        let (home, run) = (self.home.to_str().unwrap().to_owned(), self.run());
        let left: Vec<String> = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|e| fs::read(e.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(&home) || line.contains(run.to_str().unwrap()))
            .collect();
        assert!(left.is_empty(), "processes are left: {left:?}");
        assert_eq!(place::namespaces(self.pid), [""; 0], "namespaces are left");
        assert!(self.place == Place::Loopback || !run.exists(), "{} is left", run.display());
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
