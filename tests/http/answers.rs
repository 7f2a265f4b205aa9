//! Answers: early, informational, without a body, malformed, local; and requests one behind the other.

use weft_model::route::RouteAction;
use weft_testkit::wire::End;

use super::{GET, Lone, OK, route};

#[tokio::test]
async fn an_answer_before_the_requests_end_arrives_and_ends_the_connection() {
    let lone = Lone::new().await;
    let request = "POST /up HTTP/1.1\r\nHost: app\r\nContent-Length: 1000000\r\n\r\nsome";
    let (mut client, mut app, _) = lone.asked(request).await;
    app.send("HTTP/1.1 413 Too Much\r\nContent-Length: 2\r\n\r\nno").await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 413") && head.contains("connection: close"), "{head}");
    assert_eq!(body, "no");
    assert_eq!(client.end().await, (String::new(), End::Closed));
    app.end().await;
}

#[tokio::test]
async fn an_answer_that_streams_beside_its_request_leaves_the_connection_good() {
    let lone = Lone::new().await;
    let head = "POST /both HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (mut client, mut app, _) = lone.asked(&format!("{head}3\r\none\r\n")).await;
    assert_eq!(app.until("one\r\n").await, "3\r\none\r\n");
    app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nuno\r\n").await;
    let answer = client.until("uno\r\n").await;
    assert!(!answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    client.send("3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n").await;
    assert!(app.until("\r\n\r\n").await.ends_with("0\r\nX-Sum: 6\r\n\r\n"));
    app.send("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    client.send(GET).await;
    app.head().await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn informational_answers_pass_and_the_client_that_waits_for_them_then_sends() {
    let lone = Lone::new().await;
    let head = "PUT /file HTTP/1.1\r\nHost: app\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let (mut client, mut app, seen) = lone.asked(head).await;
    assert!(seen.contains("Expect: 100-continue"), "{seen}");
    app.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: hop\r\n\r\n").await;
    app.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    let hints = client.head().await;
    assert!(hints.starts_with("HTTP/1.1 103") && hints.contains("Link: </a>"), "{hints}");
    assert!(!hints.contains("X: hop"), "what belongs to the hop stays there: {hints}");
    assert!(client.head().await.starts_with("HTTP/1.1 100"));
    client.send("body").await;
    assert_eq!(app.exactly(4).await, "body");
    app.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 201"));
}

#[tokio::test]
async fn an_app_that_informs_without_end_is_cut_off() {
    let lone = Lone::new().await;
    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(100)).await;
    let answer = client.until("HTTP/1.1 502").await;
    assert!(answer.matches(" 102 ").count() <= 64);
    app.end().await;
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head_and_the_connection_goes_on() {
    let lone = Lone::new().await;
    let (mut client, mut app, _) = lone.asked("HEAD /big HTTP/1.1\r\nHost: app\r\n\r\n").await;
    app.send("HTTP/1.1 200 OK\r\nContent-Length: 123456\r\n\r\n").await;
    let head = client.head().await.to_ascii_lowercase();
    assert!(head.contains("content-length: 123456"), "a HEAD tells the length: {head}");
    for (answer, wanted) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "http/1.1 204"),
        ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n", "http/1.1 304"),
        (OK, "http/1.1 200"),
    ] {
        client.send(GET).await;
        app.head().await;
        app.send(answer).await;
        let head = client.head().await.to_ascii_lowercase();
        assert!(head.starts_with(wanted), "{head}");
        if wanted.ends_with("204") {
            assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
        }
    }
    assert_eq!(client.exactly(2).await, "ok");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let lone = Lone::new().await;
    let ask = |n: usize| format!("GET /{n} HTTP/1.1\r\nHost: app\r\n\r\n");
    let (mut client, mut app, first) = lone.asked(&(ask(1) + &ask(2) + &ask(3))).await;
    assert!(first.starts_with("GET /1 "));
    for n in 1..=3 {
        app.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}")).await;
        if n < 3 {
            assert!(app.head().await.starts_with(&format!("GET /{} ", n + 1)));
        }
    }
    for n in 1..=3 {
        assert_eq!(client.response().await.1, n.to_string());
    }
}

#[tokio::test]
async fn an_answer_that_could_be_read_in_two_ways_is_a_502() {
    let lone = Lone::new().await;
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 99 What\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ] {
        let (mut client, mut app, _) = lone.asked(GET).await;
        app.send(answer).await;
        let (head, _) = client.response().await;
        assert!(head.starts_with("http/1.1 502"), "{answer:?}: {head}");
        app.end().await;
    }
}

#[tokio::test]
async fn what_is_malformed_is_answered_with_what_is_wrong_and_nothing_of_itself() {
    let lone = Lone::new().await;
    for (request, status, why) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "the request has no host header, which http/1.1 requires"),
        ("GET / HTTP/1.1\r\nHost: mine-1\r\nHost: mine-2\r\n\r\n", 400, "more than one host header"),
        ("GET /mine HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "in an http/1.0 message"),
        ("POST /mine HTTP/1.1\r\nHost: app\r\nContent-Length: mine\r\n\r\n", 400, "not a decimal number"),
        ("GET /mine HTTP/3.7\r\nHost: app\r\n\r\n", 505, "neither 1.0 nor 1.1"),
        ("\u{16}\u{3}\u{1}\u{2}mine\r\n\r\n", 400, "tls on a plaintext port"),
    ] {
        let mut client = lone.client().await;
        client.send(request).await;
        let (all, end) = client.end().await;
        let all = all.to_ascii_lowercase();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{request:?}: {all}");
        assert!(head.contains("content-type: text/plain") && head.contains("connection: close"), "{all}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{request:?}: {all}");
        assert!(body.contains(why) && !all.contains("mine"), "{request:?}: {all}");
        assert_eq!(end, End::Closed, "{request:?}");
    }
    // A head alone is answered by one.
    for request in [
        "HEAD / HTTP/1.1\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: app\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let mut client = lone.client().await;
        client.send(request).await;
        let (all, _) = client.end().await;
        assert!(all.starts_with("HTTP/1.1 400") && all.ends_with("\r\n\r\n"), "{request:?}: {all}");
    }
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn http10_needs_no_host_and_is_told_the_end_by_the_end() {
    let lone = Lone::new().await;
    let (mut client, mut app, seen) = lone.asked("GET /old HTTP/1.0\r\n\r\n").await;
    assert!(seen.starts_with("GET /old HTTP/1.1\r\n"), "{seen}");
    assert!(seen.to_ascii_lowercase().contains(&format!("host: {}", lone.at)), "{seen}");
    app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n0\r\n\r\n").await;
    let (answer, end) = client.end().await;
    assert!(answer.ends_with("\r\n\r\nold") && !answer.contains("ransfer-"), "{answer}");
    assert_eq!(end, End::Closed);
    let (mut client, mut app, _) =
        lone.asked("GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: app\r\n\r\n").await;
    app.send(OK).await;
    let (head, _) = client.response().await;
    assert!(head.contains("connection: keep-alive"), "{head}");
    client.send("GET /2 HTTP/1.0\r\nHost: app\r\n\r\n").await;
    assert!(app.head().await.starts_with("GET /2 "));
}

#[tokio::test]
async fn a_large_answer_of_our_own_is_whole() {
    let big = "b".repeat(300_000);
    let body = big.clone().into_bytes();
    let direct = move |manager: &mut _| {
        route(manager).action = RouteAction::DirectResponse { status: 203, body };
    };
    let lone = Lone::with(direct, |_| {}).await;
    let mut client = lone.client().await;
    client.send(GET).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 203"));
    assert!(body == big, "{} bytes", body.len());
    client.send("HEAD / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n").await;
    let (answer, _) = client.end().await;
    assert!(answer.to_ascii_lowercase().contains("content-length: 300000"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body");
}

#[tokio::test]
async fn a_grpc_client_is_told_of_a_denial_in_grpcs_words_over_http1_too() {
    let deny =
        |m: &mut weft_model::http::HttpConnectionManager| m.filters.insert(0, super::judged::denies("/a.B"));
    let lone = Lone::with(deny, |_| {}).await;
    let mut client = lone.client().await;
    let call = "POST /a.B/Call HTTP/1.1\r\nHost: app\r\nContent-Type: application/grpc\r\nTE: trailers\r\n";
    client.send(format!("{call}Content-Length: 0\r\n\r\n")).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for line in [
        "content-type: application/grpc",
        "grpc-status: 7",
        "grpc-message: rbac: access denied",
        "content-length: 0",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
    }
    assert_eq!(body, "");

    // The same denial by a proxy further on, over an HTTP/1.1 hop: a client on HTTP/2 gets a head that ends its stream.
    let lone = Lone::new().await;
    let socket = tokio::net::TcpStream::connect(lone.at).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let mut send = send.ready().await.unwrap();
    let request = http::Request::post("http://app/a.B/Call").header("content-type", "application/grpc");
    let (answer, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
    let mut app = lone.app.accept().await;
    app.head().await;
    app.send(head.replacen("http/1.1 200", "HTTP/1.1 200", 1)).await;
    let answer = answer.await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"7".parse().unwrap()));
    assert!(answer.body().is_end_stream(), "gRPC takes a status in the head only if nothing follows");
}
