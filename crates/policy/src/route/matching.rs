//! Whether a route is for a request.

use rand::{Rng, RngExt};
use weft_model::request::RequestView;
use weft_model::route::Fraction;
use weft_model::table::header::{HeaderMatch, QueryMatch, ValueMatch, joined, values};
use weft_model::table::route::{Path, Route};

/// Whether a route is for a request; `None`: it is if something undecidable holds.
pub(super) fn matches(
    route: &Route,
    request: &impl RequestView,
    path: &str,
    rng: &mut impl Rng,
) -> Option<bool> {
    let mut decided = true;
    for verdict in verdicts(route, request, path) {
        match verdict {
            Some(false) => return Some(false),
            Some(true) => {}
            None => decided = false,
        }
    }
    if let Some(share) = route.fraction
        && !falls_in(share, rng)
    {
        return Some(false);
    }
    if decided { Some(true) } else { None }
}

/// What made a route undecidable.
pub(super) fn why(route: &Route) -> &str {
    if let Path::Broken(why) = &route.path {
        return why;
    }
    let in_headers = route.headers.iter().map(|header| &header.value);
    let in_query = route.query.iter().filter_map(|query| query.value.as_ref());
    let broken = in_headers.chain(in_query).find_map(|value| match value {
        ValueMatch::Broken(why) => Some(&**why),
        _ => None,
    });
    broken.unwrap_or("a header that the route has a regex for is no UTF-8")
}

fn verdicts(route: &Route, request: &impl RequestView, path: &str) -> impl Iterator<Item = Option<bool>> {
    let path = std::iter::once_with(move || path_matches(&route.path, request, path));
    let grpc = std::iter::once_with(move || Some(!route.grpc || is_grpc(request)));
    let headers = route.headers.iter().map(move |matcher| header_matches(matcher, request));
    let query = route.query.iter().map(move |matcher| query_matches(matcher, request.path()));
    path.chain(grpc).chain(headers).chain(query)
}

fn path_matches(own: &Path, request: &impl RequestView, path: &str) -> Option<bool> {
    let connect = request.method() == "CONNECT";
    // A CONNECT without a path can only be meant by a rule on CONNECT.
    if path.is_empty() && !matches!(own, Path::Connect | Path::Broken(_)) {
        return Some(false);
    }
    let starts = |prefix: &str, ignore_case: bool| {
        let start = path.as_bytes().get(..prefix.len());
        start.is_some_and(|start| same(start, prefix.as_bytes(), ignore_case))
    };
    Some(match own {
        Path::Prefix { prefix, ignore_case } => starts(prefix, *ignore_case),
        Path::Exact { path: own, ignore_case } => same(own.as_bytes(), path.as_bytes(), *ignore_case),
        Path::Separated { prefix, ignore_case } => {
            starts(prefix, *ignore_case) && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
        }
        Path::Regex(regex) => regex.matches(path),
        Path::Template(template) => template.matches(path) == Some(true),
        Path::Connect => connect,
        Path::Never => false,
        Path::Broken(_) => return None,
    })
}

fn same(a: &[u8], b: &[u8], ignore_case: bool) -> bool {
    if ignore_case { a.eq_ignore_ascii_case(b) } else { a == b }
}

fn is_grpc(request: &impl RequestView) -> bool {
    let kind = request.first_header("content-type").unwrap_or_default();
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// As Envoy sees it: several values are one, joined by commas; a missing header matches nothing but its absence, not even
/// an inverted rule, unless missing counts as empty.
pub(crate) fn header_matches(matcher: &HeaderMatch, request: &impl RequestView) -> Option<bool> {
    let values = values(request, &matcher.name);
    let verdict = match (&matcher.value, &values[..]) {
        (ValueMatch::Present(present), values) => {
            (!values.is_empty() || matcher.missing_is_empty) == *present
        }
        (_, []) if !matcher.missing_is_empty => return Some(false),
        (value, []) => value.matches(b"")?,
        (value, [only]) => value.matches(only)?,
        (value, several) => value.matches(&joined(several))?,
    };
    Some(verdict != matcher.invert)
}

/// The first parameter of that name decides, as it stands there (not decoded).
fn query_matches(matcher: &QueryMatch, path: &str) -> Option<bool> {
    let Some(found) = parameter(path, &matcher.name) else { return Some(false) };
    match &matcher.value {
        None => Some(true),
        Some(value) => value.matches(found.as_bytes()),
    }
}

/// A query parameter's first value.
pub(crate) fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Whether chance lets a request fall into a share of all.
pub fn falls_in(share: Fraction, rng: &mut impl Rng) -> bool {
    // Of nothing and of all chance is not asked.
    share.numerator >= share.denominator
        || (share.numerator > 0 && rng.random_range(0..share.denominator) < share.numerator)
}
