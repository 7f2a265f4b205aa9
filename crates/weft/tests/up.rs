//! `weft up` from outside: what it starts, what it says, and what it leaves behind.
//!
//! These meshes have no sidecars, so they show the command alone; the mesh's own promises are tested where all of
//! it comes together.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(40);

/// A folder of YAML and a run directory of its own.
struct Home {
    directory: tempfile::TempDir,
}

/// Two pods without sidecars.
const TWO: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8000 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata:
      labels: { app: web, sidecar.istio.io/inject: "false" }
    spec:
      containers:
        - name: app
          image: web
          ports: [{ containerPort: 8000 }]
          env: [{ name: GREETING, value: "hello" }]
"#;

impl Home {
    fn new(yaml: &str) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(home.yaml()).unwrap();
        home.write(yaml);
        home
    }

    fn yaml(&self) -> PathBuf {
        self.directory.path().join("yaml")
    }

    fn write(&self, yaml: &str) {
        fs::write(self.yaml().join("mesh.yaml"), yaml).unwrap();
    }

    fn weft(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        command.args(arguments).env("XDG_RUNTIME_DIR", self.directory.path()).env_remove("WEFT_RUN");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.weft(arguments).output().unwrap()
    }

    fn up(&self, arguments: &[&str]) -> Up {
        let yaml = self.yaml();
        let mut all = vec!["up", yaml.to_str().unwrap()];
        all.extend(arguments);
        let mut child = self.weft(&all).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Up { child, lines, seen: Vec::new() }
    }

    /// The run directories that are there.
    fn runs(&self) -> usize {
        fs::read_dir(self.directory.path().join("weft")).map_or(0, Iterator::count)
    }
}

/// A running `weft up`, and what it said.
struct Up {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Up {
    /// Waits until a line with `text` is said.
    fn says(&mut self, text: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("never said {text:?}, but {:#?}", self.seen),
            }
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn ended(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it lives on: {:#?}", self.seen);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes whose command line names `folder`, or an environment that does.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let text = |path: PathBuf| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    let entries = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    entries
        .filter(|process| {
            process.file_name().is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok())
        })
        .filter_map(|process| {
            Some((text(process.join("cmdline")).ok()?, text(process.join("environ")).ok()?))
        })
        .filter(|(line, environment)| line.contains(folder) || environment.contains(folder))
        .map(|(line, _)| line)
        .collect()
}

fn nothing_is_left(home: &Home) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = processes_of(home.directory.path());
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{left:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_command_runs_in_the_ready_mesh_and_its_status_is_ups_own() {
    let home = Home::new(TWO);
    let script = r#"weft status --output json; test -d "$WEFT_RUN" && exit 17"#;
    let mut up = home.up(&["--", "/bin/sh", "-c", script]);
    up.says("mesh is ready in");
    assert_eq!(up.ended().code(), Some(17));
    let mut output = String::new();
    up.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    let status: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(status["pods"][1]["name"], "web-2");
    assert_eq!(home.runs(), 0);
    nothing_is_left(&home);
}

#[test]
fn ctrl_c_leaves_no_process_and_no_file() {
    let home = Home::new(TWO);
    let mut up = home.up(&[]);
    up.says("Ctrl-C stops it");
    assert_eq!(home.runs(), 1);
    assert!(!processes_of(home.directory.path()).is_empty());
    up.signal("INT");
    assert!(up.ended().success());
    assert_eq!(home.runs(), 0);
    nothing_is_left(&home);
}

#[test]
fn even_a_killed_up_leaves_no_process_and_the_next_removes_its_files() {
    let home = Home::new(TWO);
    let mut up = home.up(&["--app", "web=sleep 1000 & wait"]);
    up.says("web-2: its app does not listen");
    up.signal("KILL");
    up.ended();
    nothing_is_left(&home);
    assert!(text(&home.output(&["status"]).stderr).contains("no mesh is running"));
    let mut next = home.up(&[]);
    next.says("mesh is ready in");
    assert_eq!(home.runs(), 1);
}

#[test]
fn files_with_errors_start_nothing_and_every_error_is_told() {
    let home = Home::new("kind: Deployment\n---\nkind: [");
    let output = home.output(&["up", home.yaml().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("nothing was started") && said.contains("mesh.yaml:"), "{said}");
    assert_eq!(home.runs(), 0);
}

#[test]
fn names_that_nothing_has_are_told_with_those_there_are() {
    let home = Home::new(TWO);
    let yaml = home.yaml();
    for option in [["--only", "wbe"], ["--app", "wbe=true"]] {
        let output = home.output(&[&["up", yaml.to_str().unwrap()][..], &option].concat());
        assert!(!output.status.success());
        let said = text(&output.stderr);
        assert!(said.contains("wbe") && said.contains("web"), "{said}");
    }
}

#[test]
fn an_edit_replaces_the_pods_it_changes_and_a_bad_one_none() {
    let home = Home::new(TWO);
    let weft = env!("CARGO_BIN_EXE_weft");
    let app = format!(r#"web=echo "$GREETING"; exec {weft} stand-in --listen http=$HOST:$PORT"#);
    let mut up = home.up(&["--app", &app]);
    up.says("mesh is ready in");
    home.write(&format!("{TWO}\n---\nkind: ["));
    up.says("this edit is refused");
    home.write(&TWO.replace("\"hello\"", "\"hi\""));
    up.says("stops [web-1, web-2], starts [web-1, web-2]");
    up.says("web (2 pods) is ready");
    let log = text(&home.output(&["logs", "web-1", "--of", "app"]).stdout);
    assert!(log.contains("hello") && log.contains("hi"), "{log}");
    home.write(&TWO.replace("\"hello\"", "\"hi\"").replace("replicas: 2", "replicas: 1"));
    up.says("stops [web-2], starts []");
}

#[test]
fn a_crashing_app_is_named_and_told_where_to_listen() {
    let home = Home::new(TWO);
    let mut up = home.up(&["--app", "web=echo bind: address already in use >&2; exit 1"]);
    up.says("app shop/web-1 ended with status 1");
    up.says("listen on $HOST:$PORT");
}

#[test]
fn two_meshes_on_one_machine_share_no_address() {
    let (one, other) = (Home::new(TWO), Home::new(TWO));
    let mut up_one = one.up(&[]);
    up_one.says("mesh is ready in");
    let mut up_other = other.up(&[]);
    up_other.says("mesh is ready in");
    let address = |home: &Home| {
        let status: serde_json::Value =
            serde_json::from_slice(&home.output(&["status", "--output", "json"]).stdout).unwrap();
        status["pods"][0]["address"].as_str().unwrap().to_owned()
    };
    assert_ne!(address(&one), address(&other));
}
