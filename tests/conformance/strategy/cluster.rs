//! Clusters and endpoints.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use weft_model::cluster::*;
use weft_model::endpoint::*;
use weft_model::health::{HealthCheck, Probe};
use weft_model::tls::*;

use super::{address, duration, name, string_matcher, text};

pub(crate) fn locality() -> BoxedStrategy<Locality> {
    (text(), text(), text()).prop_map(|(region, zone, sub_zone)| Locality { region, zone, sub_zone }).boxed()
}

fn endpoint() -> BoxedStrategy<Endpoint> {
    let address = prop_oneof![
        address().prop_map(Address::Socket),
        ("[a-z]{1,8}\\.example", any::<u16>()).prop_map(|(name, port)| Address::Name(name, port)),
        "/run/[a-z]{1,5}".prop_map(Address::Pipe),
    ];
    let health = prop_oneof![
        Just(Health::Unknown),
        Just(Health::Healthy),
        Just(Health::Unhealthy),
        Just(Health::Draining),
        Just(Health::Degraded)
    ];
    (address, 1_u32.., health, btree_map(name(), text(), 0..3), text(), text())
        .prop_map(|(address, weight, health, transport_match, workload, hostname)| Endpoint {
            address,
            weight,
            health,
            transport_match,
            workload,
            hostname,
        })
        .boxed()
}

pub(crate) fn load_assignment() -> BoxedStrategy<LoadAssignment> {
    let group = (locality(), of(any::<u32>()), 0..=128_u32, vec(endpoint(), 0..3)).prop_map(
        |(locality, weight, priority, endpoints)| LocalityEndpoints { locality, weight, priority, endpoints },
    );
    (name(), vec(group, 0..3), of(1_u32..))
        .prop_map(|(cluster, localities, overprovisioning_factor)| LoadAssignment {
            cluster,
            localities,
            overprovisioning_factor,
        })
        .boxed()
}

fn secret() -> BoxedStrategy<SecretRef> {
    let name = prop_oneof![Just("default".to_owned()), Just("ROOTCA".to_owned()), name()];
    (name, any::<bool>()).prop_map(|(name, over_ads)| SecretRef { name, over_ads }).boxed()
}

fn validation() -> BoxedStrategy<Validation> {
    let roots = prop_oneof![
        secret().prop_map(Roots::Sds),
        text().prop_map(Roots::File),
        text().prop_map(Roots::Inline)
    ];
    let kind = prop_oneof![Just(SanKind::Uri), Just(SanKind::Dns), Just(SanKind::Ip), Just(SanKind::Email)];
    let typed = (kind, string_matcher()).prop_map(|(kind, matcher)| SanMatcher { kind, matcher });
    let untyped = string_matcher().prop_map(|matcher| SanMatcher { kind: SanKind::Any, matcher });
    let sans = prop_oneof![vec(typed, 0..3), vec(untyped, 0..3)];
    (of(roots), sans).prop_map(|(roots, match_sans)| Validation { roots, match_sans }).boxed()
}

pub(super) fn common_tls() -> BoxedStrategy<CommonTls> {
    // Those in files stand before those by SDS on the wire.
    let files = vec((name(), name()).prop_map(|(chain, key)| CertificateSource::Files { chain, key }), 0..2);
    let secrets = vec(secret().prop_map(CertificateSource::Sds), 0..2);
    let certificates = (files, secrets).prop_map(|(files, secrets)| [files, secrets].concat());
    let versions = prop_oneof![
        Just((None, None)),
        Just((Some(TlsVersion::V1_2), Some(TlsVersion::V1_3))),
        Just((Some(TlsVersion::V1_3), None)),
        Just((None, Some(TlsVersion::V1_2))),
    ];
    (certificates, validation(), vec(text(), 0..3), versions, vec(name(), 0..3))
        .prop_map(|(certificates, validation, alpn, (min_version, max_version), cipher_suites)| CommonTls {
            certificates,
            validation,
            alpn,
            min_version,
            max_version,
            cipher_suites,
        })
        .boxed()
}

fn transport() -> BoxedStrategy<Transport<UpstreamTls>> {
    let tls = (common_tls(), text(), any::<bool>(), any::<bool>()).prop_map(
        |(common, sni, auto_sni, auto_san_validation)| {
            Transport::Tls(Box::new(UpstreamTls { common, sni, auto_sni, auto_san_validation }))
        },
    );
    prop_oneof![Just(Transport::Raw), tls, name().prop_map(Transport::Unknown)].boxed()
}

fn balancing() -> BoxedStrategy<Balancing> {
    let slow_start =
        (duration(), 0.1..9.0_f64, 0.0..100.0_f64).prop_map(|(window, aggression, min_weight_percent)| {
            SlowStart { window, aggression, min_weight_percent }
        });
    let policy = prop_oneof![
        of(slow_start.clone()).prop_map(|slow| (LbPolicy::RoundRobin, slow)),
        (2..9_u32, of(slow_start)).prop_map(|(choices, slow)| (LbPolicy::LeastRequest { choices }, slow)),
        Just((LbPolicy::Random, None)),
        any::<u64>().prop_map(|minimum_ring_size| (LbPolicy::RingHash { minimum_ring_size }, None)),
        any::<u64>().prop_map(|table_size| (LbPolicy::Maglev { table_size }, None)),
        Just((LbPolicy::ClusterProvided, None)),
    ];
    (policy, of(0.0..=100.0_f64), any::<bool>())
        .prop_map(|((policy, slow_start), panic_threshold, locality_weighted)| Balancing {
            policy,
            panic_threshold,
            locality_weighted,
            slow_start,
        })
        .boxed()
}

fn breakers() -> BoxedStrategy<CircuitBreakers> {
    let number = of(any::<u32>());
    let budget = (0.0..=100.0_f64, any::<u32>()).prop_map(|(budget_percent, min_retry_concurrency)| {
        RetryBudget { budget_percent, min_retry_concurrency }
    });
    (number.clone(), number.clone(), number.clone(), number, of(budget), any::<bool>())
        .prop_map(
            |(
                max_connections,
                max_pending_requests,
                max_requests,
                max_retries,
                retry_budget,
                track_remaining,
            )| {
                CircuitBreakers {
                    max_connections,
                    max_pending_requests,
                    max_requests,
                    max_retries,
                    retry_budget,
                    track_remaining,
                }
            },
        )
        .boxed()
}

fn outlier() -> BoxedStrategy<OutlierDetection> {
    let times = [of(duration()), of(duration()), of(duration())];
    (vec(of(any::<u32>()), 3), vec(of(0..=100_u32), 6), times, any::<bool>())
        .prop_map(
            |(
                counts,
                shares,
                [interval, base_ejection_time, max_ejection_time],
                split_external_local_origin_errors,
            )| {
                OutlierDetection {
                    consecutive_5xx: counts[0],
                    consecutive_gateway_failure: counts[1],
                    consecutive_local_origin_failure: counts[2],
                    enforcing_consecutive_5xx: shares[0],
                    enforcing_consecutive_gateway_failure: shares[1],
                    enforcing_consecutive_local_origin_failure: shares[2],
                    max_ejection_percent: shares[3],
                    enforcing_success_rate: shares[4],
                    enforcing_local_origin_success_rate: shares[5],
                    interval,
                    base_ejection_time,
                    max_ejection_time,
                    split_external_local_origin_errors,
                    health_check_readmits: Some(false),
                }
            },
        )
        .boxed()
}

fn upstream_http() -> BoxedStrategy<UpstreamHttp> {
    let protocol = prop_oneof![
        any::<bool>().prop_map(|case| (UpstreamProtocol::Http1, None, case)),
        of(any::<u32>()).prop_map(|streams| (UpstreamProtocol::Http2, streams, false)),
        (of(any::<u32>()), any::<bool>()).prop_map(|(streams, case)| (
            UpstreamProtocol::Downstream,
            streams,
            case
        )),
        (of(any::<u32>()), any::<bool>()).prop_map(|(streams, case)| (UpstreamProtocol::Auto, streams, case)),
    ];
    (protocol, of(duration()), of(any::<u32>()), of(duration()), any::<bool>(), any::<bool>())
        .prop_map(
            |(
                protocol,
                idle_timeout,
                max_requests_per_connection,
                max_connection_duration,
                auto_sni,
                auto_san_validation,
            )| {
                UpstreamHttp {
                    protocol: protocol.0,
                    idle_timeout,
                    max_requests_per_connection,
                    max_concurrent_streams: protocol.1,
                    max_connection_duration,
                    preserve_header_case: protocol.2,
                    auto_sni,
                    auto_san_validation,
                }
            },
        )
        .boxed()
}

fn istio() -> BoxedStrategy<IstioMetadata> {
    let service =
        (text(), text(), text()).prop_map(|(host, name, namespace)| IstioService { host, name, namespace });
    (vec(service, 0..3), text(), text(), any::<bool>(), of(any::<u16>()), any::<bool>())
        .prop_map(|(services, config, subset, external, default_original_port, keep_alpn)| IstioMetadata {
            services,
            config,
            subset,
            external,
            default_original_port,
            keep_alpn,
        })
        .boxed()
}

fn health_check() -> BoxedStrategy<HealthCheck> {
    let probe = prop_oneof![
        ("/[a-z]{0,9}", text(), any::<bool>()).prop_map(|(path, host, patient)| Probe::Http {
            path,
            host,
            patient
        }),
        ("[a-z.]{0,9}", text()).prop_map(|(service, authority)| Probe::Grpc { service, authority }),
        Just(Probe::Tcp),
    ];
    let time = || (1..1_000_000_u64).prop_map(std::time::Duration::from_millis);
    (probe, time(), any::<u32>(), time(), any::<u32>(), any::<u32>())
        .prop_map(|(probe, interval, jitter_percent, timeout, unhealthy_threshold, healthy_threshold)| {
            HealthCheck { probe, interval, jitter_percent, timeout, unhealthy_threshold, healthy_threshold }
        })
        .boxed()
}

pub(crate) fn cluster() -> BoxedStrategy<Cluster> {
    let discovery = prop_oneof![
        // A service name of the cluster's own would be said as the empty one.
        prop_oneof![Just(String::new()), name().prop_map(|name| format!("eds {name}"))]
            .prop_map(Discovery::Eds),
        Just(Discovery::Static),
        Just(Discovery::StrictDns),
        Just(Discovery::LogicalDns),
        Just(Discovery::OriginalDst),
        name().prop_map(Discovery::Unknown),
    ];
    let seconds = of(any::<u32>().prop_map(|seconds| std::time::Duration::from_secs(seconds.into())));
    let keepalive = (of(any::<u32>()), seconds.clone(), seconds)
        .prop_map(|(probes, time, interval)| TcpKeepalive { probes, time, interval });
    let family = prop_oneof![
        Just(DnsFamily::Auto),
        Just(DnsFamily::V4Only),
        Just(DnsFamily::V6Only),
        Just(DnsFamily::V4Preferred),
        Just(DnsFamily::All)
    ];
    let dns = (family, of(duration()), any::<bool>()).prop_map(|(family, refresh_rate, respect_ttl)| Dns {
        family,
        refresh_rate,
        respect_ttl,
    });
    let transport_match = (text(), btree_map(name(), text(), 0..3), transport())
        .prop_map(|(name, criteria, transport)| TransportMatch { name, criteria, transport });
    let first =
        (name(), discovery, of(load_assignment()), balancing(), of(duration()), breakers(), of(outlier()));
    let second = (
        upstream_http(),
        transport(),
        vec(transport_match, 0..3),
        of(address()),
        of(keepalive),
        dns,
        istio(),
    );
    (first, second, (any::<bool>(), of(health_check())), any::<bool>())
        .prop_map(
            |(
                (
                    name,
                    discovery,
                    load_assignment,
                    balancing,
                    connect_timeout,
                    circuit_breakers,
                    outlier_detection,
                ),
                (http, transport, transport_matches, bind_address, tcp_keepalive, dns, istio),
                (metadata_exchange, health_check),
                ignore_health_on_host_removal,
            )| Cluster {
                name,
                discovery,
                load_assignment,
                balancing,
                connect_timeout,
                circuit_breakers,
                health_check,
                outlier_detection,
                http,
                transport,
                transport_matches,
                bind_address,
                tcp_keepalive,
                dns,
                istio,
                metadata_exchange,
                ignore_health_on_host_removal,
            },
        )
        .boxed()
}
