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
    let (status, _) = health(State(pod(port)), Path("app/readyz".into())).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let asked = served.await.unwrap();
    assert!(asked.starts_with("127.0.0.6:") && asked.contains("GET /ready HTTP/1.1"), "{asked}");
    assert!(asked.contains("X-Probe: yes"), "{asked}");
}

#[tokio::test]
async fn a_tcp_probe_is_content_with_a_connection_and_says_so_if_there_is_none() {
    let listener = TcpListener::bind((HOME, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (status, _) = health(State(pod(port)), Path("app/livez".into())).await;
    assert_eq!(status, StatusCode::OK);
    drop(listener);
    let (status, why) = health(State(pod(port)), Path("app/livez".into())).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(why.contains("does not listen"), "{why}");
}

#[tokio::test]
async fn a_probe_that_nobody_defined_is_not_found() {
    let (status, why) = health(State(pod(1)), Path("app/startupz".into())).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{why}");
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
