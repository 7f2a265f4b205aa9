use super::*;

/// A server that knows one service: who asks for it hears `status`, everybody else that there is none (5, NOT_FOUND).
async fn server(io: tokio::io::DuplexStream, service: String, status: u8) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let (mut body, mut asked) = (request.into_body(), Vec::new());
            while let Some(Ok(piece)) = body.data().await {
                asked.extend_from_slice(&piece);
            }
            let head = ::http::Response::builder().header("content-type", "application/grpc");
            if asked != health::question(&service) {
                respond.send_response(head.header("grpc-status", "5").body(()).unwrap(), true).unwrap();
                return;
            }
            let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
            body.send_data(vec![0, 0, 0, 0, 2, 8, status].into(), false).unwrap();
            let mut trailers = ::http::HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            body.send_trailers(trailers).unwrap();
        });
    }
}

async fn asked(known: &str, status: u8, service: &str) -> Result<bool, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(server(far, known.to_owned(), status));
    is_serving(near, &Question { host: "app", service, agent: None }).await
}

#[tokio::test]
async fn what_serves_is_told_from_what_does_not_and_from_what_is_no_answer() {
    assert_eq!(asked("a.B", 1, "a.B").await, Ok(true));
    assert_eq!(asked("a.B", 2, "a.B").await, Ok(false));
    assert!(asked("a.B", 1, "a.C").await.unwrap_err().contains('5'));
    let (near, far) = tokio::io::duplex(64);
    drop(far);
    assert!(is_serving(near, &Question { host: "app", service: "", agent: None }).await.is_err());
}

#[tokio::test]
async fn whoever_asks_is_called_as_it_calls_itself() {
    for agent in [None, Some("weft/health")] {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let heard = tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.unwrap();
            let (request, _) = connection.accept().await.unwrap().unwrap();
            request.headers().get("user-agent").map(|agent| agent.to_str().unwrap().to_owned())
        });
        let _ = is_serving(near, &Question { host: "app", service: "", agent }).await;
        assert_eq!(heard.await.unwrap().as_deref(), agent);
    }
}
