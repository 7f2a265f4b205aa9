use super::*;
use serde_json::Value;

/// A stand-in in this process, on ports that the kernel chose.
struct StandIn {
    address: SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

fn app(environment: &[(&str, &str)]) -> Arc<App> {
    let identity =
        Identity { pod: "a-1".into(), service: "a".into(), namespace: "n".into(), version: "v1".into() };
    let environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let failures = controls::Failures::default();
    Arc::new(App { identity, delay: Duration::ZERO, failures, environment })
}

async fn stand_in(protocol: Protocol, environment: &[(&str, &str)]) -> StandIn {
    let listener = Arc::new(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let app = app(environment);
    let stop = tokio_util::sync::CancellationToken::new();
    tokio::spawn(ports::serve(app, protocol, listener, stop.clone()));
    StandIn { address, _stop: stop.drop_guard() }
}

/// Writes `bytes` and reads until the other side closes or `until` is seen.
async fn raw(address: SocketAddr, bytes: &str, until: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains(until) {
        let read =
            tokio::time::timeout(Duration::from_secs(5), stream.read(&mut piece)).await.unwrap().unwrap();
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn json_of(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_listen_is_a_protocol_and_an_address() {
    let listen: Listen = "grpc=127.64.0.2:9000".parse().unwrap();
    assert_eq!(listen, Listen { protocol: Protocol::Grpc, address: "127.64.0.2:9000".parse().unwrap() });
    for wrong in ["127.0.0.1:80", "udp=127.0.0.1:80", "http=8000", "http=localhost:80"] {
        assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn headers_are_shown_in_the_order_and_case_they_came_in() {
    let app = stand_in(Protocol::Http, &[]).await;
    let request = "POST /a?b=1 HTTP/1.1\r\nhOsT: x\r\nX-Zed: 1\r\naccept: a\r\nX-ZED: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    let answer = json_of(&raw(app.address, request, "never").await);
    assert_eq!(answer["path"], "/a?b=1");
    assert_eq!(answer["headers"][0], serde_json::json!(["hOsT", "x"]));
    assert_eq!(answer["headers"][3], serde_json::json!(["X-ZED", "2"]));
    assert_eq!(answer["headers_as_received"], true);
    assert_eq!(answer["body"]["bytes"], 3);
    assert_eq!(answer["body"]["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!((answer["pod"].as_str(), answer["version"].as_str()), (Some("a-1"), Some("v1")));
}

#[tokio::test]
async fn the_second_request_of_a_connection_has_its_own_head() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = stand_in(Protocol::Http, &[]).await;
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    for (path, body) in [("/one", "0123456789"), ("/two", "")] {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: x\r\nX-Path: {path}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut seen = String::new();
        while !seen.ends_with("}\n") {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).await.unwrap();
            assert_ne!(read, 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
        let answer = json_of(&seen);
        assert_eq!(answer["path"], path);
        assert_eq!(answer["headers_as_received"], true);
        assert!(answer["headers"].to_string().contains("X-Path"));
    }
}

#[tokio::test]
async fn a_request_says_how_it_is_to_be_answered() {
    let app = stand_in(Protocol::Http, &[]).await;
    let get = |headers: &str| format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    let teapot = raw(app.address, &get("x-echo-status: 418\r\n"), "never").await;
    assert!(teapot.starts_with("HTTP/1.1 418 "), "{teapot}");
    let sized = raw(app.address, &get("x-echo-size: 40000\r\n"), "never").await;
    assert_eq!(sized.split_once("\r\n\r\n").unwrap().1.len(), 40_000);
    let wrong = raw(app.address, &get("x-echo-status: many\r\n"), "never").await;
    assert!(wrong.starts_with("HTTP/1.1 400 ") && wrong.contains("x-echo-status"), "{wrong}");
    let keyed = get("x-echo-fail-first: 1\r\nx-echo-key: k\r\n");
    assert!(raw(app.address, &keyed, "never").await.starts_with("HTTP/1.1 503 "));
    assert!(raw(app.address, &keyed, "never").await.starts_with("HTTP/1.1 200 "));
    let trailed = raw(app.address, &get("TE: trailers\r\nx-echo-trailer: x-sum: 7\r\n"), "never").await;
    assert!(trailed.ends_with("\r\n0\r\nx-sum: 7\r\n\r\n"), "{trailed}");
}

#[tokio::test]
async fn an_upgrade_of_any_name_becomes_a_line_echo() {
    let app = stand_in(Protocol::Http, &[]).await;
    let request =
        "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: weft-test\r\n\r\nhello\n";
    let answer = raw(app.address, request, "hello\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains("weft-test"), "{answer}");
    let websocket = "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = raw(app.address, websocket, "\r\n\r\n").await;
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455's own example: {answer}");
}

#[tokio::test]
async fn a_tcp_port_echoes_lines() {
    let app = stand_in(Protocol::Tcp, &[]).await;
    assert_eq!(raw(app.address, "one\ntwo\n", "two\n").await, "one\ntwo\n");
}

#[tokio::test]
async fn the_tree_asks_every_kind_of_target_and_tells_what_failed() {
    let tcp = stand_in(Protocol::Tcp, &[]).await;
    let grpc = stand_in(Protocol::Grpc, &[]).await;
    let http = stand_in(Protocol::Http, &[]).await;
    let (tcp, grpc) = (format!("redis://{}/0", tcp.address), format!("grpc://{}", grpc.address));
    let leaf = format!("http://{}", http.address);
    let app = stand_in(
        Protocol::Http,
        &[("A_URL", &leaf), ("B_URL", &grpc), ("C_URL", &tcp), ("D_URL", "http://127.0.0.1:1")],
    )
    .await;
    let answer =
        raw(app.address, "GET /tree HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "never").await;
    let tree = json_of(&answer);
    let calls = tree["calls"].as_array().unwrap();
    assert_eq!(calls[0]["status"], 200);
    assert_eq!(calls[0]["tree"]["cut"], "this service is already on the path", "all are called a: a circle");
    assert_eq!((&calls[1]["status"], &calls[1]["grpc_status"]), (&200.into(), &"0".into()));
    assert_eq!(calls[2]["echoed"], true);
    assert!(calls[3]["error"].as_str().unwrap().contains("cannot connect"), "{}", calls[3]);
}

mod echo_stream {
    use super::super::grpc::{EchoReply, EchoRequest};
    use super::*;
    use tokio_stream::StreamExt;
    use tonic::codegen::http::uri::PathAndQuery;
    use tonic_prost::ProstCodec;

    async fn client(app: &StandIn) -> tonic::client::Grpc<tonic::transport::Channel> {
        let channel = tonic::transport::Endpoint::new(format!("http://{}", app.address)).unwrap();
        let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
        client.ready().await.unwrap();
        client
    }

    fn say(message: &str) -> EchoRequest {
        EchoRequest { message: message.into(), ..EchoRequest::default() }
    }

    fn codec() -> ProstCodec<EchoRequest, EchoReply> {
        ProstCodec::default()
    }

    #[tokio::test]
    async fn all_four_kinds_of_calls_are_answered() {
        let app = stand_in(Protocol::Grpc, &[]).await;
        let path = |method| PathAndQuery::from_static(method);
        let unary = client(&app)
            .await
            .unary(tonic::Request::new(say("hi")), path("/weft.echo.v1.Echo/Unary"), codec())
            .await
            .unwrap();
        assert_eq!(unary.into_inner().message, "hi");
        let asked = EchoRequest { count: 3, ..say("n") };
        let replies = client(&app)
            .await
            .server_streaming(tonic::Request::new(asked), path("/weft.echo.v1.Echo/ServerStream"), codec())
            .await
            .unwrap();
        let sequence: Vec<u32> = replies.into_inner().map(|reply| reply.unwrap().sequence).collect().await;
        assert_eq!(sequence, [0, 1, 2]);
        let two = tokio_stream::iter([say("a"), say("b")]);
        let joined = client(&app)
            .await
            .client_streaming(tonic::Request::new(two), path("/weft.echo.v1.Echo/ClientStream"), codec())
            .await
            .unwrap();
        assert_eq!(joined.into_inner().message, "a b");
        let asked = tokio_stream::iter([say("x"), EchoRequest { code: 9, ..say("enough") }]);
        let mut replies = client(&app)
            .await
            .streaming(tonic::Request::new(asked), path("/weft.echo.v1.Echo/Bidirectional"), codec())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(replies.next().await.unwrap().unwrap().message, "x");
        let end = replies.next().await.unwrap().unwrap_err();
        assert_eq!((end.code(), end.message()), (tonic::Code::FailedPrecondition, "enough"));
    }

    #[tokio::test]
    async fn a_stream_without_bound_is_refused() {
        let app = stand_in(Protocol::Grpc, &[]).await;
        let asked = EchoRequest { count: u32::MAX, ..say("n") };
        let path = PathAndQuery::from_static("/weft.echo.v1.Echo/ServerStream");
        let refused = client(&app).await.server_streaming(tonic::Request::new(asked), path, codec()).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test]
async fn ports_come_change_and_go_while_others_are_served() {
    let free = || {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let (first, second) = (free(), free());
    let mut ports = Ports::new(app(&[]));
    ports.become_these(&listens(&format!("http={first}")).unwrap()).await.unwrap();
    let mut open = tokio::net::TcpStream::connect(first).await.unwrap();
    assert!(raw(first, "GET / HTTP/1.0\r\n\r\n", "never").await.starts_with("HTTP/1.0 200"));
    assert!(tokio::net::TcpStream::connect(second).await.is_err());

    ports.become_these(&listens(&format!("http={first} tcp={second}")).unwrap()).await.unwrap();
    assert_eq!(raw(second, "line\n", "line\n").await, "line\n");
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    open.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "the connection from before is served on: {answer}");

    // The first port speaks something else now; nobody is refused meanwhile.
    ports.become_these(&listens(&format!("tcp={first}")).unwrap()).await.unwrap();
    assert_eq!(raw(first, "line\n", "line\n").await, "line\n");
    ports.ended().await;
    assert!(tokio::net::TcpStream::connect(first).await.is_err());
}

#[tokio::test]
async fn a_port_of_all_addresses_is_one_of_ipv6_too() {
    let Ok(free) = std::net::TcpListener::bind("[::]:0") else {
        return eprintln!("skipped: this machine has no IPv6");
    };
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut ports = Ports::new(app(&[]));
    ports.become_these(&listens(&format!("tcp=0.0.0.0:{port}")).unwrap()).await.unwrap();
    for address in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        assert_eq!(raw(address, "line\n", "line\n").await, "line\n", "{address}");
    }
}

#[test]
fn a_line_that_is_no_list_of_ports_is_an_error() {
    assert_eq!(listens("").unwrap(), []);
    assert!(listens("http=127.0.0.1:80 nonsense").is_err());
}
