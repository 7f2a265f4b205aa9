//! Routes: configurations, virtual hosts, matches, and what is answered without an upstream.

use weft_model::route::{
    HeaderAction, HeaderOperations, HeaderValueOption, PathMatch, Redirect, RedirectPath, RegexRewrite,
    Route, RouteAction, RouteConfiguration, RouteMatch, TlsRequirement, VirtualHost,
};

use super::matcher::{header, metadata, query};
use super::value::{inline, number, pack, regex, runtime_fraction, typed, yes};
use super::{forward, metadata as notes, per_route};
use crate::pb::{core, matcher, route, uri_template};

/// The longest answer that a route may give by itself, as istiod allows.
const LONGEST_DIRECT_RESPONSE: u32 = 1024 * 1024;

pub(crate) fn route_configuration(value: &RouteConfiguration) -> route::RouteConfiguration {
    let headers = operations(&value.headers);
    route::RouteConfiguration {
        name: value.name.clone(),
        virtual_hosts: value.virtual_hosts.iter().map(virtual_host).collect(),
        request_headers_to_add: headers.0,
        request_headers_to_remove: headers.1,
        response_headers_to_add: headers.2,
        response_headers_to_remove: headers.3,
        validate_clusters: yes(false),
        max_direct_response_body_size_bytes: number(longest_direct_response(value)),
        ignore_port_in_host_matching: value.ignore_port_in_host_matching,
        ..Default::default()
    }
}

/// Said where routes come over RDS (their hosts are looked up without ports), as istiod does, and where a body needs it.
fn longest_direct_response(value: &RouteConfiguration) -> Option<u32> {
    let needed = |route: &Route| match &route.action {
        RouteAction::DirectResponse { body, .. } => body.len() > 4096,
        _ => false,
    };
    let needed = value.virtual_hosts.iter().flat_map(|host| &host.routes).any(needed);
    (needed || value.ignore_port_in_host_matching).then_some(LONGEST_DIRECT_RESPONSE)
}

fn virtual_host(value: &VirtualHost) -> route::VirtualHost {
    use route::virtual_host::TlsRequirementType as Tls;
    let require_tls = match value.require_tls {
        TlsRequirement::None => Tls::None,
        TlsRequirement::All => Tls::All,
        TlsRequirement::ExternalOnly => Tls::ExternalOnly,
    };
    let headers = operations(&value.headers);
    route::VirtualHost {
        name: value.name.clone(),
        domains: value.domains.clone(),
        routes: value.routes.iter().map(route).collect(),
        require_tls: require_tls as i32,
        request_headers_to_add: headers.0,
        request_headers_to_remove: headers.1,
        response_headers_to_add: headers.2,
        response_headers_to_remove: headers.3,
        include_request_attempt_count: value.include_request_attempt_count,
        ..Default::default()
    }
}

fn route(value: &Route) -> route::Route {
    let headers = operations(&value.headers);
    let decorator = route::Decorator { operation: value.operation.clone(), propagate: None };
    route::Route {
        name: value.name.clone(),
        r#match: Some(route_match(&value.matches)),
        metadata: notes::config(&value.config),
        decorator: (!value.operation.is_empty()).then_some(decorator),
        typed_per_filter_config: per_route::filters(value),
        request_headers_to_add: headers.0,
        request_headers_to_remove: headers.1,
        response_headers_to_add: headers.2,
        response_headers_to_remove: headers.3,
        action: Some(action(&value.action)),
        ..Default::default()
    }
}

pub(crate) fn route_match(value: &RouteMatch) -> route::RouteMatch {
    use route::route_match::{ConnectMatcher, GrpcRouteMatchOptions, PathSpecifier as Is};
    use uri_template::r#match::uri_template::v3::UriTemplateMatchConfig;
    let path = match &value.path {
        PathMatch::Prefix(path) => Is::Prefix(path.clone()),
        PathMatch::Exact(path) => Is::Path(path.clone()),
        PathMatch::Regex(path) => Is::SafeRegex(regex(path)),
        PathMatch::PathSeparatedPrefix(path) => Is::PathSeparatedPrefix(path.clone()),
        PathMatch::Template(path) => {
            let config = UriTemplateMatchConfig { path_template: path.clone() };
            Is::PathMatchPolicy(typed("envoy.path.match.uri_template.uri_template_matcher", pack(&config)))
        }
        PathMatch::Connect => Is::ConnectMatcher(ConnectMatcher {}),
    };
    route::RouteMatch {
        path_specifier: Some(path),
        case_sensitive: if value.ignore_case { yes(false) } else { None },
        runtime_fraction: value.fraction.map(runtime_fraction),
        headers: value.headers.iter().map(header).collect(),
        query_parameters: value.query.iter().map(query).collect(),
        dynamic_metadata: value.metadata.iter().map(metadata).collect(),
        grpc: value.grpc.then_some(GrpcRouteMatchOptions {}),
        ..Default::default()
    }
}

fn action(value: &RouteAction) -> route::route::Action {
    use route::route::Action as Is;
    match value {
        RouteAction::Forward(value) => Is::Route(forward::forward(value)),
        RouteAction::Redirect(value) => Is::Redirect(redirect(value)),
        RouteAction::DirectResponse { status, body } => Is::DirectResponse(route::DirectResponseAction {
            status: (*status).into(),
            body: direct_body(body),
            body_format: None,
        }),
        RouteAction::Unknown(what) if what == "filter_action" => {
            Is::FilterAction(route::FilterAction::default())
        }
        RouteAction::Unknown(_) => Is::NonForwardingAction(route::NonForwardingAction {}),
    }
}

fn direct_body(body: &[u8]) -> Option<core::DataSource> {
    if body.is_empty() {
        return None;
    }
    Some(match str::from_utf8(body) {
        Ok(text) => inline(text),
        Err(_) => core::DataSource {
            watched_directory: None,
            specifier: Some(core::data_source::Specifier::InlineBytes(body.to_vec())),
        },
    })
}

fn redirect(value: &Redirect) -> route::RedirectAction {
    use route::redirect_action::{
        PathRewriteSpecifier as Path, RedirectResponseCode as Code, SchemeRewriteSpecifier,
    };
    let scheme = match &value.scheme {
        Some(scheme) => Some(SchemeRewriteSpecifier::SchemeRedirect(scheme.clone())),
        None => value.https.then_some(SchemeRewriteSpecifier::HttpsRedirect(true)),
    };
    let path = value.path.as_ref().map(|path| match path {
        RedirectPath::Full(path) => Path::PathRedirect(path.clone()),
        RedirectPath::Prefix(path) => Path::PrefixRewrite(path.clone()),
        RedirectPath::Regex(value) => Path::RegexRewrite(rewrite(value)),
    });
    let code = match value.status {
        302 => Code::Found,
        303 => Code::SeeOther,
        307 => Code::TemporaryRedirect,
        308 => Code::PermanentRedirect,
        _ => Code::MovedPermanently,
    };
    route::RedirectAction {
        host_redirect: value.host.clone().unwrap_or_default(),
        port_redirect: value.port.unwrap_or_default().into(),
        response_code: code as i32,
        strip_query: value.strip_query,
        scheme_rewrite_specifier: scheme,
        path_rewrite_specifier: path,
    }
}

pub(crate) fn rewrite(value: &RegexRewrite) -> matcher::RegexMatchAndSubstitute {
    matcher::RegexMatchAndSubstitute {
        pattern: Some(regex(&value.pattern)),
        substitution: value.substitution.clone(),
    }
}

type Operations = (Vec<core::HeaderValueOption>, Vec<String>, Vec<core::HeaderValueOption>, Vec<String>);

pub(crate) fn operations(value: &HeaderOperations) -> Operations {
    (
        value.request_set.iter().map(option).collect(),
        value.request_remove.clone(),
        value.response_set.iter().map(option).collect(),
        value.response_remove.clone(),
    )
}

fn option(value: &HeaderValueOption) -> core::HeaderValueOption {
    use core::header_value_option::HeaderAppendAction as Is;
    let action = match value.action {
        HeaderAction::Append => Is::AppendIfExistsOrAdd,
        HeaderAction::AddIfAbsent => Is::AddIfAbsent,
        HeaderAction::Overwrite => Is::OverwriteIfExistsOrAdd,
        HeaderAction::OverwriteIfPresent => Is::OverwriteIfExists,
    };
    let header =
        core::HeaderValue { key: value.name.clone(), value: value.value.clone(), raw_value: Vec::new() };
    core::HeaderValueOption { header: Some(header), append_action: action as i32, ..Default::default() }
}
