//! A DNS name that vanishes: its last addresses serve on, the log says so once, and no other endpoint notices.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, Metadata, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use tokio::sync::mpsc;
use weft_model::cluster::{Discovery, Dns, DnsFamily};
use weft_model::endpoint::Address;
use weft_proxy::config::resolve::keep_resolved;
use weft_testkit::app::Switched;
use weft_testkit::{eventually, settings};

use super::events::Events;
use super::{GET, NAME, Way, ask};

/// A server that has an address for every name of `.test`, and for none that begins with `goes` once `gone` is set.
async fn server(gone: Arc<AtomicBool>) -> TokioResolver {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let asked = query.queries[0].clone();
            let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
            answer.metadata = Metadata::response_from_request(&query.metadata);
            answer.add_queries(query.queries.iter().cloned());
            let name = asked.name().clone();
            if name.to_string().starts_with("goes") && gone.load(Ordering::SeqCst) {
                answer.metadata.response_code = ResponseCode::NXDomain;
            } else if asked.query_type() == RecordType::A {
                answer.add_answer(Record::from_rdata(name, 0, RData::A(A(Ipv4Addr::LOCALHOST))));
            }
            let _ = socket.send_to(&answer.to_vec().unwrap(), peer).await;
        }
    });
    let mut connection = ConnectionConfig::udp();
    connection.port = at.port();
    let server = NameServerConfig::new(at.ip(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, vec![], vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, Default::default());
    builder.options_mut().cache_size = 0;
    builder.build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_vanishes_costs_no_request_and_is_told_once() {
    let events = Events::hear();
    let apps = [Switched::new().await, Switched::new().await];
    let mut cluster = settings::cluster(NAME, &apps.each_ref().map(|app| app.address));
    cluster.discovery = Discovery::StrictDns;
    cluster.dns = Dns { family: DnsFamily::V4Only, ..Dns::default() };
    let named = cluster.load_assignment.as_mut().unwrap();
    let endpoints = named.localities.iter_mut().flat_map(|of| &mut of.endpoints);
    for (endpoint, name) in endpoints.zip(["goes.test", "stays.test"]) {
        let Address::Socket(at) = endpoint.address else { panic!("{endpoint:?}") };
        endpoint.address = Address::Name(name.to_owned(), at.port());
    }
    let known = cluster.clone();
    let way = Way::to(&[SocketAddr::from(([127, 0, 0, 1], 1))], |given| *given = cluster).await;
    let gone = Arc::new(AtomicBool::new(false));
    let (answers, mut heard) = mpsc::channel(4);
    tokio::spawn(keep_resolved(server(gone.clone()).await, Arc::new(known), answers));
    let first = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("resolved").unwrap();
    way.sidecar.resolved(NAME, first.assignment);
    let mut client = way.client().await;
    let both = async |client: &mut _| {
        let before = apps.each_ref().map(Switched::seen);
        for _ in 0..6 {
            assert_eq!(ask(client, GET).await.0, 200);
        }
        apps.iter().zip(before).all(|(app, before)| app.seen() > before)
    };
    assert!(both(&mut client).await, "both are asked");
    gone.store(true, Ordering::SeqCst);
    let words = [
        "WARN",
        "a name does not resolve any more; its last addresses stay",
        "name=goes.test",
        "kept=[127.0.0.1]",
    ];
    eventually("it is told", async || events.has(&words)).await;
    assert!(heard.try_recv().is_err(), "there are no other addresses");
    assert!(both(&mut client).await, "both are asked on");
    gone.store(false, Ordering::SeqCst);
    eventually("it is back", async || events.has(&["INFO", "a name resolves again", "name=goes.test"])).await;
    assert_eq!(events.count(&words), 1, "it is told once");
}
