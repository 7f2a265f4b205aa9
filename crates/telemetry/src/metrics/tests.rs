use std::collections::BTreeMap;

use super::*;
use crate::{ConnectionSecurity, Peer, PeerMetadata, Protocol, Record, Reporter, ResponseFlag, Service};

type Sample = (String, BTreeMap<String, String>, f64);

/// Reads an exposition back, strictly.
fn parse(text: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut types = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(declaration) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declaration.split_once(' ').unwrap();
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is declared twice");
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
            None => (series, ""),
        };
        let mut read = BTreeMap::new();
        let mut rest = labels;
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"").unwrap();
            let end = after.find('"').unwrap();
            assert!(!after[..end].contains('\\'), "nothing here needs an escape: {line}");
            assert!(
                read.insert(label.to_owned(), after[..end].to_owned()).is_none(),
                "{label} twice in {line}"
            );
            rest = after[end + 1..].strip_prefix(',').unwrap_or(&after[end + 1..]);
        }
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(types.contains_key(name) || types.contains_key(family), "{name} has no TYPE");
        assert!(!samples.iter().any(|(n, l, _)| n == name && *l == read), "twice: {line}");
        samples.push((name.to_owned(), read, value.parse().unwrap()));
    }
    samples
}

fn find<'a>(samples: &'a [Sample], name: &str) -> Vec<(&'a BTreeMap<String, String>, f64)> {
    samples.iter().filter(|(n, ..)| n == name).map(|(_, labels, value)| (labels, *value)).collect()
}

fn metrics(max_series: usize) -> (Metrics, Instant) {
    let start = Instant::now();
    let settings = MetricsSettings { max_series, idle: Duration::from_secs(60) };
    (Metrics::new(settings, "proxy", "0.1.0", start), start)
}

fn productpage() -> Arc<Peer> {
    let metadata = PeerMetadata {
        workload: "productpage-v1".into(),
        namespace: "default".into(),
        canonical_service: "productpage".into(),
        canonical_revision: "v1".into(),
        app: "productpage".into(),
        version: "v1".into(),
        cluster: "Kubernetes".into(),
        ..Default::default()
    };
    Arc::new(Peer::new(metadata, Some("spiffe://cluster.local/ns/default/sa/productpage")))
}

fn request<'a>(source: &'a Arc<Peer>, service: &'a Arc<Service>) -> Record<'a> {
    Record {
        reporter: Reporter::Destination,
        response_code: Some(200),
        duration: Duration::from_micros(7_250),
        request_headers_bytes: Some(300),
        bytes_received: 200,
        bytes_sent: 2_000,
        source: Some(source),
        service: Some(service),
        security: ConnectionSecurity::MutualTls,
        ..Record::default()
    }
}

fn reviews() -> Arc<Service> {
    Arc::new(Service::new("reviews.default.svc.cluster.local", "reviews", "default"))
}

#[test]
fn a_request_has_istio_s_name_and_labels() {
    let (metrics, now) = metrics(10);
    let (source, service) = (productpage(), reviews());
    let mut requests = metrics.requests();
    requests.record(&request(&source, &service));
    requests.record(&request(&source, &service));
    let samples = parse(&metrics.render(now));
    let found = find(&samples, "istio_requests_total");
    let expected = BTreeMap::from(
        [
            ("reporter", "destination"),
            ("source_workload", "productpage-v1"),
            ("source_workload_namespace", "default"),
            ("source_principal", "spiffe://cluster.local/ns/default/sa/productpage"),
            ("source_app", "productpage"),
            ("source_version", "v1"),
            ("source_canonical_service", "productpage"),
            ("source_canonical_revision", "v1"),
            ("source_cluster", "Kubernetes"),
            ("destination_workload", "unknown"),
            ("destination_workload_namespace", "unknown"),
            ("destination_principal", "unknown"),
            ("destination_app", "unknown"),
            ("destination_version", "unknown"),
            ("destination_canonical_service", "unknown"),
            ("destination_canonical_revision", "latest"),
            ("destination_cluster", "unknown"),
            ("destination_service", "reviews.default.svc.cluster.local"),
            ("destination_service_name", "reviews"),
            ("destination_service_namespace", "default"),
            ("request_protocol", "http"),
            ("response_code", "200"),
            ("grpc_response_status", ""),
            ("response_flags", "-"),
            ("connection_security_policy", "mutual_tls"),
        ]
        .map(|(label, value)| (label.to_owned(), value.to_owned())),
    );
    assert_eq!(found, [(&expected, 2.0)]);
    assert_eq!(find(&samples, "istio_request_duration_milliseconds_sum")[0].1, 14.5);
    assert_eq!(find(&samples, "istio_request_bytes_sum")[0].1, 1_000.0);
    assert_eq!(find(&samples, "istio_response_bytes_sum")[0].1, 4_000.0);
    let buckets = find(&samples, "istio_request_duration_milliseconds_bucket");
    let at = |le: &str| buckets.iter().find(|(labels, _)| labels["le"] == le).unwrap().1;
    assert_eq!((buckets.len(), at("5"), at("10"), at("+Inf")), (20, 0.0, 2.0, 2.0));
    let build = find(&samples, "istio_build");
    assert_eq!(
        (build[0].0["component"].as_str(), build[0].0["tag"].as_str(), build[0].1),
        ("proxy", "0.1.0", 1.0)
    );
}

#[test]
fn grpc_counts_messages_and_its_status() {
    let (metrics, now) = metrics(10);
    let (source, service) = (productpage(), reviews());
    let record = Record {
        grpc: true,
        grpc_status: Some(14),
        request_messages: 3,
        response_messages: 5,
        protocol: Protocol::Http2,
        ..request(&source, &service)
    };
    metrics.requests().record(&record);
    let samples = parse(&metrics.render(now));
    let found = find(&samples, "istio_requests_total");
    assert_eq!(found[0].0["request_protocol"], "grpc");
    assert_eq!(found[0].0["grpc_response_status"], "14");
    assert_eq!(find(&samples, "istio_request_messages_total")[0].1, 3.0);
    assert_eq!(find(&samples, "istio_response_messages_total")[0].1, 5.0);
}

#[test]
fn plain_http_has_no_message_counters() {
    let (metrics, now) = metrics(10);
    metrics.requests().record(&request(&productpage(), &reviews()));
    assert!(find(&parse(&metrics.render(now)), "istio_request_messages_total").is_empty());
}

#[test]
fn a_tcp_connection_is_counted_from_open_to_close() {
    let (metrics, now) = metrics(10);
    let (source, service) = (productpage(), reviews());
    let record = Record { protocol: Protocol::Tcp, ..request(&source, &service) };
    let tcp = metrics.tcp();
    let one = tcp.open(&record);
    let other = tcp.open(&record);
    one.carried(10, 20);
    one.carried(1, 2);
    one.close(&Record { flags: ResponseFlag::UpstreamConnectionFailure.into(), ..record });
    drop(other);
    let samples = parse(&metrics.render(now));
    let total = |name: &str, flags: &str| -> f64 {
        find(&samples, name)
            .iter()
            .filter(|(labels, _)| labels["response_flags"] == flags)
            .map(|(_, v)| v)
            .sum()
    };
    assert_eq!(total("istio_tcp_connections_opened_total", "-"), 2.0);
    assert_eq!(total("istio_tcp_connections_closed_total", "-"), 1.0);
    assert_eq!(total("istio_tcp_connections_closed_total", "UF"), 1.0);
    assert_eq!(total("istio_tcp_sent_bytes_total", "-"), 11.0);
    assert_eq!(total("istio_tcp_received_bytes_total", "-"), 22.0);
    assert!(find(&samples, "istio_tcp_sent_bytes_total")[0].0.get("response_code").is_none());
}

#[test]
fn workers_that_read_the_same_peer_apart_count_together() {
    let (metrics, now) = metrics(10);
    for _ in 0..3 {
        metrics.requests().record(&request(&productpage(), &reviews()));
    }
    let samples = parse(&metrics.render(now));
    assert_eq!(find(&samples, "istio_requests_total").iter().map(|(_, v)| *v).collect::<Vec<_>>(), [3.0]);
}

#[test]
fn too_many_strangers_become_other_and_are_counted() {
    let (metrics, now) = metrics(5);
    let service = reviews();
    let mut requests = metrics.requests();
    for stranger in 0..50 {
        let metadata = PeerMetadata { workload: format!("w{stranger}"), ..Default::default() };
        let source = Arc::new(Peer::new(metadata, None));
        requests.record(&request(&source, &service));
        requests.record(&request(&source, &service));
    }
    let samples = parse(&metrics.render(now));
    let found = find(&samples, "istio_requests_total");
    assert_eq!(found.len(), 6);
    assert_eq!(found.iter().map(|(_, value)| value).sum::<f64>(), 100.0);
    let other = found.iter().find(|(labels, _)| labels["source_workload"] == "other").unwrap();
    assert_eq!(
        (other.1, other.0["response_code"].as_str(), other.0["reporter"].as_str()),
        (90.0, "other", "destination")
    );
    let overflow = find(&samples, "weft_metrics_overflow_total");
    assert_eq!(overflow.iter().map(|(_, value)| value).sum::<f64>(), 45.0);
    assert!(requests.series.len() <= 10);
}

#[test]
fn other_ends_when_there_is_room_again() {
    let (metrics, start) = metrics(2);
    let service = reviews();
    let names = ["a", "b", "c"].map(|name| PeerMetadata { workload: name.into(), ..Default::default() });
    let peers = names.map(|metadata| Arc::new(Peer::new(metadata, None)));
    let mut requests = metrics.requests();
    peers.iter().for_each(|peer| requests.record(&request(peer, &service)));
    metrics.upkeep(start + Duration::from_secs(59));
    requests.record(&request(&peers[2], &service));
    metrics.upkeep(start + Duration::from_secs(61));
    requests.record(&request(&peers[2], &service));
    let samples = parse(&metrics.render(start + Duration::from_secs(62)));
    let found = find(&samples, "istio_requests_total");
    let of =
        |name| found.iter().find(|(labels, _)| labels["source_workload"] == name).map(|(_, value)| *value);
    assert_eq!((of("other"), of("c")), (Some(2.0), Some(1.0)));
}

#[test]
fn what_nobody_uses_is_forgotten_and_comes_back_from_zero() {
    let (metrics, start) = metrics(10);
    let (source, service) = (productpage(), reviews());
    let later = |seconds| start + Duration::from_secs(seconds);
    let mut requests = metrics.requests();
    requests.record(&request(&source, &service));
    metrics.upkeep(later(50));
    requests.record(&request(&source, &service));
    metrics.upkeep(later(100));
    assert_eq!(metrics.shared.requests.all().len(), 1);
    metrics.upkeep(later(111));
    assert_eq!(metrics.shared.requests.all().len(), 0);
    let other = Arc::new(Peer::unknown(None));
    requests.record(&request(&other, &service));
    assert_eq!(requests.series.len(), 1, "the worker drops its forgotten handle too");
    requests.record(&request(&source, &service));
    let histograms =
        find(&parse(&metrics.render(later(112))), "istio_request_duration_milliseconds_count").len();
    assert_eq!(histograms, 2);
}

#[test]
fn an_open_connection_is_not_forgotten() {
    let (metrics, start) = metrics(10);
    let record = Record { protocol: Protocol::Tcp, ..Record::default() };
    let connection = metrics.tcp().open(&record);
    for day in 1..10 {
        metrics.upkeep(start + Duration::from_secs(86_400 * day));
    }
    connection.carried(1, 1);
    let now = start + Duration::from_secs(864_000);
    assert_eq!(find(&parse(&metrics.render(now)), "istio_tcp_sent_bytes_total")[0].1, 1.0);
    drop(connection);
    metrics.upkeep(now + Duration::from_secs(61));
    assert_eq!(metrics.shared.tcp.all().len(), 0);
}

#[test]
fn hostile_bytes_in_labels_stay_inside_their_quotes() {
    let (metrics, now) = metrics(10);
    let principal = "spiffe://a\\\"} 1\nistio_requests_total{x=\"";
    let source =
        Arc::new(Peer::new(PeerMetadata { workload: "a\\".into(), ..Default::default() }, Some(principal)));
    metrics.requests().record(&request(&source, &reviews()));
    metrics.counter("weft_test_total", "A test", &[("who", "a\"b\\\n")]).increment(1);
    let samples = parse(&metrics.render(now));
    let found = find(&samples, "istio_requests_total");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0["source_principal"], "spiffe://a__} 1_istio_requests_total{x=_");
    assert_eq!(find(&samples, "weft_test_total")[0].0["who"], "a_b__");
}

#[test]
#[ignore = "a measurement: run with --release --ignored --nocapture"]
fn nanoseconds_of_a_hit() {
    let (metrics, _) = metrics(100);
    let (source, service) = (productpage(), reviews());
    let mut requests = metrics.requests();
    let record = request(&source, &service);
    requests.record(&record);
    let rounds = 2_000_000_u32;
    let start = Instant::now();
    for _ in 0..rounds {
        requests.record(std::hint::black_box(&record));
    }
    println!("{:.1} ns a hit", start.elapsed().as_nanos() as f64 / f64::from(rounds));
}

#[test]
fn what_reached_no_service_is_the_workloads_own_and_a_certificate_tells_whose_namespace_a_peer_is_of() {
    let (metrics, now) = metrics(100);
    let mut requests = metrics.requests();
    let liar = PeerMetadata { namespace: "bank".into(), ..productpage().metadata().clone() };
    let liar = Arc::new(Peer::new(liar, productpage().principal()));
    let (own, nobody) = (productpage(), Arc::new(Service::new("", "", "")));
    requests.record(&Record { destination: Some(&own), service: None, ..request(&liar, &nobody) });
    requests.record(&Record { destination: Some(&own), ..request(&liar, &nobody) });
    let source = Record {
        reporter: Reporter::Source,
        destination: Some(&own),
        service: None,
        ..request(&liar, &nobody)
    };
    requests.record(&source);
    metrics.upkeep(now);
    let samples = parse(&metrics.render(now));
    for (labels, _) in find(&samples, "istio_requests_total") {
        assert_eq!(labels["source_workload_namespace"], "default", "proven, whatever the header says");
        let here = labels["reporter"] == "destination";
        let (name, namespace) = if here { ("productpage", "default") } else { ("unknown", "unknown") };
        assert_eq!(labels["destination_service"], name);
        assert_eq!(labels["destination_service_name"], name);
        assert_eq!(labels["destination_service_namespace"], namespace);
    }
}

#[test]
fn what_goes_to_no_cluster_counts_for_the_host_that_was_asked_for_and_a_flood_of_hosts_for_none() {
    let (metrics, now) = metrics(1000);
    let mut requests = metrics.requests();
    let (source, service) = (productpage(), reviews());
    let here = Record { reporter: Reporter::Source, service: None, ..request(&source, &service) };
    let redirect = Record { authority: Some(b"old.shop:8080"), response_code: Some(301), ..here };
    requests.record(&redirect);
    requests.record(&redirect);
    let blocked = Record { authority: Some(b"stranger"), route_name: Some("block_all"), ..here };
    requests.record(&blocked);
    // A server does not believe what hosts its clients write.
    requests.record(&Record { reporter: Reporter::Destination, ..redirect });
    let hosts: Vec<String> = (0..500).map(|nth| format!("flood-{nth}")).collect();
    for host in &hosts {
        requests.record(&Record { authority: Some(host.as_bytes()), ..here });
    }
    let samples = parse(&metrics.render(now));
    let found = find(&samples, "istio_requests_total");
    let count = |label: &str, value: &str| {
        let of = found.iter().filter(|(labels, _)| labels[label] == value && labels["reporter"] == "source");
        of.map(|(_, count)| count).sum::<f64>()
    };
    assert_eq!(count("destination_service", "old.shop:8080"), 2.0);
    assert_eq!(count("destination_service_name", "old.shop:8080"), 2.0);
    assert_eq!(count("destination_service_name", "BlackHoleCluster"), 1.0);
    assert_eq!(count("destination_service", "stranger"), 0.0);
    assert!(count("destination_service", "unknown") > 300.0, "most of the flood has no name");
    assert!(found.len() < 140, "{}", found.len());
}
