//! One client and one service, under the settings of one trial.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};
use weft_control::read::read_str;
use weft_control::world::World;
use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

use crate::proxy::Kind;

const CLIENT: &str = "client";
const NAMESPACE: &str = "bench";

/// The service's cluster, as both proxies name it.
pub(crate) const CLUSTER: &str = "outbound|80||app.bench.svc.cluster.local";

/// Where everything of one trial before one proxy is: a part of 127/8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Net(u8, u8);

impl Net {
    /// Of one kind of proxy in one trial.
    pub(crate) const fn of(kind: Kind, number: u8) -> Self {
        Self(if matches!(kind, Kind::Weft) { 230 } else { 231 }, number)
    }

    fn ip(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0, self.1, last)
    }

    pub(crate) fn endpoint(self, number: u8) -> SocketAddr {
        SocketAddr::from((self.ip(number + 1), 8080))
    }

    /// The pod as others see it.
    pub(crate) fn client(self) -> IpAddr {
        self.ip(100).into()
    }

    /// As it sees itself.
    pub(crate) fn localhost(self) -> IpAddr {
        self.ip(101).into()
    }

    /// Where weft's proxy answers who looks after it.
    pub(crate) fn admin(self) -> SocketAddr {
        SocketAddr::from((self.localhost(), 15000))
    }

    /// Where the proxy takes its client's requests.
    pub(crate) fn proxy(self) -> SocketAddr {
        SocketAddr::from((self.localhost(), 15007))
    }

    /// Where the control plane is.
    pub(crate) fn control(self) -> SocketAddr {
        SocketAddr::from((self.ip(102), 15012))
    }
}

/// The mesh of these resources; the service has so many endpoints, each of a version of its own.
pub(crate) fn world(net: Net, endpoints: u8, rules: &str) -> anyhow::Result<World> {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: app, namespace: bench}\n\
                   spec: {selector: {app: app}, ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n";
    let reading = read_str("bench.yaml", &format!("{service}{rules}"));
    anyhow::ensure!(!reading.has_errors(), "{:#?}", reading.diagnostics);
    let mut pods = vec![pod(CLIENT, CLIENT, net.client())];
    pods[0]["metadata"]["annotations"] = json!({ "weft.dev/localhost": net.localhost().to_string() });
    pods.extend((0..endpoints).map(|n| pod(&format!("app-{n}"), "app", net.endpoint(n).ip())));
    let pods = pods.into_iter().map(serde_json::from_value).collect::<Result<Vec<_>, _>>()?;
    Ok(World::new(Arc::new(reading.resources), &pods))
}

/// A pod that runs, without a sidecar of its own.
fn pod(name: &str, app: &str, ip: IpAddr) -> Value {
    let version = name.rsplit('-').next().map(|last| format!("v{last}"));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": { "app": app, "version": version } },
        "spec": { "containers": [{ "name": "app", "image": "app" }] },
        "status": { "phase": "Running", "podIP": ip.to_string(), "podIPs": [{ "ip": ip.to_string() }] },
    })
}

/// The client's proxy as a stock Envoy says it.
pub(crate) fn envoy(net: Net) -> Node {
    Node {
        role: Role::Sidecar,
        ip: Some(net.client()),
        name: format!("{CLIENT}.{NAMESPACE}"),
        domain: format!("{NAMESPACE}.svc.cluster.local"),
        cluster: format!("{CLIENT}.{NAMESPACE}"),
        locality: Locality::default(),
        agent: Agent { name: "envoy".to_owned(), ..Agent::default() },
        metadata: NodeMetadata {
            name: CLIENT.to_owned(),
            namespace: NAMESPACE.to_owned(),
            service_account: "default".to_owned(),
            cluster_id: "Kubernetes".to_owned(),
            istio_version: "1.29.6".to_owned(),
            instance_ips: vec![net.client()],
            interception: Interception::None,
            ..NodeMetadata::default()
        },
    }
}

/// The environment of weft's, as an injector sets it.
pub(crate) fn environment(net: Net) -> Vec<(&'static str, String)> {
    vec![
        ("POD_NAME", CLIENT.to_owned()),
        ("POD_NAMESPACE", NAMESPACE.to_owned()),
        ("INSTANCE_IP", net.client().to_string()),
        ("WEFT_LOCALHOST", net.localhost().to_string()),
        ("ISTIO_META_INTERCEPTION_MODE", "NONE".to_owned()),
        ("PROXY_CONCURRENCY", "1".to_owned()),
        ("XDS_ADDR", net.control().to_string()),
    ]
}
