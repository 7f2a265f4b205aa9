//! Driver against driver over loopback TCP, both variants: what a proxy and a control plane do with this crate.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use weft_model::identity::SpiffeId;
use weft_xds::client::{self, Backoff, Handle, Settings, Update};
use weft_xds::server::{Client, Connected, Limits, Service, Source, Verdict};
use weft_xds::type_url::{CLUSTER, LISTENER, ROUTES, SECRET};
use weft_xds::{Node, Protocol, Resource, ResourceSet};

const NODE: &str = "sidecar~10.0.0.1~echo.shop~shop.svc.cluster.local";

type Target = watch::Receiver<Option<Arc<ResourceSet>>>;

#[derive(Clone)]
struct Plane {
    target: Target,
    events: mpsc::UnboundedSender<String>,
}

impl Source for Plane {
    fn connect(&self, client: &Client) -> Result<Target, tonic::Status> {
        let caller =
            client.caller.as_ref().map_or("nobody".to_owned(), |caller| caller.service_account.clone());
        let _ = self.events.send(format!("connect {caller}"));
        if client.node.id != NODE {
            return Err(tonic::Status::permission_denied("this node belongs to somebody else"));
        }
        Ok(self.target.clone())
    }

    fn answered(&self, _: &Client, verdict: &Verdict) {
        let what = verdict.error.as_deref().unwrap_or("ack");
        let _ = self.events.send(format!("{} {what}", verdict.revision));
    }

    fn disconnected(&self, _: &Client) {
        let _ = self.events.send("disconnected".into());
    }
}

/// A control plane that can be stopped and started at one address.
struct Control {
    address: SocketAddr,
    target: watch::Sender<Option<Arc<ResourceSet>>>,
    plane: Plane,
    events: mpsc::UnboundedReceiver<String>,
    connected: Connected,
    server: Option<Runtime>,
}

impl Control {
    fn start(set: Option<Arc<ResourceSet>>) -> Self {
        Self::start_limited(set, Limits::default())
    }

    fn start_limited(set: Option<Arc<ResourceSet>>, limits: Limits) -> Self {
        let (sender, target) = watch::channel(set);
        let (events, received) = mpsc::unbounded_channel();
        let plane = Plane { target, events };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let (connected, server) = serve(listener, plane.clone(), limits);
        Self { address, target: sender, plane, events: received, connected, server: Some(server) }
    }

    /// Ends every connection, as a crash would.
    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_background();
        }
    }

    async fn restart(&mut self) {
        let listener = within(async {
            loop {
                match TcpListener::bind(self.address) {
                    Ok(listener) => break listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        let (connected, server) = serve(listener.await, self.plane.clone(), Limits::default());
        self.connected = connected;
        self.server = Some(server);
    }

    fn set(&self, revision: &str, resources: &[(&str, &str, &str)]) {
        self.target.send_replace(Some(set(revision, resources)));
    }

    async fn event(&mut self) -> String {
        within(self.events.recv()).await.expect("the source lives")
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Serves in a runtime of its own, which can be stopped with all its connections; an interceptor plays the authentication layer.
fn serve(listener: TcpListener, plane: Plane, limits: Limits) -> (Connected, Runtime) {
    let service = Service::new(plane, limits);
    let connected = service.connected();
    let authenticate = |mut request: tonic::Request<()>| {
        if let Some(account) = request.metadata().get("authorization").and_then(|v| v.to_str().ok()) {
            let id = SpiffeId::new("cluster.local", "shop", account).expect("a sound name");
            request.extensions_mut().insert(id);
        }
        Ok(request)
    };
    let service = tonic::service::interceptor::InterceptedService::new(service.into_grpc(), authenticate);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.spawn(async move {
        listener.set_nonblocking(true)?;
        let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(listener)?);
        let server = Server::builder().add_service(service).serve_with_incoming(incoming);
        server.await.map_err(io::Error::other)
    });
    (connected, runtime)
}

struct Proxy {
    handle: Handle,
    updates: mpsc::Receiver<Update>,
    store: BTreeMap<(String, String), Vec<u8>>,
}

impl Proxy {
    fn start(address: SocketAddr, protocol: Protocol, node: &str) -> Self {
        Self::start_as("echo", address, protocol, node)
    }

    fn start_as(account: &'static str, address: SocketAddr, protocol: Protocol, node: &str) -> Self {
        let mut settings = Settings::new(format!("http://{address}").parse().expect("a URI"));
        settings.protocol = protocol;
        settings.backoff =
            Backoff::new(Duration::from_millis(1), Duration::from_millis(20), Duration::from_secs(60));
        settings.credentials = Arc::new(move || {
            let mut metadata = MetadataMap::new();
            metadata.insert("authorization", account.parse().map_err(io::Error::other)?);
            Ok(metadata)
        });
        let node = Node { id: node.into(), ..Node::default() };
        let (handle, updates, driver) = client::open(node, settings, move || TcpStream::connect(address));
        tokio::spawn(driver.run());
        Self { handle, updates, store: BTreeMap::new() }
    }

    async fn next(&mut self) -> Update {
        within(self.updates.recv()).await.expect("the driver lives")
    }

    /// Takes one update and accepts it.
    async fn accept(&mut self) -> String {
        let update = self.next().await;
        let mut words = vec![update.type_url.rsplit('.').next().unwrap_or_default().to_owned()];
        for resource in update.updated {
            words.push(format!("+{}", resource.name));
            let key = (resource.type_url.to_string(), resource.name.to_string());
            self.store.insert(key, resource.value.to_vec());
        }
        for name in update.removed {
            words.push(format!("-{name}"));
            self.store.remove(&(update.type_url.to_string(), name.to_string()));
        }
        self.handle.ack(update.ticket);
        words.join(" ")
    }

    fn has(&self, resources: &[(&str, &str, &str)]) {
        let expected: BTreeMap<_, _> = resources
            .iter()
            .map(|(type_url, name, content)| {
                (
                    ((*type_url).to_owned(), (*name).to_owned()),
                    resource(type_url, name, content).value.to_vec(),
                )
            })
            .collect();
        assert_eq!(self.store, expected);
    }
}

fn resource(type_url: &str, name: &str, content: &str) -> Resource {
    use prost::Message;
    // Field 1, the name; then the content as if it were field 999.
    #[derive(Clone, PartialEq, Eq, Message)]
    struct Body {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(string, tag = "999")]
        content: String,
    }
    let body = Body { name: name.into(), content: content.into() };
    Resource::versioned_by_content(type_url, name, body.encode_to_vec())
}

fn set(revision: &str, resources: &[(&str, &str, &str)]) -> Arc<ResourceSet> {
    let mut set = ResourceSet::new(revision);
    for (type_url, name, content) in resources {
        set.insert(Arc::new(resource(type_url, name, content)));
    }
    Arc::new(set)
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it happens within 20 s")
}

async fn a_life(protocol: Protocol) {
    let first = [(CLUSTER, "a", "1"), (LISTENER, "l", "1"), (ROUTES, "80", "1"), (SECRET, "s", "1")];
    let mut control = Control::start(Some(set("r1", &first)));
    let mut proxy = Proxy::start(control.address, protocol, NODE);
    let mut connection = proxy.handle.connection();
    proxy.handle.change(|session| {
        session.subscribe_all(CLUSTER);
        session.subscribe_all(LISTENER);
        session.subscribe(ROUTES, ["80"]);
        session.subscribe(SECRET, ["s"]);
    });
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(proxy.accept().await);
    }
    seen.sort();
    assert_eq!(seen, ["Cluster +a", "Listener +l", "RouteConfiguration +80", "Secret +s"]);
    proxy.has(&first);
    assert_eq!(control.event().await, "connect echo");
    for _ in 0..4 {
        assert_eq!(control.event().await, "r1 ack");
    }
    assert!(connection.borrow_and_update().since.is_some());

    // A change, refused; status says so.
    control.set("r2", &[(CLUSTER, "a", "2"), (LISTENER, "l", "1"), (ROUTES, "80", "1"), (SECRET, "s", "1")]);
    let update = proxy.next().await;
    proxy.handle.nack(update.ticket, "cluster a: not like this");
    assert_eq!(control.event().await, "r2 cluster a: not like this");
    let refused = |connected: &Connected| {
        connected.list()[0].types.iter().any(|t| {
            *t.type_url == *CLUSTER && t.nacked.as_ref().is_some_and(|n| n.message.contains("not like this"))
        })
    };
    within(async {
        while !refused(&control.connected) {
            tokio::task::yield_now().await;
        }
    })
    .await;

    // The control plane dies, the mesh changes, another one comes up at the same place.
    control.stop();
    within(connection.wait_for(|c| c.since.is_none() && c.last_error.is_some()))
        .await
        .expect("the driver lives");
    assert_eq!(control.event().await, "disconnected");
    proxy.has(&first);
    let second = [(CLUSTER, "b", "1"), (LISTENER, "l", "2"), (ROUTES, "80", "1"), (SECRET, "s", "1")];
    control.set("r3", &second);
    control.restart().await;
    // SotW does not tell the new server what the proxy holds, so the old cluster cannot wait for the routes.
    let expected: &[&str] = match protocol {
        Protocol::Delta => &["Cluster +b", "Listener +l", "Cluster -a"],
        Protocol::Sotw => &["Cluster +b -a", "Listener +l"],
    };
    let mut changes = Vec::new();
    while changes.len() < expected.len() {
        changes.push(proxy.accept().await);
    }
    assert_eq!(changes, expected, "and neither routes nor secret, which are the same");
    proxy.has(&second);
    let connection =
        within(connection.wait_for(|c| c.since.is_some())).await.expect("the driver lives").clone();
    assert_eq!(connection.streams, 2);
    assert!(connection.last_error.is_some(), "what went wrong stays readable");
}

#[tokio::test]
async fn a_proxy_lives_through_the_death_of_its_control_plane_on_delta() {
    a_life(Protocol::Delta).await;
}

#[tokio::test]
async fn a_proxy_lives_through_the_death_of_its_control_plane_on_sotw() {
    a_life(Protocol::Sotw).await;
}

#[tokio::test]
async fn a_proxy_that_is_refused_says_why_and_keeps_asking() {
    let mut control = Control::start(Some(set("r", &[])));
    let proxy = Proxy::start(control.address, Protocol::Delta, "sidecar~somebody~else~x");
    proxy.handle.subscribe_all(CLUSTER);
    let mut connection = proxy.handle.connection();
    let state = within(connection.wait_for(|c| c.last_error.is_some())).await.unwrap().clone();
    let what = state.last_error.unwrap().what;
    assert!(what.contains("this node belongs to somebody else"), "{what}");
    assert_eq!([control.event().await, control.event().await], ["connect echo", "connect echo"]);
    assert!(control.connected.is_empty());
}

#[tokio::test]
async fn a_control_plane_that_does_not_know_yet_takes_nothing_away() {
    let first = [(CLUSTER, "a", "1")];
    let mut control = Control::start(Some(set("r1", &first)));
    let mut proxy = Proxy::start(control.address, Protocol::Delta, NODE);
    proxy.handle.subscribe_all(CLUSTER);
    assert_eq!(proxy.accept().await, "Cluster +a");
    control.stop();
    control.target.send_replace(None);
    control.restart().await;
    let mut connection = proxy.handle.connection();
    within(connection.wait_for(|c| c.streams == 2 && c.since.is_some())).await.unwrap();
    control.set("r2", &[(CLUSTER, "a", "1"), (CLUSTER, "b", "1")]);
    assert_eq!(proxy.accept().await, "Cluster +b");
}

#[tokio::test]
async fn the_newest_stream_of_a_node_wins_but_only_over_its_own() {
    let control = Control::start(Some(set("r", &[(CLUSTER, "a", "1")])));
    let mut proxies = Vec::new();
    for _ in 0..2 {
        let mut proxy = Proxy::start(control.address, Protocol::Delta, NODE);
        proxy.handle.subscribe_all(CLUSTER);
        assert_eq!(proxy.accept().await, "Cluster +a");
        proxies.push(proxy);
    }
    let mut first = proxies[0].handle.connection();
    let mut stranger = Proxy::start_as("stranger", control.address, Protocol::Delta, NODE);
    stranger.handle.subscribe_all(CLUSTER);
    assert_eq!(stranger.accept().await, "Cluster +a");
    assert_eq!(control.connected.len(), 3, "nobody had to go for it");
    let mut third = Proxy::start(control.address, Protocol::Delta, NODE);
    third.handle.subscribe_all(CLUSTER);
    assert_eq!(third.accept().await, "Cluster +a");
    let state = within(first.wait_for(|c| c.last_error.is_some())).await.unwrap().clone();
    let what = state.last_error.unwrap().what;
    assert!(what.contains("a newer stream of the same node has taken over"), "{what}");
}

#[tokio::test]
async fn a_control_plane_that_accepts_and_then_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = Settings::new(format!("http://{address}").parse().unwrap());
    settings.keepalive = Duration::from_millis(20);
    settings.keepalive_timeout = Duration::from_millis(20);
    let (handle, _updates, driver) =
        client::open(Node::default(), settings, move || TcpStream::connect(address));
    handle.subscribe_all(CLUSTER);
    tokio::spawn(driver.run());
    let (_silent, _) = within(listener.accept()).await.unwrap();
    let mut connection = handle.connection();
    let state = within(connection.wait_for(|c| c.last_error.is_some())).await.unwrap().clone();
    let what = state.last_error.unwrap().what;
    assert!(what.contains("keep-alive timed out"), "{what}");
}

#[tokio::test]
async fn too_many_streams_are_refused() {
    let limits = Limits { streams: 1, ..Limits::default() };
    let control = Control::start_limited(Some(set("r", &[(CLUSTER, "a", "1")])), limits);
    let mut first = Proxy::start(control.address, Protocol::Delta, NODE);
    first.handle.subscribe_all(CLUSTER);
    assert_eq!(first.accept().await, "Cluster +a");
    let second = Proxy::start_as("other", control.address, Protocol::Delta, NODE);
    second.handle.subscribe_all(CLUSTER);
    let mut connection = second.handle.connection();
    let state = within(connection.wait_for(|c| c.last_error.is_some())).await.unwrap().clone();
    let what = state.last_error.unwrap().what;
    assert!(what.contains("1 ADS streams are open already"), "{what}");
}

#[tokio::test]
async fn a_response_beyond_grpcs_default_of_four_mebibytes_arrives() {
    let large = "x".repeat(9 << 20);
    let control = Control::start(Some(set("r", &[(CLUSTER, "a", &large)])));
    let mut proxy = Proxy::start(control.address, Protocol::Delta, NODE);
    proxy.handle.subscribe_all(CLUSTER);
    assert_eq!(proxy.accept().await, "Cluster +a");
}

/// What the server says to a stream of these requests, which stays open.
async fn refusal(limits: Limits, request: Option<DeltaDiscoveryRequest>) -> tonic::Status {
    let control = Control::start_limited(Some(set("r", &[])), limits);
    let uri = format!("http://{}", control.address);
    let mut stub = AggregatedDiscoveryServiceClient::connect(uri).await.expect("a server");
    let requests = tokio_stream::iter(request).chain(tokio_stream::pending());
    let mut responses = stub.delta_aggregated_resources(requests).await.expect("a stream").into_inner();
    within(responses.message()).await.expect_err("a refusal")
}

#[tokio::test]
async fn a_first_message_without_a_node_is_an_invalid_argument() {
    let request = DeltaDiscoveryRequest { type_url: CLUSTER.into(), ..Default::default() };
    let status = refusal(Limits::default(), Some(request)).await;
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert_eq!(status.message(), "missing node information");
}

#[tokio::test]
async fn a_stream_that_keeps_silent_is_ended() {
    let limits = Limits { first_request: Duration::from_millis(20), ..Limits::default() };
    assert_eq!(refusal(limits, None).await.code(), tonic::Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_request_beyond_the_limits_ends_its_stream() {
    let node = Some(Node { id: NODE.into(), ..Node::default() });
    let request = DeltaDiscoveryRequest {
        node,
        type_url: CLUSTER.into(),
        resource_names_subscribe: (0..100).map(|n| n.to_string()).collect(),
        ..Default::default()
    };
    let limits = Limits { request_bytes: 100, ..Limits::default() };
    assert_eq!(refusal(limits, Some(request.clone())).await.code(), tonic::Code::OutOfRange);
    let limits = Limits { names: 99, ..Limits::default() };
    assert_eq!(refusal(limits, Some(request)).await.code(), tonic::Code::ResourceExhausted);
}

#[tokio::test]
async fn the_driver_ends_when_the_application_no_longer_listens() {
    let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let settings = Settings::new("http://control.invalid".parse().unwrap());
    let (_handle, updates, driver) =
        client::open(Node::default(), settings, move || TcpStream::connect(address));
    let task = tokio::spawn(driver.run());
    drop(updates);
    within(task).await.unwrap();
}
