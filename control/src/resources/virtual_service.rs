//! VirtualService: where requests to a host really go.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::duration::Span;
use super::selector::PortSelector;

message! {
    /// Routes for some hosts, as seen by some gateways (`mesh` are the sidecars).
    pub struct VirtualService {
        pub hosts: Vec<String>,
        pub gateways: Vec<String>,
        pub http: Vec<HttpRoute>,
        pub tls: Vec<TlsRoute>,
        pub tcp: Vec<TcpRoute>,
        pub export_to: Vec<String>,
    }

    /// What to do with a request; the first route of a list whose `match` holds decides.
    pub struct HttpRoute {
        pub name: String,
        /// The conditions are OR-ed; none holds for every request.
        #[serde(rename = "match")]
        pub matches: Vec<HttpMatch>,
        pub route: Vec<HttpDestination>,
        pub redirect: Option<Redirect>,
        pub direct_response: Option<DirectResponse>,
        pub delegate: Option<Delegate>,
        pub rewrite: Option<Rewrite>,
        pub timeout: Option<Span>,
        pub retries: Option<Retries>,
        pub fault: Option<Fault>,
        pub mirror: Option<Destination>,
        pub mirrors: Vec<Mirror>,
        #[serde(alias = "mirror_percent")]
        pub mirror_percent: Option<u32>,
        pub mirror_percentage: Option<Percent>,
        pub cors_policy: Option<CorsPolicy>,
        pub headers: Option<Headers>,
    }

    /// One condition on a request: all of its fields hold.
    pub struct HttpMatch {
        pub name: String,
        pub uri: Option<StringMatch>,
        pub scheme: Option<StringMatch>,
        pub method: Option<StringMatch>,
        pub authority: Option<StringMatch>,
        pub headers: BTreeMap<String, StringMatch>,
        pub port: u32,
        pub source_labels: BTreeMap<String, String>,
        pub gateways: Vec<String>,
        pub query_params: BTreeMap<String, StringMatch>,
        pub ignore_uri_case: bool,
        pub without_headers: BTreeMap<String, StringMatch>,
        pub source_namespace: String,
        pub stat_prefix: String,
    }

    /// A destination of HTTP requests and its share of them.
    pub struct HttpDestination {
        pub destination: Destination,
        /// Absent counts as the only one's whole share, or as none among several.
        pub weight: Option<i32>,
        pub headers: Option<Headers>,
    }

    /// A service, or a subset of one.
    pub struct Destination {
        pub host: String,
        pub subset: String,
        pub port: Option<PortSelector>,
    }

    /// Answers with a redirect.
    pub struct Redirect {
        pub uri: String,
        pub authority: String,
        pub port: Option<u32>,
        pub derive_port: Option<DerivePort>,
        pub scheme: String,
        /// 0 is 301.
        pub redirect_code: u32,
    }

    /// Answers by itself.
    pub struct DirectResponse {
        pub status: u32,
        pub body: Option<ResponseBody>,
    }

    /// Hands the rest of the routing to another VirtualService.
    pub struct Delegate {
        pub name: String,
        pub namespace: String,
    }

    /// What of the request changes on its way.
    pub struct Rewrite {
        pub uri: String,
        pub authority: String,
        pub uri_regex_rewrite: Option<RegexRewrite>,
    }

    /// Replaces what `match` finds in the path by `rewrite`, which may name its groups (`\1`).
    pub struct RegexRewrite {
        #[serde(rename = "match")]
        pub pattern: String,
        pub rewrite: String,
    }

    /// When to try again.
    pub struct Retries {
        /// Beyond the first try; 0 and less never retry.
        pub attempts: i32,
        pub per_try_timeout: Option<Span>,
        pub retry_on: String,
        pub retry_remote_localities: Option<bool>,
        pub retry_ignore_previous_hosts: Option<bool>,
        pub backoff: Option<Span>,
    }

    /// Harm done on purpose.
    pub struct Fault {
        pub delay: Option<Delay>,
        pub abort: Option<Abort>,
    }

    /// Makes some requests wait.
    pub struct Delay {
        pub fixed_delay: Option<Span>,
        pub exponential_delay: Option<Span>,
        pub percentage: Option<Percent>,
        pub percent: i32,
    }

    /// Makes some requests fail.
    pub struct Abort {
        pub http_status: Option<i32>,
        pub grpc_status: Option<String>,
        pub http2_error: Option<String>,
        pub percentage: Option<Percent>,
    }

    /// A share, from 0 to 100.
    pub struct Percent {
        pub value: f64,
    }

    /// A destination that gets copies of some requests.
    pub struct Mirror {
        pub destination: Destination,
        pub percentage: Option<Percent>,
    }

    /// What browsers are told about other origins.
    pub struct CorsPolicy {
        pub allow_origin: Vec<String>,
        pub allow_origins: Vec<StringMatch>,
        pub allow_methods: Vec<String>,
        pub allow_headers: Vec<String>,
        pub expose_headers: Vec<String>,
        pub max_age: Option<Span>,
        pub allow_credentials: Option<bool>,
        pub unmatched_preflights: UnmatchedPreflights,
    }

    /// Changes to headers.
    pub struct Headers {
        pub request: Option<HeaderOperations>,
        pub response: Option<HeaderOperations>,
    }

    /// Changes to one direction's headers.
    pub struct HeaderOperations {
        pub set: BTreeMap<String, String>,
        pub add: BTreeMap<String, String>,
        pub remove: Vec<String>,
    }

    /// Where TLS connections go by their server name, unopened.
    pub struct TlsRoute {
        #[serde(rename = "match")]
        pub matches: Vec<TlsMatch>,
        pub route: Vec<RouteDestination>,
    }

    /// One condition on a TLS connection.
    pub struct TlsMatch {
        pub sni_hosts: Vec<String>,
        pub destination_subnets: Vec<String>,
        pub port: u32,
        pub source_labels: BTreeMap<String, String>,
        pub gateways: Vec<String>,
        pub source_namespace: String,
    }

    /// Where TCP connections go.
    pub struct TcpRoute {
        #[serde(rename = "match")]
        pub matches: Vec<L4Match>,
        pub route: Vec<RouteDestination>,
    }

    /// One condition on a TCP connection.
    pub struct L4Match {
        pub destination_subnets: Vec<String>,
        pub port: u32,
        pub source_subnet: String,
        pub source_labels: BTreeMap<String, String>,
        pub gateways: Vec<String>,
        pub source_namespace: String,
    }

    /// A destination of connections and its share of them.
    pub struct RouteDestination {
        pub destination: Destination,
        pub weight: Option<i32>,
    }
}

choice! {
    /// Which port a redirect names.
    pub enum DerivePort {
        FromProtocolDefault,
        FromRequestPort,
    }

    /// What happens to a preflight request of an origin that is not allowed.
    pub enum UnmatchedPreflights {
        Unspecified,
        Forward,
        Ignore,
    }
}

/// A condition on a string.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "StringMatchFields")]
pub enum StringMatch {
    /// The whole string.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// The whole string, by an RE2 expression.
    Regex(String),
    /// `{}`: the thing is there, whatever its value.
    Present,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StringMatchFields {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
}

impl TryFrom<StringMatchFields> for StringMatch {
    type Error = &'static str;

    fn try_from(fields: StringMatchFields) -> Result<Self, Self::Error> {
        match (fields.exact, fields.prefix, fields.regex) {
            (None, None, None) => Ok(Self::Present),
            (Some(exact), None, None) => Ok(Self::Exact(exact)),
            (None, Some(prefix), None) => Ok(Self::Prefix(prefix)),
            (None, None, Some(regex)) => Ok(Self::Regex(regex)),
            _ => Err("only one of exact, prefix and regex can be set"),
        }
    }
}

/// A direct response's body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ResponseBodyFields")]
pub struct ResponseBody(pub Vec<u8>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseBodyFields {
    string: Option<String>,
    bytes: Option<k8s_openapi::ByteString>,
}

impl TryFrom<ResponseBodyFields> for ResponseBody {
    type Error = &'static str;

    fn try_from(fields: ResponseBodyFields) -> Result<Self, Self::Error> {
        match (fields.string, fields.bytes) {
            (Some(string), None) => Ok(Self(string.into_bytes())),
            (None, Some(bytes)) => Ok(Self(bytes.0)),
            (None, None) => Err("one of string and bytes must be set"),
            (Some(_), Some(_)) => Err("only one of string and bytes can be set"),
        }
    }
}
