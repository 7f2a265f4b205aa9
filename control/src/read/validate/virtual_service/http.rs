//! HTTP routes of a VirtualService.

use crate::read::finding::Findings;
use crate::read::nearest::nearest;
use crate::read::path::Path;
use crate::read::validate::{regex, share, time};
use crate::resources::grpc_status;
use crate::resources::virtual_service::{
    CorsPolicy, Fault, HeaderOperations, Headers, HttpMatch, HttpRoute, Percent, Redirect, Retries, Rewrite,
    StringMatch,
};

/// Checks one route.
pub(super) fn route(route: &HttpRoute, at: &Path<'_>, into: &mut Findings) {
    action(route, at, into);
    for (index, condition) in route.matches.iter().enumerate() {
        matches(condition, &at.key("match").index(index), into);
    }
    let list = at.key("route");
    for (index, target) in route.route.iter().enumerate() {
        let at = list.index(index);
        super::destination(&target.destination, &at.key("destination"), into);
        headers(target.headers.as_ref(), &at.key("headers"), into);
    }
    super::weights(&route.route.iter().map(|target| target.weight).collect::<Vec<_>>(), &list, into);
    headers(route.headers.as_ref(), &at.key("headers"), into);
    time::millisecond_or_off(route.timeout, &at.key("timeout"), into);
    if let Some(policy) = &route.retries {
        retries(policy, &at.key("retries"), into);
    }
    if let Some(change) = &route.rewrite {
        rewrite(change, &at.key("rewrite"), into);
    }
    if let Some(harm) = &route.fault {
        fault(harm, &at.key("fault"), into);
    }
    if let Some(policy) = &route.cors_policy {
        cors(policy, &at.key("corsPolicy"), into);
    }
    mirrors(route, at, into);
}

/// Exactly one of the things that can become of a request.
fn action(route: &HttpRoute, at: &Path<'_>, into: &mut Findings) {
    if route.delegate.is_some() {
        into.error(&at.key("delegate"), "weft refuses delegation: no route would come of it");
        into.hint("write the delegate's routes here, each with this route's match");
    }
    let actions = [
        ("route", !route.route.is_empty()),
        ("redirect", route.redirect.is_some()),
        ("directResponse", route.direct_response.is_some()),
        ("delegate", route.delegate.is_some()),
    ];
    let given: Vec<&str> = actions.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    match given.as_slice() {
        [] => into.error(at, "one of route, redirect and directResponse is needed"),
        [_] => {}
        several => into.error(at, format!("only one of {} can be set", several.join(", "))),
    }
    if let Some(target) = &route.redirect {
        redirect(target, &at.key("redirect"), into);
        for (name, given) in [("rewrite", route.rewrite.is_some()), ("fault", route.fault.is_some())] {
            if given {
                into.error(&at.key(name), format!("{name} does nothing beside a redirect"));
            }
        }
    }
    if let Some(response) = &route.direct_response {
        let at = at.key("directResponse");
        if !(200..=599).contains(&response.status) {
            into.error(
                &at.key("status"),
                format!("{} is not a status to answer with: 200 to 599", response.status),
            );
        }
        if response.body.as_ref().is_some_and(|body| body.0.len() > 1024 * 1024) {
            into.error(&at.key("body"), "a body of more than 1 MiB");
        }
    }
}

fn matches(condition: &HttpMatch, at: &Path<'_>, into: &mut Findings) {
    for (name, condition) in [
        ("uri", &condition.uri),
        ("scheme", &condition.scheme),
        ("method", &condition.method),
        ("authority", &condition.authority),
    ] {
        let at = at.key(name);
        match condition {
            Some(StringMatch::Present) => into.warning(&at, "an empty condition holds for everything"),
            Some(condition) => text(condition, &at, into),
            None => {}
        }
    }
    if let Some(StringMatch::Exact(path) | StringMatch::Prefix(path)) = &condition.uri
        && !path.starts_with(['/', '*'])
    {
        into.warning(&at.key("uri"), format!("no path begins with {path:?}: paths begin with /"));
    }
    for (name, map) in [
        ("headers", &condition.headers),
        ("queryParams", &condition.query_params),
        ("withoutHeaders", &condition.without_headers),
    ] {
        for (key, condition) in map {
            text(condition, &at.key(name).key(key), into);
            if name != "queryParams" && !is_header_name(key.strip_prefix(':').unwrap_or(key)) {
                into.error(&at.key(name).key(key), format!("{key:?} is not a header's name"));
            }
        }
    }
    if condition.port != 0 {
        crate::read::validate::port::number(condition.port, &at.key("port"), into);
    }
    super::source(&condition.source_labels, &condition.source_namespace, &condition.gateways, at, into);
}

fn text(condition: &StringMatch, at: &Path<'_>, into: &mut Findings) {
    match condition {
        StringMatch::Regex(expression) if expression.is_empty() => {
            into.error(&at.key("regex"), "an empty regular expression");
        }
        StringMatch::Regex(expression) => regex::check(expression, &at.key("regex"), into),
        StringMatch::Prefix(prefix) if prefix.is_empty() => into.error(&at.key("prefix"), "an empty prefix"),
        StringMatch::Prefix(_) | StringMatch::Exact(_) | StringMatch::Present => {}
    }
}

fn redirect(target: &Redirect, at: &Path<'_>, into: &mut Findings) {
    if !matches!(target.redirect_code, 0 | 301 | 302 | 303 | 307 | 308) {
        into.error(
            &at.key("redirectCode"),
            format!("{} is not one of 301, 302, 303, 307, 308", target.redirect_code),
        );
    }
    if target.port.is_some() && target.derive_port.is_some() {
        into.error(at, "only one of port and derivePort can be set");
    }
    if let Some(port) = target.port {
        crate::read::validate::port::number(port, &at.key("port"), into);
    }
    let changes = !target.uri.is_empty()
        || !target.authority.is_empty()
        || !target.scheme.is_empty()
        || target.port.is_some()
        || target.derive_port.is_some();
    if !changes {
        into.error(at, "a redirect to where the request already is: set uri, authority, scheme or port");
    }
}

fn rewrite(change: &Rewrite, at: &Path<'_>, into: &mut Findings) {
    match &change.uri_regex_rewrite {
        Some(_) if !change.uri.is_empty() => into.error(at, "only one of uri and uriRegexRewrite can be set"),
        Some(pattern) => {
            let at = at.key("uriRegexRewrite");
            if pattern.pattern.is_empty() {
                into.error(&at, "`match` is missing");
            } else {
                regex::check(&pattern.pattern, &at.key("match"), into);
            }
        }
        None if change.uri.is_empty() && change.authority.is_empty() => {
            into.error(at, "a rewrite that changes nothing: set uri, uriRegexRewrite or authority");
        }
        None => {}
    }
}

/// What Envoy can retry on; a number is a status.
const RETRY_ON: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// Checks a retry policy.
pub(in crate::read::validate) fn retries(policy: &Retries, at: &Path<'_>, into: &mut Findings) {
    share::not_negative(policy.attempts, &at.key("attempts"), into);
    if policy.attempts == 0 && (!policy.retry_on.is_empty() || policy.per_try_timeout.is_some()) {
        into.error(at, "0 attempts never retry, so retryOn and perTryTimeout cannot be set");
    }
    time::millisecond_or_off(policy.per_try_timeout, &at.key("perTryTimeout"), into);
    time::at_least_a_millisecond(policy.backoff, &at.key("backoff"), into);
    if policy.retry_on.is_empty() {
        return;
    }
    let at = at.key("retryOn");
    for reason in policy.retry_on.split(',').map(str::trim) {
        let is_status = reason.parse::<u16>().is_ok_and(|status| (100..=599).contains(&status));
        if is_status || RETRY_ON.contains(&reason) {
            continue;
        }
        into.error(&at, format!("{reason:?} is nothing that is retried on"));
        into.hint(match nearest(reason, RETRY_ON.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("a status, or one of {}", RETRY_ON.join(", ")),
        });
    }
}

fn fault(harm: &Fault, at: &Path<'_>, into: &mut Findings) {
    if harm.delay.is_none() && harm.abort.is_none() {
        into.error(at, "one of delay and abort is needed");
    }
    if let Some(delay) = &harm.delay {
        let at = at.key("delay");
        percentage(delay.percentage.as_ref(), &at, into);
        share::percent(f64::from(delay.percent), &at.key("percent"), into);
        match (delay.fixed_delay, delay.exponential_delay) {
            (Some(_), None) => time::at_least_a_millisecond(delay.fixed_delay, &at.key("fixedDelay"), into),
            (None, Some(_)) => {
                into.error(&at.key("exponentialDelay"), "Istio has no exponential delay; use fixedDelay")
            }
            _ => into.error(&at, "one of fixedDelay and exponentialDelay is needed"),
        }
    }
    if let Some(abort) = &harm.abort {
        let at = at.key("abort");
        percentage(abort.percentage.as_ref(), &at, into);
        match (abort.http_status, &abort.grpc_status, &abort.http2_error) {
            (Some(status), None, None) => {
                if !(200..=599).contains(&status) {
                    into.error(
                        &at.key("httpStatus"),
                        format!("{status} is not a status to answer with: 200 to 599"),
                    );
                }
            }
            (None, Some(status), None) => {
                if grpc_status::number(status).is_none() {
                    let names = grpc_status::NAMES.join(", ");
                    into.error(&at.key("grpcStatus"), format!("{status:?} is not one of {names}"));
                }
            }
            (None, None, Some(_)) => {
                into.error(&at.key("http2Error"), "Istio has no HTTP/2 error here; use httpStatus")
            }
            _ => into.error(&at, "one of httpStatus and grpcStatus is needed"),
        }
    }
}

fn percentage(percentage: Option<&Percent>, at: &Path<'_>, into: &mut Findings) {
    if let Some(Percent { value }) = percentage {
        share::percent(*value, &at.key("percentage").key("value"), into);
    }
}

fn mirrors(route: &HttpRoute, at: &Path<'_>, into: &mut Findings) {
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        into.error(at, "only one of mirror and mirrors can be set");
    }
    if let Some(target) = &route.mirror {
        super::destination(target, &at.key("mirror"), into);
    }
    if let Some(Percent { value }) = &route.mirror_percentage {
        share::percent(*value, &at.key("mirrorPercentage").key("value"), into);
    }
    if let Some(percent) = route.mirror_percent {
        share::percent(f64::from(percent), &at.key("mirrorPercent"), into);
    }
    for (index, mirror) in route.mirrors.iter().enumerate() {
        let list = at.key("mirrors");
        let at = list.index(index);
        super::destination(&mirror.destination, &at.key("destination"), into);
        percentage(mirror.percentage.as_ref(), &at, into);
    }
}

fn cors(policy: &CorsPolicy, at: &Path<'_>, into: &mut Findings) {
    for (index, origin) in policy.allow_origins.iter().enumerate() {
        text(origin, &at.key("allowOrigins").index(index), into);
    }
    for (index, method) in policy.allow_methods.iter().enumerate() {
        if method.is_empty()
            || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'*' || byte == b'-')
        {
            into.error(&at.key("allowMethods").index(index), format!("{method:?} is not a method"));
        }
    }
}

fn headers(headers: Option<&Headers>, at: &Path<'_>, into: &mut Findings) {
    let Some(headers) = headers else { return };
    for (name, operations) in [("request", &headers.request), ("response", &headers.response)] {
        if let Some(operations) = operations {
            operate(operations, &at.key(name), into);
        }
    }
}

fn operate(operations: &HeaderOperations, at: &Path<'_>, into: &mut Findings) {
    let set = operations.set.iter().map(|(name, value)| ("set", name, value));
    let add = operations.add.iter().map(|(name, value)| ("add", name, value));
    for (what, name, value) in set.chain(add) {
        let what = at.key(what);
        header_name(name, &what.key(name), into);
        if value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
            into.error(&what.key(name), "a header's value has no control characters");
        }
    }
    for (index, name) in operations.remove.iter().enumerate() {
        header_name(name, &at.key("remove").index(index), into);
    }
}

fn header_name(name: &str, at: &Path<'_>, into: &mut Findings) {
    // Istio lets `:authority` be set, and host with it.
    if name != ":authority" && !is_header_name(name) {
        into.error(at, format!("{name:?} is not a header's name that can be changed"));
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
