//! The small things that every resource is made of.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use prost::{Message, Name};
use weft_model::route::Fraction;

use super::canonical;
use crate::istio;
use crate::pb::{self, Any, BoolValue, Kind, Struct, UInt32Value, UInt64Value, Value, core, matcher, types};

pub(crate) fn pack<T: Message + Name>(message: &T) -> Any {
    Any { type_url: T::type_url(), value: canonical::sorted(&T::full_name(), message.encode_to_vec()) }
}

/// A message as JSON, in the flavour that Istio sends.
pub(crate) fn pack_json(type_url: &str, value: Struct) -> Any {
    pack(&istio::udpa::TypedStruct { type_url: type_url.to_owned(), value: Some(value) })
}

pub(crate) fn typed(name: &str, config: Any) -> core::TypedExtensionConfig {
    core::TypedExtensionConfig { name: name.to_owned(), typed_config: Some(config) }
}

/// A duration; what is longer than protobuf allows becomes the longest.
pub(crate) fn duration(value: Duration) -> pb::Duration {
    let seconds = value.as_secs().min(315_576_000_000);
    pb::Duration {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(value.subsec_nanos()).unwrap_or(0),
    }
}

pub(crate) fn maybe_duration(value: Option<Duration>) -> Option<pb::Duration> {
    value.map(duration)
}

pub(crate) const fn yes(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

pub(crate) fn number(value: Option<u32>) -> Option<UInt32Value> {
    value.map(|value| UInt32Value { value })
}

pub(crate) const fn long(value: u64) -> Option<UInt64Value> {
    Some(UInt64Value { value })
}

pub(crate) fn fraction(value: Fraction) -> types::FractionalPercent {
    use types::fractional_percent::DenominatorType as Denominator;
    let denominator = match value.denominator {
        1_000_000 => Denominator::Million,
        10_000 => Denominator::TenThousand,
        _ => Denominator::Hundred,
    };
    types::FractionalPercent { numerator: value.numerator, denominator: denominator as i32 }
}

pub(crate) fn runtime_fraction(value: Fraction) -> core::RuntimeFractionalPercent {
    core::RuntimeFractionalPercent { default_value: Some(fraction(value)), runtime_key: String::new() }
}

pub(crate) fn cidr(value: &IpNet) -> core::CidrRange {
    core::CidrRange {
        address_prefix: value.addr().to_string(),
        prefix_len: Some(UInt32Value { value: value.prefix_len().into() }),
    }
}

pub(crate) fn socket_address(value: SocketAddr) -> core::SocketAddress {
    host_port(&host(value.ip()), value.port())
}

pub(crate) fn host_port(host: &str, port: u16) -> core::SocketAddress {
    core::SocketAddress {
        address: host.to_owned(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port.into())),
        ..Default::default()
    }
}

fn host(ip: IpAddr) -> String {
    ip.to_string()
}

pub(crate) fn address(value: SocketAddr) -> core::Address {
    core::Address { address: Some(core::address::Address::SocketAddress(socket_address(value))) }
}

pub(crate) fn regex(value: &str) -> matcher::RegexMatcher {
    matcher::RegexMatcher { regex: value.to_owned(), engine_type: None }
}

pub(crate) fn inline(value: &str) -> core::DataSource {
    let specifier = core::data_source::Specifier::InlineString(value.to_owned());
    core::DataSource { watched_directory: None, specifier: Some(specifier) }
}

pub(crate) fn file(path: &str) -> core::DataSource {
    let specifier = core::data_source::Specifier::Filename(path.to_owned());
    core::DataSource { watched_directory: None, specifier: Some(specifier) }
}

/// The stream that the resource itself came over; `wait`: a proxy waits for what it refers to without limit.
pub(crate) fn over_ads(wait: bool) -> core::ConfigSource {
    core::ConfigSource {
        authorities: Vec::new(),
        initial_fetch_timeout: wait.then(pb::Duration::default),
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource::default(),
        )),
    }
}

pub(crate) fn json(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

pub(crate) fn json_text(text: &str) -> Value {
    json(Kind::StringValue(text.to_owned()))
}

pub(crate) fn json_object<K: Into<String>>(fields: impl IntoIterator<Item = (K, Value)>) -> Struct {
    Struct { fields: fields.into_iter().map(|(key, value)| (key.into(), value)).collect() }
}

pub(crate) fn json_list(values: impl IntoIterator<Item = Value>) -> Value {
    json(Kind::ListValue(pb::ListValue { values: values.into_iter().collect() }))
}
