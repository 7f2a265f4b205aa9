//! Route settings: `envoy.config.route.v3.RouteConfiguration`.

use std::time::Duration;

use crate::limit::LocalRateLimit;
use crate::matcher::{HeaderMatcher, MetadataMatcher, QueryMatcher, StringMatcher};

/// One route configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RouteConfiguration {
    /// `80`, `http_proxy`, `host:port`, `inbound|8000||`...
    pub name: String,
    /// The virtual hosts.
    pub virtual_hosts: Vec<VirtualHost>,
    /// A request's port does not count when its host is looked up.
    pub ignore_port_in_host_matching: bool,
    /// Applied to every request and response.
    pub headers: HeaderOperations,
}

/// One virtual host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VirtualHost {
    /// `host:port`, `allow_any`, `block_all`, `inbound|http|80`.
    pub name: String,
    /// Exact names, `*.suffix`, `prefix.*`, `*`; in lower case.
    pub domains: Vec<String>,
    /// First match wins.
    pub routes: Vec<Route>,
    /// Applied to every request and response.
    pub headers: HeaderOperations,
    /// Plain HTTP is redirected.
    pub require_tls: TlsRequirement,
    /// Sets `x-envoy-attempt-count` on requests.
    pub include_request_attempt_count: bool,
}

/// `VirtualHost.TlsRequirementType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsRequirement {
    /// None.
    #[default]
    None,
    /// Every plain request is redirected to https.
    All,
    /// External ones are.
    ExternalOnly,
}

/// Names of routes that take CONNECT, where they say what the tunnel carries: bytes, into which nobody looks.
pub const CONNECT_BYTES: &str = "connect_bytes";

/// Of a port that nobody declared: HTTP in it is for its service, under whatever name.
pub const CONNECT_SNIFFED: &str = "connect_sniffed";

/// What stands between a server name and the virtual host of a port in the domains by which TLS in tunnels to that port
/// is routed: `*.a.example|sni|a.example:443`.
pub const SERVER_NAMES: &str = "|sni|";

/// The name of routes that answer for ports which their service does not have. What they answer says which it has.
pub const NO_PORT: &str = "no_port";

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The VirtualService's route name, `default`, `allow_any`, `block_all`.
    pub name: String,
    /// Which requests.
    pub matches: RouteMatch,
    /// What is done.
    pub action: RouteAction,
    /// Applied to requests and responses.
    pub headers: HeaderOperations,
    /// The VirtualService: `/apis/networking.istio.io/v1/namespaces/ns/virtual-service/name`.
    pub config: String,
    /// `decorator.operation`: the name in traces.
    pub operation: String,
    /// Fault injection of this route, with Envoy's meaning.
    pub fault: Option<Fault>,
    /// CORS of this route.
    pub cors: Option<Cors>,
    /// How many requests it takes, in place of what the filter says.
    pub limit: Option<LocalRateLimit>,
}

impl Route {
    /// One that does nothing besides.
    pub fn new(name: &str, matches: RouteMatch, action: RouteAction) -> Self {
        Self {
            name: name.to_owned(),
            matches,
            action,
            headers: HeaderOperations::default(),
            config: String::new(),
            operation: String::new(),
            fault: None,
            cors: None,
            limit: None,
        }
    }
}

/// Which requests a route is for; all of it must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteMatch {
    /// The path (without its query; with the query for nothing here).
    pub path: PathMatch,
    /// Letters' case does not count in `path` (prefix and exact).
    pub ignore_case: bool,
    /// Headers.
    pub headers: Vec<HeaderMatcher>,
    /// Query parameters.
    pub query: Vec<QueryMatcher>,
    /// Dynamic metadata: a gateway's routes by the claims of a verified token.
    pub metadata: Vec<MetadataMatcher>,
    /// Only gRPC.
    pub grpc: bool,
    /// Only this share of requests.
    pub fraction: Option<Fraction>,
}

/// How a path is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// It begins so.
    Prefix(String),
    /// It is this.
    Exact(String),
    /// The whole path matches.
    Regex(String),
    /// It is this, or begins with this and a slash.
    PathSeparatedPrefix(String),
    /// A template (`{*}`, `{**}`).
    Template(String),
    /// A CONNECT request, whatever its path.
    Connect,
}

/// `FractionalPercent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    /// Out of `denominator`.
    pub numerator: u32,
    /// 100, 10,000 or 1,000,000.
    pub denominator: u32,
}

/// What is done with a matching request.
#[derive(Debug, Clone, PartialEq)]
pub enum RouteAction {
    /// It goes to a cluster.
    Forward(Box<Forward>),
    /// It is sent elsewhere.
    Redirect(Redirect),
    /// It is answered in place.
    DirectResponse {
        /// The status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// `non_forwarding_action`, or an action that this program does not know: answered with an error.
    Unknown(String),
}

/// `RouteAction`: to a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// Where.
    pub target: Target,
    /// Of weighted clusters the one of the hash key, so that a session stays (`use_hash_policy`).
    pub sticky: bool,
    /// The matched prefix becomes this.
    pub prefix_rewrite: Option<String>,
    /// The path's matches become this (RE2 substitution, `\1`).
    pub regex_rewrite: Option<RegexRewrite>,
    /// The path becomes this template (`path_rewrite_policy`).
    pub template_rewrite: Option<String>,
    /// What Host becomes.
    pub host_rewrite: HostRewrite,
    /// `None`: Envoy's 15 s; zero: none.
    pub timeout: Option<Duration>,
    /// `None`: the connection manager's.
    pub idle_timeout: Option<Duration>,
    /// gRPC deadlines: the cap on `grpc-timeout`, zero is no cap; `None`: the header is not honoured.
    pub grpc_timeout_cap: Option<Duration>,
    /// The cap is `max_stream_duration.grpc_timeout_header_max` rather than `max_grpc_timeout`.
    pub grpc_timeout_in_max_stream: bool,
    /// `max_stream_duration.max_stream_duration`.
    pub max_stream_duration: Option<Duration>,
    /// When a request is tried again.
    pub retry: Option<RetryPolicy>,
    /// What consistent hashing goes by.
    pub hash: Vec<HashPolicy>,
    /// Copies.
    pub mirrors: Vec<Mirror>,
    /// Upgrades that are allowed or not on this route, by token in lower case.
    pub upgrades: Vec<Upgrade>,
    /// What a missing cluster is answered with; `None`: 503.
    pub cluster_not_found: Option<u16>,
}

impl RouteMatch {
    /// By path alone.
    pub fn path(path: PathMatch) -> Self {
        Self {
            path,
            ignore_case: false,
            headers: Vec::new(),
            query: Vec::new(),
            metadata: Vec::new(),
            grpc: false,
            fraction: None,
        }
    }
}

impl Forward {
    /// To one cluster, with nothing else set.
    pub fn to(cluster: impl Into<String>) -> Self {
        Self {
            target: Target::Cluster(cluster.into()),
            sticky: false,
            prefix_rewrite: None,
            regex_rewrite: None,
            template_rewrite: None,
            host_rewrite: HostRewrite::None,
            timeout: None,
            idle_timeout: None,
            grpc_timeout_cap: None,
            grpc_timeout_in_max_stream: false,
            max_stream_duration: None,
            retry: None,
            hash: Vec::new(),
            mirrors: Vec::new(),
            upgrades: Vec::new(),
            cluster_not_found: None,
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// One cluster.
    Cluster(String),
    /// One of several, by weight.
    Weighted(Vec<WeightedCluster>),
    /// The cluster that a header names.
    Header(String),
}

/// One of several clusters.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedCluster {
    /// Its name.
    pub name: String,
    /// Its share of the sum.
    pub weight: u32,
    /// Applied to requests and responses that go there.
    pub headers: HeaderOperations,
    /// What Host becomes.
    pub host_rewrite: Option<String>,
}

/// `RegexMatchAndSubstitute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegexRewrite {
    /// RE2.
    pub pattern: String,
    /// With `\1`.
    pub substitution: String,
}

/// What the Host header becomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostRewrite {
    /// It stays.
    #[default]
    None,
    /// This.
    Literal(String),
    /// The endpoint's host name.
    Auto,
    /// The value of a header.
    Header(String),
}

/// `RetryPolicy`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RetryPolicy {
    /// Comma-separated, as received.
    pub retry_on: String,
    /// On top of the first try; `None`: Envoy's 1.
    pub num_retries: Option<u32>,
    /// Each try's own limit.
    pub per_try_timeout: Option<Duration>,
    /// For `retriable-status-codes`.
    pub retriable_status_codes: Vec<u16>,
    /// For `retriable-headers` (of the response).
    pub retriable_headers: Vec<HeaderMatcher>,
    /// Endpoints already tried are avoided.
    pub avoid_previous_hosts: bool,
    /// Localities (priorities) already tried are avoided, which is looked at anew whenever so many were tried; above zero.
    pub avoid_previous_priorities: Option<u32>,
    /// How often another endpoint is looked for.
    pub host_selection_max_attempts: Option<u32>,
    /// First back-off; `None`: 25 ms.
    pub back_off_base: Option<Duration>,
    /// Longest back-off; `None`: ten times the first.
    pub back_off_max: Option<Duration>,
}

/// One rule for the hash key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashPolicy {
    /// What is hashed.
    pub key: HashKey,
    /// If it yields a key, the following are not asked.
    pub terminal: bool,
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// A header's value.
    Header(String),
    /// A cookie's value; made and set when missing, if it has a TTL (zero: for the session).
    Cookie {
        /// Name.
        name: String,
        /// `None`: it is never made.
        ttl: Option<Duration>,
        /// Its path.
        path: String,
        /// What else is said of one that is made: names, with values or without.
        attributes: Vec<(String, String)>,
    },
    /// The client's address.
    SourceIp,
    /// A query parameter's value.
    Query(String),
}

/// `RequestMirrorPolicy`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// Where copies go.
    pub cluster: String,
    /// How many; `None`: all.
    pub fraction: Option<Fraction>,
    /// `-shadow` is not appended to Host.
    pub keep_host: bool,
}

/// `UpgradeConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// `websocket`, `CONNECT`; compared without case.
    pub token: String,
    /// Allowed.
    pub enabled: bool,
    /// CONNECT ends here: its payload goes to the cluster as TCP (`connect_config`).
    pub terminate_connect: bool,
}

/// `RedirectAction`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redirect {
    /// New scheme.
    pub scheme: Option<String>,
    /// https unless the scheme is set.
    pub https: bool,
    /// New host.
    pub host: Option<String>,
    /// New port.
    pub port: Option<u16>,
    /// New path.
    pub path: Option<RedirectPath>,
    /// 301, 302, 303, 307, 308.
    pub status: u16,
    /// The query is dropped.
    pub strip_query: bool,
}

/// The path of a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectPath {
    /// This one.
    Full(String),
    /// The matched prefix becomes this.
    Prefix(String),
    /// The path's matches become this.
    Regex(RegexRewrite),
}

/// What happens to headers, in the order remove, then add.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeaderOperations {
    /// Request headers to add or set.
    pub request_set: Vec<HeaderValueOption>,
    /// Request headers to remove.
    pub request_remove: Vec<String>,
    /// Response headers to add or set.
    pub response_set: Vec<HeaderValueOption>,
    /// Response headers to remove.
    pub response_remove: Vec<String>,
}

impl HeaderOperations {
    /// Nothing happens.
    pub fn is_empty(&self) -> bool {
        self.request_set.is_empty()
            && self.request_remove.is_empty()
            && self.response_set.is_empty()
            && self.response_remove.is_empty()
    }
}

/// `HeaderValueOption`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderValueOption {
    /// Name.
    pub name: String,
    /// Value, with Envoy's command operators (`%REQ(x)%`) where Istio passes them.
    pub value: String,
    /// Append (VirtualService `add`) or overwrite (`set`).
    pub action: HeaderAction,
}

/// `HeaderAppendAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderAction {
    /// One more.
    #[default]
    Append,
    /// Only if there is none.
    AddIfAbsent,
    /// In place of what is there, or new.
    Overwrite,
    /// In place of what is there, never new.
    OverwriteIfPresent,
}

/// `HTTPFault`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fault {
    /// Wait so long, for this share.
    pub delay: Option<(Duration, Fraction)>,
    /// Answer so, for this share.
    pub abort: Option<(FaultAbort, Fraction)>,
}

/// What an aborted request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAbort {
    /// An HTTP status.
    Http(u16),
    /// A gRPC status.
    Grpc(u32),
}

/// `CorsPolicy`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cors {
    /// Origins.
    pub allow_origins: Vec<StringMatcher>,
    /// `access-control-allow-methods`.
    pub allow_methods: String,
    /// `access-control-allow-headers`.
    pub allow_headers: String,
    /// `access-control-expose-headers`.
    pub expose_headers: String,
    /// `access-control-max-age`.
    pub max_age: String,
    /// `access-control-allow-credentials`.
    pub allow_credentials: Option<bool>,
    /// A preflight of an origin that does not match is forwarded.
    pub forward_not_matching_preflights: Option<bool>,
}
