//! The mesh's settings with every default filled in.

use std::time::Duration;

use crate::resources::Resources;
use crate::resources::mesh_config::{MeshConfig, OutboundMode};

/// The settings of the mesh that configuration is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    /// Whose identities are believed.
    pub trust_domain: String,
    /// Other trust domains that count as this one.
    pub trust_domain_aliases: Vec<String>,
    /// Whose policies hold for the whole mesh.
    pub root_namespace: String,
    /// What happens to a destination that nothing names.
    pub outbound: OutboundMode,
    /// mTLS wherever the endpoint can.
    pub auto_mtls: bool,
    /// Where redirected traffic of the app arrives.
    pub outbound_port: u16,
    /// Where redirected traffic to the app arrives.
    pub inbound_port: u16,
    /// The HTTP proxy's port; `None`: there is one only without interception.
    pub http_proxy_port: Option<u16>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long an inspector waits for the client's first bytes; zero: without limit.
    pub detection_timeout: Duration,
    /// Time between two resolutions of a name.
    pub dns_refresh_rate: Duration,
    /// What was written down, for all else.
    pub config: MeshConfig,
}

/// Where Istio is installed unless somebody says otherwise.
const ROOT_NAMESPACE: &str = "istio-system";

impl Mesh {
    /// The settings of these resources.
    pub fn new(resources: &Resources) -> Self {
        let config = resources.mesh.as_ref().map(|mesh| mesh.spec.clone()).unwrap_or_default();
        let or =
            |said: &str, default: &str| if said.is_empty() { default.to_owned() } else { said.to_owned() };
        let port = |said: i32| u16::try_from(said).ok().filter(|port| *port != 0);
        Self {
            trust_domain: or(&config.trust_domain, "cluster.local"),
            trust_domain_aliases: config.trust_domain_aliases.clone(),
            root_namespace: or(&config.root_namespace, ROOT_NAMESPACE),
            outbound: config
                .outbound_traffic_policy
                .as_ref()
                .map_or(OutboundMode::AllowAny, |policy| policy.mode),
            auto_mtls: config.enable_auto_mtls.unwrap_or(true),
            outbound_port: port(config.proxy_listen_port).unwrap_or(15001),
            inbound_port: port(config.proxy_inbound_listen_port).unwrap_or(15006),
            http_proxy_port: port(config.proxy_http_port),
            connect_timeout: config.connect_timeout.map_or(Duration::from_secs(10), |span| span.0),
            detection_timeout: config.protocol_detection_timeout.map_or(Duration::ZERO, |span| span.0),
            dns_refresh_rate: config.dns_refresh_rate.map_or(Duration::from_secs(60), |span| span.0),
            config,
        }
    }

    /// The trust domain and all that count as it.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.trust_domain.as_str())
            .chain(self.trust_domain_aliases.iter().map(String::as_str))
    }
}
