//! What still runs when its policy changes: ended where the new one would deny it, untouched where it would not.

use std::sync::Arc;

use bytes::Bytes;
use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::http::{HttpConnectionManager, HttpFilter};
use weft_model::listener::Direction;
use weft_model::matcher::Pattern;
use weft_model::rbac::{Action, Permission, Policy, Principal, Rbac, RbacFilter};
use weft_model::tls::Transport;
use weft_testkit::wire::{End, Peer};
use weft_testkit::{eventually, settings};

use super::{Lone, forward};

/// Denies requests whose path begins so, by a policy called `shut`.
pub(super) fn denies(prefix: &str) -> HttpFilter {
    let path = Permission::UrlPath(Pattern::Prefix(prefix.to_owned()).into());
    let policy = Policy { permissions: vec![path], principals: vec![Principal::Any], has_condition: false };
    let rules = Some(Rbac { action: Action::Deny, policies: [("shut".to_owned(), policy)].into() });
    HttpFilter::Rbac(RbacFilter { rules, ..RbacFilter::default() })
}

fn denies_a(manager: &mut HttpConnectionManager) {
    manager.filters.insert(0, denies("/a"));
}

/// Changes the listener that all requests of the test went through.
pub(super) async fn change(lone: &Lone, how: impl FnOnce(&mut HttpConnectionManager)) {
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("outbound|80||app"))]);
    let mut manager = settings::manager(false, routes, vec![]);
    how(&mut manager);
    let listener = settings::http("out", lone.at, Direction::Outbound, Transport::Raw, manager);
    lone.sidecar.apply(&[], &[listener]).await;
}

const ENDLESS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n";

/// A download that goes on and on.
async fn endless(lone: &Lone, path: &str) -> (Peer, Peer) {
    let (mut client, mut app, _) = lone.asked(&format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n")).await;
    app.send(ENDLESS).await;
    client.until("event\r\n").await;
    (client, app)
}

async fn goes_on(client: &mut Peer, app: &mut Peer) {
    app.send("4\r\nmore\r\n").await;
    assert_eq!(client.until("more\r\n").await, "4\r\nmore\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_ends_when_its_policy_denies_it_and_the_log_names_the_policy() {
    let path = std::env::temp_dir().join(format!("weft-test-{}-judged.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let format = "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_SENT%\n";
    let log = AccessLog {
        path: path.display().to_string(),
        format: LogFormat::Text(format.into()),
        only_no_route: false,
    };
    let lone = Lone::with(|m| m.access_log.push(log.clone()), |_| {}).await;
    let (mut shut, mut shut_app) = endless(&lone, "/a").await;
    let (mut open, mut open_app) = endless(&lone, "/b").await;
    let old = Arc::downgrade(&lone.sidecar.shared.live.load());
    change(&lone, |m| {
        m.access_log.push(log);
        denies_a(m);
    })
    .await;
    let (rest, end) = shut.end().await;
    assert_eq!((end, rest.contains("0\r\n\r\n")), (End::Reset, false), "it does not look whole: {rest:?}");
    shut_app.end().await;
    goes_on(&mut open, &mut open_app).await;
    eventually("the log says why", async || {
        let line = "/a 200 UAEX rbac_access_denied_matched_policy[shut] 5";
        std::fs::read_to_string(&path).unwrap_or_default().lines().any(|l| l == line)
    })
    .await;
    // The worker that has nothing to do with it, and the one whose stream goes on.
    eventually("nobody holds the old configuration", async || old.upgrade().is_none()).await;
    goes_on(&mut open, &mut open_app).await;
    let _ = std::fs::remove_file(&path);
}

#[tokio::test]
async fn a_request_that_waits_for_its_answer_gets_that_of_the_policy() {
    let lone = Lone::new().await;
    let upload = "POST /a HTTP/1.1\r\nHost: app\r\nContent-Length: 9\r\n\r\nhalf";
    let (mut sending, mut app, _) = lone.asked(upload).await;
    app.until("half").await;
    let (mut waiting, _other, _) = lone.asked("GET /a HTTP/1.1\r\nHost: app\r\n\r\n").await;
    change(&lone, denies_a).await;
    for client in [&mut sending, &mut waiting] {
        let (head, body) = client.response().await;
        assert!(head.starts_with("http/1.1 403") && body == "RBAC: access denied", "{head}{body}");
    }
    let (rest, _) = app.end().await;
    assert!(!rest.contains("HTTP"), "{rest}");
}

/// A client on HTTP/2, and a stream of it for each path whose answer has begun.
async fn streams(
    lone: &Lone,
    kind: &str,
    paths: &[&str],
) -> (h2::client::SendRequest<Bytes>, Vec<(h2::RecvStream, Peer)>) {
    let socket = tokio::net::TcpStream::connect(lone.at).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let mut send = send.ready().await.unwrap();
    let mut all = Vec::new();
    for path in paths {
        let request = http::Request::builder().method("POST").uri(format!("http://app{path}"));
        let request = request.header("content-type", kind).body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let mut app = lone.app.accept().await;
        app.head().await;
        app.send(ENDLESS).await;
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "event");
        all.push((body, app));
        send = send.ready().await.unwrap();
    }
    (send, all)
}

#[tokio::test]
async fn an_http2_stream_is_reset_alone() {
    let lone = Lone::new().await;
    let (_send, mut both) = streams(&lone, "text/event-stream", &["/a", "/b"]).await;
    change(&lone, denies_a).await;
    assert!(matches!(both[0].0.data().await, Some(Err(e)) if e.is_reset()));
    both[0].1.end().await;
    let (body, app) = &mut both[1];
    app.send("4\r\nmore\r\n").await;
    assert_eq!(body.data().await.unwrap().unwrap(), "more");
}

#[tokio::test]
async fn a_grpc_stream_is_told_in_its_trailers() {
    let lone = Lone::new().await;
    let (mut send, mut both) = streams(&lone, "application/grpc", &["/a.B/Watch", "/b.B/Watch"]).await;
    let request = http::Request::post("http://app/a.B/Late").header("content-type", "application/grpc");
    let (late, _body) = send.send_request(request.body(()).unwrap(), false).unwrap();
    let mut late_app = lone.app.accept().await;
    late_app.head().await;
    change(&lone, denies_a).await;
    let (body, app) = &mut both[0];
    assert!(body.data().await.is_none(), "it ends in order");
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "7");
    assert_eq!(trailers["grpc-message"], "RBAC: access denied");
    app.end().await;
    let late = late.await.unwrap();
    assert_eq!((late.status().as_u16(), &late.headers()["grpc-status"]), (200, &"7".parse().unwrap()));
    let (body, app) = &mut both[1];
    app.send("4\r\nmore\r\n").await;
    assert_eq!(body.data().await.unwrap().unwrap(), "more");
}

#[tokio::test]
async fn what_is_judged_again_is_the_request_as_it_was_admitted_not_as_it_was_sent_on() {
    let rewrite = |m: &mut HttpConnectionManager| forward(m).prefix_rewrite = Some("/a".into());
    let lone = Lone::with(rewrite, |_| {}).await;
    let (mut client, mut app, head) = lone.asked("GET /b HTTP/1.1\r\nHost: app\r\n\r\n").await;
    assert!(head.starts_with("GET /a"), "{head}");
    app.send(ENDLESS).await;
    client.until("event\r\n").await;
    let (mut other, mut other_app, _) = lone.asked("GET /c HTTP/1.1\r\nHost: app\r\n\r\n").await;
    other_app.send(ENDLESS).await;
    other.until("event\r\n").await;
    change(&lone, |m| {
        m.filters.insert(0, denies("/c"));
        m.filters.insert(0, denies("/a"));
    })
    .await;
    assert_eq!(other.end().await.1, End::Reset);
    goes_on(&mut client, &mut app).await;
}

#[tokio::test]
async fn a_plaintext_stream_ends_where_its_port_asks_for_mtls_and_drains_where_its_listener_goes() {
    let lone = Lone::new().await;
    let (mut client, mut app) = endless(&lone, "/a").await;
    lone.sidecar.remove_listener("out");
    eventually("the port is closed", async || tokio::net::TcpStream::connect(lone.at).await.is_err()).await;
    goes_on(&mut client, &mut app).await;

    let lone = Lone::new().await;
    let (mut client, _app) = endless(&lone, "/a").await;
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("outbound|80||app"))]);
    let manager = settings::manager(false, routes, vec![]);
    let strict = settings::mtls_from_mesh(&["h2", "http/1.1"]);
    lone.sidecar.apply(&[], &[settings::http("out", lone.at, Direction::Outbound, strict, manager)]).await;
    assert_eq!(client.end().await.1, End::Reset);
}
