//! `HttpConnectionManager` and its filters.

use std::time::Duration;

use crate::access_log::AccessLog;
use crate::limit::LocalRateLimit;
use crate::rbac::RbacFilter;
use crate::route::{RouteConfiguration, RouteMatch, Upgrade};

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConnectionManager {
    /// Prefix of its statistics.
    pub stat_prefix: String,
    /// Where routes come from.
    pub routes: RouteSource,
    /// In order; the router is last.
    pub filters: Vec<HttpFilter>,
    /// Who writes down what happened.
    pub access_log: Vec<AccessLog>,
    /// `server` of responses; empty: `envoy`.
    pub server_name: String,
    /// What happens to `server` of upstream's response.
    pub server_header: ServerHeader,
    /// The client's address is the connection's (a gateway) rather than what x-forwarded-for says (a sidecar).
    pub use_remote_address: bool,
    /// So many right-most entries of x-forwarded-for are believed.
    pub xff_trusted_hops: u32,
    /// What happens to paths before anybody looks at them.
    pub path: PathNormalization,
    /// What happens to `x-forwarded-client-cert`.
    pub client_cert: ForwardClientCert,
    /// `x-forwarded-client-cert` gets these.
    pub client_cert_details: ClientCertDetails,
    /// Upgrades that are allowed.
    pub upgrades: Vec<Upgrade>,
    /// An idle stream ends; `None`: Envoy's 5 minutes; zero: never.
    pub stream_idle_timeout: Option<Duration>,
    /// A whole request must have arrived; `None` or zero: never.
    pub request_timeout: Option<Duration>,
    /// A request's head must have arrived; `None` or zero: never.
    pub request_headers_timeout: Option<Duration>,
    /// An idle connection is closed; `None`: Envoy's hour.
    pub idle_timeout: Option<Duration>,
    /// A connection's longest life.
    pub max_connection_duration: Option<Duration>,
    /// Time between GOAWAY and the end; `None`: Envoy's 5 s.
    pub drain_timeout: Option<Duration>,
    /// HTTP/1.0 is answered.
    pub accept_http_10: bool,
    /// Absolute-form targets are accepted (an HTTP proxy's); the field's default.
    pub allow_absolute_url: bool,
    /// Header names keep their case.
    pub preserve_header_case: bool,
    /// A stranger's `x-request-id` is kept.
    pub preserve_external_request_id: bool,
    /// Does not answer with `x-request-id`, but makes one (`generate_request_id`; `None`: yes).
    pub generate_request_id: Option<bool>,
    /// `x-forwarded-proto` and friends are left alone.
    pub skip_xff_append: bool,
    /// Limit on a request's heads, KiB.
    pub max_request_headers_kb: Option<u32>,
}

impl HttpConnectionManager {
    /// One with these routes and filters, and the field's defaults.
    pub fn new(stat_prefix: impl Into<String>, routes: RouteSource, filters: Vec<HttpFilter>) -> Self {
        Self {
            stat_prefix: stat_prefix.into(),
            routes,
            filters,
            access_log: Vec::new(),
            server_name: String::new(),
            server_header: ServerHeader::Overwrite,
            use_remote_address: false,
            xff_trusted_hops: 0,
            path: PathNormalization::default(),
            client_cert: ForwardClientCert::Sanitize,
            client_cert_details: ClientCertDetails::default(),
            upgrades: Vec::new(),
            stream_idle_timeout: None,
            request_timeout: None,
            request_headers_timeout: None,
            idle_timeout: None,
            max_connection_duration: None,
            drain_timeout: None,
            accept_http_10: false,
            allow_absolute_url: true,
            preserve_header_case: false,
            preserve_external_request_id: false,
            generate_request_id: None,
            skip_xff_append: false,
            max_request_headers_kb: None,
        }
    }
}

/// Where routes come from.
#[derive(Debug, Clone, PartialEq)]
pub enum RouteSource {
    /// Over RDS, by name.
    Rds(String),
    /// In place.
    Inline(Box<RouteConfiguration>),
}

/// `ServerHeaderTransformation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerHeader {
    /// Ours replaces upstream's.
    #[default]
    Overwrite,
    /// Ours only if there is none.
    AppendIfAbsent,
    /// Left alone.
    PassThrough,
}

/// What happens to paths before anybody looks at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathNormalization {
    /// RFC 3986: dot segments, %-encoding of unreserved characters, backslashes.
    pub normalize: bool,
    /// `//` becomes `/`.
    pub merge_slashes: bool,
    /// `%2F` and `%5C`.
    pub escaped_slashes: EscapedSlashes,
}

/// `PathWithEscapedSlashesAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EscapedSlashes {
    /// Left alone.
    #[default]
    Keep,
    /// 400.
    Reject,
    /// Decoded, and the client redirected.
    UnescapeAndRedirect,
    /// Decoded.
    UnescapeAndForward,
}

/// `ForwardClientCertDetails`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardClientCert {
    /// Removed.
    #[default]
    Sanitize,
    /// Kept, if the connection is mTLS.
    ForwardOnly,
    /// Kept and added to, if the connection is mTLS; removed otherwise.
    AppendForward,
    /// Replaced, if the connection is mTLS; removed otherwise.
    SanitizeSet,
    /// Kept always.
    AlwaysForwardOnly,
}

/// `SetCurrentClientCertDetails`; By and Hash always are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCertDetails {
    /// Subject.
    pub subject: bool,
    /// The certificate, PEM.
    pub cert: bool,
    /// DNS names.
    pub dns: bool,
    /// URIs.
    pub uri: bool,
}

/// One HTTP filter.
#[derive(Debug, Clone, PartialEq)]
pub enum HttpFilter {
    /// `envoy.filters.http.rbac`.
    Rbac(RbacFilter),
    /// `envoy.filters.http.jwt_authn`.
    JwtAuthn(JwtAuthn),
    /// `envoy.filters.http.ext_authz`: a CUSTOM policy's question to somebody else.
    ExtAuthz(ExtAuthz),
    /// `istio.alpn`.
    Alpn,
    /// `istio.stats`.
    Stats(Stats),
    /// `istio.metadata_exchange` on HTTP.
    PeerMetadata(PeerMetadata),
    /// `envoy.filters.http.grpc_stats`.
    GrpcStats,
    /// `envoy.filters.http.grpc_web`.
    GrpcWeb,
    /// `envoy.filters.http.fault`.
    Fault,
    /// `envoy.filters.http.cors`.
    Cors,
    /// `envoy.filters.http.local_ratelimit`.
    LocalRateLimit(LocalRateLimit),
    /// `envoy.filters.http.router`.
    Router,
    /// Another one, by name and type; it is not honoured.
    Unknown {
        /// Its name.
        name: String,
        /// Its type.
        type_url: String,
    },
}

/// Istio's metadata exchange by headers: `io.istio.http.peer_metadata.Config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerMetadata {
    /// Takes the client's from the request's headers (inbound).
    pub downstream_discovery: bool,
    /// Takes the server's from the response's headers (outbound).
    pub upstream_discovery: bool,
    /// Answers with its own (inbound).
    pub downstream_propagation: bool,
    /// Sends its own (outbound).
    pub upstream_propagation: bool,
    /// Not to what is outside the mesh (`skip_external_clusters`).
    pub skip_external: bool,
}

/// `istio.stats`: `stats.PluginConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// The destination service is never guessed from the Host header (inbound and gateways).
    pub disable_host_header_fallback: bool,
    /// Reports as a gateway before servers (`reporter: SERVER_GATEWAY`).
    pub server_gateway: bool,
}

/// An external authorizer, `ext_authz` on HTTP or TCP. Nobody here asks it: what it should decide is denied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtAuthz {
    /// Prefix of the shadow policy that must have matched for the question to be asked
    /// (`istio-ext-authz-` and the provider's name); empty: every request is asked about.
    pub provider: String,
    /// The cluster that would be asked.
    pub cluster: String,
    /// Over gRPC rather than plain HTTP.
    pub grpc: bool,
}

/// `JwtAuthentication`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JwtAuthn {
    /// One a jwtRule, sorted by name.
    pub providers: Vec<JwtProvider>,
    /// What a request must bring; the first whose path matches decides, none: nothing.
    pub rules: Vec<JwtRule>,
    /// CORS preflights are not asked for a token.
    pub bypass_cors_preflight: bool,
}

/// What requests of one path must bring.
#[derive(Debug, Clone, PartialEq)]
pub struct JwtRule {
    /// Which requests.
    pub matches: RouteMatch,
    /// What they must bring; `None`: nothing.
    pub requires: Option<JwtRequirement>,
}

/// `JwtRequirement`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwtRequirement {
    /// A valid token of this provider.
    Provider(String),
    /// A valid token of this provider for one of these audiences.
    ProviderAndAudiences(String, Vec<String>),
    /// One of these.
    Any(Vec<Self>),
    /// All of these.
    All(Vec<Self>),
    /// No token at all, or valid ones.
    AllowMissing,
    /// Whatever comes; valid tokens are noted.
    AllowMissingOrFailed,
    /// Something that this program does not know; it is never met.
    Unknown(String),
}

/// One issuer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JwtProvider {
    /// `origins-0`.
    pub name: String,
    /// `iss`; empty: any.
    pub issuer: String,
    /// `aud`; none: any.
    pub audiences: Vec<String>,
    /// The keys; `None`: there are none, and no token is valid.
    pub keys: Option<JwksSource>,
    /// Headers that may hold a token, with what stands before it; neither headers nor params nor cookies: `authorization: Bearer ` and `access_token`.
    pub from_headers: Vec<(String, String)>,
    /// Query parameters that may hold one.
    pub from_params: Vec<String>,
    /// Cookies that may hold one.
    pub from_cookies: Vec<String>,
    /// The token travels on.
    pub forward: bool,
    /// The payload travels on, base64url, in this header; empty: it does not.
    pub forward_payload_header: String,
    /// The key of dynamic metadata that the payload is kept under (`payload`), where RBAC looks for claims.
    pub payload_in_metadata: String,
    /// Claims that are kept as lists, split at spaces (`scope`, `permission`).
    pub space_delimited_claims: Vec<String>,
    /// Claims that travel on as headers: header, claim.
    pub claim_to_headers: Vec<(String, String)>,
    /// Seconds of tolerance on `exp` and `nbf`; zero: Envoy's 60.
    pub clock_skew_seconds: u32,
    /// A token without `exp` is refused.
    pub require_expiration: bool,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// In place.
    Inline(String),
    /// Fetched.
    Remote {
        /// From there.
        uri: String,
        /// Through this cluster.
        cluster: String,
        /// An answer must be there by then.
        timeout: Duration,
        /// They are fetched anew after so long; `None`: Envoy's 10 minutes.
        cache: Option<Duration>,
    },
}
