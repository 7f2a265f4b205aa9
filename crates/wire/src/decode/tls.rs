//! Transport sockets: TLS contexts, secrets and whom to believe.
//!
//! A demand that cannot be checked here makes the whole transport `Unknown`: never weaker than what was asked.

use weft_model::tls::{
    CertificateSource, CommonTls, DownstreamTls, Roots, SanKind, SanMatcher, SecretRef, TlsVersion,
    Transport, UpstreamTls, Validation,
};

use super::at::{At, Decoded, Present, unpack};
use super::matcher::string;
use super::value::{Packed, message, packed};
use crate::encode;
use crate::pb::{core, tls};

/// What was read, or why the transport as a whole is not spoken.
type Spoken<T> = Result<T, String>;

pub(super) fn downstream(
    at: &At<'_>,
    socket: Option<core::TransportSocket>,
) -> Decoded<Transport<DownstreamTls>> {
    transport(at, socket, "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", |at, bytes| {
        let context: tls::DownstreamTlsContext = message(at, bytes)?;
        unpack!(at, context, tls::DownstreamTlsContext { common_tls_context, require_client_certificate } else { require_sni, disable_stateful_session_resumption, session_timeout, ocsp_staple_policy, full_scan_certs_on_sni_mismatch, prefer_client_ciphers, session_ticket_keys_type });
        let common = common(&at.field("common_tls_context"), common_tls_context.unwrap_or_default())?;
        let require_client_certificate = require_client_certificate.is_some_and(|required| required.value);
        Ok(common.map(|common| DownstreamTls { common, require_client_certificate }))
    })
}

#[allow(deprecated, reason = "what older control planes write is noted too")]
pub(super) fn upstream(
    at: &At<'_>,
    socket: Option<core::TransportSocket>,
) -> Decoded<Transport<UpstreamTls>> {
    transport(at, socket, "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", |at, bytes| {
        let context: tls::UpstreamTlsContext = message(at, bytes)?;
        unpack!(at, context, tls::UpstreamTlsContext {
            common_tls_context, sni, auto_host_sni, auto_sni_san_validation
        } else { allow_renegotiation, max_session_keys, enforce_rsa_key_usage });
        let common = common(&at.field("common_tls_context"), common_tls_context.unwrap_or_default())?;
        Ok(common.map(|common| UpstreamTls {
            common,
            sni,
            auto_sni: auto_host_sni,
            auto_san_validation: auto_sni_san_validation,
        }))
    })
}

fn transport<T>(
    at: &At<'_>,
    socket: Option<core::TransportSocket>,
    tls_type: &str,
    context: impl FnOnce(&At<'_>, &[u8]) -> Decoded<Spoken<T>>,
) -> Decoded<Transport<T>> {
    use core::transport_socket::ConfigType;
    let at = at.field("transport_socket");
    let Some(socket) = socket else { return Ok(Transport::Raw) };
    let Some(ConfigType::TypedConfig(any)) = socket.config_type else {
        let raw = socket.name == "envoy.transport_sockets.raw_buffer";
        return Ok(if raw { Transport::Raw } else { Transport::Unknown(socket.name) });
    };
    let at = at.field("typed_config");
    Ok(match packed(&at, &any)? {
        Packed::Message(name, bytes) if name == tls_type => match context(&at, bytes)? {
            Ok(context) => Transport::Tls(Box::new(context)),
            Err(why) => {
                at.note(format!("not spoken, for it asks for {why}"));
                Transport::Unknown(why)
            }
        },
        Packed::Message("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", _) => Transport::Raw,
        other => {
            at.note("this transport is not spoken");
            Transport::Unknown(other.type_name().to_owned())
        }
    })
}

#[allow(deprecated, reason = "the older ways to name a certificate provider must be refused too")]
fn common(at: &At<'_>, value: tls::CommonTlsContext) -> Decoded<Spoken<CommonTls>> {
    unpack!(at, value, tls::CommonTlsContext {
        tls_params, tls_certificates, tls_certificate_sds_secret_configs, alpn_protocols, validation_context_type,
        tls_certificate_provider_instance, custom_tls_certificate_selector, tls_certificate_certificate_provider,
        tls_certificate_certificate_provider_instance, custom_handshaker
    } else { key_log });
    let foreign = [
        ("tls_certificate_provider_instance", tls_certificate_provider_instance.present()),
        ("tls_certificate_certificate_provider", tls_certificate_certificate_provider.present()),
        (
            "tls_certificate_certificate_provider_instance",
            tls_certificate_certificate_provider_instance.present(),
        ),
        ("custom_tls_certificate_selector", custom_tls_certificate_selector.present()),
        ("custom_handshaker", custom_handshaker.present()),
    ];
    if let Some((field, _)) = foreign.iter().find(|(_, present)| *present) {
        return Ok(Err((*field).to_owned()));
    }
    let mut certificates = Vec::new();
    for (n, value) in tls_certificates.into_iter().enumerate() {
        match files(&at.item("tls_certificates", n), value) {
            Some(source) => certificates.push(source),
            None => return Ok(Err("a certificate that stands in place".to_owned())),
        }
    }
    for (n, value) in tls_certificate_sds_secret_configs.into_iter().enumerate() {
        let secret = secret(&at.item("tls_certificate_sds_secret_configs", n), value)?;
        certificates.push(CertificateSource::Sds(secret));
    }
    let validation = match validation(at, validation_context_type)? {
        Ok(validation) => validation,
        Err(why) => return Ok(Err(why)),
    };
    let (min_version, max_version, cipher_suites) = parameters(&at.field("tls_params"), tls_params)?;
    Ok(Ok(CommonTls {
        certificates,
        validation,
        alpn: alpn_protocols,
        min_version,
        max_version,
        cipher_suites,
    }))
}

type Parameters = (Option<TlsVersion>, Option<TlsVersion>, Vec<String>);

fn parameters(at: &At<'_>, value: Option<tls::TlsParameters>) -> Decoded<Parameters> {
    use tls::tls_parameters::TlsProtocol;
    let Some(value) = value else { return Ok((None, None, Vec::new())) };
    unpack!(at, value, tls::TlsParameters {
        tls_minimum_protocol_version, tls_maximum_protocol_version, cipher_suites
    } else { ecdh_curves, signature_algorithms, compliance_policies });
    let version = |field: &str, value: i32| match TlsProtocol::try_from(value) {
        Ok(TlsProtocol::TlsAuto) => Ok(None),
        Ok(TlsProtocol::TlSv12) => Ok(Some(TlsVersion::V1_2)),
        Ok(TlsProtocol::TlSv13) => Ok(Some(TlsVersion::V1_3)),
        Ok(TlsProtocol::TlSv10 | TlsProtocol::TlSv11) if field == "tls_minimum_protocol_version" => {
            at.field(field).note("TLS below 1.2 is not spoken: the minimum is 1.2");
            Ok(None)
        }
        _ => Err(at.field(field).fault("TLS 1.2 and 1.3 are spoken here")),
    };
    let min = version("tls_minimum_protocol_version", tls_minimum_protocol_version)?;
    let max = version("tls_maximum_protocol_version", tls_maximum_protocol_version)?;
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        return Err(at.fault("the maximum version is below the minimum"));
    }
    Ok((min, max, cipher_suites))
}

/// A certificate in two files; any other kind is not read.
fn files(at: &At<'_>, value: tls::TlsCertificate) -> Option<CertificateSource> {
    use core::data_source::Specifier::Filename;
    unpack!(at, value, tls::TlsCertificate { certificate_chain, private_key } else { pkcs12, watched_directory, private_key_provider, password, ocsp_staple, signed_certificate_timestamp, tls_params });
    match (certificate_chain?.specifier?, private_key?.specifier?) {
        (Filename(chain), Filename(key)) => Some(CertificateSource::Files { chain, key }),
        _ => None,
    }
}

fn secret(at: &At<'_>, value: tls::SdsSecretConfig) -> Decoded<SecretRef> {
    use core::config_source::ConfigSourceSpecifier as Over;
    if value.name.is_empty() {
        return Err(at.field("name").fault("it is empty"));
    }
    let specifier = value.sds_config.as_ref().and_then(|source| source.config_source_specifier.as_ref());
    let over_ads = matches!(specifier, Some(Over::Ads(_) | Over::Self_(_)));
    let secret = SecretRef { name: value.name, over_ads };
    if value.sds_config != encode::tls::secret(&secret).sds_config {
        let whence = if over_ads { "over ADS" } else { "from the proxy's own agent" };
        at.field("sds_config").note(format!("the secret is taken {whence}, whatever else is said here"));
    }
    Ok(secret)
}

#[allow(deprecated, reason = "the older ways to name a certificate provider must be refused too")]
fn validation(
    at: &At<'_>,
    value: Option<tls::common_tls_context::ValidationContextType>,
) -> Decoded<Spoken<Validation>> {
    use tls::common_tls_context::ValidationContextType as Is;
    match value {
        None => Ok(Ok(Validation::default())),
        Some(Is::ValidationContext(context)) => plain(&at.field("validation_context"), context),
        Some(Is::ValidationContextSdsSecretConfig(value)) => {
            let roots = secret(&at.field("validation_context_sds_secret_config"), value)?;
            Ok(Ok(Validation { roots: Some(Roots::Sds(roots)), match_sans: Vec::new() }))
        }
        Some(Is::CombinedValidationContext(value)) => {
            combined(&at.field("combined_validation_context"), value)
        }
        Some(
            Is::ValidationContextCertificateProvider(_) | Is::ValidationContextCertificateProviderInstance(_),
        ) => Ok(Err("roots of a certificate provider".to_owned())),
    }
}

#[allow(deprecated, reason = "the older ways to name a certificate provider must be refused too")]
fn combined(
    at: &At<'_>,
    value: tls::common_tls_context::CombinedCertificateValidationContext,
) -> Decoded<Spoken<Validation>> {
    use tls::common_tls_context::CombinedCertificateValidationContext as Combined;
    unpack!(at, value, Combined {
        default_validation_context, validation_context_sds_secret_config, validation_context_certificate_provider,
        validation_context_certificate_provider_instance
    } else {});
    if validation_context_certificate_provider.is_some()
        || validation_context_certificate_provider_instance.is_some()
    {
        return Ok(Err("roots of a certificate provider".to_owned()));
    }
    let context = default_validation_context.unwrap_or_default();
    let mut validation = match plain(&at.field("default_validation_context"), context)? {
        Ok(validation) => validation,
        Err(why) => return Ok(Err(why)),
    };
    if let Some(value) = validation_context_sds_secret_config {
        let roots = secret(&at.field("validation_context_sds_secret_config"), value)?;
        if validation.roots.is_some() {
            at.field("default_validation_context")
                .field("trusted_ca")
                .note("the secret's roots count instead");
        }
        validation.roots = Some(Roots::Sds(roots));
    }
    Ok(Ok(validation))
}

#[allow(deprecated, reason = "istiod writes `match_subject_alt_names`")]
fn plain(at: &At<'_>, value: tls::CertificateValidationContext) -> Decoded<Spoken<Validation>> {
    unpack!(at, value, tls::CertificateValidationContext {
        trusted_ca, match_typed_subject_alt_names, match_subject_alt_names,
        ca_certificate_provider_instance, system_root_certs, verify_certificate_spki, verify_certificate_hash,
        require_signed_certificate_timestamp, crl, custom_validator_config, max_verify_depth
    } else { watched_directory, allow_expired_certificate, trust_chain_verification, only_verify_leaf_cert_crl, suppress_client_ca_list });
    let stricter = [
        ("ca_certificate_provider_instance", ca_certificate_provider_instance.present()),
        ("system_root_certs", system_root_certs.present()),
        ("verify_certificate_spki", verify_certificate_spki.present()),
        ("verify_certificate_hash", verify_certificate_hash.present()),
        (
            "require_signed_certificate_timestamp",
            require_signed_certificate_timestamp.is_some_and(|must| must.value),
        ),
        ("crl", crl.present()),
        ("custom_validator_config", custom_validator_config.present()),
        ("max_verify_depth", max_verify_depth.present()),
    ];
    if let Some((field, _)) = stricter.iter().find(|(_, present)| *present) {
        return Ok(Err((*field).to_owned()));
    }
    let roots = match trusted_ca.map(|source| source.specifier) {
        None => None,
        Some(Some(core::data_source::Specifier::Filename(path))) => Some(Roots::File(path)),
        Some(Some(core::data_source::Specifier::InlineString(pem))) => Some(Roots::Inline(pem)),
        Some(Some(core::data_source::Specifier::InlineBytes(pem))) => match String::from_utf8(pem) {
            Ok(pem) => Some(Roots::Inline(pem)),
            Err(_) => return Err(at.field("trusted_ca").fault("it is no PEM text")),
        },
        Some(_) => return Err(at.field("trusted_ca").fault("roots are a file or PEM in place")),
    };
    let mut match_sans = Vec::new();
    for (n, value) in match_typed_subject_alt_names.into_iter().enumerate() {
        match typed_san(&at.item("match_typed_subject_alt_names", n), value)? {
            Some(san) => match_sans.push(san),
            None => return Ok(Err("another kind of subject alternative name".to_owned())),
        }
    }
    if match_sans.is_empty() {
        for (n, value) in match_subject_alt_names.into_iter().enumerate() {
            let matcher = string(&at.item("match_subject_alt_names", n), value)?;
            match_sans.push(SanMatcher { kind: SanKind::Any, matcher });
        }
    } else {
        at.left("match_subject_alt_names", &match_subject_alt_names);
    }
    Ok(Ok(Validation { roots, match_sans }))
}

fn typed_san(at: &At<'_>, value: tls::SubjectAltNameMatcher) -> Decoded<Option<SanMatcher>> {
    use tls::subject_alt_name_matcher::SanType;
    let kind = match SanType::try_from(value.san_type) {
        Ok(SanType::Uri) => SanKind::Uri,
        Ok(SanType::Dns) => SanKind::Dns,
        Ok(SanType::IpAddress) => SanKind::Ip,
        Ok(SanType::Email) => SanKind::Email,
        _ => return Ok(None),
    };
    let at = at.field("matcher");
    let matcher = value.matcher.ok_or_else(|| at.fault("it is missing"))?;
    Ok(Some(SanMatcher { kind, matcher: string(&at, matcher)? }))
}
