//! What the user's own program keeps of the shell that started `weft`: all but the shell's proxies.
//!
//! Its tools find what they need (PATH, HOME, CARGO_HOME, VIRTUAL_ENV, JAVA_HOME), and it reaches others as its pod does.

use std::ffi::{OsStr, OsString};

/// Variables that lead a program's connections to a proxy, in any spelling.
const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy", "grpc_proxy"];

/// Whether a variable would lead connections around the pod's own sidecar.
pub(crate) fn is_proxy(name: &OsStr) -> bool {
    PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
}

/// `shell` with the pod's `own` above it: of one name, the pod's holds.
pub(super) fn around(
    shell: impl IntoIterator<Item = (OsString, OsString)>,
    own: Vec<(OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let kept =
        |(name, _): &(OsString, OsString)| !is_proxy(name) && own.iter().all(|(known, _)| known != name);
    let mut all: Vec<_> = shell.into_iter().filter(kept).collect();
    all.extend(own);
    all
}

#[cfg(test)]
mod tests;
