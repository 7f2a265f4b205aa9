//! Routes: configurations, virtual hosts, matches, and what is answered without an upstream.

use weft_model::route::{
    HeaderAction, HeaderOperations, HeaderValueOption, PathMatch, Redirect, RedirectPath, RegexRewrite,
    Route, RouteAction, RouteConfiguration, RouteMatch, TlsRequirement, VirtualHost,
};

use super::at::{At, Decoded, unpack};
use super::matcher::{headers, metadata, query};
use super::value::{extension, port, regex, runtime_fraction, status};
use super::{forward, metadata as notes, per_route};
use crate::pb::{core, matcher, route, uri_template};

/// The longest body where nothing is said, as in Envoy.
const LONGEST_DIRECT_RESPONSE: u32 = 4096;

pub(super) fn route_configuration(
    at: &At<'_>,
    value: route::RouteConfiguration,
) -> Decoded<RouteConfiguration> {
    unpack!(at, value, route::RouteConfiguration {
        name, virtual_hosts, ignore_port_in_host_matching, request_headers_to_add, request_headers_to_remove,
        response_headers_to_add, response_headers_to_remove, validate_clusters, max_direct_response_body_size_bytes
    } else { vhds, internal_only_headers, most_specific_header_mutations_wins, cluster_specifier_plugins, request_mirror_policies, vhost_header, ignore_path_parameters_in_path_matching, typed_per_filter_config, metadata, route_specifiers });
    if validate_clusters.is_some_and(|validate| validate.value) {
        at.field("validate_clusters").note("a route may name a cluster that comes later");
    }
    let mut hosts = Vec::with_capacity(virtual_hosts.len());
    for (n, value) in virtual_hosts.into_iter().enumerate() {
        hosts.push(virtual_host(&at.item("virtual_hosts", n), value)?);
    }
    let headers = operations(
        at,
        (request_headers_to_add, request_headers_to_remove),
        (response_headers_to_add, response_headers_to_remove),
    )?;
    let longest =
        max_direct_response_body_size_bytes.map_or(LONGEST_DIRECT_RESPONSE, |longest| longest.value);
    bodies_fit(at, &hosts, longest)?;
    Ok(RouteConfiguration { name, virtual_hosts: hosts, ignore_port_in_host_matching, headers })
}

/// A body that is longer than what the configuration itself allows is a mistake.
fn bodies_fit(at: &At<'_>, hosts: &[VirtualHost], longest: u32) -> Decoded<()> {
    for host in hosts {
        for route in &host.routes {
            if let RouteAction::DirectResponse { body, .. } = &route.action
                && u32::try_from(body.len()).is_ok_and(|length| length > longest)
            {
                let why = format!(
                    "the answer of route {:?} has {} bytes, {longest} are allowed",
                    route.name,
                    body.len()
                );
                return Err(at.field("max_direct_response_body_size_bytes").fault(why));
            }
        }
    }
    Ok(())
}

#[allow(deprecated, reason = "what older control planes write is noted too")]
fn virtual_host(at: &At<'_>, value: route::VirtualHost) -> Decoded<VirtualHost> {
    use route::virtual_host::TlsRequirementType as Tls;
    unpack!(at, value, route::VirtualHost {
        name, domains, routes, matcher, require_tls, request_headers_to_add, request_headers_to_remove,
        response_headers_to_add, response_headers_to_remove, include_request_attempt_count
    } else { virtual_clusters, rate_limits, cors, typed_per_filter_config, include_attempt_count_in_response, retry_policy, retry_policy_typed_config, hedge_policy, include_is_timeout_retry_header, per_request_buffer_limit_bytes, request_body_buffer_limit, request_mirror_policies, metadata, route_specifiers });
    if matcher.is_some() {
        return Err(at.field("matcher").fault("a matching tree of routes is not walked here"));
    }
    if domains.is_empty() {
        return Err(at.field("domains").fault("it has none"));
    }
    let require_tls = match Tls::try_from(require_tls) {
        Ok(Tls::None) => TlsRequirement::None,
        Ok(Tls::All) => TlsRequirement::All,
        Ok(Tls::ExternalOnly) => TlsRequirement::ExternalOnly,
        Err(_) => return Err(at.field("require_tls").fault(format!("{require_tls} is no requirement"))),
    };
    let mut decoded = Vec::with_capacity(routes.len());
    for (n, value) in routes.into_iter().enumerate() {
        decoded.push(self::route(&at.item("routes", n), value)?);
    }
    let headers = operations(
        at,
        (request_headers_to_add, request_headers_to_remove),
        (response_headers_to_add, response_headers_to_remove),
    )?;
    Ok(VirtualHost {
        name,
        domains: domains.into_iter().map(|domain| domain.to_ascii_lowercase()).collect(),
        routes: decoded,
        headers,
        require_tls,
        include_request_attempt_count,
    })
}

#[allow(deprecated, reason = "what older control planes write is noted too")]
fn route(at: &At<'_>, value: route::Route) -> Decoded<Route> {
    unpack!(at, value, route::Route {
        name, r#match, metadata, decorator, typed_per_filter_config, request_headers_to_add, request_headers_to_remove,
        response_headers_to_add, response_headers_to_remove, action
    } else { tracing, per_request_buffer_limit_bytes, stat_prefix, request_body_buffer_limit, route_specifiers });
    let matches = r#match.ok_or_else(|| at.field("match").fault("it is missing"))?;
    let mut operation = String::new();
    if let Some(decorator) = decorator {
        at.field("decorator").left("propagate", &decorator.propagate);
        operation = decorator.operation;
    }
    let per_route::PerRoute { fault, cors, limit } = per_route::filters(at, typed_per_filter_config)?;
    let headers = operations(
        at,
        (request_headers_to_add, request_headers_to_remove),
        (response_headers_to_add, response_headers_to_remove),
    )?;
    Ok(Route {
        name,
        matches: route_match(&at.field("match"), matches)?,
        action: self::action(at, action)?,
        headers,
        config: notes::config(at, metadata),
        operation,
        fault,
        cors,
        limit,
    })
}

/// Which requests. A condition that cannot be checked refuses the whole resource: without it the route would match more.
pub(super) fn route_match(at: &At<'_>, value: route::RouteMatch) -> Decoded<RouteMatch> {
    unpack!(at, value, route::RouteMatch {
        path_specifier, case_sensitive, runtime_fraction, headers, query_parameters, grpc, dynamic_metadata,
        tls_context, filter_state, cookies
    } else {});
    let unchecked = [
        ("tls_context", tls_context.is_some()),
        ("filter_state", !filter_state.is_empty()),
        ("cookies", !cookies.is_empty()),
    ];
    if let Some((field, _)) = unchecked.iter().find(|(_, present)| *present) {
        return Err(at.field(field).fault("a condition of this kind is not checked here"));
    }
    let queries = query_parameters.into_iter().enumerate();
    let queries = queries.map(|(n, value)| query(&at.item("query_parameters", n), value));
    let claims = dynamic_metadata.into_iter().enumerate();
    let claims = claims.map(|(n, value)| metadata(&at.item("dynamic_metadata", n), value));
    Ok(RouteMatch {
        path: path(at, path_specifier)?,
        ignore_case: case_sensitive.is_some_and(|sensitive| !sensitive.value),
        headers: self::headers(at, "headers", headers)?,
        query: queries.collect::<Decoded<_>>()?,
        metadata: claims.collect::<Decoded<_>>()?,
        grpc: grpc.is_some(),
        fraction: self::runtime_fraction(at, "runtime_fraction", runtime_fraction)?,
    })
}

fn path(at: &At<'_>, value: Option<route::route_match::PathSpecifier>) -> Decoded<PathMatch> {
    use route::route_match::PathSpecifier as Is;
    use uri_template::r#match::uri_template::v3::UriTemplateMatchConfig;
    Ok(match value {
        Some(Is::Prefix(path)) => PathMatch::Prefix(path),
        Some(Is::Path(path)) => PathMatch::Exact(path),
        Some(Is::SafeRegex(value)) => PathMatch::Regex(regex(at, "safe_regex", value)?),
        Some(Is::PathSeparatedPrefix(path)) => PathMatch::PathSeparatedPrefix(path),
        Some(Is::ConnectMatcher(_)) => PathMatch::Connect,
        Some(Is::PathMatchPolicy(policy)) => {
            let at = at.field("path_match_policy");
            match extension::<UriTemplateMatchConfig>(&at, policy.typed_config.as_ref())? {
                Some(config) => PathMatch::Template(config.path_template),
                None => return Err(at.fault(format!("the policy {:?} is not known here", policy.name))),
            }
        }
        None => return Err(at.fault("it says no path")),
    })
}

fn action(at: &At<'_>, value: Option<route::route::Action>) -> Decoded<RouteAction> {
    use route::route::Action as Is;
    Ok(match value {
        Some(Is::Route(value)) => forward::forward(&at.field("route"), value)?,
        Some(Is::Redirect(value)) => RouteAction::Redirect(redirect(&at.field("redirect"), value)?),
        Some(Is::DirectResponse(value)) => direct_response(&at.field("direct_response"), value)?,
        Some(Is::NonForwardingAction(_)) => RouteAction::Unknown("non_forwarding_action".to_owned()),
        Some(Is::FilterAction(_)) => {
            at.field("filter_action").note("requests are answered with an error");
            RouteAction::Unknown("filter_action".to_owned())
        }
        None => return Err(at.fault("it has no action that is known here")),
    })
}

fn redirect(at: &At<'_>, value: route::RedirectAction) -> Decoded<Redirect> {
    use route::redirect_action::{
        PathRewriteSpecifier as Path, RedirectResponseCode as Code, SchemeRewriteSpecifier,
    };
    unpack!(at, value, route::RedirectAction {
        host_redirect, port_redirect, response_code, strip_query, scheme_rewrite_specifier, path_rewrite_specifier
    } else {});
    let (scheme, https) = match scheme_rewrite_specifier {
        Some(SchemeRewriteSpecifier::HttpsRedirect(https)) => (None, https),
        Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => (Some(scheme), false),
        None => (None, false),
    };
    let path = match path_rewrite_specifier {
        Some(Path::PathRedirect(path)) => Some(RedirectPath::Full(path)),
        Some(Path::PrefixRewrite(path)) => Some(RedirectPath::Prefix(path)),
        Some(Path::RegexRewrite(value)) => {
            Some(RedirectPath::Regex(rewrite(&at.field("regex_rewrite"), value)?))
        }
        Some(Path::PathRewrite(_)) => return Err(at.field("path_rewrite").fault("it is not known here")),
        None => None,
    };
    let status = match Code::try_from(response_code) {
        Ok(Code::MovedPermanently) => 301,
        Ok(Code::Found) => 302,
        Ok(Code::SeeOther) => 303,
        Ok(Code::TemporaryRedirect) => 307,
        Ok(Code::PermanentRedirect) => 308,
        Err(_) => return Err(at.field("response_code").fault(format!("{response_code} is no redirect"))),
    };
    let port = port(at, "port_redirect", port_redirect)?;
    Ok(Redirect {
        scheme,
        https,
        host: (!host_redirect.is_empty()).then_some(host_redirect),
        port: (port != 0).then_some(port),
        path,
        status,
        strip_query,
    })
}

pub(super) fn rewrite(at: &At<'_>, value: matcher::RegexMatchAndSubstitute) -> Decoded<RegexRewrite> {
    let pattern = value.pattern.ok_or_else(|| at.field("pattern").fault("it is missing"))?;
    Ok(RegexRewrite { pattern: regex(at, "pattern", pattern)?, substitution: value.substitution })
}

fn direct_response(at: &At<'_>, value: route::DirectResponseAction) -> Decoded<RouteAction> {
    use core::data_source::Specifier;
    unpack!(at, value, route::DirectResponseAction { status, body } else { body_format });
    let status = self::status(at, "status", status)?;
    let body = match body.and_then(|body| body.specifier) {
        None => Vec::new(),
        Some(Specifier::InlineString(text)) => text.into_bytes(),
        Some(Specifier::InlineBytes(bytes)) => bytes,
        Some(_) => return Err(at.field("body").fault("a body must stand in place")),
    };
    Ok(RouteAction::DirectResponse { status, body })
}

type Operations = (Vec<core::HeaderValueOption>, Vec<String>);

pub(super) fn operations(
    at: &At<'_>,
    request: Operations,
    response: Operations,
) -> Decoded<HeaderOperations> {
    Ok(HeaderOperations {
        request_set: options(at, "request_headers_to_add", request.0)?,
        request_remove: request.1,
        response_set: options(at, "response_headers_to_add", response.0)?,
        response_remove: response.1,
    })
}

fn options(
    at: &At<'_>,
    field: &str,
    values: Vec<core::HeaderValueOption>,
) -> Decoded<Vec<HeaderValueOption>> {
    values.into_iter().enumerate().map(|(n, value)| option(&at.item(field, n), value)).collect()
}

#[allow(deprecated, reason = "`append` is what older control planes write")]
fn option(at: &At<'_>, value: core::HeaderValueOption) -> Decoded<HeaderValueOption> {
    use core::header_value_option::HeaderAppendAction as Is;
    unpack!(at, value, core::HeaderValueOption { header, append, append_action } else { keep_empty_value });
    let header = header.ok_or_else(|| at.field("header").fault("it is missing"))?;
    if header.key.is_empty() {
        return Err(at.field("header").field("key").fault("it is empty"));
    }
    let value = match (header.value.is_empty(), String::from_utf8(header.raw_value)) {
        (true, Ok(value)) => value,
        (false, _) => header.value,
        (true, Err(_)) => return Err(at.field("header").field("raw_value").fault("it is no UTF-8 text")),
    };
    let action = match (append.map(|append| append.value), Is::try_from(append_action)) {
        (Some(false), Ok(Is::AppendIfExistsOrAdd)) => HeaderAction::Overwrite,
        (_, Ok(Is::AppendIfExistsOrAdd)) => HeaderAction::Append,
        (_, Ok(Is::AddIfAbsent)) => HeaderAction::AddIfAbsent,
        (_, Ok(Is::OverwriteIfExistsOrAdd)) => HeaderAction::Overwrite,
        (_, Ok(Is::OverwriteIfExists)) => HeaderAction::OverwriteIfPresent,
        (_, Err(_)) => return Err(at.field("append_action").fault(format!("{append_action} is no action"))),
    };
    Ok(HeaderValueOption { name: header.key, value, action })
}
