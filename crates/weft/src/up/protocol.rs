//! What a port speaks, by Istio's rules: `appProtocol` first, then the port's name up to its first dash.

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// HTTP/1.1 and HTTP/2 in clear text.
    Http,
    /// gRPC.
    Grpc,
    /// Any bytes, databases among them.
    Tcp,
    /// TLS that the app itself speaks.
    Tls,
    /// Not declared: found out by sniffing.
    Auto,
    /// Not carried by the mesh.
    Udp,
}

impl Protocol {
    /// By a port's name, `appProtocol` and transport.
    pub(crate) fn declared(name: Option<&str>, app_protocol: Option<&str>, transport: Option<&str>) -> Self {
        if transport.is_some_and(|transport| transport != "TCP") {
            return Self::Udp;
        }
        match app_protocol {
            Some("kubernetes.io/h2c" | "kubernetes.io/ws") => Self::Http,
            Some("kubernetes.io/wss") => Self::Tls,
            Some(protocol) => Self::by_word(protocol),
            None => name.map_or(Self::Auto, |name| Self::by_word(name.split('-').next().unwrap_or(name))),
        }
    }

    fn by_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "http" | "http2" | "http_proxy" => Self::Http,
            // `grpc-web` arrives here as such from appProtocol, and as `grpc` from a name.
            "grpc" | "grpc-web" => Self::Grpc,
            "tcp" | "mongo" | "mysql" | "redis" => Self::Tcp,
            "https" | "tls" => Self::Tls,
            "udp" => Self::Udp,
            _ => Self::Auto,
        }
    }

    /// Whether an app reaches it over an address of its own rather than through the HTTP proxy.
    pub(crate) const fn has_address(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls | Self::Auto)
    }
}

#[cfg(test)]
mod tests;
