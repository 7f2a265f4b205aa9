use super::*;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The app, on a thread of its own, for as long as the tests run.
fn app() -> SocketAddr {
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            serve::answer_at(listener).await.unwrap();
        });
    });
    address.recv().unwrap()
}

fn load(kind: &str, words: &str) -> report::Report {
    let words: Vec<&str> = words.split(' ').collect();
    let plan = grpc::Plan::parse(kind, &words).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(grpc::load(&plan))
}

#[test]
fn calls_and_messages_come_back_as_they_were_sent() {
    let address = app();
    for (kind, bytes) in [("unary", 100), ("unary", 100_000), ("stream", 100), ("stream", 100_000)] {
        let report = load(kind, &format!("{address} server 1 2 1 {bytes}"));
        assert!(report.is_clean(), "{kind} {bytes}: {}", report.to_json());
    }
}

#[test]
fn a_server_that_closes_makes_the_load_unclean() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let report = load("unary", &format!("{address} server 1 1 1 10"));
    assert!(!report.is_clean(), "{}", report.to_json());
}

#[test]
fn a_long_body_arrives_whole() {
    let line = transfer::one(app(), "server", 5_000_000).unwrap();
    assert!(line.starts_with("{\"bytes\":5000000,"), "{line}");
}

#[test]
fn an_upload_is_looked_at() {
    use std::io::{Read as _, Write as _};
    let address = app();
    let answered = |body: &[u8]| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /bytes/100000 HTTP/1.1\r\nHost: server\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let right = pattern::whole(100_000);
    assert_eq!(answered(&right), "200");
    assert_eq!(answered(&right[1..]), "400");
    assert_eq!(answered(&[b'x'; 100_000]), "400");
}
