//! How connections to a service are carried: mTLS wherever the endpoint can, or as a DestinationRule says.

use std::collections::BTreeMap;

use weft_model::cluster::{Cluster, Discovery, TransportMatch, UpstreamProtocol};
use weft_model::matcher::StringMatcher;
use weft_model::tls::{
    CertificateSource, CommonTls, Roots, SanKind, SanMatcher, SecretRef, TlsVersion, Transport, UpstreamTls,
    Validation,
};

use super::Proxy;
use super::names::server_name;
use crate::resources::destination_rule::{ClientTls, TlsMode};
use crate::world::service::Service;

/// The proxy's own secret of that name, which its agent hands out.
pub(crate) fn own_secret(name: &str) -> SecretRef {
    SecretRef { name: name.to_owned(), over_ads: false }
}

/// What both ends of mTLS share.
pub(crate) fn mutual(match_sans: Vec<SanMatcher>, alpn: &[&str]) -> CommonTls {
    CommonTls {
        certificates: vec![CertificateSource::Sds(own_secret("default"))],
        validation: Validation { roots: Some(Roots::Sds(own_secret("ROOTCA"))), match_sans },
        alpn: alpn.iter().map(|name| (*name).to_owned()).collect(),
        min_version: Some(TlsVersion::V1_2),
        max_version: Some(TlsVersion::V1_3),
        cipher_suites: Vec::new(),
    }
}

/// Sets the transport of a cluster that leads to `subset` of the service's `port`.
pub(super) fn apply(
    cluster: &mut Cluster,
    proxy: &Proxy<'_>,
    service: &Service,
    port: u16,
    subset: &str,
    rule: Option<&ClientTls>,
) {
    let is_http2 = cluster.http.protocol == UpstreamProtocol::Http2;
    let ours = |sni: String, sans: Vec<SanMatcher>| {
        let mut alpn =
            if proxy.istio_filters() { vec!["istio-peer-exchange", "istio"] } else { vec!["istio"] };
        alpn.extend(is_http2.then_some("h2"));
        let common = mutual(sans, &alpn);
        Transport::Tls(Box::new(UpstreamTls { common, sni, ..UpstreamTls::default() }))
    };
    let default_sni = || server_name(port, subset, &service.host);
    match rule {
        // Of whoever is reached by its own address nothing is known when a connection is made: all of them speak mTLS,
        // or none does.
        None if proxy.world.mesh.auto_mtls
            && !service.external
            && cluster.discovery == Discovery::OriginalDst =>
        {
            let speaks = service.endpoints.is_empty() || any_takes_mtls(service, port);
            cluster.transport =
                if speaks { ours(default_sni(), accounts(proxy, service)) } else { Transport::Raw };
        }
        None if proxy.world.mesh.auto_mtls && !service.external => {
            let matching = |name: &str, criteria, transport| TransportMatch {
                name: name.to_owned(),
                criteria,
                transport,
            };
            let can = BTreeMap::from([("tlsMode".to_owned(), "istio".to_owned())]);
            let transport = ours(default_sni(), accounts(proxy, service));
            cluster.transport_matches = vec![
                matching("tlsMode-istio", can, transport),
                matching("tlsMode-disabled", BTreeMap::new(), Transport::Raw),
            ];
        }
        None => {}
        Some(tls) => match tls.mode {
            TlsMode::Disable => {}
            TlsMode::IstioMutual => {
                let sni = if tls.sni.is_empty() { default_sni() } else { tls.sni.clone() };
                let sans = if tls.subject_alt_names.is_empty() {
                    accounts(proxy, service)
                } else {
                    exactly(&tls.subject_alt_names)
                };
                cluster.transport = ours(sni, sans);
            }
            TlsMode::Simple | TlsMode::Mutual => outside(cluster, service, tls, is_http2),
        },
    }
}

fn any_takes_mtls(service: &Service, port: u16) -> bool {
    let place = service.place(port);
    service.endpoints.iter().any(|endpoint| {
        let target = place.and_then(|place| endpoint.ports.get(place).copied().flatten());
        target.is_some_and(|target| endpoint.workload.takes_mtls(target))
    })
}

/// TLS to somebody outside the mesh, by its own names and roots.
fn outside(cluster: &mut Cluster, service: &Service, tls: &ClientTls, is_http2: bool) {
    let named =
        if tls.subject_alt_names.is_empty() { &service.subject_alt_names } else { &tls.subject_alt_names };
    let roots = match (tls.insecure_skip_verify, &*tls.credential_name, &*tls.ca_certificates) {
        (Some(true), ..) => None,
        (_, "", "") => Some(SecretRef { name: "file-root:system".to_owned(), over_ads: false }),
        (_, "", path) => Some(SecretRef { name: format!("file-root:{path}"), over_ads: false }),
        (_, name, _) => Some(SecretRef { name: format!("kubernetes://{name}-cacert"), over_ads: true }),
    };
    let mut certificates = Vec::new();
    if tls.mode == TlsMode::Mutual {
        certificates.push(CertificateSource::Sds(if tls.credential_name.is_empty() {
            own_secret(&format!("file-cert:{}~{}", tls.client_certificate, tls.private_key))
        } else {
            SecretRef { name: format!("kubernetes://{}", tls.credential_name), over_ads: true }
        }));
    }
    let match_sans = if roots.is_some() { exactly(named) } else { Vec::new() };
    let common = CommonTls {
        certificates,
        validation: Validation { roots: roots.map(Roots::Sds), match_sans },
        alpn: if is_http2 { vec!["h2".to_owned()] } else { Vec::new() },
        min_version: Some(TlsVersion::V1_2),
        max_version: Some(TlsVersion::V1_3),
        cipher_suites: Vec::new(),
    };
    if tls.sni.is_empty() {
        cluster.http.auto_sni = true;
        cluster.http.auto_san_validation = named.is_empty() && tls.insecure_skip_verify != Some(true);
    }
    cluster.istio.keep_alpn = true;
    cluster.transport =
        Transport::Tls(Box::new(UpstreamTls { common, sni: tls.sni.clone(), ..UpstreamTls::default() }));
}

/// The identities of a service: its accounts in this trust domain and those that count as it.
fn accounts(proxy: &Proxy<'_>, service: &Service) -> Vec<SanMatcher> {
    let mut names: Vec<String> = service
        .accounts()
        .into_iter()
        .flat_map(|(namespace, account)| {
            let domains = proxy.world.mesh.trust_domains();
            domains.map(move |domain| format!("spiffe://{domain}/ns/{namespace}/sa/{account}"))
        })
        .chain(service.subject_alt_names.iter().cloned())
        .collect();
    names.sort();
    names.dedup();
    exactly(&names)
}

fn exactly(names: &[String]) -> Vec<SanMatcher> {
    names.iter().map(|name| SanMatcher { kind: SanKind::Any, matcher: StringMatcher::exact(name) }).collect()
}
