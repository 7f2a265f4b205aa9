//! A folder of YAML, the binary, and what a test wants to know of the mesh that they make.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "tests, and not each of them needs all of it"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than a mesh needs to start on a machine that is busy with other things.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// A namespace of Kubernetes whose pods have sidecars and take nothing but mTLS.
pub(crate) const STRICT: &str = r#"
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio-injection: enabled } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: shop }
spec: { mtls: { mode: STRICT } }
"#;

/// A service of HTTP and its Deployment, whose app listens on this port.
pub(crate) fn app(name: &str, port: u16) -> String {
    annotated(name, &[("http", 80, port)], "")
}

/// A service and its Deployment, whose pods have these annotations. A port: its name, and its number for clients and for
/// the app.
pub(crate) fn annotated(name: &str, ports: &[(&str, u16, u16)], annotations: &str) -> String {
    serving(name, ports, annotations, "")
}

/// A service and its Deployment, whose pods run as an account of the same name.
pub(crate) fn accounted(name: &str, ports: &[(&str, u16, u16)]) -> String {
    serving(name, ports, "", &format!("serviceAccountName: {name}, "))
}

fn serving(name: &str, ports: &[(&str, u16, u16)], annotations: &str, spec: &str) -> String {
    let of_service = ports.iter().map(|(name, port, target)| {
        let named = if name.is_empty() { String::new() } else { format!("name: {name}, ") };
        format!("{{ {named}port: {port}, targetPort: {target} }}")
    });
    let of_app = ports.iter().map(|(.., target)| format!("{{ containerPort: {target} }}"));
    let (of_service, of_app) =
        (of_service.collect::<Vec<_>>().join(", "), of_app.collect::<Vec<_>>().join(", "));
    let containers = format!("containers: [{{ name: app, image: app, ports: [{of_app}] }}]");
    service(name, &of_service) + &deployment(name, annotations, &format!("{spec}{containers}"))
}

/// A Service that has these ports, and selects what has its name as the label `app`.
pub(crate) fn service(name: &str, ports: &str) -> String {
    format!(
        r#"---
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: shop }}
spec: {{ selector: {{ app: {name} }}, ports: [{ports}] }}
"#
    )
}

/// A Deployment whose pods have its name as the label `app`, and this spec.
pub(crate) fn deployment(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        r#"---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name}, namespace: shop }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }}, annotations: {{ {annotations} }} }}
    spec: {{ {spec} }}
"#
    )
}

/// A folder of YAML and a run directory of its own.
pub(crate) struct Home {
    /// Holds the YAML and the run directory.
    pub(crate) directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new(yaml: &str) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(home.yaml()).unwrap();
        home.write(yaml);
        home
    }

    pub(crate) fn yaml(&self) -> PathBuf {
        self.directory.path().join("yaml")
    }

    pub(crate) fn write(&self, yaml: &str) {
        fs::write(self.yaml().join("mesh.yaml"), yaml).unwrap();
    }

    pub(crate) fn weft(&self, arguments: &[&str]) -> Command {
        self.by(env!("CARGO_BIN_EXE_weft"), arguments)
    }

    /// Another program, in the environment that makes `weft` look here for its mesh.
    pub(crate) fn by(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("XDG_RUNTIME_DIR", self.directory.path()).env_remove("WEFT_RUN");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.weft(arguments).output().unwrap()
    }

    /// A shell's line, in which `$WEFT` is the binary.
    pub(crate) fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).env("WEFT", env!("CARGO_BIN_EXE_weft"));
        command.env("XDG_RUNTIME_DIR", self.directory.path()).env_remove("WEFT_RUN").output().unwrap()
    }

    pub(crate) fn up(&self, arguments: &[&str]) -> Up {
        let yaml = self.yaml();
        let mut all = vec!["up", yaml.to_str().unwrap()];
        all.extend(arguments);
        self.up_by(self.weft(&all))
    }

    /// The same, by a command that becomes `weft up` on this folder.
    pub(crate) fn up_by(&self, mut command: Command) -> Up {
        let mut child = command.spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            errors.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Up { child, lines, seen: Vec::new() }
    }

    /// The address of a pod.
    pub(crate) fn address(&self, pod: &str) -> String {
        let status: serde_json::Value =
            serde_json::from_slice(&self.output(&["status", "--output", "json"]).stdout).unwrap();
        let found = status["pods"].as_array().unwrap().iter().find(|of| of["name"] == pod).unwrap();
        found["address"].as_str().unwrap().to_owned()
    }

    /// Kills the one process of this mesh whose command line, or environment, holds all of `words`.
    pub(crate) fn kill(&self, words: &[&str]) {
        let found = pids(&[&[self.directory.path().to_str().unwrap()][..], words].concat());
        assert_eq!(found.len(), 1, "{words:?}: {found:?}");
        let status = Command::new("kill").arg("-KILL").args(&found).status().unwrap();
        assert!(status.success());
    }

    /// The run directories that are there.
    pub(crate) fn runs(&self) -> usize {
        fs::read_dir(self.directory.path().join("weft")).map_or(0, Iterator::count)
    }
}

/// A running `weft up`, and what it said.
pub(crate) struct Up {
    /// The process.
    pub(crate) child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Up {
    /// Waits until a line with `text` is said.
    pub(crate) fn says(&mut self, text: &str) -> String {
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

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        eventually(|| self.child.try_wait().unwrap().ok_or_else(|| format!("it lives on: {:#?}", self.seen)))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes whose command line names `folder`, or an environment that does.
pub(crate) fn processes_of(folder: &Path) -> Vec<String> {
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

/// The processes whose command line, or environment, holds all of `words`.
pub(crate) fn pids(words: &[&str]) -> Vec<std::ffi::OsString> {
    let found = fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
        let read = |name: &str| {
            let bytes = fs::read(process.path().join(name)).ok()?;
            Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
        };
        let (line, environment) = (read("cmdline")?, read("environ")?);
        let has = |word: &&str| line.contains(*word) || environment.contains(*word);
        words.iter().all(has).then(|| process.file_name())
    });
    found.collect()
}

pub(crate) fn nothing_is_left(home: &Home) {
    eventually(|| {
        let left = processes_of(home.directory.path());
        if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
    });
}

/// Asks until there is what is asked for; an error says what there is instead.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        match ask() {
            Ok(found) => return found,
            Err(instead) => assert!(Instant::now() < deadline, "{instead}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until it is so; `wrong`: what to say where it never is.
pub(crate) fn until(wrong: &str, mut is: impl FnMut() -> bool) {
    eventually(|| if is() { Ok(()) } else { Err(wrong.to_owned()) });
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
