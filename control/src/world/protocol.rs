//! What a port speaks: `appProtocol` first, then the port's name up to its first dash, else it is found out by sniffing.

/// What a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1, and HTTP/2 in clear text where the client begins with it.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
    /// gRPC for browsers, over HTTP/1.1.
    GrpcWeb,
    /// HTTPS that the app itself speaks.
    Https,
    /// TLS that the app itself speaks.
    Tls,
    /// Any bytes, databases among them.
    Tcp,
    /// Not declared: sniffed.
    Auto,
    /// Not carried by the mesh.
    Udp,
}

/// Ports of protocols in which the server speaks first, or that are no HTTP: sniffing would only cost time.
const KNOWN_TCP: [u16; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// Of a Kubernetes port.
    pub fn declared(
        name: Option<&str>,
        app_protocol: Option<&str>,
        transport: Option<&str>,
        number: u16,
    ) -> Self {
        if transport.is_some_and(|transport| transport != "TCP") {
            return Self::Udp;
        }
        let known = match app_protocol {
            Some("kubernetes.io/h2c") => Self::Http2,
            Some("kubernetes.io/ws") => Self::Http,
            Some("kubernetes.io/wss") => Self::Https,
            Some(protocol) => Self::by_word(protocol),
            None => name.map_or(Self::Auto, Self::by_name),
        };
        if known == Self::Auto && KNOWN_TCP.contains(&number) { Self::Tcp } else { known }
    }

    /// By a port's name: `grpc-ledger`.
    pub fn by_name(name: &str) -> Self {
        if name == "grpc-web" || name.starts_with("grpc-web-") {
            return Self::GrpcWeb;
        }
        Self::by_word(name.split('-').next().unwrap_or(name))
    }

    /// By its own name.
    pub fn by_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "http" | "http_proxy" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "tcp" | "mongo" | "mysql" | "redis" => Self::Tcp,
            "udp" => Self::Udp,
            _ => Self::Auto,
        }
    }

    /// Requests are seen.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// HTTP/2 without asking.
    pub const fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc)
    }

    /// TLS of the app's own, of which only the server name is seen.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Its name, for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP/2",
            Self::Grpc => "gRPC",
            Self::GrpcWeb => "gRPC-Web",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Auto => "sniffed",
            Self::Udp => "UDP",
        }
    }

    /// Whether the mesh carries it at all.
    pub const fn is_carried(self) -> bool {
        !matches!(self, Self::Udp)
    }
}
