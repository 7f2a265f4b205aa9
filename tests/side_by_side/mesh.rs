//! The mesh of all scenes, once for each proxy: the same YAML, with pods of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use weft_control::read::read;
use weft_control::translate::{Configuration, translate};
use weft_control::world::World;
use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

use crate::scene::Scene;

pub(crate) const NAMESPACE: &str = "shop";
const CLIENT: &str = "client";
const ADDRESSES: u8 = 250;
/// Where apps listen.
const PORT: u16 = 8080;
/// A service's port whose connections are only passed on.
pub(crate) const BYTES: u16 = 9500;

/// One proxy's mesh.
pub(crate) struct Mesh {
    pub(crate) world: World,
    net: Net,
}

/// A part of 127/8 that is this proxy's alone.
pub(crate) struct Net {
    second: u8,
    _mine: std::net::TcpListener,
}

impl Net {
    /// One that no other run of this test has.
    pub(crate) fn find() -> Self {
        let offset = std::process::id() % 80;
        let taken = |second: u8| {
            let bound = std::net::TcpListener::bind((Ipv4Addr::new(127, second, ADDRESSES, 9), 9));
            bound.ok().map(|mine| Self { second, _mine: mine })
        };
        let mut candidates = (0..80).map(|n| 140 + u8::try_from((offset + n) % 80).unwrap());
        candidates.find_map(taken).expect("80 runs at once?")
    }

    /// A scene's app.
    pub(crate) fn app(&self, scene: usize, app: usize) -> SocketAddr {
        let [scene, app] = [scene, app + 1].map(|n| u8::try_from(n).unwrap());
        SocketAddr::from((Ipv4Addr::new(127, self.second, scene, app), PORT))
    }

    /// Where the proxy takes connections that it only passes on to a scene's service.
    pub(crate) fn bytes(&self, scene: usize) -> SocketAddr {
        let scene = u8::try_from(scene + 1).unwrap();
        SocketAddr::from((Ipv4Addr::new(127, self.second, ADDRESSES + 1, scene), BYTES))
    }

    /// Where the proxy takes its client's requests.
    pub(crate) fn proxy(&self) -> SocketAddr {
        SocketAddr::from((self.localhost(), 15007))
    }

    fn localhost(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, ADDRESSES, 2)
    }

    fn client(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.second, ADDRESSES, 1)
    }
}

impl Mesh {
    /// The scenes' YAML, with access logs to a file.
    pub(crate) fn of(scenes: &[Scene], net: Net, log: &Path) -> Self {
        let format = json!({
            "ask": "%REQ(X-ASK)%", "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%",
            "tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        });
        let mesh = json!({
            "accessLogFile": log, "accessLogEncoding": "JSON", "accessLogFormat": format.to_string(),
        });
        let mut yaml = mesh.to_string();
        for scene in scenes {
            yaml.push_str(&scene.service());
            yaml.push_str(&scene.yaml());
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mesh.yaml"), yaml).unwrap();
        let reading = read(&[folder.path().to_owned()]);
        assert!(!reading.has_errors(), "{:#?}", reading.diagnostics);
        let mut pods = vec![pod(CLIENT, net.client(), &[("app", CLIENT), ("istio-locality", "here.a")])];
        let bytes = scenes.iter().enumerate().filter(|(_, scene)| scene.bytes).map(|(number, scene)| {
            (format!("{}.{NAMESPACE}:{BYTES}", scene.name), net.bytes(number).ip().to_string())
        });
        let bytes: std::collections::BTreeMap<_, _> = bytes.collect();
        pods[0]["metadata"]["annotations"] = json!({
            "weft.dev/localhost": net.localhost().to_string(),
            "weft.dev/tcp-addresses": json!(bytes).to_string(),
        });
        for (number, scene) in scenes.iter().enumerate() {
            for (app, labels) in scene.apps.iter().enumerate() {
                let std::net::IpAddr::V4(ip) = net.app(number, app).ip() else { continue };
                let mut labels = labels.to_vec();
                labels.push(("app", scene.name));
                pods.push(pod(&format!("{}-{app}", scene.name), ip, &labels));
            }
        }
        let pods: Vec<_> = pods.into_iter().map(|pod| serde_json::from_value(pod).unwrap()).collect();
        Self { world: World::new(Arc::new(reading.resources), &pods), net }
    }

    pub(crate) const fn net(&self) -> &Net {
        &self.net
    }

    /// The client's proxy, which is weft's or a stock Envoy.
    pub(crate) fn node(&self, agent: &str) -> Node {
        let weft = agent == "weft";
        let workload = self.world.workload(NAMESPACE, CLIENT).unwrap();
        Node {
            role: Role::Sidecar,
            ip: workload.ip(),
            name: format!("{CLIENT}.{NAMESPACE}"),
            domain: format!("{NAMESPACE}.svc.cluster.local"),
            cluster: format!("{CLIENT}.{NAMESPACE}"),
            locality: Locality::default(),
            agent: Agent { name: agent.to_owned(), istio_filters: weft, ..Agent::default() },
            metadata: NodeMetadata {
                name: CLIENT.to_owned(),
                namespace: NAMESPACE.to_owned(),
                service_account: workload.service_account.clone(),
                cluster_id: "Kubernetes".to_owned(),
                istio_version: "1.29.6".to_owned(),
                instance_ips: workload.ip().into_iter().collect(),
                labels: workload.labels.clone(),
                interception: Interception::None,
                ..NodeMetadata::default()
            },
        }
    }

    /// What weft's own proxy gets.
    pub(crate) fn configuration(&self) -> Configuration {
        translate(&self.world, &self.node("weft"))
    }
}

/// A running pod without a sidecar of its own: what it is sent is plaintext.
fn pod(name: &str, ip: Ipv4Addr, labels: &[(&str, &str)]) -> serde_json::Value {
    let labels: serde_json::Map<_, _> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
        "spec": { "containers": [{ "name": "app", "image": "app" }] },
        "status": {
            "phase": "Running", "podIP": ip.to_string(), "podIPs": [{ "ip": ip.to_string() }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}
