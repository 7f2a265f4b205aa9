//! What the tests of several modules stand on.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use weft_model::identity::SpiffeId;

use crate::authority::Authority;

/// The trust domain of all tests.
pub(crate) const TRUST_DOMAIN: &str = "cluster.local";

/// A moment to count from: 2026-11-01T00:00:00Z and some seconds.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_793_491_200 + seconds)
}

/// Seconds since 1970 of [`at`].
pub(crate) fn epoch(seconds: u64) -> u64 {
    at(seconds).duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An authority made at [`at`]`(0)`.
pub(crate) fn authority() -> Authority {
    Authority::fresh(TRUST_DOMAIN, at(0)).unwrap()
}

/// The identity of a service account in the namespace `bank`.
pub(crate) fn id(account: &str) -> SpiffeId {
    SpiffeId::new(TRUST_DOMAIN, "bank", account).unwrap()
}

/// A signing request that asks for nothing.
pub(crate) fn request(key: &KeyPair) -> String {
    CertificateParams::default().serialize_request(key).unwrap().pem().unwrap()
}

/// The DER of a PEM certificate.
pub(crate) fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Runs the openssl command in `dir`; gives what it printed, or what it complained about.
pub(crate) fn openssl(dir: &Path, arguments: &str, input: &str) -> Result<String, String> {
    let mut child = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need the openssl command");
    // It may end without reading all of it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}
