//! How HTTP is spoken to a cluster: `HttpProtocolOptions`, and what HTTP/1.1 and HTTP/2 may differ in.

use std::collections::HashMap;

use weft_model::cluster::{UpstreamHttp, UpstreamProtocol};

use super::at::{At, Decoded, unpack};
use super::cluster::{HTTP_OPTIONS, http_options};
use super::value::{Packed, duration, message, packed};
use crate::pb::{Any, core, upstream_http};

pub(super) fn options(at: &At<'_>, options: HashMap<String, Any>) -> Decoded<UpstreamHttp> {
    let mut http = UpstreamHttp::default();
    let Some(any) = http_options(at, options) else { return Ok(http) };
    let at = at.key("typed_extension_protocol_options", HTTP_OPTIONS);
    let Packed::Message(HTTP_OPTIONS, bytes) = packed(&at, &any)? else {
        return Err(at.fault(format!("it holds {:?}", any.type_url)));
    };
    let value: upstream_http::HttpProtocolOptions = message(&at, bytes)?;
    unpack!(at, value, upstream_http::HttpProtocolOptions {
        common_http_protocol_options, upstream_http_protocol_options, upstream_protocol_options
    } else { http_filters, header_validation_config, outlier_detection, request_mirror_policies, hash_policy, retry_policy });
    if let Some(common) = common_http_protocol_options {
        let at = at.field("common_http_protocol_options");
        unpack!(at, common, core::HttpProtocolOptions {
            idle_timeout, max_connection_duration, max_requests_per_connection
        } else { max_connection_duration_jitter, max_headers_count, max_response_headers_kb, max_stream_duration, headers_with_underscores_action });
        http.idle_timeout = duration(&at, "idle_timeout", idle_timeout)?;
        http.max_connection_duration = duration(&at, "max_connection_duration", max_connection_duration)?;
        http.max_requests_per_connection = max_requests_per_connection.map(|value| value.value);
    }
    if let Some(upstream) = upstream_http_protocol_options {
        let at = at.field("upstream_http_protocol_options");
        unpack!(at, upstream, core::UpstreamHttpProtocolOptions { auto_sni, auto_san_validation } else { override_auto_sni_header });
        http.auto_sni = auto_sni;
        http.auto_san_validation = auto_san_validation;
    }
    protocol(&at, upstream_protocol_options, &mut http)?;
    Ok(http)
}

fn protocol(
    at: &At<'_>,
    value: Option<upstream_http::http_protocol_options::UpstreamProtocolOptions>,
    http: &mut UpstreamHttp,
) -> Decoded<()> {
    use upstream_http::http_protocol_options::explicit_http_config::ProtocolConfig as Explicit;
    use upstream_http::http_protocol_options::{
        AutoHttpConfig, UpstreamProtocolOptions as Is, UseDownstreamHttpConfig,
    };
    match value {
        None => return Err(at.fault("it says no protocol")),
        Some(Is::ExplicitHttpConfig(config)) => {
            let at = at.field("explicit_http_config");
            match config.protocol_config {
                Some(Explicit::HttpProtocolOptions(one)) => {
                    http.preserve_header_case = http1(&at.field("http_protocol_options"), one).preserve_case;
                }
                Some(Explicit::Http2ProtocolOptions(two)) => {
                    http.protocol = UpstreamProtocol::Http2;
                    http.max_concurrent_streams = http2(&at.field("http2_protocol_options"), two);
                }
                Some(Explicit::Http3ProtocolOptions(_)) => {
                    return Err(at.field("http3_protocol_options").fault("HTTP/3 is not spoken"));
                }
                None => return Err(at.fault("it says no protocol")),
            }
        }
        Some(Is::UseDownstreamProtocolConfig(config)) => {
            let at = at.field("use_downstream_protocol_config");
            unpack!(at, config, UseDownstreamHttpConfig {
                http_protocol_options, http2_protocol_options
            } else { http3_protocol_options });
            http.protocol = UpstreamProtocol::Downstream;
            both(&at, http_protocol_options, http2_protocol_options, http);
        }
        Some(Is::AutoConfig(config)) => {
            let at = at.field("auto_config");
            unpack!(at, config, AutoHttpConfig { http_protocol_options, http2_protocol_options } else { http3_protocol_options, alternate_protocols_cache_options });
            http.protocol = UpstreamProtocol::Auto;
            both(&at, http_protocol_options, http2_protocol_options, http);
        }
    }
    Ok(())
}

fn both(
    at: &At<'_>,
    one: Option<core::Http1ProtocolOptions>,
    two: Option<core::Http2ProtocolOptions>,
    http: &mut UpstreamHttp,
) {
    if let Some(one) = one {
        http.preserve_header_case = http1(&at.field("http_protocol_options"), one).preserve_case;
    }
    http.max_concurrent_streams = two.and_then(|two| http2(&at.field("http2_protocol_options"), two));
}

/// What of HTTP/1.1's options is honoured, upstream or downstream.
pub(super) struct Http1 {
    pub(super) accept_http_10: bool,
    pub(super) allow_absolute_url: bool,
    pub(super) preserve_case: bool,
}

impl Default for Http1 {
    fn default() -> Self {
        Self { accept_http_10: false, allow_absolute_url: true, preserve_case: false }
    }
}

#[allow(deprecated, reason = "older options of the codec are noted too")]
pub(super) fn http1(at: &At<'_>, value: core::Http1ProtocolOptions) -> Http1 {
    use core::http1_protocol_options::header_key_format::HeaderFormat;
    unpack!(at, value, core::Http1ProtocolOptions {
        accept_http_10, allow_absolute_url, header_key_format
    } else { default_host_for_http_10, enable_trailers, allow_chunked_length, override_stream_error_on_invalid_http_message, send_fully_qualified_url, use_balsa_parser, allow_custom_methods, ignore_http_11_upgrade });
    let preserve_case = match header_key_format.and_then(|format| format.header_format) {
        None => false,
        Some(HeaderFormat::StatefulFormatter(value)) => {
            let config = value.typed_config.unwrap_or_default();
            let known = config.type_url.ends_with(".PreserveCaseFormatterConfig");
            if !known || !config.value.is_empty() {
                at.field("header_key_format").note("names keep the case that they came with");
            }
            true
        }
        Some(HeaderFormat::ProperCaseWords(_)) => {
            at.field("header_key_format").note("names keep the case that they came with");
            true
        }
    };
    Http1 {
        accept_http_10,
        allow_absolute_url: allow_absolute_url.is_none_or(|allow| allow.value),
        preserve_case,
    }
}

/// Streams at once on a connection.
#[allow(deprecated, reason = "older options of the codec are noted too")]
pub(super) fn http2(at: &At<'_>, value: core::Http2ProtocolOptions) -> Option<u32> {
    unpack!(at, value, core::Http2ProtocolOptions { max_concurrent_streams } else { hpack_table_size, initial_stream_window_size, initial_connection_window_size, allow_connect, allow_metadata, max_outbound_frames, max_outbound_control_frames, max_consecutive_inbound_frames_with_empty_payload, max_inbound_priority_frames_per_stream, max_inbound_window_update_frames_per_data_frame_sent, stream_error_on_invalid_http_messaging, override_stream_error_on_invalid_http_message, custom_settings_parameters, connection_keepalive, use_oghttp2_codec, max_metadata_size, enable_huffman_encoding, max_header_field_size_kb, disallow_obs_text, stream_reset_burst, stream_reset_rate });
    max_concurrent_streams.map(|streams| streams.value)
}
