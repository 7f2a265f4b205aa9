//! What a sidecar knows before it has spoken to anybody: its pod's environment, under the names that Istio's injector sets.
//!
//! The same variables come from a pod's manifest and from `weft up`; there is no second configuration path.

mod span;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

pub use span::span;

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
    /// The pod's DNS; `None`: it is not captured.
    pub dns: Option<DnsCapture>,
    /// What is open when it is told to end may take so long.
    pub drain: Duration,
    /// Told to end, it stays so long at least (`MINIMUM_DRAIN_DURATION`).
    pub least_drain: Duration,
    /// Worker threads; `None`: as many as there are cores.
    pub concurrency: Option<usize>,
    /// How long a connection waits for a route configuration or certificate that is not there yet.
    pub hold: Duration,
    /// How long one waits that the kernel hands over while the sidecar starts (`WEFT_STARTUP_HOLD`).
    pub startup_hold: Duration,
    /// A client that must speak first, because its port takes nothing but TLS, has so long where the listener sets no limit.
    pub first_byte: Duration,
}

/// Where the pod's DNS is answered (`ISTIO_META_DNS_CAPTURE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCapture {
    /// Where the redirect brings it, UDP and TCP (`DNS_PROXY_ADDR`).
    pub listen: Vec<SocketAddr>,
    /// Names the servers to which everything is forwarded that is none of the mesh's (`WEFT_RESOLV_CONF`).
    pub resolv_conf: PathBuf,
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

const LEAST: &str = "MINIMUM_DRAIN_DURATION";
const IDLE_TIMEOUT: &str = "ISTIO_META_IDLE_TIMEOUT";
const TOKEN: &str = "/var/run/secrets/tokens/istio-token";
const ROOT: &str = "/var/run/secrets/istio/root-cert.pem";
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS: u16 = 15053;

/// What is in flight when the process is told to end may take this long.
const DRAIN: Duration = Duration::from_secs(5);
/// With an app beside it that is told to end at the same moment: within the half minute that a cluster gives to both.
const DRAIN_WITH_APP: Duration = Duration::from_secs(25);

/// Where an app is beside it, it stays so long at least, as with Istio's agent.
const LEAST_DRAIN: Duration = Duration::from_secs(5);

impl Bootstrap {
    /// Reads an environment. `domain` is the node's DNS domain (`--domain`).
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_environment(env: &BTreeMap<String, String>, domain: &str) -> Result<Self, BootstrapError> {
        let config = proxy_config(env)?;
        let more = &config.proxy_metadata;
        let text = |name: &str| {
            env.get(name).or_else(|| more.get(name)).map(String::as_str).filter(|v| !v.is_empty())
        };
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
        let dns_capture = flag("ISTIO_META_DNS_CAPTURE", text("ISTIO_META_DNS_CAPTURE"))?;
        let dns = DnsCapture {
            listen: dns_addresses(text("DNS_PROXY_ADDR"), localhost)?,
            resolv_conf: text("WEFT_RESOLV_CONF").unwrap_or(RESOLV_CONF).into(),
        };
        let time = |name: &'static str| {
            text(name).map(|text| {
                span(text).map_err(|why| BootstrapError::Wrong { name, value: text.to_owned(), why })
            })
        };
        // It goes on as it stands; nobody would say later that it is none.
        time(IDLE_TIMEOUT).transpose()?;
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
            dns_capture,
            unprivileged: false,
            idle_timeout: text(IDLE_TIMEOUT).unwrap_or_default().to_owned(),
            generator: String::new(),
        };
        let app = metadata.labels.get("app").cloned().unwrap_or_else(|| "istio-proxy".to_owned());
        let concurrency = text("PROXY_CONCURRENCY").map(|v| parse("PROXY_CONCURRENCY", v)).transpose()?;
        let usual = if interception == Interception::None { DRAIN } else { DRAIN_WITH_APP };
        let drain = match text("TERMINATION_DRAIN_DURATION_SECONDS") {
            Some(seconds) => Some(Duration::from_secs(parse("TERMINATION_DRAIN_DURATION_SECONDS", seconds)?)),
            None => config.termination_drain_duration.as_deref().map(seconds).transpose()?,
        };
        // Of mode NONE is the sidecar whose app is told to end before it, and waited for by somebody else.
        let usual_least = if interception == Interception::None { Duration::ZERO } else { LEAST_DRAIN };
        let (least_drain, startup_hold) = (time(LEAST), time("WEFT_STARTUP_HOLD"));
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
            dns: dns_capture.then_some(dns),
            concurrency: concurrency.or(config.concurrency),
            drain: drain.unwrap_or(usual),
            least_drain: least_drain.transpose()?.unwrap_or(usual_least),
            hold: Duration::from_secs(10),
            startup_hold: startup_hold.transpose()?.unwrap_or(STARTUP_HOLD),
            first_byte: Duration::from_secs(15),
        })
    }

    /// The pod's own side, where that is another place than the one that others know: nothing is turned there, and the app
    /// listens on it.
    pub fn own_side(&self) -> Option<IpAddr> {
        let bound = self.node.metadata.interception == Interception::None;
        (bound && self.localhost != self.status.ip()).then_some(self.localhost)
    }
}

/// What of a ProxyConfig is heeded here, which the injector passes on whole.
#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ProxyConfig {
    /// As if each were a variable of its own.
    proxy_metadata: BTreeMap<String, String>,
    concurrency: Option<usize>,
    termination_drain_duration: Option<String>,
}

/// As long as most clients wait for an answer.
const STARTUP_HOLD: Duration = Duration::from_secs(60);
const PROXY_CONFIG: &str = "PROXY_CONFIG";

fn proxy_config(env: &BTreeMap<String, String>) -> Result<ProxyConfig, BootstrapError> {
    let Some(value) = env.get(PROXY_CONFIG).filter(|value| !value.trim().is_empty()) else {
        return Ok(ProxyConfig::default());
    };
    serde_json::from_str(value).map_err(|e| BootstrapError::Wrong {
        name: PROXY_CONFIG,
        value: value.clone(),
        why: format!("it must be a ProxyConfig as JSON: {e}"),
    })
}

/// A length of time as protobuf's JSON has it: `1.5s`.
fn seconds(text: &str) -> Result<Duration, BootstrapError> {
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    number.and_then(|number| Duration::try_from_secs_f64(number).ok()).ok_or_else(|| BootstrapError::Wrong {
        name: PROXY_CONFIG,
        value: text.to_owned(),
        why: "terminationDrainDuration must be seconds, such as 1.5s".to_owned(),
    })
}

/// A flag as Istio reads it.
fn flag(name: &'static str, value: Option<&str>) -> Result<bool, BootstrapError> {
    match value {
        Some("true" | "True" | "TRUE" | "t" | "T" | "1") => Ok(true),
        None | Some("false" | "False" | "FALSE" | "f" | "F" | "0") => Ok(false),
        Some(other) => Err(BootstrapError::Wrong {
            name,
            value: other.to_owned(),
            why: "it must be true or false".to_owned(),
        }),
    }
}

/// `localhost:15053`, which is the pod's own side in both families, or one address.
fn dns_addresses(value: Option<&str>, localhost: IpAddr) -> Result<Vec<SocketAddr>, BootstrapError> {
    const NAME: &str = "DNS_PROXY_ADDR";
    let port = match value.map(|value| (value, value.strip_prefix("localhost:"))) {
        None => DNS,
        Some((_, Some(port))) => parse(NAME, port)?,
        Some((address, None)) => return Ok(vec![parse(NAME, address)?]),
    };
    let v6 = (localhost == IpAddr::V4(Ipv4Addr::LOCALHOST)).then_some(IpAddr::V6(Ipv6Addr::LOCALHOST));
    Ok([localhost].into_iter().chain(v6).map(|ip| SocketAddr::new(ip, port)).collect())
}

/// Every address of the family of `ip`.
pub fn any(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
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
