//! Conditions: those that hold or not for a proxy and its port, and those that each request is asked about.

use std::collections::BTreeMap;

use weft_model::matcher::{HeaderMatcher, HeaderValueMatch, MetadataMatcher, MetadataValue, QueryMatcher};
use weft_model::route::{PathMatch, RouteMatch};

use super::{Context, MESH, string};
use crate::resources::virtual_service::{HttpMatch, StringMatch};

/// Where the token filter leaves what it has verified, and how a VirtualService asks for it.
const TOKENS: &str = "envoy.filters.http.jwt_authn";
const CLAIMS: &str = "@request.auth.claims";

/// Whether the condition is for this proxy and port. Where it names gateways these alone decide, as in Istio; else the
/// proxy's labels and namespace do.
pub(super) fn is_here(condition: &HttpMatch, namespace: &str, context: &Context<'_>) -> bool {
    let port = condition.port == 0 || condition.port == u32::from(context.port);
    let source = if condition.gateways.is_empty() {
        has(context.labels, &condition.source_labels) && is_in(&condition.source_namespace, context)
    } else {
        is_gateway(&condition.gateways, namespace, context)
    };
    port && source
}

/// Whether the proxy is one of the gateways that a resource of `namespace` names.
pub(super) fn is_gateway(names: &[String], namespace: &str, context: &Context<'_>) -> bool {
    names.iter().any(|name| {
        let name = gateway(name, namespace);
        context.gateways.iter().any(|known| *known == name)
    })
}

/// A gateway's full name.
pub(crate) fn gateway(name: &str, namespace: &str) -> String {
    match name.split_once('/') {
        None if name == MESH => MESH.to_owned(),
        // `name.namespace.svc.cluster.local`, as it was written before there was a slash.
        None => match name.split('.').collect::<Vec<_>>()[..] {
            [name, namespace, ..] => format!("{namespace}/{name}"),
            _ => format!("{namespace}/{name}"),
        },
        Some((".", name)) => format!("{namespace}/{name}"),
        Some(_) => name.to_owned(),
    }
}

pub(super) fn is_in(namespace: &str, context: &Context<'_>) -> bool {
    namespace.is_empty() || namespace == context.namespace
}

pub(super) fn has(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

/// What a request is asked about; without a condition nothing.
pub(super) fn of_request(condition: Option<&HttpMatch>) -> RouteMatch {
    let mut matches = RouteMatch::path(PathMatch::Prefix("/".to_owned()));
    let Some(condition) = condition else { return matches };
    matches.path = match &condition.uri {
        Some(StringMatch::Exact(path)) => PathMatch::Exact(path.clone()),
        Some(StringMatch::Prefix(prefix)) => PathMatch::Prefix(prefix.clone()),
        Some(StringMatch::Regex(regex)) => PathMatch::Regex(regex.clone()),
        Some(StringMatch::Present) | None => matches.path,
    };
    matches.ignore_case = condition.ignore_uri_case;
    for (asked, absent) in [(&condition.headers, false), (&condition.without_headers, true)] {
        for (name, value) in asked {
            match claims(name) {
                Some(path) => matches.metadata.push(claim(path, value, absent)),
                None => matches.headers.push(header(name, value, absent)),
            }
        }
    }
    // By name; a header that is asked for twice keeps the order.
    matches.headers.sort_by(|a, b| a.name.cmp(&b.name));
    let pseudo = [
        (":method", &condition.method),
        (":authority", &condition.authority),
        (":scheme", &condition.scheme),
    ];
    for (name, value) in pseudo {
        matches.headers.extend(value.as_ref().map(|value| header(name, value, false)));
    }
    matches.query = condition.query_params.iter().map(|(name, value)| query(name, value)).collect();
    matches
}

fn header(name: &str, value: &StringMatch, absent: bool) -> HeaderMatcher {
    let (value, is_string) = match present_or(value) {
        None => (HeaderValueMatch::Present(true), false),
        Some(matcher) => (HeaderValueMatch::String(matcher), true),
    };
    // A header that is not there does not have the value: without this, no inverted match holds for it.
    let treat_missing_as_empty = absent && is_string;
    HeaderMatcher { name: name.to_ascii_lowercase(), value, invert: absent, treat_missing_as_empty }
}

fn query(name: &str, value: &StringMatch) -> QueryMatcher {
    QueryMatcher { name: name.to_owned(), value: present_or(value) }
}

/// `{}` and the regex `*`, which is none, ask for presence.
fn present_or(value: &StringMatch) -> Option<weft_model::matcher::StringMatcher> {
    match value {
        StringMatch::Regex(regex) if regex == "*" => None,
        value => string(value),
    }
}

/// The path of names that `@request.auth.claims[a][b]` or `@request.auth.claims.a.b` asks for.
fn claims(header: &str) -> Option<Vec<String>> {
    let start = header.get(..CLAIMS.len())?;
    let rest = start.eq_ignore_ascii_case(CLAIMS).then(|| &header[CLAIMS.len()..])?;
    let names: Vec<String> = match rest.strip_prefix('.') {
        Some(dotted) => dotted.split('.').map(str::to_owned).collect(),
        None => {
            let inner = rest.strip_prefix('[')?.strip_suffix(']')?;
            inner.split("][").map(str::to_owned).collect()
        }
    };
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

fn claim(names: Vec<String>, value: &StringMatch, absent: bool) -> MetadataMatcher {
    let value = match string(value) {
        Some(matcher) => MetadataValue::String(matcher),
        None => MetadataValue::Present(true),
    };
    let in_list = MetadataValue::ListOneOf(Box::new(value.clone()));
    MetadataMatcher {
        filter: TOKENS.to_owned(),
        path: std::iter::once("payload".to_owned()).chain(names).collect(),
        value: MetadataValue::Or(vec![in_list, value]),
        invert: absent,
    }
}
