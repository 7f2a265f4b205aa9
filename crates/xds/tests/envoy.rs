//! The server against a real Envoy, both variants. Needs `envoy` on the PATH: `cargo nextest run --run-ignored all`.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, SocketAddress, address,
};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_filter,
};
use envoy_types::pb::google::protobuf::{Any, Duration as PbDuration, UInt32Value};
use prost::{Message, Name};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use weft_xds::server::{Client, Connected, Limits, ProxyStatus, Service, Source, TypeStatus};
use weft_xds::type_url::{CLUSTER, ENDPOINTS, LISTENER, ROUTES};
use weft_xds::{Resource, ResourceSet};

type Target = watch::Receiver<Option<Arc<ResourceSet>>>;

struct Plane(Target);

impl Source for Plane {
    fn connect(&self, _: &Client) -> Result<Target, tonic::Status> {
        Ok(self.0.clone())
    }
}

fn pack<M: Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource::default())),
        ..ConfigSource::default()
    }
}

fn loopback(port: u16) -> Address {
    let socket = SocketAddress {
        address: "127.0.0.1".into(),
        port_specifier: Some(PortSpecifier::PortValue(port.into())),
        ..SocketAddress::default()
    };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}

fn cluster(name: &str, connect_seconds: i64) -> Cluster {
    Cluster {
        name: name.into(),
        connect_timeout: Some(PbDuration { seconds: connect_seconds, nanos: 0 }),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig { eds_config: Some(ads()), service_name: String::new() }),
        ..Cluster::default()
    }
}

fn endpoints(name: &str) -> ClusterLoadAssignment {
    let endpoint = Endpoint { address: Some(loopback(9)), ..Endpoint::default() };
    let lb_endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
        load_balancing_weight: Some(UInt32Value { value: 1 }),
        ..LbEndpoint::default()
    };
    ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: vec![LocalityLbEndpoints { lb_endpoints: vec![lb_endpoint], ..Default::default() }],
        ..ClusterLoadAssignment::default()
    }
}

fn listener(name: &str, routes: &str) -> Listener {
    let router = HttpFilter {
        name: "envoy.filters.http.router".into(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(&Router::default()))),
        ..HttpFilter::default()
    };
    let manager = HttpConnectionManager {
        stat_prefix: "http".into(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: routes.into(),
        })),
        http_filters: vec![router],
        ..HttpConnectionManager::default()
    };
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".into(),
        config_type: Some(ConfigType::TypedConfig(pack(&manager))),
    };
    Listener {
        name: name.into(),
        address: Some(loopback(0)),
        filter_chains: vec![FilterChain { filters: vec![filter], ..FilterChain::default() }],
        ..Listener::default()
    }
}

fn routes(name: &str, to: &str) -> RouteConfiguration {
    let action =
        RouteAction { cluster_specifier: Some(ClusterSpecifier::Cluster(to.into())), ..Default::default() };
    let route = Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".into())),
            ..RouteMatch::default()
        }),
        action: Some(Action::Route(action)),
        ..Route::default()
    };
    RouteConfiguration {
        name: name.into(),
        virtual_hosts: vec![VirtualHost {
            name: "all".into(),
            domains: vec!["*".into()],
            routes: vec![route],
            ..VirtualHost::default()
        }],
        // Envoy itself refuses a route to a cluster that it does not have.
        validate_clusters: Some(envoy_types::pb::google::protobuf::BoolValue { value: true }),
        ..RouteConfiguration::default()
    }
}

fn set(revision: &str, clusters: &[Cluster], routes_to: &str) -> Arc<ResourceSet> {
    let mut set = ResourceSet::new(revision);
    let mut add = |type_url: &str, name: &str, bytes: Vec<u8>| {
        set.insert(Arc::new(Resource::versioned_by_content(type_url, name, bytes)));
    };
    for cluster in clusters {
        add(CLUSTER, &cluster.name, cluster.encode_to_vec());
        add(ENDPOINTS, &cluster.name, endpoints(&cluster.name).encode_to_vec());
    }
    add(LISTENER, "l", listener("l", "80").encode_to_vec());
    add(ROUTES, "80", routes("80", routes_to).encode_to_vec());
    Arc::new(set)
}

struct Control {
    target: watch::Sender<Option<Arc<ResourceSet>>>,
    connected: Connected,
    runtime: Option<Runtime>,
}

impl Control {
    fn start(listener: TcpListener, set: Arc<ResourceSet>) -> Self {
        let (target, watched) = watch::channel(Some(set));
        let service = Service::new(Plane(watched), Limits::default());
        let connected = service.connected();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.spawn(async move {
            listener.set_nonblocking(true).expect("a socket");
            let incoming =
                TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).expect("a socket"));
            Server::builder().add_service(service.into_grpc()).serve_with_incoming(incoming).await
        });
        Self { target, connected, runtime: Some(runtime) }
    }

    async fn wait(&self, what: &str, reached: impl Fn(&ProxyStatus) -> bool) -> ProxyStatus {
        let found = within(async {
            loop {
                if let Some(status) = self.connected.list().into_iter().find(|status| reached(status)) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        found.await.unwrap_or_else(|| unreachable!("never {what}: {:#?}", self.connected.list()))
    }

    async fn in_force(&self, revision: &str) -> ProxyStatus {
        let complete = |status: &ProxyStatus| {
            status.target.as_deref() == Some(revision)
                && status.types.len() == 4
                && status.types.iter().all(|of_type| of_type.in_sync)
        };
        self.wait(&format!("in force: {revision}"), complete).await
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Envoy {
    child: Child,
    admin: std::path::PathBuf,
}

impl Envoy {
    fn start(control: SocketAddr, api_type: &str, directory: &Path) -> Self {
        let admin = directory.join("admin");
        let config = format!(
            r#"{{"node":{{"id":"sidecar~127.0.0.1~envoy.x~x.svc.cluster.local","cluster":"envoy"}},
            "admin":{{"address":{{"socket_address":{{"address":"127.0.0.1","port_value":0}}}}}},
            "dynamic_resources":{{
              "lds_config":{{"ads":{{}},"resource_api_version":"V3"}},"cds_config":{{"ads":{{}},"resource_api_version":"V3"}},
              "ads_config":{{"api_type":"{api_type}","transport_api_version":"V3","set_node_on_first_message_only":true,
                "grpc_services":[{{"envoy_grpc":{{"cluster_name":"xds"}}}}]}}}},
            "static_resources":{{"clusters":[{{"name":"xds","type":"STATIC",
              "typed_extension_protocol_options":{{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions":{{
                "@type":"type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config":{{"http2_protocol_options":{{}}}}}}}},
              "load_assignment":{{"cluster_name":"xds","endpoints":[{{"lb_endpoints":[{{"endpoint":{{"address":
                {{"socket_address":{{"address":"127.0.0.1","port_value":{}}}}}}}}}]}}]}}}}]}}}}"#,
            control.port()
        );
        let child = Command::new("envoy")
            .args(["--config-yaml", &config, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warn"])
            .arg("--admin-address-path")
            .arg(&admin)
            .stdout(Stdio::null())
            .spawn()
            .expect("envoy is on the PATH");
        Self { child, admin }
    }

    async fn admin(&self, path: &str) -> String {
        let address = std::fs::read_to_string(&self.admin).expect("Envoy wrote its admin address");
        let mut stream = tokio::net::TcpStream::connect(address.trim()).await.expect("Envoy's admin port");
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("Envoy reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("Envoy answers");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn within<F: Future>(future: F) -> Option<F::Output> {
    tokio::time::timeout(Duration::from_secs(30), future).await.ok()
}

fn of_type<'a>(status: &'a ProxyStatus, type_url: &str) -> &'a TypeStatus {
    status.types.iter().find(|of_type| *of_type.type_url == *type_url).expect("Envoy asked for it")
}

async fn a_life(api_type: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    let control = Control::start(listener, set("one", &[cluster("a", 1)], "a"));
    let envoy = Envoy::start(address, api_type, directory.path());
    control.in_force("one").await;

    // A changed cluster is warm again (recent Envoys also remember its endpoints by themselves).
    control.target.send_replace(Some(set("two", &[cluster("a", 2)], "a")));
    control.in_force("two").await;
    let stats = envoy.admin("/stats?filter=warming_clusters|cluster.a.membership_total").await;
    assert!(stats.contains("cluster_manager.warming_clusters: 0"), "{stats}");
    assert!(stats.contains("cluster.a.membership_total: 1"), "{stats}");

    // Another cluster takes over; Envoy refuses a route to a cluster that it does not have.
    control.target.send_replace(Some(set("three", &[cluster("b", 1), cluster("c", 1)], "b")));
    let status = control.in_force("three").await;
    assert!(status.types.iter().all(|of_type| of_type.nacked.is_none()), "{status:#?}");
    let clusters = envoy.admin("/clusters").await;
    assert!(!clusters.contains("a::") && clusters.contains("b::"), "{clusters}");

    // One bad cluster is named, and the rest is in force.
    let bad = Cluster { lb_policy: LbPolicy::ClusterProvided.into(), ..cluster("c", 2) };
    control.target.send_replace(Some(set("four", &[cluster("b", 3), bad], "b")));
    let refused = |status: &ProxyStatus| {
        let clusters = status.types.iter().find(|of_type| *of_type.type_url == *CLUSTER);
        let refusal = clusters.and_then(|clusters| clusters.nacked.as_ref());
        status.target.as_deref() == Some("four") && refusal.is_some_and(|r| r.message.contains("c: "))
    };
    let status = control.wait("refused: four", refused).await;
    assert!(of_type(&status, ROUTES).in_sync);
    let dump = envoy.admin("/config_dump?resource=dynamic_active_clusters").await;
    assert!(dump.contains("\"connect_timeout\": \"3s\""), "b is changed all the same: {dump}");

    // A new control plane, the same state: only what was refused is tried again.
    control.target.send_replace(Some(set("five", &[cluster("b", 3), cluster("c", 3)], "b")));
    control.in_force("five").await;
    drop(control);
    let listener = within(async {
        loop {
            match TcpListener::bind(address) {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
    let listener = listener.await.expect("the port is free again");
    let control = Control::start(listener, set("five", &[cluster("b", 3), cluster("c", 3)], "b"));
    let status = control.in_force("five").await;
    if api_type == "DELTA_GRPC" {
        assert!(status.types.iter().all(|of_type| of_type.sent.is_none()), "{status:#?}");
    }
}

#[tokio::test]
#[ignore = "needs envoy on the PATH"]
async fn a_real_envoy_follows_on_delta() {
    a_life("DELTA_GRPC").await;
}

#[tokio::test]
#[ignore = "needs envoy on the PATH"]
async fn a_real_envoy_follows_on_sotw() {
    a_life("GRPC").await;
}
