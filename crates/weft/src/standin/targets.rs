//! Which services an app's environment names, and how each is to be asked. Pure.

use std::collections::HashSet;
use std::net::IpAddr;

/// One service that the environment names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The variable that names it.
    pub(super) variable: String,
    /// host:port, where the port may be the scheme's.
    pub(super) authority: String,
    pub(super) kind: Kind,
}

/// How a target is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `GET /tree`
    Http,
    /// A tunnel is opened and closed again: what is behind it speaks TLS with somebody outside.
    Tls,
    /// The gRPC health check.
    Grpc,
    /// A line and its echo.
    Tcp,
}

/// The targets of `environment`, each once, in the order of its variables' names.
pub(super) fn targets(environment: &[(String, String)]) -> Vec<Target> {
    let has_proxy = environment.iter().any(|(name, value)| is_http_proxy(name) && !value.is_empty());
    let mut variables: Vec<_> = environment.iter().filter(|(name, value)| !is_foreign(name, value)).collect();
    variables.sort();
    let mut seen = HashSet::new();
    let mut targets = Vec::new();
    for (variable, value) in variables {
        // A list of brokers is one value: each of it is a target.
        for part in value.split(',') {
            let Some((kind, authority)) = target(variable, part.trim(), has_proxy) else { continue };
            if seen.insert((kind, authority.clone())) {
                targets.push(Target { variable: variable.clone(), authority, kind });
            }
        }
    }
    targets
}

/// Whether this is the variable that names the HTTP proxy.
pub(super) fn is_http_proxy(name: &str) -> bool {
    name.eq_ignore_ascii_case("http_proxy")
}

/// Variables that name no service of this app: the proxy's, and those that Kubernetes sets for every service.
fn is_foreign(name: &str, value: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let service_link = value.starts_with("tcp://") && (lower.ends_with("_port") || lower.ends_with("_tcp"));
    lower.ends_with("_proxy") || lower.starts_with("weft_") || service_link
}

fn target(variable: &str, value: &str, has_proxy: bool) -> Option<(Kind, String)> {
    if let Some((scheme, rest)) = value.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
        let (kind, default_port) = match scheme {
            "http" | "ws" => (Kind::Http, 80),
            "https" | "wss" => (Kind::Tls, 443),
            "grpc" => (Kind::Grpc, 80),
            "postgres" | "postgresql" => (Kind::Tcp, 5432),
            "mysql" => (Kind::Tcp, 3306),
            "redis" => (Kind::Tcp, 6379),
            "mongodb" => (Kind::Tcp, 27017),
            "amqp" => (Kind::Tcp, 5672),
            "nats" => (Kind::Tcp, 4222),
            _ => (Kind::Tcp, 0),
        };
        let (host, port) = split_port(authority, default_port)?;
        let authority = if authority == host { format!("{host}:{port}") } else { authority.to_owned() };
        let http_at_its_port = kind == Kind::Http && port == 80;
        return Some((kind, if http_at_its_port { host.to_owned() } else { authority }));
    }
    let (host, _) = split_port(value, 0)?;
    let named = host.parse::<IpAddr>().is_err();
    let grpc = variable.to_ascii_uppercase().contains("GRPC") || (named && has_proxy);
    Some((if grpc { Kind::Grpc } else { Kind::Tcp }, value.to_owned()))
}

/// Host and port of `authority`; nothing if it is no host or has no port at all.
fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, default),
    };
    let is_host = host.parse::<IpAddr>().is_ok()
        || (host.starts_with(|c: char| c.is_ascii_alphabetic())
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'));
    (is_host && port != 0).then_some((host, port))
}

#[cfg(test)]
mod tests;
