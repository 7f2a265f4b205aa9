//! Pods in network namespaces, as a test looks at them from inside and from outside.
#![allow(clippy::unwrap_used, dead_code, reason = "tests, and not each of them needs all of it")]

use super::meshes::{Home, Up};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The beginning of a program in Python that tells whoever asks which address they come from: `Http`, which knows all paths
/// but `/missing`, and `Raw`, for bytes. Where it listens, and for which of them, is for the test to say.
pub(crate) const SEEN: &str = r#"
import http.server, socket, socketserver, ssl, sys, threading
class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.client_address[0].encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Raw(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(self.client_address[0].encode())
"#;

/// Whether namespaces can be had; says so if not.
pub(crate) fn root() -> bool {
    let root = nix::unistd::geteuid().is_root() && Command::new("ip").arg("-V").output().is_ok();
    if !root {
        eprintln!("skipped: a mesh in network namespaces needs root and iproute2");
    }
    root
}

/// The apps' user has to find what is in `folder`.
pub(crate) fn readable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(folder, 0o755);
    for file in std::fs::read_dir(folder).unwrap().flatten().filter(|file| file.path().is_file()) {
        open(&file.path(), 0o644);
    }
}

pub(crate) fn exec(home: &Home, workload: &str, words: &[&str]) -> Output {
    let all: Vec<&str> = ["exec", workload, "--"].into_iter().chain(words.iter().copied()).collect();
    home.output(&all)
}

/// All that a command wrote, without the white space around it.
pub(crate) fn text(output: &Output) -> String {
    let both =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    both.trim().to_owned()
}

/// What curl says inside of a pod: the body, and the status at the end.
pub(crate) fn curl(home: &Home, workload: &str, words: &[&str]) -> String {
    let all: Vec<&str> =
        ["curl", "-sS", "-m", "20", "-w", " %{http_code}"].into_iter().chain(words.iter().copied()).collect();
    text(&exec(home, workload, &all))
}

/// What a program in Python says inside of a pod.
pub(crate) fn python(home: &Home, workload: &str, program: &str) -> String {
    text(&exec(home, workload, &["python3", "-c", program]))
}

/// curl from beside the pods, where a kubelet is: in plaintext, without a sidecar.
pub(crate) fn from_outside(up: &Up, words: &[&str]) -> Output {
    outside(up).arg("curl").args(words).output().unwrap()
}

/// A command that runs beside the pods.
pub(crate) fn outside(up: &Up) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("weft-up-{}", up.child.id())]);
    command
}

/// A workload's first pod, by `weft status`.
fn pod(home: &Home, workload: &str) -> serde_json::Value {
    let status = home.output(&["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let pods = status["pods"].as_array().unwrap();
    pods.iter().find(|pod| pod["workload"] == workload).unwrap().clone()
}

/// The address of a workload's pod.
pub(crate) fn address(home: &Home, workload: &str) -> String {
    pod(home, workload)["address"].as_str().unwrap().to_owned()
}

/// The network namespace of a workload's pod.
pub(crate) fn netns(home: &Home, workload: &str) -> String {
    pod(home, workload)["netns"].as_str().unwrap().to_owned()
}

/// A command in the network of a workload's pod, as root.
pub(crate) fn within(home: &Home, workload: &str, words: &[&str]) -> Output {
    let netns = netns(home, workload);
    Command::new("ip").args(["netns", "exec", &netns]).args(words).output().unwrap()
}

/// The run directory of the one mesh of this home, where its pods find it.
pub(crate) fn run_folder(home: &Home) -> PathBuf {
    let runs = std::fs::read_dir(home.directory.path().join("weft")).unwrap();
    runs.flatten().next().unwrap().path().canonicalize().unwrap()
}

/// The folder of a workload's pod.
pub(crate) fn folder(home: &Home, workload: &str) -> PathBuf {
    let pods = std::fs::read_dir(run_folder(home).join("pods")).unwrap();
    let is_of = |path: &PathBuf| path.to_string_lossy().contains(&format!(".{workload}-"));
    pods.flatten().map(|entry| entry.path()).find(is_of).unwrap()
}

/// The sidecar of a workload's pod, by its environment.
pub(crate) fn sidecar(up: &Up, workload: &str) -> Option<u32> {
    let (name, mesh) = (format!("POD_NAME={workload}-"), format!("/up-{}/", up.child.id()));
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).find(|process| {
        let read = |file: &str| std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        let has = |all: &[u8], word: &str| String::from_utf8_lossy(all).contains(word);
        has(&line, "proxy\0sidecar") && has(&environment, &name) && has(&environment, &mesh)
    })
}

/// Its environment.
pub(crate) fn sidecar_environment(up: &Up, workload: &str) -> String {
    let environment = std::fs::read(format!("/proc/{}/environ", sidecar(up, workload).unwrap())).unwrap();
    String::from_utf8_lossy(&environment).replace('\0', "\n")
}

/// Its user and group.
pub(crate) fn sidecar_user(up: &Up, workload: &str) -> (u32, u32) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar(up, workload).unwrap())).unwrap();
    let of = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.split_ascii_whitespace().next().unwrap().parse().unwrap()
    };
    (of("Uid:"), of("Gid:"))
}
