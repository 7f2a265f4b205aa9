//! Whoever lies, floods or sends nonsense.

use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use weft_testkit::free_address;

use super::room::{Room, asking, mesh};
use super::server::{Server, usual};

#[tokio::test]
async fn answers_to_other_questions_or_with_other_numbers_are_not_believed() {
    let server = Server::new(|query, connected| {
        let truth = usual(query, connected);
        let changed = |change: &dyn Fn(&mut Message)| {
            let mut lie = Message::from_vec(&truth).unwrap();
            lie.answers.clear();
            change(&mut lie);
            lie.to_vec().unwrap()
        };
        let lies = [
            changed(&|m| m.metadata.id = m.metadata.id.wrapping_add(1)),
            changed(&|m| {
                m.queries = vec![Query::query(Name::from_ascii("evil.org.").unwrap(), RecordType::A)]
            }),
            changed(&|m| m.queries.clear()),
            changed(&|m| m.metadata.message_type = MessageType::Query),
            vec![],
            truth[..11].to_vec(),
        ];
        lies.into_iter().chain([truth.clone()]).collect()
    })
    .await;
    let room = Room::new(&[server.at]);
    assert_eq!(room.addresses("a.example.org.", RecordType::A).await.0, ["192.0.2.53"]);
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn only_the_server_that_was_asked_is_heard() {
    // The server tells a stranger where the question came from, and the stranger is faster.
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let truth = usual(&buffer[..length], false);
            let mut lie = Message::from_vec(&truth).unwrap();
            lie.answers.clear();
            stranger.send_to(&lie.to_vec().unwrap(), peer).unwrap();
            socket.send_to(&truth, peer).await.unwrap();
        }
    });
    let room = Room::new(&[at]);
    assert_eq!(room.addresses("a.example.org.", RecordType::A).await.0, ["192.0.2.53"]);
}

#[tokio::test]
async fn questions_leave_from_different_ports_under_different_numbers() {
    let ports = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let seen = ports.clone();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            seen.lock().unwrap().push((peer.port(), [buffer[0], buffer[1]]));
            socket.send_to(&usual(&buffer[..length], false), peer).await.unwrap();
        }
    });
    let room = Room::new(&[at]);
    for number in 0..40 {
        room.addresses(&format!("n{number}.example.org."), RecordType::A).await;
    }
    let seen = ports.lock().unwrap().clone();
    let ports: std::collections::BTreeSet<_> = seen.iter().map(|(port, _)| port).collect();
    let numbers: std::collections::BTreeSet<_> = seen.iter().map(|(_, number)| number).collect();
    assert!(ports.len() > 30 && numbers.len() > 30, "{} ports, {} numbers", ports.len(), numbers.len());
}

#[tokio::test]
async fn a_resolv_conf_that_names_the_proxy_itself_makes_no_loop() {
    let at = free_address();
    let room = Room::at(at, &format!("nameserver [{}]:{}", at.ip(), at.port()), Some(mesh()));
    assert_eq!(room.addresses("a.example.org.", RecordType::A).await.1, "Server Failure");
    assert_eq!(room.addresses("web.", RecordType::A).await.0, ["10.96.0.1"]);
}

#[tokio::test]
async fn responses_are_not_answered_and_what_is_no_query_is_refused() {
    let room = Room::new(&[free_address()]);
    let mut response = asking("web.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    let moment = Duration::from_millis(300);
    assert_eq!(room.raw(&response.to_vec().unwrap(), moment).await, None);
    assert_eq!(room.raw(b"x", moment).await, None);
    let mut update = asking("example.org.", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(room.ask(&update).await.metadata.response_code, ResponseCode::NotImp);
    let transfer = room.ask(&asking("example.org.", RecordType::AXFR)).await;
    assert_eq!(transfer.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn a_connection_with_nonsense_or_half_a_query_harms_nobody() {
    let room = Room::new(&[free_address()]);
    let mut idle = Vec::new();
    for bytes in [&[0_u8, 0][..], &[0, 1, 7], &[0xff; 300], &[0, 40, 1, 2, 3]] {
        let mut stream = TcpStream::connect(room.at).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        idle.push(stream);
    }
    assert_eq!(room.ask_connected(&asking("web.", RecordType::A)).await.answers.len(), 1);
    // One that is no query at all is closed.
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), idle[1].read_to_end(&mut rest)).await;
    assert!(closed.is_ok() && rest.is_empty());
}

#[test]
fn random_datagrams_and_damaged_queries_leave_the_next_query_its_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::new(|_, _| Vec::new()));
    let room = Room::new(&[server.at]);
    let random = prop::collection::vec(any::<u8>(), 0..700);
    let damaged = (any::<prop::sample::Index>(), any::<u8>(), any::<u16>(), any::<bool>()).prop_map(
        |(at, byte, kind, mesh)| {
            let name = if mesh { "web.shop." } else { "a.example.org." };
            let mut bytes = asking(name, RecordType::from(kind)).to_vec().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        },
    );
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let result = runner.run(&prop_oneof![random, damaged], |bytes| {
        let _ = socket.send_to(&bytes, room.at);
        Ok(())
    });
    result.unwrap();
    let asked = runtime.block_on(room.addresses("web.", RecordType::A));
    assert_eq!(asked.0, ["10.96.0.1"]);
}
