//! MeshConfig: settings of the mesh as a whole.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::de::IgnoredAny;

use super::destination_rule::{H2UpgradePolicy, LocalityBalancing, TcpKeepalive};
use super::duration::Span;
use super::virtual_service::Retries;

mod provider;
mod proxy;

pub use provider::*;
pub use proxy::*;

message! {
    /// The mesh's settings. What is not here has the default that Istio documents; `None` and empty mean not set.
    pub struct MeshConfig {
        pub proxy_listen_port: i32,
        pub proxy_inbound_listen_port: i32,
        pub proxy_http_port: i32,
        pub connect_timeout: Option<Span>,
        pub protocol_detection_timeout: Option<Span>,
        pub tcp_keepalive: Option<TcpKeepalive>,
        pub ingress_class: String,
        pub ingress_service: String,
        pub ingress_controller_mode: IngressControllerMode,
        pub ingress_selector: String,
        pub enable_tracing: Option<bool>,
        pub access_log_file: String,
        pub access_log_format: String,
        pub access_log_encoding: AccessLogEncoding,
        pub enable_envoy_access_log_service: bool,
        pub disable_envoy_listener_log: bool,
        pub default_config: Option<ProxySettings>,
        pub outbound_traffic_policy: Option<OutboundPolicy>,
        pub inbound_traffic_policy: Option<InboundPolicy>,
        pub config_sources: Vec<IgnoredAny>,
        pub enable_auto_mtls: Option<bool>,
        pub trust_domain: String,
        pub trust_domain_aliases: Vec<String>,
        pub ca_certificates: Vec<CertificateData>,
        pub default_service_export_to: Vec<String>,
        pub default_virtual_service_export_to: Vec<String>,
        pub default_destination_rule_export_to: Vec<String>,
        pub root_namespace: String,
        pub locality_lb_setting: Option<LocalityBalancing>,
        pub dns_refresh_rate: Option<Span>,
        pub h2_upgrade_policy: H2UpgradePolicy,
        pub inbound_cluster_stat_name: String,
        pub outbound_cluster_stat_name: String,
        pub certificates: Vec<IgnoredAny>,
        pub service_settings: Vec<IgnoredAny>,
        pub service_scope_configs: Vec<IgnoredAny>,
        pub enable_prometheus_merge: Option<bool>,
        pub verify_certificate_at_client: Option<bool>,
        pub ca: Option<IgnoredAny>,
        pub extension_providers: Vec<ExtensionProvider>,
        pub default_providers: Option<DefaultProviders>,
        pub discovery_selectors: Vec<LabelSelector>,
        pub path_normalization: Option<PathNormalization>,
        pub default_http_retry_policy: Option<Retries>,
        #[serde(rename = "meshMTLS", alias = "mesh_mTLS")]
        pub mesh_mtls: Option<TlsConfig>,
        pub tls_defaults: Option<TlsConfig>,
        pub compliance_policy: String,
    }

    /// What happens to a destination that nothing names.
    pub struct OutboundPolicy {
        pub mode: OutboundMode,
    }

    /// How the proxy reaches its app.
    pub struct InboundPolicy {
        pub mode: InboundMode,
    }

    /// Another root that is trusted.
    pub struct CertificateData {
        pub pem: String,
        pub spiffe_bundle_url: String,
        pub cert_signers: Vec<String>,
        pub trust_domains: Vec<String>,
    }

    /// How paths are normalized before anybody decides on them.
    pub struct PathNormalization {
        pub normalization: NormalizationType,
    }

    /// What TLS may be.
    pub struct TlsConfig {
        pub min_protocol_version: super::gateway::TlsVersion,
        pub ecdh_curves: Vec<String>,
        pub cipher_suites: Vec<String>,
    }

    /// Providers where a Telemetry names none.
    pub struct DefaultProviders {
        pub tracing: Vec<String>,
        pub metrics: Vec<String>,
        pub access_logging: Vec<String>,
    }
}

choice! {
    /// Which Ingresses Istio serves.
    pub enum IngressControllerMode {
        Unspecified,
        Off,
        Default,
        Strict,
    }

    /// Lines of text or of JSON.
    pub enum AccessLogEncoding {
        Text,
        Json,
    }

    /// What happens to a destination that nothing names. The first is what an empty policy means, as in Istio; without
    /// any policy it is ALLOW_ANY.
    pub enum OutboundMode {
        RegistryOnly,
        AllowAny,
    }

    /// By the pod's address, or by 127.0.0.1.
    pub enum InboundMode {
        Passthrough,
        Localhost,
    }

    /// See ProxyPathNormalization in Istio's reference.
    pub enum NormalizationType {
        Default,
        None,
        Base,
        MergeSlashes,
        DecodeAndMergeSlashes,
    }
}
