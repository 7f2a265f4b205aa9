//! HTTP/2 on either side, and its translation to HTTP/1.1 and back.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use weft_model::cluster::UpstreamProtocol;
use weft_model::route::PathMatch;
use weft_proxy::http::h2::FRAME;
use weft_testkit::wire::{End, Peer};
use weft_testkit::{app, settings};

use super::{GET, Lone, OK};

async fn client(lone: &Lone) -> SendRequest<Bytes> {
    let socket = tokio::net::TcpStream::connect(lone.at).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    send.ready().await.unwrap()
}

fn get(path: &str) -> http::request::Builder {
    Request::builder().uri(format!("http://app{path}"))
}

#[tokio::test]
async fn cookies_are_put_together_and_bodies_and_trailers_cross_to_http1_and_back() {
    let lone = Lone::new().await;
    let mut send = client(&lone).await;
    let request = get("/x").method("POST").header("cookie", "a=1").header("cookie", "b=2");
    let request = request.header("te", "trailers").body(()).unwrap();
    let (response, mut body) = send.send_request(request, false).unwrap();
    let mut app = lone.app.accept().await;
    let head = app.head().await.to_ascii_lowercase();
    assert!(head.contains("cookie: a=1; b=2\r\n") && head.contains("host: app\r\n"), "{head}");
    assert!(head.contains("te: trailers") && head.contains("transfer-encoding: chunked"), "{head}");
    body.send_data(Bytes::from_static(b"hey"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "3".parse().unwrap());
    body.send_trailers(trailers).unwrap();
    assert_eq!(app.head().await, "3\r\nhey\r\n0\r\nx-sum: 3\r\n\r\n");
    app.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\nKeep-Alive: timeout=5\r\n\r\n",
    )
    .await;
    app.send("2\r\nok\r\n0\r\nX-End: yes\r\n\r\n").await;
    let (parts, mut body) = response.await.unwrap().into_parts();
    assert!(!parts.headers.contains_key("transfer-encoding") && !parts.headers.contains_key("keep-alive"));
    assert_eq!(body.data().await.unwrap().unwrap(), "ok");
    assert!(body.data().await.is_none());
    assert_eq!(body.trailers().await.unwrap().unwrap()["x-end"], "yes");
}

#[tokio::test]
async fn a_request_that_says_two_hosts_or_a_wrong_length_is_refused() {
    let lone = Lone::new().await;
    let mut send = client(&lone).await;
    let request = get("/").header("host", "other").body(()).unwrap();
    let (response, _) = send.send_request(request, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    assert_eq!(head.status, 400);
    let mut said = Vec::new();
    while let Some(piece) = body.data().await {
        said.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(said, b"the request has more than one Host header\n");
    let request = get("/").method("HEAD").header("host", "other").body(()).unwrap();
    let (response, _) = send.send_request(request, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    assert_eq!(head.status, 400);
    assert!(body.data().await.is_none());

    let request = get("/").method("POST").header("content-length", "10").body(()).unwrap();
    let (response, mut body) = send.send_request(request, false).unwrap();
    let mut app = lone.app.accept().await;
    app.head().await;
    body.send_data(Bytes::from_static(b"short"), true).unwrap();
    assert!(response.await.is_err());
    let (seen, _) = app.end().await;
    assert!(seen.len() < 10, "the app sees a request cut short: {seen:?}");
}

#[tokio::test]
async fn a_stream_that_is_taken_back_takes_its_upstream_with_it() {
    let lone = Lone::new().await;
    let mut send = client(&lone).await;
    let (response, mut stream) = send.send_request(get("/").body(()).unwrap(), false).unwrap();
    let mut app = lone.app.accept().await;
    app.head().await;
    stream.send_reset(h2::Reason::CANCEL);
    assert!(response.await.is_err());
    assert!(!app.end().await.0.contains("0\r\n\r\n"), "the app sees no end of the body");
}

#[tokio::test]
async fn an_answer_cut_short_resets_its_stream_alone() {
    let lone = Lone::new().await;
    let mut send = client(&lone).await;
    for (answer, reset) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\nhalf", true),
    ] {
        send = send.ready().await.unwrap();
        let (response, _) = send.send_request(get("/").body(()).unwrap(), true).unwrap();
        let mut app = lone.app.accept().await;
        app.head().await;
        app.send(answer).await;
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "half");
        if reset {
            app.break_off();
        } else {
            drop(app);
        }
        let end = body.data().await;
        assert!(matches!(end, Some(Err(_))), "{answer:?} looks whole: {end:?}");
    }
}

#[tokio::test]
async fn a_drain_says_goaway_and_finishes_what_was_begun() {
    let lone = Lone::new().await;
    let mut send = client(&lone).await;
    let (response, _) = send.send_request(get("/").body(()).unwrap(), true).unwrap();
    let mut app = lone.app.accept().await;
    app.head().await;
    lone.sidecar.remove_listener("out");
    weft_testkit::eventually("GOAWAY arrives", async || send.clone().ready().await.is_err()).await;
    app.send(OK).await;
    assert_eq!(response.await.unwrap().status(), 200);
}

/// An app that speaks HTTP/2 and is told what to do.
async fn accept_h2(app: Peer) -> h2::server::Connection<tokio::net::TcpStream, Bytes> {
    accept_h2_as(&h2::server::Builder::new(), app).await
}

async fn accept_h2_as(
    settings: &h2::server::Builder,
    app: Peer,
) -> h2::server::Connection<tokio::net::TcpStream, Bytes> {
    let mut app = app;
    let spare = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = tokio::net::TcpStream::connect(spare.local_addr().unwrap()).await.unwrap();
    app.socket().set_nodelay(true).unwrap();
    settings.handshake(std::mem::replace(app.socket(), other)).await.unwrap()
}

fn over_h2(cluster: &mut weft_model::cluster::Cluster) {
    cluster.http.protocol = UpstreamProtocol::Http2;
}

#[tokio::test]
async fn frames_without_data_in_each_call_cost_neither_side_its_connection() {
    let lone = Lone::with(|_| {}, over_h2).await;
    let serving = async {
        let mut app = accept_h2(lone.app.accept().await).await;
        while let Some(Ok((_, mut respond))) = app.accept().await {
            let mut answer = respond.send_response(http::Response::new(()), false).unwrap();
            answer.send_data(Bytes::new(), false).unwrap();
            answer.send_data(Bytes::from_static(b"ok"), true).unwrap();
        }
    };
    let asking = async {
        let mut send = client(&lone).await;
        for call in 0..250 {
            send = send.ready().await.unwrap();
            let request = get("/").method("POST").body(()).unwrap();
            let (response, mut body) = send.send_request(request, false).unwrap();
            body.send_data(Bytes::new(), false).unwrap();
            body.send_data(Bytes::from_static(b"hey"), true).unwrap();
            let response = response.await.unwrap_or_else(|error| panic!("call {call}: {error}"));
            assert_eq!(response.status(), 200, "call {call}");
            let mut answer = response.into_body();
            assert_eq!(answer.data().await.unwrap().unwrap(), "ok", "call {call}");
            assert!(answer.data().await.is_none());
        }
    };
    tokio::select! {
        () = serving => panic!("the app's connection has ended"),
        () = asking => {}
    }
}

#[tokio::test]
async fn http1_travels_on_as_http2_and_an_upstream_that_says_goaway_gets_no_new_streams() {
    let lone = Lone::with(|_| {}, over_h2).await;
    let mut client = lone.client().await;
    let head = "POST /a HTTP/1.1\r\nHost: app\r\nConnection: x, Upgrade\r\nUpgrade: websocket\r\nX: hop\r\n";
    client
        .send(format!("{head}Cookie: a=1; b=2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
        .await;
    let mut first = accept_h2(lone.app.accept().await).await;
    let (request, mut long) = first.accept().await.unwrap().unwrap();
    let names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
    for gone in ["connection", "upgrade", "x", "transfer-encoding", "host"] {
        assert!(!names.iter().any(|name| name == gone), "{gone} in {names:?}");
    }
    assert_eq!(request.uri().to_string(), "http://app/a");
    first.graceful_shutdown();
    let mut body = request.into_body();
    // What was on its way when it said so is still its own to answer.
    let polling = tokio::spawn(async move {
        while let Some(Ok((_, mut respond))) = first.accept().await {
            let answer = http::Response::builder().status(204).body(()).unwrap();
            respond.send_response(answer, true).unwrap();
        }
    });
    assert_eq!(body.data().await.unwrap().unwrap(), "hi");
    while let Some(piece) = body.data().await {
        assert_eq!(piece.unwrap(), "");
    }

    // The first stream is still open; its connection takes no more of them, whichever worker the next clients meet.
    let ask = async {
        for _ in 0..4 {
            let mut late = lone.client().await;
            late.send(GET).await;
            assert!(late.head().await.starts_with("HTTP/1.1 204"));
        }
    };
    let answer = async {
        loop {
            let mut second = accept_h2(lone.app.accept().await).await;
            tokio::spawn(async move {
                while let Some(Ok((_, mut respond))) = second.accept().await {
                    let answer = http::Response::builder().status(204).body(()).unwrap();
                    respond.send_response(answer, true).unwrap();
                }
            });
        }
    };
    tokio::select! {
        () = ask => {}
        () = answer => {}
    }

    let mut data = long.send_response(http::Response::new(()), false).unwrap();
    data.send_data(Bytes::from_static(b"done"), true).unwrap();
    assert!(client.head().await.to_ascii_lowercase().contains("transfer-encoding: chunked"));
    assert_eq!(client.until("0\r\n\r\n").await, "4\r\ndone\r\n0\r\n\r\n");
    polling.await.unwrap();
}

#[tokio::test]
async fn who_does_not_read_his_answer_holds_up_nobody_elses() {
    let echo = app::echo().await;
    let big = "b".repeat(1 << 20);
    let cluster = |c: &mut weft_model::cluster::Cluster| {
        *c = settings::cluster("outbound|80||app", &[echo]);
        over_h2(c);
    };
    let lone = Lone::with(|_| {}, cluster).await;
    let mut lazy = Vec::new();
    for _ in 0..40 {
        // Its own window is small, so that what it does not read stays with the sidecar and its upstream.
        let socket = tokio::net::TcpStream::connect(lone.at).await.unwrap();
        let (send, connection) =
            h2::client::Builder::new().initial_window_size(1).handshake::<_, Bytes>(socket).await.unwrap();
        tokio::spawn(connection);
        let mut send = send.ready().await.unwrap();
        let request = get("/").method("POST").header("x-big", "1").body(()).unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        body.send_data(Bytes::from(big.clone()), true).unwrap();
        lazy.push((send, response.await.unwrap()));
    }
    let mut client = lone.client().await;
    client.send(GET).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn options_of_a_whole_server_stays_that_on_http2() {
    let star = |m: &mut _| super::route(m).matches.path = PathMatch::Exact("*".into());
    let lone = Lone::with(star, over_h2).await;
    let mut client = lone.client().await;
    client.send("OPTIONS * HTTP/1.1\r\nHost: app\r\n\r\n").await;
    let mut app = accept_h2(lone.app.accept().await).await;
    let (request, _respond) = app.accept().await.unwrap().unwrap();
    assert_eq!((request.method().as_str(), request.uri().path()), ("OPTIONS", "*"));
}

#[tokio::test]
async fn an_http2_answer_that_is_reset_does_not_look_whole_to_http1() {
    let lone = Lone::with(|_| {}, over_h2).await;
    let mut client = lone.client().await;
    client.send(GET).await;
    let mut app = accept_h2(lone.app.accept().await).await;
    let (_, mut respond) = app.accept().await.unwrap().unwrap();
    let mut data = respond.send_response(http::Response::new(()), false).unwrap();
    data.send_data(Bytes::from_static(b"half"), false).unwrap();
    let polling = tokio::spawn(async move { while app.accept().await.is_some() {} });
    client.until("half").await;
    data.send_reset(h2::Reason::INTERNAL_ERROR);
    let (rest, end) = client.end().await;
    assert_eq!((end, rest.contains("0\r\n\r\n")), (End::Reset, false), "{rest:?}");
    polling.abort();
}

#[tokio::test]
async fn streams_that_wait_for_something_to_send_hold_up_nobody_else() {
    // Their window is as most programs have it: 65,535 bytes for all streams of a connection.
    let lone = Lone::with(|_| {}, over_h2).await;
    let mut send = client(&lone).await;
    let mut app = None;
    let mut waiting = Vec::new();
    for n in 0..12 {
        send = send.ready().await.unwrap();
        let request = get("/watch").method("POST").body(()).unwrap();
        let (response, mut upload) = send.send_request(request, false).unwrap();
        if app.is_none() {
            app = Some(accept_h2(lone.app.accept().await).await);
        }
        let app = app.as_mut().unwrap();
        let (request, mut respond) = app.accept().await.unwrap().unwrap();
        let mut download = respond.send_response(http::Response::new(()), false).unwrap();
        let (mut asked, mut answered) = (request.into_body(), None);
        // Each is told something in both directions, however many others wait.
        upload.send_data(Bytes::from_static(b"more"), false).unwrap();
        download.send_data(Bytes::from_static(b"news"), false).unwrap();
        let both = async {
            assert_eq!(asked.data().await.unwrap().unwrap(), "more");
            let mut body = response.await.unwrap().into_body();
            assert_eq!(body.data().await.unwrap().unwrap(), "news");
            answered = Some(body);
        };
        tokio::select! {
            () = both => {}
            _ = app.accept() => panic!("nobody else asks"),
            () = tokio::time::sleep(std::time::Duration::from_secs(10)) => panic!("stream {n} hears nothing"),
        }
        waiting.push((upload, download, asked, answered));
    }
}

#[tokio::test]
async fn a_large_body_goes_on_in_frames_that_fill_whole_records_of_tls() {
    const RECORD: usize = 16 * 1024;
    const HEAD: usize = 9;
    let lone = Lone::with(|_| {}, over_h2).await;
    let mut send = client(&lone).await;
    let request = get("/").method("POST").body(()).unwrap();
    let (response, mut upload) = send.send_request(request, false).unwrap();
    let mut settings = h2::server::Builder::new();
    settings.max_frame_size(1 << 20).initial_window_size(1 << 20).initial_connection_window_size(1 << 20);
    let mut app = accept_h2_as(&settings, lone.app.accept().await).await;
    let (request, mut respond) = app.accept().await.unwrap().unwrap();
    let _answer = respond.send_response(http::Response::new(()), false).unwrap();
    let polling = tokio::spawn(async move { while app.accept().await.is_some() {} });
    // Who has heard an answer has heard before how long frames may be.
    let _answer = response.await.unwrap();
    let sent: Bytes = (0..=250).cycle().take(3 * FRAME as usize).collect();
    upload.send_data(sent.clone(), true).unwrap();
    let (mut asked, mut come) = (request.into_body(), Vec::new());
    while let Some(piece) = asked.data().await {
        let piece = piece.unwrap();
        assert_eq!((piece.len() + HEAD) % RECORD, 0, "{} bytes", piece.len());
        assert!(piece.len() > RECORD);
        come.extend_from_slice(&piece);
    }
    assert_eq!(come, sent);
    polling.abort();
}

#[tokio::test]
async fn many_small_frames_and_a_large_echo_pass_with_flow_control() {
    let echo = app::echo().await;
    let cluster = |c: &mut weft_model::cluster::Cluster| {
        *c = settings::cluster("outbound|80||app", &[echo]);
        c.http.protocol = UpstreamProtocol::Http2;
    };
    let lone = Lone::with(|_| {}, cluster).await;
    let mut send = client(&lone).await;
    let request = get("/stream").method("POST").body(()).unwrap();
    let (response, mut stream) = send.send_request(request, false).unwrap();
    let sending = tokio::spawn(async move {
        for n in 0..2000 {
            let piece = vec![b'x'; if n % 2 == 0 { 1 } else { 1500 }];
            stream.reserve_capacity(piece.len());
            while stream.capacity() < piece.len() {
                std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
            }
            stream.send_data(piece.into(), false).unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    });
    let mut body = response.await.unwrap().into_body();
    let mut got = 0;
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        got += piece.len();
        body.flow_control().release_capacity(piece.len()).unwrap();
    }
    sending.await.unwrap();
    assert_eq!(got, 1000 + 1000 * 1500);
}
