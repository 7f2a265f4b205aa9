//! Gateway.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::gateway::{Gateway, Server, ServerTls, ServerTlsMode};

/// Checks a Gateway.
pub(in crate::read) fn check(gateway: &Gateway, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    super::names::selector(&gateway.selector, &spec.key("selector"), into);
    if gateway.selector.is_empty() {
        into.warning(&spec, "without a selector it is for every gateway's proxies");
    }
    if gateway.servers.is_empty() {
        into.error(&spec, "`servers` is missing");
    }
    for (index, item) in gateway.servers.iter().enumerate() {
        server(item, &spec.key("servers").index(index), into);
    }
}

fn server(server: &Server, at: &Path<'_>, into: &mut Findings) {
    if server.hosts.is_empty() {
        into.error(at, "`hosts` is missing");
    }
    for (index, host) in server.hosts.iter().enumerate() {
        if let Err(why) = super::host::in_namespace(host) {
            into.error(&at.key("hosts").index(index), why);
        }
    }
    let Some(port) = &server.port else {
        into.error(at, "`port` is missing");
        return;
    };
    let port_at = at.key("port");
    super::port::number(port.number, &port_at.key("number"), into);
    super::port::protocol(&port.protocol, &port_at.key("protocol"), into);
    if port.name.is_empty() {
        into.error(&port_at, "`name` is missing");
    }
    let speaks_tls = ["HTTPS", "TLS"].iter().any(|protocol| port.protocol.eq_ignore_ascii_case(protocol));
    let redirects = server.tls.as_ref().is_some_and(|tls| tls.https_redirect);
    match &server.tls {
        None if speaks_tls => into.error(at, format!("`tls` is missing: the port speaks {}", port.protocol)),
        Some(tls) if speaks_tls => server_tls(tls, &at.key("tls"), into),
        Some(_) if !redirects => {
            into.warning(
                &at.key("tls"),
                format!("the port speaks {}: only httpsRedirect has a meaning", port.protocol),
            );
        }
        _ => {}
    }
}

fn server_tls(tls: &ServerTls, at: &Path<'_>, into: &mut Findings) {
    if tls.https_redirect {
        into.error(&at.key("httpsRedirect"), "a port that speaks TLS already cannot redirect to it");
    }
    let has_secret = !tls.credential_name.is_empty() || !tls.credential_names.is_empty();
    let has_files = !tls.server_certificate.is_empty() || !tls.private_key.is_empty();
    match tls.mode {
        ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => {
            if has_secret && has_files {
                into.error(at, "credentialName and files cannot both be set");
            }
            if !has_secret && tls.tls_certificates.is_empty() {
                if tls.server_certificate.is_empty() {
                    into.error(at, "serverCertificate or credentialName is needed");
                }
                if tls.private_key.is_empty() {
                    into.error(at, "privateKey or credentialName is needed");
                }
                if tls.mode != ServerTlsMode::Simple
                    && tls.ca_certificates.is_empty()
                    && tls.ca_cert_credential_name.is_empty()
                {
                    into.error(at, "caCertificates is needed to verify clients");
                }
            }
        }
        ServerTlsMode::IstioMutual if has_files || has_secret => {
            into.error(at, "ISTIO_MUTUAL uses the mesh's own certificates: none can be set");
        }
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough if has_files || has_secret => {
            into.warning(at, "TLS passes through unopened: the certificate is not used");
        }
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough | ServerTlsMode::IstioMutual => {}
    }
    if tls.max_protocol_version as u8 != 0
        && (tls.min_protocol_version as u8) > tls.max_protocol_version as u8
    {
        into.error(at, "minProtocolVersion is above maxProtocolVersion");
    }
}
