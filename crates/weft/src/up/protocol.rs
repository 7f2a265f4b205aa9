//! What a port speaks, as far as an app's side of it matters.

use weft_control::world::protocol::Protocol as Declared;

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
    /// By a port's name, `appProtocol`, transport and number: as the control plane reads them.
    pub(crate) fn declared(
        name: Option<&str>,
        app_protocol: Option<&str>,
        transport: Option<&str>,
        number: u16,
    ) -> Self {
        match Declared::declared(name, app_protocol, transport, number) {
            Declared::Http | Declared::Http2 | Declared::GrpcWeb => Self::Http,
            Declared::Grpc => Self::Grpc,
            Declared::Https | Declared::Tls => Self::Tls,
            Declared::Tcp => Self::Tcp,
            Declared::Auto => Self::Auto,
            Declared::Udp => Self::Udp,
        }
    }

    /// Whether an app reaches it over an address of its own rather than through the HTTP proxy.
    pub(crate) const fn has_address(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls | Self::Auto)
    }
}

#[cfg(test)]
mod tests;
