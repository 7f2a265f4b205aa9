//! What an app may rely on whose DNS the sidecar answers: real sockets on both sides, a server of the test's own behind.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "dns/hostile.rs"]
mod hostile;
#[path = "dns/peers.rs"]
mod peers;
#[path = "dns/room.rs"]
mod room;
#[path = "dns/server.rs"]
mod server;

use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;
use weft_testkit::{eventually, free_address};

use room::{Room, asking, mesh};
use server::{Server, response, usual};

#[tokio::test]
async fn the_mesh_s_names_are_answered_in_each_of_their_forms_and_nobody_is_asked() {
    let server = Server::usual().await;
    let room = Room::new(&[server.at]);
    let good = |ip: &str| (vec![ip.to_owned()], "No Error".to_owned());
    for (name, ip) in [
        ("web.", "10.96.0.1"),
        ("WEB.shop.", "10.96.0.1"),
        ("web.shop.svc.", "10.96.0.1"),
        ("web.shop.svc.cluster.local.", "10.96.0.1"),
        ("api.example.com.", "240.240.0.7"),
        ("api.example.com.shop.svc.cluster.local.", "240.240.0.7"),
        ("a.b.wild.example.", "192.0.2.1"),
    ] {
        assert_eq!(room.addresses(name, RecordType::A).await, good(ip), "{name}");
        let nothing = (vec![], "No Error".to_owned());
        assert_eq!(room.addresses(name, RecordType::AAAA).await, nothing, "{name} exists, without IPv6");
    }
    let mut first = Vec::new();
    for _ in 0..3 {
        let (ips, _) = room.addresses("db.shop.", RecordType::A).await;
        assert_eq!(ips.len(), 3);
        first.push(ips[0].clone());
    }
    first.sort();
    assert_eq!(first, ["10.0.0.1", "10.0.0.2", "10.0.0.3"], "each of them is the first in its turn");
    assert_eq!(server.asked(), 0);
    assert!(room.metric("weft_dns_answers_total{source=\"mesh\"}") >= 17.0);
}

#[tokio::test]
async fn where_there_is_no_server_the_cluster_s_own_names_are_missing_and_the_world_s_unknown() {
    let at = free_address();
    let itself = format!(
        "nameserver [{}]:{}\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\n",
        at.ip(),
        at.port()
    );
    let room = Room::at(at, &itself, Some(mesh()));
    let said = async |name: &str, kind| {
        let (addresses, code) = room.addresses(name, kind).await;
        (addresses.len(), code)
    };
    let code = |code: ResponseCode| code.to_string();
    assert_eq!(said("web.", RecordType::A).await, (1, code(ResponseCode::NoError)));
    for kind in [RecordType::SRV, RecordType::TXT, RecordType::HTTPS] {
        assert_eq!(said("web.shop.", kind).await, (0, code(ResponseCode::NoError)), "{kind}");
    }
    let missing = ["wep.", "wep.shop.svc.cluster.local.", "wep.svc.cluster.local.", "wep.cluster.local."];
    for missing in missing.into_iter().chain(["wep.shop.", "wep.shop.svc."]) {
        for kind in [RecordType::A, RecordType::AAAA] {
            assert_eq!(said(missing, kind).await, (0, code(ResponseCode::NXDomain)), "{missing}");
        }
    }
    assert_eq!(said("example.org.", RecordType::A).await, (0, code(ResponseCode::ServFail)));
}

#[tokio::test]
async fn every_other_query_reaches_the_server_as_it_is_and_so_does_the_answer() {
    let server = Server::usual().await;
    let room = Room::new(&[server.at]);
    let mut query = asking("Some.Example.ORG.", RecordType::TXT);
    let mut edns = Edns::new();
    edns.set_max_payload(1400).set_dnssec_ok(true);
    edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
    query.set_edns(edns);
    let bytes = query.to_vec().unwrap();
    for _ in 0..2 {
        let answer = room.raw(&bytes, Duration::from_secs(10)).await.unwrap();
        assert_eq!(server.last()[2..], bytes[2..], "all but the number is what the app sent");
        assert_eq!(answer, usual(&bytes, false), "with the number that the app chose");
    }
    assert_eq!(server.asked(), 2, "options are between the app and the server");
    assert_ne!(server.last()[..2], bytes[..2], "the number is drawn anew");
}

#[tokio::test]
async fn types_that_the_mesh_has_not_are_forwarded_and_do_not_make_its_name_unknown() {
    let server = Server::new(|query, _| vec![response(query, ResponseCode::NXDomain, |_| {})]).await;
    let room = Room::new(&[server.at]);
    let of_mesh = room.ask(&asking("api.example.com.", RecordType::MX)).await;
    assert_eq!(of_mesh.metadata.response_code, ResponseCode::NoError);
    let other = room.ask(&asking("other.example.com.", RecordType::MX)).await;
    assert_eq!(other.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn an_answer_serves_for_its_time_and_counts_it_down() {
    let server = Server::usual().await;
    let room = Room::new(&[server.at]);
    let first = room.ask(&asking("a.example.org.", RecordType::A)).await;
    assert_eq!(first.answers[0].ttl, 300);
    for name in ["no.example.org.", "no.example.org."] {
        assert_eq!(room.addresses(name, RecordType::A).await.1, "Non-Existent Domain");
    }
    let mut kept = first;
    eventually("a second has passed", async || {
        kept = room.ask(&asking("A.Example.org.", RecordType::A)).await;
        kept.answers[0].ttl < 300
    })
    .await;
    assert_eq!(kept.queries[0].name().to_ascii(), "A.Example.org.", "spelled as it was asked");
    assert_eq!(server.asked(), 2, "one question of each kind");
    // On a connection, too.
    assert_eq!(room.ask_connected(&asking("a.example.org.", RecordType::A)).await.answers.len(), 1);
    assert_eq!(server.asked(), 2);
    assert!(room.metric("weft_dns_answers_total{source=\"cache\"}") >= 3.0);
    assert!((room.metric("dns_upstream_requests_total") - 2.0).abs() < 0.1);
    assert!((room.metric("dns_upstream_request_duration_seconds_count") - 2.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_ask_at_once_is_asked_once() {
    let server = Server::new(|_, _| Vec::new()).await;
    let room = std::sync::Arc::new(Room::new(&[server.at]));
    let askers: Vec<_> = (0..50)
        .map(|_| {
            let room = room.clone();
            tokio::spawn(async move { room.addresses("a.example.org.", RecordType::A).await })
        })
        .collect();
    eventually("the question is put", async || server.asked() == 1).await;
    // The next try is answered.
    server.behave(|query, connected| vec![usual(query, connected)]);
    for asker in askers {
        assert_eq!(asker.await.unwrap().0, ["192.0.2.53"]);
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn while_no_server_answers_what_was_known_serves_on_and_the_rest_fails_in_words() {
    let server = Server::usual().await;
    let room = Room::new(&[server.at]);
    assert_eq!(room.addresses("short.example.org.", RecordType::A).await.0, ["192.0.2.53"]);
    server.behave(|_, _| Vec::new());
    let mut answer = Message::query();
    eventually("its time is over", async || {
        answer = room.ask(&asking("short.example.org.", RecordType::A)).await;
        answer.answers[0].ttl == 30
    })
    .await;
    assert_eq!(answer.answers.len(), 1);
    let unknown = room.addresses("unknown.example.org.", RecordType::A).await;
    assert_eq!(unknown, (vec![], "Server Failure".to_owned()));
    assert!(room.metric("dns_upstream_failures_total") >= 2.0);
    assert!(room.metric("weft_dns_answers_total{source=\"stale\"}") >= 1.0);
    server.behave(|query, connected| vec![usual(query, connected)]);
    eventually("the server is heard again", async || {
        room.ask(&asking("short.example.org.", RecordType::A)).await.answers[0].ttl <= 1
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_gone_silent_or_unable_costs_a_query_its_time_and_not_its_answer() {
    let good = Server::usual().await;
    let (silent, unable) = (
        Server::new(|_, _| Vec::new()).await,
        Server::new(|query, _| vec![response(query, ResponseCode::ServFail, |_| {})]).await,
    );
    let room = Room::new(&[free_address(), silent.at, unable.at, good.at]);
    assert_eq!(room.addresses("a.example.org.", RecordType::A).await.0, ["192.0.2.53"]);
    assert_eq!((silent.asked(), unable.asked(), good.asked()), (1, 1, 1));
    // Whoever was silent is not waited for again.
    let began = Instant::now();
    assert_eq!(room.addresses("b.example.org.", RecordType::A).await.0, ["192.0.2.53"]);
    assert_eq!(silent.asked(), 1);
    assert!(began.elapsed() < Duration::from_secs(10));
    // All are unable: that is what the app hears.
    good.behave(|query, _| vec![response(query, ResponseCode::ServFail, |_| {})]);
    silent.behave(|query, _| vec![response(query, ResponseCode::Refused, |_| {})]);
    assert_ne!(room.addresses("c.example.org.", RecordType::A).await.1, "No Error");
}

#[tokio::test]
async fn an_answer_too_large_for_a_datagram_is_had_on_a_connection() {
    let server = Server::usual().await;
    let room = Room::new(&[server.at]);
    let query = asking("large.example.org.", RecordType::TXT);
    let cut = room.ask(&query).await;
    assert!(cut.metadata.truncation && cut.answers.is_empty());
    let whole = room.ask_connected(&query).await;
    assert!(!whole.metadata.truncation && whole.to_vec().unwrap().len() > 6000);
    // Now it is known, and still too large for a datagram.
    assert!(room.ask(&query).await.metadata.truncation);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn queries_before_the_control_plane_has_spoken_wait_for_it() {
    let server = Server::usual().await;
    let text = format!("nameserver [{}]:{}", server.at.ip(), server.at.port());
    let room = Room::at(free_address(), &text, None);
    let asked = async { room.addresses("web.", RecordType::A).await };
    let spoken = async {
        tokio::task::yield_now().await;
        assert_eq!(server.asked(), 0);
        room.names.publish(Some(mesh()));
    };
    assert_eq!(tokio::join!(asked, spoken).0.0, ["10.96.0.1"]);
}
