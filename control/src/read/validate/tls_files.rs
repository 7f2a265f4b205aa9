//! TLS settings of a client.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::destination_rule::{ClientTls, TlsMode};

/// Checks that a mode has what it needs and nothing that it cannot use.
pub(super) fn client(tls: &ClientTls, at: &Path<'_>, into: &mut Findings) {
    let given = [
        ("clientCertificate", &tls.client_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
        ("credentialName", &tls.credential_name),
    ];
    match tls.mode {
        TlsMode::IstioMutual => {
            for (name, _) in given.iter().filter(|(_, value)| !value.is_empty()) {
                into.error(
                    &at.key(name),
                    "ISTIO_MUTUAL uses the mesh's own certificates: this cannot be set",
                );
            }
        }
        TlsMode::Mutual if tls.credential_name.is_empty() => {
            for (name, _) in given[..2].iter().filter(|(_, value)| value.is_empty()) {
                into.error(at, format!("MUTUAL needs {name}"));
            }
        }
        TlsMode::Mutual | TlsMode::Simple | TlsMode::Disable => {}
    }
    if !tls.credential_name.is_empty() && given[..3].iter().any(|(_, value)| !value.is_empty()) {
        into.error(at, "credentialName and files cannot both be set");
    }
    if tls.mode == TlsMode::Disable && (!tls.sni.is_empty() || !tls.subject_alt_names.is_empty()) {
        into.warning(at, "mode DISABLE speaks no TLS: sni and subjectAltNames do nothing");
        if given.iter().all(|(_, value)| value.is_empty()) {
            into.hint("DISABLE is also what a mode left out means; is SIMPLE meant?");
        }
    }
    for (index, name) in tls.subject_alt_names.iter().enumerate() {
        if name.is_empty() {
            into.error(&at.key("subjectAltNames").index(index), "an empty name");
        }
    }
}
