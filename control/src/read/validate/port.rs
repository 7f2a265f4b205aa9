//! Ports and what is spoken on them.

use crate::read::finding::Findings;
use crate::read::nearest::nearest;
use crate::read::path::Path;

/// What Istio knows to be spoken on a port.
const PROTOCOLS: &[&str] = &[
    "HTTP",
    "HTTPS",
    "HTTP2",
    "GRPC",
    "GRPC-Web",
    "TCP",
    "TLS",
    "MONGO",
    "MYSQL",
    "REDIS",
    "UDP",
    "HTTP_PROXY",
    "HBONE",
];

/// Checks a port's number.
pub(super) fn number(port: u32, at: &Path<'_>, into: &mut Findings) {
    if !(1..=65535).contains(&port) {
        into.error(at, format!("{port} is not a port: 1 to 65535"));
    }
}

/// Checks a port's protocol; without one it is told by the name, or by sniffing.
pub(super) fn protocol(protocol: &str, at: &Path<'_>, into: &mut Findings) {
    if protocol.is_empty() || PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(protocol)) {
        return;
    }
    into.error(at, format!("unknown protocol {protocol:?}"));
    into.hint(match nearest(protocol, PROTOCOLS.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", PROTOCOLS.join(", ")),
    });
}

/// Checks a Service's `appProtocol`: Kubernetes takes any, and of one that nobody knows nothing is known.
pub(super) fn app_protocol(protocol: &str, at: &Path<'_>, into: &mut Findings) {
    const KUBERNETES: [&str; 3] = ["kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss"];
    let known = || PROTOCOLS.iter().copied().chain(KUBERNETES);
    if protocol.is_empty() || known().any(|known| known.eq_ignore_ascii_case(protocol)) {
        return;
    }
    let lower = protocol.to_ascii_lowercase();
    let words: Vec<String> = known().map(str::to_ascii_lowercase).collect();
    if let Some(near) = nearest(&lower, words.iter().map(String::as_str)) {
        into.warning(
            at,
            format!("unknown protocol {protocol:?}: what is spoken there is found out by sniffing"),
        );
        into.hint(format!("did you mean {near}?"));
    }
}

/// Checks what carries a port: Kubernetes takes these words alone, in capitals.
pub(super) fn transport(protocol: &str, at: &Path<'_>, into: &mut Findings) {
    const KNOWN: [&str; 3] = ["TCP", "UDP", "SCTP"];
    if KNOWN.contains(&protocol) {
        return;
    }
    into.error(at, format!("{protocol:?} is not one of {}", KNOWN.join(", ")));
    let is_spoken = PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(protocol));
    let slip = KNOWN.iter().any(|known| known.eq_ignore_ascii_case(protocol)) || !is_spoken;
    into.hint(match nearest(protocol, KNOWN).filter(|_| slip) {
        Some(near) => format!("did you mean {near}?"),
        None => "what is spoken on the port goes into a Service's port's name (http, grpc, tcp-...) or into appProtocol"
            .to_owned(),
    });
}
