use std::sync::atomic::{AtomicU8, Ordering};

use super::*;

#[test]
fn the_family_asked_for_decides_which_addresses_count() {
    let addresses: Vec<SocketAddr> =
        ["[::1]:1", "127.0.0.1:1", "127.0.0.2:1"].map(|a| a.parse().unwrap()).into();
    let pick = |family| choose(addresses.clone(), family).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(pick(DnsFamily::V4Only), ["127.0.0.1:1", "127.0.0.2:1"]);
    assert_eq!(pick(DnsFamily::V4Preferred), ["127.0.0.1:1", "127.0.0.2:1"]);
    assert_eq!(pick(DnsFamily::Auto), ["[::1]:1"]);
    assert_eq!(pick(DnsFamily::All).len(), 3);
}

#[test]
fn the_answers_own_time_counts_unless_a_rate_is_set_and_never_less_than_a_second() {
    use weft_model::cluster::Dns;
    let cluster = |dns| Cluster { dns, ..Cluster::default() };
    let rate = Some(Duration::from_secs(60));
    let ttl = Duration::from_secs(20);
    let by_ttl = Dns { refresh_rate: rate, respect_ttl: true, ..Dns::default() };
    assert_eq!(pause(&cluster(by_ttl), ttl), ttl);
    assert_eq!(pause(&cluster(Dns { respect_ttl: false, ..by_ttl }), ttl), Duration::from_secs(60));
    assert_eq!(pause(&cluster(Dns::default()), Duration::ZERO), SOONEST);
}

fn named(names: &[&str]) -> Arc<Cluster> {
    let endpoint = |name: &&str| Endpoint {
        address: Address::Name((*name).to_owned(), 80),
        weight: 1,
        health: Default::default(),
        transport_match: Default::default(),
        workload: String::new(),
        hostname: String::new(),
    };
    let endpoints = names.iter().map(endpoint).collect();
    let localities = vec![weft_model::endpoint::LocalityEndpoints { endpoints, ..Default::default() }];
    Arc::new(Cluster {
        name: "c".into(),
        discovery: Discovery::StrictDns,
        dns: weft_model::cluster::Dns { family: DnsFamily::V4Preferred, ..Default::default() },
        load_assignment: Some(LoadAssignment {
            cluster: "c".into(),
            localities,
            overprovisioning_factor: None,
        }),
        ..Cluster::default()
    })
}

fn addresses(of: &LoadAssignment) -> Vec<String> {
    let endpoints = of.localities.iter().flat_map(|of| &of.endpoints);
    endpoints.map(|endpoint| format!("{:?}", endpoint.address)).collect()
}

#[tokio::test]
async fn a_name_of_the_hosts_file_becomes_addresses_beside_one_that_nobody_knows() {
    let cluster = named(&["localhost", "no-such-name.invalid"]);
    let wanted = cluster.load_assignment.as_ref().unwrap();
    let mut known = Known::default();
    known.ask(&resolver().unwrap(), "c", names(wanted)).await;
    let found = assign(&known, wanted, &cluster);
    assert_eq!(addresses(&found), [r"Socket(127.0.0.1:80)"]);
    assert_eq!(found.localities[0].endpoints[0].hostname, "localhost");
    assert!(known.fails());
}

#[test]
fn of_all_addresses_those_of_strict_dns_have_a_stable_order_and_logical_dns_takes_the_first_of_the_answer() {
    let answered = |addresses: [&str; 3], discovery| {
        let cluster = Cluster { discovery, ..Cluster::clone(&named(&["a.test"])) };
        let mut known = Known::default();
        known.resolves("c", "a.test".into(), addresses.map(|a| a.parse().unwrap()).into());
        super::tests::addresses(&assign(&known, cluster.load_assignment.as_ref().unwrap(), &cluster))
    };
    let all = ["Socket(192.0.2.1:80)", "Socket(192.0.2.2:80)"];
    for order in [["192.0.2.2", "192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2", "192.0.2.2"]] {
        assert_eq!(answered(order, Discovery::StrictDns), all);
    }
    assert_eq!(answered(["192.0.2.2", "192.0.2.1", "192.0.2.2"], Discovery::LogicalDns), all[1..]);
    assert_eq!(answered(["2001:db8::1", "192.0.2.1", "192.0.2.2"], Discovery::LogicalDns), all[..1]);
}

/// A DNS server that knows `stays.test`, whose last octet follows `is`, and `goes.test` while `is` is 1.
async fn server(is: Arc<AtomicU8>) -> TokioResolver {
    use hickory_proto::op::{Message, Metadata, ResponseCode};
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{RData, Record, RecordType};
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
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
            let octet = is.load(Ordering::SeqCst);
            let stays = name.to_string().starts_with("stays");
            match asked.query_type() {
                RecordType::A if stays || octet == 1 => {
                    let last = if stays { octet } else { 100 };
                    answer.add_answer(Record::from_rdata(name, 0, RData::A(A::new(192, 0, 2, last))));
                }
                RecordType::AAAA if stays || octet == 1 => {}
                _ => answer.metadata.response_code = ResponseCode::NXDomain,
            }
            socket.send_to(&answer.to_vec().unwrap(), peer).await.unwrap();
        }
    });
    let mut connection = ConnectionConfig::udp();
    connection.port = at.port();
    let config = ResolverConfig::from_parts(
        None,
        vec![],
        vec![NameServerConfig::new(at.ip(), true, vec![connection])],
    );
    let mut builder = TokioResolver::builder_with_config(config, Default::default());
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.options_mut().cache_size = 0;
    builder.build().unwrap()
}

#[tokio::test]
async fn a_name_that_vanishes_keeps_its_last_addresses_and_holds_no_other_back() {
    let is = Arc::new(AtomicU8::new(1));
    let resolver = server(is.clone()).await;
    let (answers, mut heard) = mpsc::channel(4);
    tokio::spawn(keep_resolved(resolver, named(&["goes.test", "stays.test"]), answers));
    let first = heard.recv().await.unwrap();
    assert_eq!(addresses(&first.assignment), ["Socket(192.0.2.100:80)", "Socket(192.0.2.1:80)"]);
    is.store(2, Ordering::SeqCst);
    let second = heard.recv().await.unwrap();
    assert_eq!(addresses(&second.assignment), ["Socket(192.0.2.100:80)", "Socket(192.0.2.2:80)"]);
}

#[test]
fn a_name_that_does_not_resolve_is_asked_for_ever_less_often() {
    let waits = [1, 2, 3, 4, 7, 1000].map(|failures| after(failures).as_secs());
    assert_eq!(waits, [1, 2, 4, 8, 60, 60]);
}

#[test]
fn a_name_without_an_address_is_told_in_words() {
    use hickory_resolver::net::NoRecords;
    use hickory_resolver::proto::op::{Query, ResponseCode};
    let said = |code| why(&NoRecords::new(Query::default(), code).into());
    assert_eq!(said(ResponseCode::NXDomain), "the DNS server knows no such name");
    assert_eq!(said(ResponseCode::NoError), "the DNS server knows no address of that name");
}
