//! Who gets what, and when.

mod over_grpc;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use weft_model::identity::SpiffeId;
use weft_model::node::Node;
use weft_xds::server::{Client, Source};
use weft_xds::{Protocol, ResourceSet, type_url};

use super::{Callers, ControlPlane, Streams};
use crate::sample;
use crate::world::World;

const SHOP: &str = r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: app, image: web, ports: [{containerPort: 8000}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, labels: {app: cart}}
spec: {serviceAccountName: cart, containers: [{name: app, image: cart, ports: [{containerPort: 8000}]}]}
";

const RULE: &str = r"
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}}
";

fn shop() -> World {
    sample::world(SHOP)
}

fn client(stream: u64, node: &Node, caller: Option<&str>) -> Client {
    let caller = caller.map(|uri| uri.parse::<SpiffeId>().unwrap());
    let node = weft_wire::node::encode(node);
    Client { stream, node, caller, peer: None, protocol: Protocol::Delta }
}

fn streams(control: &ControlPlane, callers: Callers) -> Streams {
    Streams { shared: Arc::clone(&control.0), callers, number: 0 }
}

type Watched = watch::Receiver<Option<Arc<ResourceSet>>>;

fn connect(control: &ControlPlane, pod: &str, account: &str) -> Result<Watched, tonic::Status> {
    let node = sample::node(&shop(), "shop", pod);
    let uri = format!("spiffe://cluster.local/ns/shop/sa/{account}");
    streams(control, Callers::Proven).connect(&client(1, &node, Some(&uri)))
}

fn newest(watched: &mut Watched) -> Arc<ResourceSet> {
    watched.borrow_and_update().clone().unwrap()
}

async fn changed(watched: &mut Watched) -> Arc<ResourceSet> {
    tokio::time::timeout(Duration::from_secs(10), watched.changed()).await.unwrap().unwrap();
    newest(watched)
}

fn running(control: &ControlPlane) -> tokio::task::JoinHandle<()> {
    let control = control.clone();
    tokio::spawn(async move { control.run().await })
}

#[tokio::test]
async fn after_an_edit_only_what_it_changed_is_new() {
    let control = ControlPlane::new(shop());
    let _run = running(&control);
    let mut watched = connect(&control, "cart", "cart").unwrap();
    let before = newest(&mut watched);
    control.replace(sample::world(&format!("{SHOP}{RULE}")));
    let after = changed(&mut watched).await;
    for same in [type_url::ENDPOINTS, type_url::LISTENER, type_url::ROUTES] {
        assert!(Arc::ptr_eq(before.of(same).unwrap(), after.of(same).unwrap()), "{same}");
    }
    let (before, after) = (before.of(type_url::CLUSTER).unwrap(), after.of(type_url::CLUSTER).unwrap());
    let changed: Vec<&str> =
        after.iter().filter(|(name, of)| before.get(*name) != Some(of)).map(|(name, _)| &**name).collect();
    assert_eq!(changed, ["outbound|80||web.shop.svc.cluster.local"]);
    for (name, resource) in before.iter().filter(|(name, _)| !changed.contains(&&***name)) {
        assert!(Arc::ptr_eq(resource, &after[name]), "{name} is new though it is the same");
    }
}

#[tokio::test]
async fn edits_that_follow_each_other_are_one_push_of_the_last() {
    let control = ControlPlane::new(shop());
    let mut watched = connect(&control, "cart", "cart").unwrap();
    newest(&mut watched);
    for limit in 1..=20 {
        let rule = RULE.replace('7', &limit.to_string());
        control.replace(sample::world(&format!("{SHOP}{rule}")));
    }
    let _run = running(&control);
    let after = changed(&mut watched).await;
    assert_eq!(&**after.revision(), "20");
    control.replace(sample::world(&format!("{SHOP}{RULE}")));
    assert_eq!(&**changed(&mut watched).await.revision(), "21");
}

#[tokio::test]
async fn an_edit_that_does_not_concern_a_proxy_is_not_told_to_it() {
    let control = ControlPlane::new(shop());
    let _run = running(&control);
    let mut untouched = connect(&control, "cart", "cart").unwrap();
    newest(&mut untouched);
    let note =
        "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: note, namespace: shop}\ndata: {a: b}\n";
    control.replace(sample::world(&format!("{SHOP}{note}")));
    // The next edit does concern it: what it sees then is the first news.
    control.replace(sample::world(&format!("{SHOP}{note}{RULE}")));
    changed(&mut untouched).await;
    assert!(!untouched.has_changed().unwrap());
}

#[test]
fn two_proxies_share_what_is_the_same_for_both() {
    let control = ControlPlane::new(shop());
    let cart = connect(&control, "cart", "cart").unwrap();
    let web = connect(&control, "web", "web").unwrap();
    let of = |watched: &Watched| {
        let set = watched.borrow().clone().unwrap();
        Arc::clone(&set.of(type_url::CLUSTER).unwrap()["outbound|80||web.shop.svc.cluster.local"])
    };
    assert!(Arc::ptr_eq(&of(&cart), &of(&web)));
}

#[test]
fn nobody_gets_another_s_configuration() {
    let control = ControlPlane::new(shop());
    let code = |outcome: Result<Watched, tonic::Status>| outcome.err().map(|status| status.code());
    assert_eq!(code(connect(&control, "cart", "cart")), None);
    assert_eq!(code(connect(&control, "cart", "web")), Some(tonic::Code::PermissionDenied));
    let cart = sample::node(&shop(), "shop", "cart");
    let proven = streams(&control, Callers::Proven);
    assert_eq!(code(proven.connect(&client(1, &cart, None))), Some(tonic::Code::Unauthenticated));
    let elsewhere = "spiffe://cluster.local/ns/other/sa/cart";
    assert_eq!(code(proven.connect(&client(1, &cart, Some(elsewhere)))), Some(tonic::Code::PermissionDenied));
    // It says that it is itself, and asks under the name of another's pod.
    let mut liar = sample::node(&shop(), "shop", "web");
    liar.metadata.service_account = "cart".to_owned();
    let caller = Some("spiffe://cluster.local/ns/shop/sa/cart");
    assert_eq!(code(proven.connect(&client(1, &liar, caller))), Some(tonic::Code::PermissionDenied));
    // The same by address, under a name that nobody has.
    liar.name = "nobody.shop".to_owned();
    assert_eq!(code(proven.connect(&client(1, &liar, caller))), Some(tonic::Code::PermissionDenied));
    let believed = streams(&control, Callers::Believed);
    assert_eq!(code(believed.connect(&client(1, &cart, None))), None);
}

#[test]
fn a_node_that_cannot_be_read_is_told_why() {
    let control = ControlPlane::new(shop());
    let mut client = client(1, &sample::node(&shop(), "shop", "cart"), None);
    client.node.id = "cart".to_owned();
    let refused = streams(&control, Callers::Believed).connect(&client).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("role~ip~name.namespace~domain"), "{}", refused.message());
}

#[tokio::test]
async fn a_stream_ends_when_its_pod_becomes_another_s() {
    let control = ControlPlane::new(shop());
    let _run = running(&control);
    let mut watched = connect(&control, "cart", "cart").unwrap();
    newest(&mut watched);
    control.replace(sample::world(&SHOP.replace("serviceAccountName: cart", "serviceAccountName: till")));
    let ended = tokio::time::timeout(Duration::from_secs(10), watched.changed()).await.unwrap();
    assert!(ended.is_err());
}

#[tokio::test]
async fn who_is_gone_is_made_nothing_for() {
    let control = ControlPlane::new(shop());
    let node = sample::node(&shop(), "shop", "cart");
    let streams = streams(&control, Callers::Believed);
    let client = client(1, &node, None);
    let _watched = streams.connect(&client).unwrap();
    streams.disconnected(&client);
    assert!(control.0.watchers.lock().is_empty());
}
