//! Whether a leaf leads to a root, and by which certificates.

use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::moment;

/// The way from a leaf up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Which intermediates it takes, by their place in the list given, the issuing one first.
    pub(super) intermediates: Vec<usize>,
    /// The place of the root where it ends.
    pub(super) root: usize,
}

/// Builds and verifies the path of `leaf` at `now`: signatures, constraints, validity, usage for a server and, if
/// `client`, for a client too. A root's own validity is not part of it.
pub(super) fn verify(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    now: SystemTime,
    client: bool,
) -> Result<Path, webpki::Error> {
    let leaf = EndEntityCert::try_from(leaf)?;
    let anchors = roots.iter().map(anchor_from_trusted_cert).collect::<Result<Vec<_>, _>>()?;
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let now = moment::unix(now);
    if client {
        leaf.verify_for_usage(algorithms, &anchors, intermediates, now, KeyUsage::client_auth(), None, None)?;
    }
    let path =
        leaf.verify_for_usage(algorithms, &anchors, intermediates, now, KeyUsage::server_auth(), None, None)?;
    let used = path.intermediate_certificates().map(|used| used.der());
    Ok(Path {
        intermediates: used
            .map(|used| {
                intermediates.iter().position(|known| *known == used).expect("the path takes only these")
            })
            .collect(),
        root: anchors.iter().position(|known| known == path.anchor()).expect("the path ends in one of these"),
    })
}
