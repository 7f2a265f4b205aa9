//! How HTTP is spoken to a cluster: `HttpProtocolOptions`, and what HTTP/1.1 and HTTP/2 may differ in.

use weft_model::cluster::{UpstreamHttp, UpstreamProtocol};

use super::value::{maybe_duration, number, pack, typed, yes};
use crate::pb::{core, preserve_case, upstream_http};

/// `None` is HTTP/1.1 with the field's defaults, of which nothing need be said.
pub(crate) fn options(value: &UpstreamHttp) -> Option<upstream_http::HttpProtocolOptions> {
    if *value == UpstreamHttp::default() {
        return None;
    }
    let common = core::HttpProtocolOptions {
        idle_timeout: maybe_duration(value.idle_timeout),
        max_connection_duration: maybe_duration(value.max_connection_duration),
        max_requests_per_connection: number(value.max_requests_per_connection),
        ..Default::default()
    };
    let upstream = core::UpstreamHttpProtocolOptions {
        auto_sni: value.auto_sni,
        auto_san_validation: value.auto_san_validation,
        ..Default::default()
    };
    Some(upstream_http::HttpProtocolOptions {
        common_http_protocol_options: (common != core::HttpProtocolOptions::default()).then_some(common),
        upstream_http_protocol_options: (upstream != core::UpstreamHttpProtocolOptions::default())
            .then_some(upstream),
        upstream_protocol_options: Some(protocol(value)),
        ..Default::default()
    })
}

fn protocol(value: &UpstreamHttp) -> upstream_http::http_protocol_options::UpstreamProtocolOptions {
    use upstream_http::http_protocol_options::explicit_http_config::ProtocolConfig;
    use upstream_http::http_protocol_options::{
        AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions as Is, UseDownstreamHttpConfig,
    };
    let one = http1(false, true, value.preserve_header_case);
    let two = core::Http2ProtocolOptions {
        max_concurrent_streams: number(value.max_concurrent_streams),
        ..Default::default()
    };
    let explicit = |config| Is::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) });
    match value.protocol {
        UpstreamProtocol::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(one)),
        UpstreamProtocol::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(two)),
        UpstreamProtocol::Downstream => Is::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
            http_protocol_options: Some(one),
            http2_protocol_options: Some(two),
            http3_protocol_options: None,
        }),
        UpstreamProtocol::Auto => Is::AutoConfig(AutoHttpConfig {
            http_protocol_options: Some(one),
            http2_protocol_options: Some(two),
            ..Default::default()
        }),
    }
}

pub(crate) fn http1(
    accept_http_10: bool,
    allow_absolute_url: bool,
    preserve: bool,
) -> core::Http1ProtocolOptions {
    use core::http1_protocol_options::{HeaderKeyFormat, header_key_format::HeaderFormat};
    let formatter = || {
        let config = preserve_case::PreserveCaseFormatterConfig::default();
        HeaderFormat::StatefulFormatter(typed("preserve_case", pack(&config)))
    };
    core::Http1ProtocolOptions {
        accept_http_10,
        // Allowed unless said otherwise.
        allow_absolute_url: if allow_absolute_url { None } else { yes(false) },
        header_key_format: preserve.then(|| HeaderKeyFormat { header_format: Some(formatter()) }),
        ..Default::default()
    }
}
