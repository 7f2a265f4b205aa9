//! Where requests go by where endpoints stand and how they fare: priorities and panic.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use weft_model::cluster::Cluster;
use weft_model::endpoint::LocalityEndpoints;
use weft_testkit::{app, settings};

use super::Lone;

/// A cluster of which each of these is a priority of its own.
fn priorities(addresses: &[std::net::SocketAddr]) -> Cluster {
    let mut cluster = settings::cluster("outbound|80||app", addresses);
    let assignment = cluster.load_assignment.as_mut().unwrap();
    let endpoints = std::mem::take(&mut assignment.localities[0].endpoints);
    assignment.localities = (0..)
        .zip(endpoints)
        .map(|(priority, endpoint)| LocalityEndpoints {
            priority,
            endpoints: vec![endpoint],
            ..LocalityEndpoints::default()
        })
        .collect();
    cluster
}

async fn status(lone: &Lone, times: usize) -> Vec<String> {
    let mut client = lone.client().await;
    let mut seen = Vec::new();
    for _ in 0..times {
        client.send(super::GET).await;
        let (head, _) = client.response().await;
        seen.push(head[9..12].to_owned());
    }
    seen
}

/// An app that answers every request so.
async fn answering(answer: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = [0; 4096];
                while matches!(socket.read(&mut seen).await, Ok(n) if n > 0) {
                    let _ = socket.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    address
}

const BAD: &str = "HTTP/1.1 503 Bad\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn the_next_priority_takes_over_when_the_first_is_ejected_and_only_then() {
    let (near, far) = (answering(BAD).await, app::echo().await);
    let lone = Lone::new().await;
    let mut cluster = priorities(&[near, far]);
    cluster.balancing.panic_threshold = Some(0.0);
    cluster.outlier_detection = Some(settings::ejects_after(3));
    lone.sidecar.apply(&[cluster], &[]).await;
    assert_eq!(status(&lone, 3).await, ["503"; 3], "the nearer one is asked while it is in");
    assert!(status(&lone, 20).await.iter().all(|status| status == "200"));
}

#[tokio::test]
async fn in_panic_all_are_used() {
    let (bad, good) = (answering(BAD).await, app::echo().await);
    let lone = Lone::new().await;
    let mut cluster = settings::cluster("outbound|80||app", &[bad, good]);
    cluster.balancing.panic_threshold = Some(90.0);
    cluster.outlier_detection = Some(settings::ejects_after(1));
    lone.sidecar.apply(&[cluster], &[]).await;
    status(&lone, 4).await;
    let seen = status(&lone, 40).await;
    assert!(seen.iter().any(|status| status == "503"), "half is less than 90 %: the ejected one is used");
    assert!(seen.iter().any(|status| status == "200"));
}
