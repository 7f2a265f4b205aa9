//! What a sidecar knows before it has spoken to anybody: its pod's environment, under the names that Istio's injector sets.
//!
//! The same variables come from a pod's manifest and from `weft up`; there is no second configuration path.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

/// Everything a sidecar starts with.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// How it introduces itself.
    pub node: Node,
    /// Where ADS is served (`host:port`).
    pub discovery: String,
    /// Where the CSR API is served.
    pub ca: String,
    /// The root that the control plane's certificate must come from, PEM; read again on each connection.
    pub root: PathBuf,
    /// The service account token, read again on each use.
    pub token: PathBuf,
    /// The mesh's trust domain.
    pub trust_domain: String,
    /// Where the pod's own side is: admin, and the outbound side in interception mode NONE.
    pub localhost: IpAddr,
    /// `/config_dump`, `/stats` and so on.
    pub admin: SocketAddr,
    /// `/healthz/ready`.
    pub status: SocketAddr,
    /// `/stats/prometheus`.
    pub prometheus: SocketAddr,
    /// Worker threads; `None`: as many as there are cores.
    pub concurrency: Option<usize>,
    /// How long a connection waits for a configuration or certificate that is not there yet.
    pub hold: std::time::Duration,
    /// A client that must speak first, because its port takes nothing but TLS, has so long where the listener sets no limit.
    pub first_byte: std::time::Duration,
}

/// Why the environment does not do.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A variable is not set.
    #[error("{0} is not set; an injected pod (and `weft up`) sets it")]
    Missing(&'static str),
    /// A variable holds something else than it should.
    #[error("{name}={value:?}: {why}")]
    Wrong {
        /// Which.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it should.
        why: String,
    },
}

const TOKEN: &str = "/var/run/secrets/tokens/istio-token";
const ROOT: &str = "/var/run/secrets/istio/root-cert.pem";

impl Bootstrap {
    /// Reads an environment. `domain` is the node's DNS domain (`--domain`).
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_environment(env: &BTreeMap<String, String>, domain: &str) -> Result<Self, BootstrapError> {
        let text = |name: &str| env.get(name).map(String::as_str).filter(|v| !v.is_empty());
        let required = |name: &'static str| text(name).ok_or(BootstrapError::Missing(name));
        let meta = |name: &str| text(&format!("ISTIO_META_{name}")).unwrap_or_default().to_owned();
        let ip: IpAddr = parse("INSTANCE_IP", required("INSTANCE_IP")?)?;
        let localhost: IpAddr = parse("WEFT_LOCALHOST", text("WEFT_LOCALHOST").unwrap_or("127.0.0.1"))?;
        let (pod, namespace) = (required("POD_NAME")?, required("POD_NAMESPACE")?);
        let discovery =
            text("XDS_ADDR").or_else(|| text("CA_ADDR")).unwrap_or("istiod.istio-system.svc:15012");
        let interception = match text("ISTIO_META_INTERCEPTION_MODE").unwrap_or("REDIRECT") {
            "REDIRECT" => Interception::Redirect,
            "TPROXY" => Interception::Tproxy,
            "NONE" => Interception::None,
            other => {
                return Err(BootstrapError::Wrong {
                    name: "ISTIO_META_INTERCEPTION_MODE",
                    value: other.to_owned(),
                    why: "it must be REDIRECT, TPROXY or NONE".into(),
                });
            }
        };
        let metadata = NodeMetadata {
            name: pod.to_owned(),
            namespace: namespace.to_owned(),
            service_account: text("SERVICE_ACCOUNT").unwrap_or("default").to_owned(),
            cluster_id: text("ISTIO_META_CLUSTER_ID").unwrap_or("Kubernetes").to_owned(),
            instance_ips: vec![ip],
            labels: json_map("ISTIO_METAJSON_LABELS", text("ISTIO_METAJSON_LABELS"))?,
            annotations: json_map("ISTIO_METAJSON_ANNOTATIONS", text("ISTIO_METAJSON_ANNOTATIONS"))?,
            workload_name: meta("WORKLOAD_NAME"),
            owner: meta("OWNER"),
            mesh_id: meta("MESH_ID"),
            network: meta("NETWORK"),
            node_name: meta("NODE_NAME"),
            istio_version: env!("CARGO_PKG_VERSION").to_owned(),
            interception,
            http_10: true,
            dns_capture: false,
            unprivileged: false,
            generator: String::new(),
        };
        let app = metadata.labels.get("app").cloned().unwrap_or_else(|| "istio-proxy".to_owned());
        let concurrency = text("PROXY_CONCURRENCY").map(|v| parse("PROXY_CONCURRENCY", v)).transpose()?;
        Ok(Self {
            node: Node {
                role: Role::Sidecar,
                ip: Some(ip),
                name: format!("{pod}.{namespace}"),
                domain: domain.to_owned(),
                cluster: format!("{app}.{namespace}"),
                locality: Locality::default(),
                agent: Agent {
                    name: "weft".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    istio_filters: true,
                },
                metadata,
            },
            ca: text("CA_ADDR").unwrap_or(discovery).to_owned(),
            discovery: discovery.to_owned(),
            root: text("CA_ROOT_CA").or_else(|| text("XDS_ROOT_CA")).unwrap_or(ROOT).into(),
            token: text("TOKEN_PATH").unwrap_or(TOKEN).into(),
            trust_domain: text("TRUST_DOMAIN").unwrap_or("cluster.local").to_owned(),
            localhost,
            admin: SocketAddr::new(localhost, 15000),
            status: SocketAddr::new(if interception == Interception::None { ip } else { any(ip) }, 15021),
            prometheus: SocketAddr::new(if interception == Interception::None { ip } else { any(ip) }, 15090),
            concurrency,
            hold: std::time::Duration::from_secs(10),
            first_byte: std::time::Duration::from_secs(15),
        })
    }
}

fn any(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &'static str,
    value: &str,
) -> Result<T, BootstrapError> {
    value.parse().map_err(|e: T::Err| BootstrapError::Wrong {
        name,
        value: value.to_owned(),
        why: e.to_string(),
    })
}

fn json_map(name: &'static str, value: Option<&str>) -> Result<BTreeMap<String, String>, BootstrapError> {
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    serde_json::from_str(value).map_err(|e| BootstrapError::Wrong {
        name,
        value: value.to_owned(),
        why: format!("it must be a JSON object of strings: {e}"),
    })
}

#[cfg(test)]
mod tests;
