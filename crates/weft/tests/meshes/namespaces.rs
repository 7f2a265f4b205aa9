//! What tests of meshes in network namespaces have in common: their manifests, and programs inside of their pods.
#![allow(clippy::unwrap_used, dead_code, reason = "tests, and not each of them needs all of it")]

use crate::meshes::{Home, Up};
use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A Service and what is behind it; `kind` is Deployment or StatefulSet, the second with a headless Service.
pub(crate) fn service(name: &str, kind: &str, ports: &[(&str, u16, u16)]) -> String {
    let of_service: Vec<String> = ports
        .iter()
        .map(|(name, port, target)| format!("{{ {name}port: {port}, targetPort: {target} }}"))
        .collect();
    let of_pod: Vec<String> =
        ports.iter().map(|(_, _, target)| format!("{{ containerPort: {target} }}")).collect();
    let (headless, named) = match kind {
        "StatefulSet" => ("clusterIP: None", format!("serviceName: {name}")),
        _ => ("type: ClusterIP", "paused: false".to_owned()),
    };
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
  {named}
  replicas: 1
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

pub(crate) fn root() -> bool {
    let root = nix::unistd::geteuid().is_root() && Command::new("ip").arg("-V").output().is_ok();
    if !root {
        eprintln!("skipped: a mesh in network namespaces needs root and iproute2");
    }
    root
}

/// The app's user has to find its program.
pub(crate) fn open(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) fn exec(home: &Home, workload: &str, words: &[&str]) -> Output {
    let all: Vec<&str> = ["exec", workload, "--"].into_iter().chain(words.iter().copied()).collect();
    home.output(&all)
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What curl writes: the body, and the status at the end.
pub(crate) fn curl(home: &Home, workload: &str, words: &[&str]) -> String {
    let all: Vec<&str> =
        ["curl", "-sS", "-m", "20", "-w", " %{http_code}"].into_iter().chain(words.iter().copied()).collect();
    text(&exec(home, workload, &all))
}

pub(crate) fn namespaces() -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

pub(crate) fn of_mesh(up: &Up) -> Vec<String> {
    let hub = format!("weft-up-{}", up.child.id());
    namespaces().into_iter().filter(|name| *name == hub || name.starts_with(&format!("{hub}-"))).collect()
}

/// A pod that is there.
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) six: IpAddr,
    pub(crate) netns: String,
}

/// The pods of a workload.
pub(crate) fn pods(home: &Home, workload: &str) -> Vec<Pod> {
    let output = home.output(&["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = status["pods"].as_array().unwrap().iter().filter(|pod| pod["workload"] == workload);
    let field = |pod: &serde_json::Value, name: &str| pod[name].as_str().unwrap().to_owned();
    of.map(|pod| Pod {
        name: field(pod, "name"),
        address: field(pod, "address").parse().unwrap(),
        six: field(pod, "six").parse().unwrap(),
        netns: field(pod, "netns"),
    })
    .collect()
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

/// The process of a pod's sidecar.
pub(crate) fn sidecar(up: &Up, pod: &str) -> u32 {
    let of_mesh = format!("{}/", run_directory(up).display());
    let name = format!("POD_NAME={pod}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let found = numbers.find(|process| {
        let read = |what: &str| std::fs::read(format!("/proc/{process}/{what}")).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        let environment = String::from_utf8_lossy(&environment).into_owned();
        String::from_utf8_lossy(&line).contains("\0sidecar\0")
            && environment.contains(&name)
            && environment.contains(&of_mesh)
    });
    found.unwrap()
}

/// Where the files of a mesh in namespaces are.
pub(crate) fn run_directory(up: &Up) -> PathBuf {
    PathBuf::from(format!("/run/weft/up-{}", up.child.id()))
}
