use super::*;

#[test]
fn the_family_asked_for_decides_which_addresses_count() {
    let addresses: Vec<SocketAddr> =
        ["[::1]:1", "127.0.0.2:1", "127.0.0.1:1", "127.0.0.1:1"].map(|a| a.parse().unwrap()).into();
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

#[tokio::test]
async fn a_name_of_the_hosts_file_becomes_addresses_and_an_unknown_one_an_error() {
    let resolver = resolver().unwrap();
    let named = |name: &str| {
        let endpoint = Endpoint {
            address: Address::Name(name.to_owned(), 80),
            weight: 1,
            health: Default::default(),
            transport_match: Default::default(),
            workload: String::new(),
            hostname: String::new(),
        };
        let localities =
            vec![weft_model::endpoint::LocalityEndpoints { endpoints: vec![endpoint], ..Default::default() }];
        LoadAssignment { cluster: "c".into(), localities, overprovisioning_factor: None }
    };
    let dns = weft_model::cluster::Dns { family: DnsFamily::V4Preferred, ..Default::default() };
    let cluster = Cluster { discovery: Discovery::StrictDns, dns, ..Cluster::default() };
    let (found, _) = resolve(&resolver, &named("localhost"), &cluster).await.unwrap();
    let endpoint = &found.localities[0].endpoints[0];
    assert_eq!(endpoint.address, Address::Socket("127.0.0.1:80".parse().unwrap()));
    assert_eq!(endpoint.hostname, "localhost");
}

#[test]
fn a_name_that_does_not_resolve_is_asked_for_ever_less_often() {
    let waits = [1, 2, 3, 4, 7, 1000].map(|failures| after(failures).as_secs());
    assert_eq!(waits, [1, 2, 4, 8, 60, 60]);
}
