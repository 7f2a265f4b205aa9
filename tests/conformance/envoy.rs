//! A stock Envoy takes what weft encodes: `envoy --mode validate` on a bootstrap of our own bytes.

use std::path::PathBuf;
use std::process::Command;

use envoy_types::pb::envoy::config::bootstrap::v3::{Bootstrap, bootstrap};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::{
    AggregatedConfigSource, ApiConfigSource, ConfigSource, GrpcService, Node, api_config_source,
    config_source, grpc_service,
};
use envoy_types::pb::envoy::config::listener::v3::Listener;
use prost::Message;
use weft_model::http::{HttpConnectionManager, HttpFilter, RouteSource};
use weft_model::listener::{Direction, FilterChain, Listener as ListenerModel, NetworkFilter};
use weft_model::route::RouteConfiguration;
use weft_wire::encode;

/// What one proxy would be told, as bytes of resources.
#[derive(Default)]
pub(crate) struct Configuration {
    listeners: Vec<Listener>,
    clusters: Vec<Cluster>,
}

impl Configuration {
    pub(crate) fn listener(&mut self, bytes: &[u8]) {
        self.listeners.push(Listener::decode(bytes).unwrap());
    }

    pub(crate) fn cluster(&mut self, bytes: &[u8]) {
        self.clusters.push(Cluster::decode(bytes).unwrap());
    }

    /// Routes cannot stand alone in a bootstrap, so a listener takes them.
    pub(crate) fn routes(&mut self, routes: RouteConfiguration) {
        let n = self.listeners.len();
        let filters = vec![HttpFilter::Fault, HttpFilter::Cors, HttpFilter::Router];
        let manager = HttpConnectionManager::new("routes", RouteSource::Inline(Box::new(routes)), filters);
        let chain =
            FilterChain { filters: vec![NetworkFilter::Http(Box::new(manager))], ..FilterChain::default() };
        let address = format!("127.0.0.1:{}", 20_000 + n).parse().unwrap();
        let mut listener = ListenerModel::new(format!("routes {n}"), address, Direction::Outbound);
        listener.filter_chains.push(chain);
        self.listener(&encode::listener(&listener).value);
    }

    /// Asks Envoy.
    pub(crate) fn validate(mut self, name: &str) -> Result<(), String> {
        for agent in ["xds-grpc", "sds-grpc"] {
            let cluster = Cluster { name: agent.to_owned(), ..Cluster::default() };
            self.clusters.insert(0, cluster);
        }
        let target = grpc_service::TargetSpecifier::EnvoyGrpc(grpc_service::EnvoyGrpc {
            cluster_name: "xds-grpc".to_owned(),
            ..Default::default()
        });
        let ads = ApiConfigSource {
            api_type: api_config_source::ApiType::DeltaGrpc as i32,
            transport_api_version: 2,
            grpc_services: vec![GrpcService { target_specifier: Some(target), ..Default::default() }],
            ..Default::default()
        };
        let by_ads = ConfigSource {
            resource_api_version: 2,
            config_source_specifier: Some(config_source::ConfigSourceSpecifier::Ads(
                AggregatedConfigSource::default(),
            )),
            ..Default::default()
        };
        let bootstrap = Bootstrap {
            node: Some(Node { id: name.to_owned(), cluster: "test".to_owned(), ..Default::default() }),
            static_resources: Some(bootstrap::StaticResources {
                listeners: self.listeners,
                clusters: self.clusters,
                secrets: Vec::new(),
            }),
            dynamic_resources: Some(bootstrap::DynamicResources {
                cds_config: Some(by_ads),
                ads_config: Some(ads),
                ..Default::default()
            }),
            ..Default::default()
        };
        let path: PathBuf = std::env::temp_dir().join(format!(
            "weft-conformance-{}-{}.pb",
            std::process::id(),
            name.replace('/', "-")
        ));
        std::fs::write(&path, bootstrap.encode_to_vec()).unwrap();
        let output = Command::new("envoy")
            .args(["--mode", "validate", "--log-level", "error", "--concurrency", "1", "-c"])
            .arg(&path)
            .output()
            .expect("envoy is on the PATH");
        std::fs::remove_file(&path).unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "{name}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}
