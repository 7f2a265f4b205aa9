use super::*;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn probes(port: u16) -> Probes {
    read(&format!(
        r#"{{"/app-health/app/readyz": {{"httpGet": {{"path": "/ready", "port": {port}, "scheme": "HTTP",
            "httpHeaders": [{{"name": "X-Probe", "value": "yes"}}]}}, "timeoutSeconds": 5}},
            "/app-health/app/livez": {{"tcpSocket": {{"port": {port}}}}}}}"#
    ))
    .unwrap()
}

fn pod(port: u16) -> Pod {
    Pod { probes: Arc::new(probes(port)), address: HOME, end: Arc::default() }
}

/// An app that answers one request.
async fn app(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, from) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let n = stream.read(&mut asked).await.unwrap();
        stream.write_all(answer).await.unwrap();
        format!("{from}\n{}", String::from_utf8_lossy(&asked[..n]))
    });
    (port, served)
}

#[tokio::test]
async fn an_http_probe_asks_the_app_from_the_address_that_is_not_turned_and_passes_its_status_on() {
    let (port, served) = app(b"HTTP/1.1 503 Not Yet\r\n\r\n").await;
    let (status, _) = health(State(pod(port)), Path("app/readyz".into()), HeaderMap::new()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let asked = served.await.unwrap();
    assert!(asked.starts_with("127.0.0.6:") && asked.contains("GET /ready HTTP/1.1"), "{asked}");
    assert!(asked.contains("X-Probe: yes"), "{asked}");
}

/// An app that answers one request after the other, each on a connection of its own.
async fn answers(all: Vec<String>) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut heard = Vec::new();
        for answer in all {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let n = stream.read(&mut asked).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            heard.push(String::from_utf8_lossy(&asked[..n]).into_owned());
        }
        heard
    });
    (port, served)
}

#[tokio::test]
async fn the_app_is_asked_with_its_askers_headers_as_if_that_had_come_to_it() {
    let (port, served) = answers(vec!["HTTP/1.1 200 OK\r\n\r\n".into()]).await;
    let asker = [
        ("host", "10.0.0.7:15020"),
        ("user-agent", "kube-probe/1.31"),
        ("x-probe", "the kubelet sends it, too"),
        ("connection", "keep-alive"),
        ("accept", "*/*"),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in asker {
        headers.insert(name, value.parse().unwrap());
    }
    let (status, _) = health(State(pod(port)), Path("app/readyz".into()), headers).await;
    assert_eq!(status, StatusCode::OK);
    let heard = served.await.unwrap().remove(0);
    let mut lines: Vec<&str> = heard.trim_end().lines().collect();
    lines.sort_unstable();
    let host = format!("Host: 10.0.0.7:{port}");
    let expected = [
        "Connection: close",
        "GET /ready HTTP/1.1",
        &host,
        "X-Probe: yes",
        "accept: */*",
        "user-agent: kube-probe/1.31",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn redirects_are_followed_within_the_app_and_no_further() {
    let leads = |to: &str| format!("HTTP/1.1 302 Found\r\nServer: a\r\nLocation: {to}\r\n\r\n");
    let asked = async |all: Vec<String>| {
        let (port, served) = answers(all).await;
        let (status, why) = health(State(pod(port)), Path("app/readyz".into()), HeaderMap::new()).await;
        let path = |head: &String| head.split(' ').nth(1).unwrap().to_owned();
        let heard: Vec<String> = served.await.unwrap().iter().map(path).collect();
        (status.as_u16(), heard, why)
    };
    let (status, heard, _) =
        asked(vec![leads("/live/?a=b"), leads("down"), "HTTP/1.1 503 No\r\n\r\n".into()]).await;
    assert_eq!((status, heard), (503, ["/ready", "/live/?a=b", "/live/down"].map(str::to_owned).to_vec()));
    // What another host is about is no matter of this app's, which has answered.
    for elsewhere in ["https://login.example.com/", "//login.example.com/", "ftp://127.0.0.1/", ""] {
        let (status, heard, _) = asked(vec![leads(elsewhere)]).await;
        assert_eq!((status, heard.len()), (302, 1), "{elsewhere}");
    }
    let (status, _, why) = asked(vec![leads("/ready"); 11]).await;
    assert!(status == 500 && why.contains("redirects more than 10 times"), "{status} {why}");
    // An app that names itself in full.
    let place = http::Place { secure: false, port: 8080, path: "/a/b".into(), host: "10.0.0.7:8080".into() };
    let next = place.redirected("https://10.0.0.7:8443/c#there").unwrap();
    let expected = http::Place { secure: true, port: 8443, path: "/c".into(), host: "10.0.0.7:8443".into() };
    assert_eq!(next, expected);
    assert_eq!(place.redirected("http://10.0.0.7").unwrap().port, 80);
    assert_eq!(place.redirected("?now").unwrap().path, "/a/b?now");
}

#[tokio::test]
async fn a_tcp_probe_is_content_with_a_connection_and_says_so_if_there_is_none() {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (status, _) = health(State(pod(port)), Path("app/livez".into()), HeaderMap::new()).await;
    assert_eq!(status, StatusCode::OK);
    drop(listener);
    let (status, why) = health(State(pod(port)), Path("app/livez".into()), HeaderMap::new()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(why.contains("does not listen"), "{why}");
}

#[tokio::test]
async fn a_grpc_probe_does_not_pass_for_a_health_check_of_another_sidecar() {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, _) = connection.accept().await.unwrap().unwrap();
        (request.uri().path().to_owned(), request.headers().contains_key("user-agent"))
    });
    let probes = read(&format!(r#"{{"/app-health/app/livez": {{"grpc": {{"port": {port}}}}}}}"#)).unwrap();
    let pod = Pod { probes: Arc::new(probes), ..pod(port) };
    let _ = health(State(pod), Path("app/livez".into()), HeaderMap::new()).await;
    assert_eq!(heard.await.unwrap(), ("/grpc.health.v1.Health/Check".to_owned(), false));
}

#[tokio::test]
async fn a_probe_that_nobody_defined_is_not_found() {
    let (status, why) = health(State(pod(1)), Path("app/startupz".into()), HeaderMap::new()).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{why}");
}

/// A GET on a port that is served as the sidecar serves its own; the whole answer.
async fn get_from(pod: Pod, path: &str) -> String {
    let socket = TcpListener::bind((HOME, 0)).await.unwrap();
    let mut asking = tokio::net::TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
    serve(socket, pod, Side::Both);
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    asking.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn a_hook_of_the_containers_life_reaches_the_app_which_may_take_its_time() {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hooks = read(&format!(
        r#"{{"/app-lifecycle/app/prestopz": {{"httpGet": {{"path": "/drain", "port": {port}, "host": "own", "scheme": "HTTP"}}}}}}"#
    ));
    let pod = Pod { probes: Arc::new(hooks.unwrap()), ..pod(port) };
    let asking = tokio::spawn(get_from(pod.clone(), "/app-lifecycle/app/prestopz"));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut asked = vec![0; 4096];
    let n = stream.read(&mut asked).await.unwrap();
    let asked = String::from_utf8_lossy(&asked[..n]).into_owned();
    assert!(asked.starts_with("GET /drain HTTP/1.1\r\nHost: own\r\n"), "{asked}");
    tokio::time::advance(Duration::from_secs(20)).await;
    stream.write_all(b"HTTP/1.1 202 Gone\r\n\r\n").await.unwrap();
    drop(stream);
    let answer = asking.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let missing = get_from(pod, "/app-lifecycle/app/poststartz").await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
}

#[tokio::test]
async fn only_the_pod_itself_may_end_its_sidecar() {
    let pod = pod(1);
    let from = |ip: [u8; 4]| ConnectInfo(SocketAddr::from((ip, 999)));
    let (status, _) = quit_from_inside(State(pod.clone()), from([10, 0, 0, 1])).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    // Whom the sidecar passes on comes from here.
    let (status, _) = quit_from_inside(State(pod.clone()), from([127, 0, 0, 6])).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = quit_from_inside(State(pod.clone()), from([127, 0, 0, 1])).await;
    assert_eq!(status, StatusCode::OK);
    pod.end.notified().await;
}

#[tokio::test]
async fn where_the_pod_has_a_side_of_its_own_the_sidecar_is_ended_there_alone() {
    let pod = pod(1);
    for (side, expected) in [(Side::Kubelets, StatusCode::FORBIDDEN), (Side::Own, StatusCode::OK)] {
        let socket = TcpListener::bind((HOME, 0)).await.unwrap();
        let mut asking = tokio::net::TcpStream::connect(socket.local_addr().unwrap()).await.unwrap();
        serve(socket, pod.clone(), side);
        asking
            .write_all(b"POST /quitquitquit HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {}", expected.as_u16())), "{side:?}: {answer}");
    }
    pod.end.notified().await;
}
