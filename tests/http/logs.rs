//! Whatever becomes of a request or a connection is written down, with what and whose fault it was.

use std::path::PathBuf;

use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::http::HttpConnectionManager;
use weft_model::listener::Direction;
use weft_testkit::mesh::Mesh;
use weft_testkit::wire::Peer;
use weft_testkit::{eventually, free_address, settings};

use super::{GET, Lone, OK};

fn file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("weft-test-{}-{name}.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn log(to: &std::path::Path) -> AccessLog {
    let format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%\n";
    AccessLog { path: to.display().to_string(), format: LogFormat::Text(format.into()), only_no_route: false }
}

async fn says(path: &std::path::Path, line: &str) {
    eventually(line, async || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|l| l.contains(line))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_end_of_a_request_has_its_line() {
    let path = file("requests");
    let writes = |m: &mut HttpConnectionManager| m.access_log.push(log(&path));
    let lone = Lone::with(writes, |_| {}).await;

    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send(OK).await;
    client.response().await;
    says(&path, "200 - via_upstream 0 2").await;

    client.send("GET / HTTP/1.1\nHost: app\n\n").await;
    client.end().await;
    let told = "a line of the head ends in a bare LF; HTTP/1.1 lines end in CR LF\n";
    says(&path, &format!("400 DPE http1.codec_error 0 {}", told.len())).await;

    let mut client = lone.client().await;
    client.send("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").await;
    client.end().await;
    says(
        &path,
        &format!(
            "403 - upgrade_failed 0 {}",
            "this listener is no HTTP proxy: CONNECT is not served here\n".len()
        ),
    )
    .await;

    drop(app);
    let pay = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 4\r\n\r\nbody";
    let (client, _app, _) = lone.asked(pay).await;
    drop(client);
    says(&path, "0 DC downstream_remote_disconnect 4 0").await;

    let (mut client, mut app, _) = lone.asked(pay).await;
    app.send("nonsense\r\n\r\n").await;
    client.response().await;
    says(&path, "502 UPE upstream_reset_before_response_started{protocol_error} 4 ").await;

    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    client.until("half").await;
    drop(app);
    says(&path, "200 UC upstream_reset_after_response_started{connection_termination} 0 4").await;

    let ask = "GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (mut client, mut app, _) = lone.asked(ask).await;
    app.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    client.head().await;
    client.send("question").await;
    app.exactly(8).await;
    app.send("answer").await;
    client.exactly(6).await;
    drop(client);
    drop(app);
    says(&path, "101 - via_upstream 8 6").await;
    let _ = std::fs::remove_file(&path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_fails_has_its_line() {
    let path = file("handshakes");
    let mesh = Mesh::new();
    let server = mesh.sidecar("server");
    let inbound = free_address();
    let routes = settings::routes("", vec![]);
    let mut manager = settings::manager(true, routes, vec![]);
    manager.access_log.push(log(&path));
    let tls = settings::mtls_from_mesh(&["h2", "http/1.1"]);
    server.apply(&[], &[settings::http("in", inbound, Direction::Inbound, tls, manager)]).await;
    // A ClientHello that begins well and is cut off.
    let mut client = Peer::connect(inbound).await;
    client.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff").await;
    client.end().await;
    let (out, port) = (super::peers::openssl(inbound, &[], "").await, inbound.port());
    let Some(out) = out else { return };
    assert!(!out.contains("HTTP/1.1 2"), "{port}: a client without a certificate is served: {out}");
    says(&path, "tls_handshake_failed").await;
    let _ = std::fs::remove_file(&path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_logged_under_the_path_it_asked_for() {
    let path = file("forged");
    let format = "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% went as %REQ(:PATH)%\n";
    let to = path.display().to_string();
    let format = LogFormat::Text(format.into());
    let writes = |m: &mut HttpConnectionManager| {
        m.access_log.push(AccessLog { path: to, format, only_no_route: false });
        let forward = super::forward(m);
        forward.prefix_rewrite = Some("/v2/".into());
        let mut plain = settings::route("plain", "/admin", settings::forward("outbound|80||app"));
        std::mem::swap(super::route(m), &mut plain);
        super::routes(m).virtual_hosts[0].routes.push(plain);
    };
    let lone = Lone::with(writes, |_| {}).await;
    for (asked, line) in [("/admin", "/admin went as /admin"), ("/a", "/a went as /v2/a")] {
        let request =
            format!("GET {asked} HTTP/1.1\r\nHost: app\r\nx-envoy-original-path: /harmless\r\n\r\n");
        let (mut client, mut app, _) = lone.asked(&request).await;
        app.send(OK).await;
        client.response().await;
        says(&path, line).await;
    }
    assert!(!std::fs::read_to_string(&path).unwrap().contains("harmless"));
    let _ = std::fs::remove_file(&path);
}
