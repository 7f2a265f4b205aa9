//! What a hop does to headers: nothing that is not stated, and nothing that a stranger could steer by.

use weft_model::cluster::LbPolicy;
use weft_model::http::{ForwardClientCert, HttpConnectionManager, HttpFilter, PeerMetadata};
use weft_model::listener::Direction;
use weft_model::route::{
    Fault, FaultAbort, Fraction, HashKey, HashPolicy, HeaderAction, HeaderOperations, HeaderValueOption,
    HostRewrite, Redirect, RouteAction,
};
use weft_model::tls::Transport;
use weft_testkit::mesh::Mesh;
use weft_testkit::wire::{Peer, Puppet};
use weft_testkit::{free_address, settings};

use super::{Lone, OK, forward, route};

fn count(head: &str, name: &str) -> usize {
    head.lines().filter(|l| l.to_ascii_lowercase().starts_with(&format!("{name}: "))).count()
}

pub(super) fn value<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {head}")).split_once(": ").unwrap().1
}

#[tokio::test]
async fn an_apps_request_leaves_as_it_was_but_for_what_the_mesh_says() {
    let lone = Lone::new().await;
    let request = "GET /a?b=c HTTP/1.1\r\nHost: App.Test.:80\r\nX-Mixed-CASE: Yes\r\nx-twice: 1\r\nX-Twice: 2\r\n\
        x-request-id: mine\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Client-Cert: By=me\r\n\
        X-Envoy-Original-Path: /was\r\nx-envoy-upstream-rq-timeout-ms: 1\r\nX-Envoy-Retry-On: 5xx\r\n\
        x-envoy-ip-tags: a\r\nx-envoy-max-retries: 9\r\nx-envoy-peer-metadata: e30=\r\n\
        x-envoy-peer-metadata: e30=\r\nx-envoy-peer-metadata-id: liar\r\nKeep-Alive: 1\r\nTE: gzip\r\n\
        Connection: x-mine, x-request-id\r\nX-Mine: hop\r\n\r\n";
    let (mut client, mut app, head) = lone.asked(request).await;
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
    for kept in [
        "Host: App.Test.:80",
        "X-Mixed-CASE: Yes",
        "x-twice: 1",
        "X-Twice: 2",
        "x-request-id: mine",
        "X-Forwarded-For: 1.2.3.4",
        "X-Envoy-Original-Path: /was",
        "x-forwarded-proto: http",
        "x-envoy-attempt-count: 1",
    ] {
        assert!(head.contains(&format!("\r\n{kept}\r\n")), "{kept} in {head}");
    }
    for gone in [
        "x-forwarded-client-cert",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-retry-on",
        "x-envoy-ip-tags",
        "x-envoy-max-retries",
        "x-envoy-peer-metadata",
        "x-envoy-peer-metadata-id",
        "keep-alive",
        "te",
        "x-mine",
        "connection",
    ] {
        assert_eq!(count(&head, gone), 0, "{gone} in {head}");
    }
    app.send("HTTP/1.1 200 Fine\r\nServer: app\r\nX-Cased: Yes\r\nContent-Length: 0\r\n\r\n").await;
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 200 Fine\r\n") && answer.contains("X-Cased: Yes"), "{answer}");
    assert_eq!(value(&answer, "server"), "envoy");
    value(&answer, "x-envoy-upstream-service-time").parse::<u32>().unwrap();
}

#[tokio::test]
async fn a_request_without_an_id_gets_one_of_its_own() {
    let lone = Lone::new().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (mut client, mut app, head) = lone.asked(super::GET).await;
        let id = value(&head, "x-request-id").to_owned();
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
        ids.push(id);
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        client.head().await;
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn at_the_edge_a_stranger_is_believed_nothing() {
    let edge = |m: &mut HttpConnectionManager| {
        m.use_remote_address = true;
        m.client_cert = ForwardClientCert::SanitizeSet;
    };
    let lone = Lone::with(edge, |_| {}).await;
    let request = "GET / HTTP/1.1\r\nHost: app\r\nx-request-id: theirs\r\nX-Forwarded-For: 6.6.6.6\r\n\
        X-Forwarded-For: 7.7.7.7\r\nx-forwarded-proto: https\r\nx-envoy-original-path: /secret\r\n\
        x-envoy-external-address: 6.6.6.6\r\nx-envoy-internal: true\r\nx-forwarded-client-cert: By=me\r\n\r\n";
    let (_client, _app, head) = lone.asked(request).await;
    assert_eq!(
        (value(&head, "x-forwarded-for"), count(&head, "x-forwarded-for")),
        ("6.6.6.6,7.7.7.7,127.0.0.1", 1)
    );
    assert_eq!(value(&head, "x-envoy-external-address"), "127.0.0.1");
    assert_eq!(value(&head, "x-forwarded-proto"), "http");
    assert_ne!(value(&head, "x-request-id"), "theirs");
    for gone in ["x-envoy-original-path", "x-envoy-internal", "x-forwarded-client-cert"] {
        assert_eq!(count(&head, gone), 0, "{gone} in {head}");
    }
}

fn set(name: &str, value: &str, action: HeaderAction) -> HeaderValueOption {
    HeaderValueOption { name: name.into(), value: value.into(), action }
}

#[tokio::test]
async fn a_route_rewrites_path_host_and_headers_on_both_ways() {
    let change = |m: &mut HttpConnectionManager| {
        let to = forward(m);
        to.prefix_rewrite = Some("/v2/".into());
        to.host_rewrite = HostRewrite::Literal("other.test".into());
        route(m).headers = HeaderOperations {
            request_set: vec![
                set("x-added", "%REQ(x-from)%", HeaderAction::Append),
                set("x-set", "new", HeaderAction::Overwrite),
            ],
            request_remove: vec!["x-gone".into()],
            response_set: vec![set("x-back", "100%%", HeaderAction::Append)],
            response_remove: vec!["x-secret".into()],
        };
    };
    let lone = Lone::with(change, |_| {}).await;
    let request = "GET /a/../b HTTP/1.1\r\nHost: app\r\nx-from: here\r\nx-set: old\r\nx-set: older\r\nx-gone: 1\r\n\r\n";
    let (mut client, mut app, head) = lone.asked(request).await;
    assert!(head.starts_with("GET /v2/b HTTP/1.1\r\n"), "{head}");
    assert_eq!(value(&head, "x-envoy-original-path"), "/b", "what routing saw");
    assert_eq!((value(&head, "host"), value(&head, "x-added")), ("other.test", "here"));
    assert_eq!((value(&head, "x-set"), count(&head, "x-set"), count(&head, "x-gone")), ("new", 1, 0));
    app.send("HTTP/1.1 200 OK\r\nx-secret: 1\r\nContent-Length: 0\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!((value(&answer, "x-back"), count(&answer, "x-secret")), ("100%", 0));
}

#[tokio::test]
async fn a_client_without_the_cookie_of_a_hash_gets_one_and_keeps_it() {
    let change = |m: &mut HttpConnectionManager| {
        let ttl = Some(std::time::Duration::from_secs(60));
        let key = HashKey::Cookie { name: "sticky".into(), ttl, path: "/".into(), attributes: Vec::new() };
        forward(m).hash = vec![HashPolicy { key, terminal: false }];
    };
    let lone =
        Lone::with(change, |c| c.balancing.policy = LbPolicy::RingHash { minimum_ring_size: 16 }).await;
    let (mut client, mut app, _) = lone.asked(super::GET).await;
    app.send("HTTP/1.1 200 OK\r\nSet-Cookie: own=1\r\nContent-Length: 0\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!(count(&answer, "set-cookie"), 2, "{answer}");
    let line = answer.lines().find(|l| l.contains("sticky=")).unwrap();
    assert!(line.contains("Max-Age=60") && line.contains("Path=/"), "{line}");
    client.send("GET / HTTP/1.1\r\nHost: app\r\nCookie: a=b; sticky=\"0123456789abcdef\"\r\n\r\n").await;
    app.head().await;
    app.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(count(&client.head().await, "set-cookie"), 0);
}

#[tokio::test]
async fn a_redirect_is_answered_in_place() {
    let change = |m: &mut HttpConnectionManager| {
        let to = Redirect { https: true, host: Some("new.test".into()), status: 308, ..Redirect::default() };
        route(m).action = RouteAction::Redirect(to);
    };
    let lone = Lone::with(change, |_| {}).await;
    let mut client = lone.client().await;
    client.send("GET /a?b=c HTTP/1.1\r\nHost: app\r\n\r\n").await;
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert_eq!(value(&answer, "location"), "https://new.test/a?b=c");
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn faults_are_injected_where_the_filter_is_and_only_for_their_share() {
    let all = Fraction { numerator: 100, denominator: 100 };
    let none = Fraction { numerator: 0, denominator: 100 };
    let fault = |m: &mut HttpConnectionManager, share: Fraction| {
        m.filters.insert(0, HttpFilter::Fault);
        let abort = Some((FaultAbort::Http(418), share));
        route(m).fault = Some(Fault { delay: None, abort });
    };
    let lone = Lone::with(|m| fault(m, all), |_| {}).await;
    let mut client = lone.client().await;
    client.send(super::GET).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 418") && body == "fault filter abort", "{head}");
    let lone = Lone::with(|m| fault(m, none), |_| {}).await;
    let (mut client, mut app, _) = lone.asked(super::GET).await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn across_a_hop_in_mtls_the_app_is_told_the_chain_of_clients_and_no_metadata() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.sidecar("client"), mesh.sidecar("server"));
    let (outbound, inbound, app) = (free_address(), free_address(), Puppet::new().await);
    let metadata = PeerMetadata {
        downstream_discovery: true,
        upstream_discovery: true,
        downstream_propagation: true,
        upstream_propagation: true,
        skip_external: false,
    };
    let to = |name: &str| settings::routes("", vec![settings::route("r", "/", settings::forward(name))]);
    let filters = || vec![HttpFilter::PeerMetadata(metadata)];
    let mut manager = settings::manager(true, to("in"), filters());
    manager.upgrades.clear();
    let tls = settings::mtls_from_mesh(&["h2", "http/1.1"]);
    let listener = settings::http("in", inbound, Direction::Inbound, tls, manager);
    server.apply(&[settings::cluster("in", &[app.address])], &[listener]).await;
    let mut cluster = settings::cluster("out", &[inbound]);
    cluster.transport = settings::mtls_to(&Mesh::uri("server"));
    let mut manager = settings::manager(false, to("out"), filters());
    manager.client_cert = ForwardClientCert::AlwaysForwardOnly;
    let listener = settings::http("out", outbound, Direction::Outbound, Transport::Raw, manager);
    client.apply(&[cluster], &[listener]).await;

    let mut peer = Peer::connect(outbound).await;
    let xfcc = "X-Forwarded-Client-Cert: By=a;URI=b\r\nx-forwarded-client-cert: By=c;URI=d\r\n";
    peer.send(format!("GET / HTTP/1.1\r\nHost: app\r\n{xfcc}\r\n")).await;
    let mut app = app.accept().await;
    let head = app.head().await;
    let told = value(&head, "x-forwarded-client-cert");
    let own = format!("By=a;URI=b,By=c;URI=d,By={};Hash=", Mesh::uri("server"));
    assert!(told.starts_with(&own) && told.ends_with(&format!(";URI={}", Mesh::uri("client"))), "{told}");
    assert_eq!(count(&head, "x-forwarded-client-cert"), 1, "{head}");
    assert!(!head.contains("x-envoy-peer-metadata"), "{head}");
    app.send("HTTP/1.1 200 OK\r\nx-envoy-peer-metadata: e30=\r\nContent-Length: 0\r\n\r\n").await;
    let answer = peer.head().await;
    assert!(!answer.contains("peer-metadata"), "{answer}");
    for (side, wanted) in
        [(&client, r#"destination_workload="server""#), (&server, r#"source_workload="client""#)]
    {
        weft_testkit::eventually("each side names the other", async || side.metrics().contains(wanted)).await;
    }
}

#[tokio::test]
async fn answers_of_our_own_carry_what_their_route_sets_on_answers() {
    let sets = |m: &mut HttpConnectionManager| {
        route(m).headers.response_set = vec![
            set("content-type", "application/json", HeaderAction::Overwrite),
            set("x-added", "yes", HeaderAction::Append),
        ];
    };
    let all = Fraction { numerator: 100, denominator: 100 };
    let direct = |m: &mut HttpConnectionManager| {
        route(m).action = RouteAction::DirectResponse { status: 503, body: b"{}".to_vec() };
    };
    let redirect =
        |m: &mut HttpConnectionManager| route(m).action = RouteAction::Redirect(Redirect::default());
    let fault = |m: &mut HttpConnectionManager| {
        m.filters.insert(0, HttpFilter::Fault);
        route(m).fault = Some(Fault { delay: None, abort: Some((FaultAbort::Http(418), all)) });
    };
    let elsewhere = |m: &mut HttpConnectionManager| {
        forward(m).target = weft_model::route::Target::Cluster("outbound|80||nowhere".into());
    };
    type Change<'a> = &'a dyn Fn(&mut HttpConnectionManager);
    let cases: [(&str, Change<'_>); 4] =
        [("503", &direct), ("301", &redirect), ("418", &fault), ("503", &elsewhere)];
    for (status, change) in cases {
        let lone = Lone::with(
            |m| {
                sets(m);
                change(m)
            },
            |_| {},
        )
        .await;
        let mut client = lone.client().await;
        client.send(super::GET).await;
        let answer = client.head().await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert_eq!((value(&answer, "content-type"), count(&answer, "content-type")), ("application/json", 1));
        assert_eq!(count(&answer, "x-added"), 1, "{answer}");
    }
}
