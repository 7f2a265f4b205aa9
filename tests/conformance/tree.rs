//! Protobuf as a tree of names, so that two messages can be compared field by field and by path.
//!
//! The generated types have no reflection; their `Debug` output has all of it, and is read back here. Packed messages
//! are unpacked in place, JSON stands as it is, absent fields and bare defaults are left out.

use std::collections::BTreeMap;
use std::fmt::Debug;

use envoy_types::pb::envoy::config::{cluster, endpoint, listener, route};
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use envoy_types::pb::envoy::extensions::filters::http as http_filters;
use envoy_types::pb::envoy::extensions::filters::listener as listener_filters;
use envoy_types::pb::envoy::extensions::filters::network as network_filters;
use envoy_types::pb::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
use envoy_types::pb::envoy::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use envoy_types::pb::envoy::extensions::path::rewrite::uri_template::v3::UriTemplateRewriteConfig;
use envoy_types::pb::envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::envoy::extensions::transport_sockets as sockets;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use prost::{Message, Name};
use weft_wire::istio;

/// A message, a list or a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Object(BTreeMap<String, Self>),
    List(Vec<Self>),
    Leaf(String),
    /// Taken away by a note.
    Gone,
}

/// What a proxy takes for granted where nothing is said: a field that says so says nothing.
const SPELLED_OUT: [(&str, &str); 2] = [("case_sensitive", "true"), ("source_type", "Any")];

/// Fields where an empty message says nothing, each with a field that stands beside it.
const HOLLOW: [(&str, &str); 6] = [
    ("connect_timeout", "common_lb_config"),
    ("filters", "filter_chain_match"),
    ("http_filters", "http_protocol_options"),
    ("http_filters", "http2_protocol_options"),
    ("lb_endpoints", "locality"),
    ("load_balancing_weight", "locality"),
];

/// The tree of a resource.
pub(crate) fn of(type_url: &str, bytes: &[u8]) -> Tree {
    macro_rules! known {
        ($($message:ty),* $(,)?) => {
            match type_url.rsplit('/').next().unwrap() {
                $(name if name == <$message>::full_name() => text::<$message>(bytes),)*
                name => panic!("{name} is not known to the test"),
            }
        };
    }
    let text = known!(
        listener::v3::Listener,
        cluster::v3::Cluster,
        route::v3::RouteConfiguration,
        endpoint::v3::ClusterLoadAssignment,
        FileAccessLog,
        CaresDnsResolverConfig,
        UriTemplateMatchConfig,
        UriTemplateRewriteConfig,
        UuidRequestIdConfig,
        PreviousHostsPredicate,
        HttpProtocolOptions,
        http_filters::cors::v3::Cors,
        http_filters::cors::v3::CorsPolicy,
        http_filters::fault::v3::HttpFault,
        http_filters::grpc_stats::v3::FilterConfig,
        http_filters::grpc_web::v3::GrpcWeb,
        http_filters::jwt_authn::v3::JwtAuthentication,
        http_filters::rbac::v3::Rbac,
        http_filters::router::v3::Router,
        http_filters::ext_authz::v3::ExtAuthz,
        listener_filters::http_inspector::v3::HttpInspector,
        listener_filters::original_dst::v3::OriginalDst,
        listener_filters::original_src::v3::OriginalSrc,
        listener_filters::tls_inspector::v3::TlsInspector,
        network_filters::http_connection_manager::v3::HttpConnectionManager,
        network_filters::rbac::v3::Rbac,
        network_filters::tcp_proxy::v3::TcpProxy,
        sockets::raw_buffer::v3::RawBuffer,
        sockets::tls::v3::DownstreamTlsContext,
        sockets::tls::v3::UpstreamTlsContext,
        istio::alpn::FilterConfig,
        istio::stats::PluginConfig,
        istio::udpa::TypedStruct,
    );
    let mut reader = Reader { rest: &text };
    let tree = reader.value();
    assert!(reader.rest.is_empty(), "left over: {}", reader.rest);
    tree.unwrap_or(Tree::Gone)
}

fn text<T: Message + Default + Debug>(bytes: &[u8]) -> String {
    format!("{:?}", T::decode(bytes).unwrap())
}

impl Tree {
    /// Takes away what stands at `path`; false if nothing does. Keys of maps may hold dots and brackets, so every field
    /// that the path could begin with is tried.
    pub(crate) fn strip(&mut self, path: &str) -> bool {
        let path = path.strip_prefix('.').unwrap_or(path);
        if path.is_empty() {
            *self = Self::Gone;
            return true;
        }
        let Self::Object(fields) = self else { return false };
        fields.iter_mut().any(|(field, tree)| match path.strip_prefix(field.as_str()) {
            Some(rest) if rest.is_empty() || rest.starts_with('.') => tree.strip(rest),
            Some(rest) if rest.starts_with('[') => {
                let Self::List(items) = tree else { return false };
                let Some((index, rest)) = rest[1..].split_once(']') else { return false };
                index
                    .parse()
                    .ok()
                    .and_then(|index: usize| items.get_mut(index))
                    .is_some_and(|item| item.strip(rest))
            }
            _ => false,
        })
    }

    /// Leaves out what was taken away, and what says nothing.
    pub(crate) fn settle(&mut self) {
        match self {
            Self::Object(fields) => {
                fields.retain(|_, tree| *tree != Self::Gone);
                fields.values_mut().for_each(Self::settle);
                for (beside, field) in HOLLOW {
                    if fields.contains_key(beside)
                        && fields.get(field) == Some(&Self::Object(BTreeMap::new()))
                    {
                        fields.remove(field);
                    }
                }
                for (field, default) in SPELLED_OUT {
                    if fields.get(field) == Some(&Self::Leaf(default.to_owned())) {
                        fields.remove(field);
                    }
                }
            }
            Self::List(items) => {
                items.retain(|tree| *tree != Self::Gone);
                items.iter_mut().for_each(Self::settle);
            }
            Self::Leaf(_) | Self::Gone => {}
        }
    }

    /// Where `other` differs, with the path.
    pub(crate) fn differences(&self, other: &Self, path: &str, found: &mut Vec<String>) {
        match (self, other) {
            (Self::Object(ours), Self::Object(theirs)) => {
                let fields: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
                for field in fields {
                    let path = format!("{path}.{field}");
                    match (ours.get(field), theirs.get(field)) {
                        (Some(ours), Some(theirs)) => ours.differences(theirs, &path, found),
                        (Some(ours), None) => found.push(format!("{path}: lost {ours:?}")),
                        (None, Some(theirs)) => found.push(format!("{path}: made up {theirs:?}")),
                        (None, None) => {}
                    }
                }
            }
            (Self::List(ours), Self::List(theirs)) if ours.len() == theirs.len() => {
                for (n, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    ours.differences(theirs, &format!("{path}[{n}]"), found);
                }
            }
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => found.push(format!("{path}: {ours:?} became {theirs:?}")),
        }
    }
}

/// Reads `Debug` output.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn must(&mut self, token: &str) {
        assert!(self.eat(token), "{token:?} is missing at {:.80}", self.rest);
    }

    fn word(&mut self) -> String {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || "_#.-+".contains(c)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.strip_prefix("r#").unwrap_or(word).to_owned()
    }

    fn quoted(&mut self) -> String {
        self.must("\"");
        let mut text = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                '\\' => match letters.next().unwrap().1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    '0' => text.push('\0'),
                    other => text.push(other),
                },
                letter => text.push(letter),
            }
        }
        panic!("a string does not end")
    }

    /// A value; `None` is an absent one.
    fn value(&mut self) -> Option<Tree> {
        match self.rest.chars().next().unwrap() {
            '"' => Some(Tree::Leaf(self.quoted())),
            '[' => Some(self.list()),
            '{' => {
                let entries = self.entries();
                Some(Tree::Object(entries.into_iter().collect()))
            }
            _ => self.named(),
        }
    }

    fn list(&mut self) -> Tree {
        self.must("[");
        let mut items = Vec::new();
        while !self.eat("]") {
            items.push(self.value().unwrap());
            self.eat(", ");
        }
        Tree::List(items)
    }

    fn entries(&mut self) -> Vec<(String, Tree)> {
        self.must("{");
        let mut entries = Vec::new();
        while !self.eat("}") {
            let key = self.quoted();
            self.must(": ");
            entries.push((key, self.value().unwrap()));
            self.eat(", ");
        }
        entries
    }

    fn named(&mut self) -> Option<Tree> {
        let name = self.word();
        match name.as_str() {
            "None" => None,
            "Some" => {
                self.must("(");
                let value = self.value();
                self.must(")");
                value
            }
            _ if self.eat(" { ") => {
                let mut fields = BTreeMap::new();
                while !self.eat(" }") {
                    self.field(&mut fields);
                    self.eat(", ");
                }
                Some(message(&name, fields))
            }
            // A variant of a oneof: its name takes the field's place.
            _ if self.eat("(") => {
                let value = self.value().unwrap();
                self.must(")");
                Some(Tree::Object(BTreeMap::from([(format!("|{}", snake(&name)), value)])))
            }
            _ if name.chars().all(char::is_alphanumeric) && name.starts_with(char::is_uppercase) => {
                // A message without fields, or an enum's value.
                Some(if EMPTY.contains(&name.as_str()) {
                    Tree::Object(BTreeMap::new())
                } else {
                    Tree::Leaf(name)
                })
            }
            _ => Some(Tree::Leaf(name)),
        }
    }

    fn field(&mut self, fields: &mut BTreeMap<String, Tree>) {
        let name = self.word();
        self.must(": ");
        let optional = self.rest.starts_with("Some(");
        if self.rest.starts_with('{') {
            for (key, value) in self.entries() {
                fields.insert(format!("{name}[{key}]"), value);
            }
            return;
        }
        match self.value() {
            None => {}
            Some(Tree::Object(mut variant)) if variant.keys().any(|key| key.starts_with('|')) => {
                let (variant, value) = variant.pop_first().unwrap();
                fields.insert(variant[1..].to_owned(), value);
            }
            Some(Tree::List(items)) if items.is_empty() => {}
            Some(Tree::Leaf(text)) if !optional && ["", "0", "0.0", "false"].contains(&text.as_str()) => {}
            Some(tree) => {
                fields.insert(name, tree);
            }
        }
    }
}

/// Messages that have no fields at all, whose `Debug` looks like an enum's value.
const EMPTY: [&str; 24] = [
    "AggregatedConfigSource",
    "AllowMissing",
    "ConnectMatcher",
    "Cors",
    "Empty",
    "GoogleRe2",
    "GrpcRouteMatchOptions",
    "GrpcWeb",
    "HttpInspector",
    "LocalityWeightedLbConfig",
    "NonForwardingAction",
    "NullMatch",
    "OriginalDst",
    "PreviousHostsPredicate",
    "ProperCaseWords",
    "RawBuffer",
    "SelfConfigSource",
    "SourceIp",
    "SystemRootCerts",
    "ClusterProvided",
    "Baggage",
    "WorkloadDiscovery",
    "DownstreamConnections",
    "FilterAction",
];

/// A message in a simpler form, where it is a mere wrapper.
fn message(name: &str, mut fields: BTreeMap<String, Tree>) -> Tree {
    let bare = |fields: &BTreeMap<String, Tree>, default: &str| {
        fields.get("value").cloned().unwrap_or_else(|| Tree::Leaf(default.to_owned()))
    };
    match name {
        "BoolValue" => bare(&fields, "false"),
        "UInt32Value" | "UInt64Value" => bare(&fields, "0"),
        "Any" => packed(&mut fields),
        "TypedStruct" => {
            let mut value = match fields.remove("value") {
                Some(Tree::Object(value)) => value,
                _ => BTreeMap::new(),
            };
            value.insert("@json".to_owned(), fields.remove("type_url").unwrap());
            Tree::Object(value)
        }
        "Struct" => {
            let fields = fields.into_iter();
            let strip = |key: String| key["fields[".len()..key.len() - 1].to_owned();
            Tree::Object(fields.map(|(key, value)| (strip(key), value)).collect())
        }
        "Value" => fields.pop_first().map_or(Tree::Leaf("null".to_owned()), |(_, value)| value),
        "ListValue" => fields.remove("values").unwrap_or(Tree::List(Vec::new())),
        _ => Tree::Object(fields),
    }
}

fn packed(fields: &mut BTreeMap<String, Tree>) -> Tree {
    let Some(Tree::Leaf(type_url)) = fields.remove("type_url") else { return Tree::Object(BTreeMap::new()) };
    let bytes: Vec<u8> = match fields.remove("value") {
        Some(Tree::List(bytes)) => {
            let byte = |tree| match tree {
                Tree::Leaf(byte) => byte.parse().unwrap(),
                other => panic!("{other:?} is no byte"),
            };
            bytes.into_iter().map(byte).collect()
        }
        _ => Vec::new(),
    };
    match of(&type_url, &bytes) {
        Tree::Object(mut fields) => {
            fields.insert("@type".to_owned(), Tree::Leaf(type_url));
            Tree::Object(fields)
        }
        other => other,
    }
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
