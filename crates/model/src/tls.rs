//! TLS settings: `envoy.extensions.transport_sockets.tls.v3`.

use crate::matcher::StringMatcher;

/// How a connection is carried.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Transport<T> {
    /// As it is.
    #[default]
    Raw,
    /// In TLS.
    Tls(Box<T>),
    /// In a way that this program does not know, or cannot check as strictly as asked: nothing is carried.
    Unknown(String),
}

/// `DownstreamTlsContext`: we are the server.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DownstreamTls {
    /// What both sides share.
    pub common: CommonTls,
    /// A client without a certificate is refused.
    pub require_client_certificate: bool,
}

/// `UpstreamTlsContext`: we are the client.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpstreamTls {
    /// What both sides share.
    pub common: CommonTls,
    /// The server name to ask for; empty: none.
    pub sni: String,
    /// SNI is the request's host (`auto_sni`, or `auto_host_sni`).
    pub auto_sni: bool,
    /// The server's certificate must name the SNI (`auto_san_validation`, or `auto_sni_san_validation`).
    pub auto_san_validation: bool,
}

/// `CommonTlsContext`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommonTls {
    /// Our own certificates.
    pub certificates: Vec<CertificateSource>,
    /// Whom we believe.
    pub validation: Validation,
    /// What we offer or accept, most wanted first.
    pub alpn: Vec<String>,
    /// The lowest version; `None`: TLS 1.2.
    pub min_version: Option<TlsVersion>,
    /// The highest version; `None`: the highest known.
    pub max_version: Option<TlsVersion>,
    /// OpenSSL names of TLS 1.2 suites; empty: the library's safe ones.
    pub cipher_suites: Vec<String>,
}

/// Protocol versions that are still spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// Where a certificate and its key come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// A secret by name: `default` is the workload's own.
    Sds(SecretRef),
    /// Two files.
    Files {
        /// The chain, PEM.
        chain: String,
        /// The key, PEM.
        key: String,
    },
}

/// The name of a secret, and over which stream it comes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// `default`, `ROOTCA`, `file-root:PATH`, `kubernetes://NAME` and so on.
    pub name: String,
    /// Over ADS (a gateway's `kubernetes://` credentials) rather than from the proxy's own agent.
    pub over_ads: bool,
}

/// Whom we believe: `CertificateValidationContext`, plain, by SDS or combined.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Validation {
    /// The roots; `None`: no certificate is checked at all.
    pub roots: Option<Roots>,
    /// The peer's certificate must carry one of these names; empty: any name will do.
    pub match_sans: Vec<SanMatcher>,
}

/// Where the roots come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// A secret by name: `ROOTCA` is the mesh's trust bundle.
    Sds(SecretRef),
    /// A file, PEM.
    File(String),
    /// In place, PEM.
    Inline(String),
}

/// One acceptable name.
#[derive(Debug, Clone, PartialEq)]
pub struct SanMatcher {
    /// Which kind of name; the others do not count.
    pub kind: SanKind,
    /// How it must look.
    pub matcher: StringMatcher,
}

/// The kinds of subject alternative names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanKind {
    /// `uniformResourceIdentifier`.
    Uri,
    /// `dNSName`.
    Dns,
    /// `iPAddress`.
    Ip,
    /// `rfc822Name`.
    Email,
    /// Any of them (`match_subject_alt_names`, the older field).
    Any,
}
