//! Transport sockets: TLS contexts, secrets and whom to believe.

use weft_model::tls::{
    CertificateSource, CommonTls, DownstreamTls, Roots, SanKind, SecretRef, TlsVersion, Transport,
    UpstreamTls, Validation,
};

use super::matcher::string;
use super::value::{file, inline, over_ads, pack, yes};
use crate::pb::{self, Any, core, raw_buffer, tls};

/// The cluster of a proxy's bootstrap behind which its own agent serves its secrets.
const AGENT: &str = "sds-grpc";

pub(crate) fn downstream(value: &Transport<DownstreamTls>) -> Option<core::TransportSocket> {
    match value {
        Transport::Raw => None,
        Transport::Tls(value) => {
            let context = tls::DownstreamTlsContext {
                common_tls_context: Some(common(&value.common)),
                require_client_certificate: yes(value.require_client_certificate),
                ..Default::default()
            };
            Some(socket("envoy.transport_sockets.tls", pack(&context)))
        }
        Transport::Unknown(what) => Some(unknown(what)),
    }
}

pub(crate) fn upstream(value: &Transport<UpstreamTls>) -> Option<core::TransportSocket> {
    match value {
        Transport::Raw => None,
        Transport::Tls(value) => {
            let context = tls::UpstreamTlsContext {
                common_tls_context: Some(common(&value.common)),
                sni: value.sni.clone(),
                auto_host_sni: value.auto_sni,
                auto_sni_san_validation: value.auto_san_validation,
                ..Default::default()
            };
            Some(socket("envoy.transport_sockets.tls", pack(&context)))
        }
        Transport::Unknown(what) => Some(unknown(what)),
    }
}

/// One of `transport_socket_matches`, where a raw transport is spelled out.
pub(crate) fn spelled_out(value: &Transport<UpstreamTls>) -> core::TransportSocket {
    upstream(value).unwrap_or_else(|| {
        socket("envoy.transport_sockets.raw_buffer", pack(&raw_buffer::RawBuffer::default()))
    })
}

fn socket(name: &str, config: Any) -> core::TransportSocket {
    let config_type = Some(core::transport_socket::ConfigType::TypedConfig(config));
    core::TransportSocket { name: name.to_owned(), config_type }
}

/// A transport by a name that nobody has: a proxy refuses it rather than speak in the clear.
fn unknown(what: &str) -> core::TransportSocket {
    core::TransportSocket { name: what.to_owned(), config_type: None }
}

fn common(value: &CommonTls) -> tls::CommonTlsContext {
    let mut context = tls::CommonTlsContext {
        tls_params: parameters(value),
        alpn_protocols: value.alpn.clone(),
        validation_context_type: validation(&value.validation),
        ..Default::default()
    };
    for source in &value.certificates {
        match source {
            CertificateSource::Sds(source) => context.tls_certificate_sds_secret_configs.push(secret(source)),
            CertificateSource::Files { chain, key } => context.tls_certificates.push(tls::TlsCertificate {
                certificate_chain: Some(file(chain)),
                private_key: Some(file(key)),
                ..Default::default()
            }),
        }
    }
    context
}

fn parameters(value: &CommonTls) -> Option<tls::TlsParameters> {
    use tls::tls_parameters::TlsProtocol;
    if value.min_version.is_none() && value.max_version.is_none() && value.cipher_suites.is_empty() {
        return None;
    }
    let version = |version| match version {
        None => TlsProtocol::TlsAuto as i32,
        Some(TlsVersion::V1_2) => TlsProtocol::TlSv12 as i32,
        Some(TlsVersion::V1_3) => TlsProtocol::TlSv13 as i32,
    };
    Some(tls::TlsParameters {
        tls_minimum_protocol_version: version(value.min_version),
        tls_maximum_protocol_version: version(value.max_version),
        cipher_suites: value.cipher_suites.clone(),
        ..Default::default()
    })
}

/// Where a secret comes from: over ADS, or from the agent. The workload's own and the mesh's roots are waited for.
pub(crate) fn secret(value: &SecretRef) -> tls::SdsSecretConfig {
    let source = if value.over_ads {
        over_ads(false)
    } else {
        let waits = matches!(value.name.as_str(), "default" | "ROOTCA");
        core::ConfigSource {
            authorities: Vec::new(),
            initial_fetch_timeout: waits.then(pb::Duration::default),
            resource_api_version: core::ApiVersion::V3 as i32,
            config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::ApiConfigSource(
                agent(),
            )),
        }
    };
    tls::SdsSecretConfig { name: value.name.clone(), sds_config: Some(source) }
}

fn agent() -> core::ApiConfigSource {
    use core::grpc_service::{EnvoyGrpc, TargetSpecifier};
    let target =
        TargetSpecifier::EnvoyGrpc(EnvoyGrpc { cluster_name: AGENT.to_owned(), ..Default::default() });
    core::ApiConfigSource {
        api_type: core::api_config_source::ApiType::Grpc as i32,
        transport_api_version: core::ApiVersion::V3 as i32,
        grpc_services: vec![core::GrpcService { target_specifier: Some(target), ..Default::default() }],
        set_node_on_first_message_only: true,
        ..Default::default()
    }
}

fn validation(value: &Validation) -> Option<tls::common_tls_context::ValidationContextType> {
    use tls::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType as Is};
    let names = names(value);
    match &value.roots {
        None if value.match_sans.is_empty() => None,
        None => Some(Is::ValidationContext(names)),
        Some(Roots::Sds(source)) => {
            Some(Is::CombinedValidationContext(CombinedCertificateValidationContext {
                default_validation_context: Some(names),
                validation_context_sds_secret_config: Some(secret(source)),
                ..Default::default()
            }))
        }
        Some(Roots::File(path)) => Some(Is::ValidationContext(tls::CertificateValidationContext {
            trusted_ca: Some(file(path)),
            ..names
        })),
        Some(Roots::Inline(pem)) => Some(Is::ValidationContext(tls::CertificateValidationContext {
            trusted_ca: Some(inline(pem)),
            ..names
        })),
    }
}

/// Names of any kind in istiod's field; of a given kind in the newer one. Envoy reads one of the two, so a mixture
/// says `any` by naming each kind.
#[allow(deprecated, reason = "istiod writes `match_subject_alt_names`")]
fn names(value: &Validation) -> tls::CertificateValidationContext {
    use tls::subject_alt_name_matcher::SanType;
    let mut context = tls::CertificateValidationContext::default();
    if value.match_sans.iter().all(|san| san.kind == SanKind::Any) {
        context.match_subject_alt_names = value.match_sans.iter().map(|san| string(&san.matcher)).collect();
        return context;
    }
    for san in &value.match_sans {
        let kinds: &[SanType] = match san.kind {
            SanKind::Uri => &[SanType::Uri],
            SanKind::Dns => &[SanType::Dns],
            SanKind::Ip => &[SanType::IpAddress],
            SanKind::Email => &[SanType::Email],
            SanKind::Any => &[SanType::Uri, SanType::Dns, SanType::IpAddress, SanType::Email],
        };
        for kind in kinds {
            context.match_typed_subject_alt_names.push(tls::SubjectAltNameMatcher {
                san_type: *kind as i32,
                matcher: Some(string(&san.matcher)),
                oid: String::new(),
            });
        }
    }
    context
}
