//! Pods in network namespaces, as a test looks at them from inside and from outside.
#![allow(clippy::unwrap_used, dead_code, reason = "tests, and not each of them needs all of it")]

use super::meshes::{Home, Up};
use std::fs::File;
use std::net::IpAddr;
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

/// Its end where that is all addresses of both families: HTTP at 8080, bytes at 9000.
pub(crate) const ON_ALL: &str = r#"
class Tcp(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
for server in [Server(("::", 8080), Http), Tcp(("::", 9000), Raw)]:
    threading.Thread(target=server.serve_forever).start()
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

/// A mesh that is ready, in which a program in Python is the app of these workloads, each with words of its own.
pub(crate) fn ready(home: &Home, program: &str, apps: &[(&str, &str)]) -> Up {
    let script = home.directory.path().join("app.py");
    std::fs::write(&script, program).unwrap();
    readable(home.directory.path());
    let app = |(name, words): &(&str, &str)| format!("{name}=exec python3 {} {words}", script.display());
    let apps: Vec<String> = apps.iter().map(app).collect();
    let mut words = vec!["--netns"];
    words.extend(apps.iter().flat_map(|app| ["--app", app]));
    let mut up = home.up(&words);
    up.says("mesh is ready in");
    up
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

/// A pod that is there; one on its host's network has no address of IPv6 and no namespace of its own.
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) six: Option<IpAddr>,
    pub(crate) netns: String,
}

/// The pods of a workload, by `weft status`.
pub(crate) fn pods(home: &Home, workload: &str) -> Vec<Pod> {
    let status = home.output(&["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let of = status["pods"].as_array().unwrap().iter().filter(|pod| pod["workload"] == workload);
    let field = |pod: &serde_json::Value, name: &str| pod[name].as_str().unwrap_or_default().to_owned();
    of.map(|pod| Pod {
        name: field(pod, "name"),
        address: field(pod, "address").parse().unwrap(),
        six: field(pod, "six").parse().ok(),
        netns: field(pod, "netns"),
    })
    .collect()
}

/// The address of a workload's pod.
pub(crate) fn address(home: &Home, workload: &str) -> String {
    pods(home, workload)[0].address.to_string()
}

/// The network namespace of a workload's pod.
pub(crate) fn netns(home: &Home, workload: &str) -> String {
    pods(home, workload).remove(0).netns
}

/// What `act` opens in the namespace `name` can be used everywhere.
pub(crate) fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(Path::new("/run/netns").join(name)).unwrap();
    let there = || {
        nix::sched::setns(&namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(there).join().unwrap())
}

/// The namespaces of a mesh.
pub(crate) fn of_mesh(up: &Up) -> Vec<String> {
    let hub = format!("weft-up-{}", up.child.id());
    namespaces().into_iter().filter(|name| *name == hub || name.starts_with(&format!("{hub}-"))).collect()
}

/// All of the machine.
pub(crate) fn namespaces() -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Where the files of a mesh in namespaces are.
pub(crate) fn run_directory(up: &Up) -> PathBuf {
    PathBuf::from(format!("/run/weft/up-{}", up.child.id()))
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
