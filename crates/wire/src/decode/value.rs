//! The small things that every resource is made of: durations, shares, addresses, packed messages.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use prost::{Message, Name};
use weft_model::route::Fraction;

use super::at::{At, Decoded, unpack};
use crate::istio;
use crate::pb::{self, Any, Struct, core, types};

/// Longest regex that is compiled for anybody.
const LONGEST_REGEX: usize = 16 * 1024;

/// Longest duration that protobuf allows: ten thousand years.
const LONGEST_SECONDS: u64 = 315_576_000_000;

pub(super) fn duration(at: &At<'_>, field: &str, value: Option<pb::Duration>) -> Decoded<Option<Duration>> {
    let Some(pb::Duration { seconds, nanos }) = value else { return Ok(None) };
    match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds @ ..=LONGEST_SECONDS), Ok(nanos @ ..1_000_000_000)) => {
            Ok(Some(Duration::new(seconds, nanos)))
        }
        _ => Err(at.field(field).fault(format!("{seconds} s and {nanos} ns is no duration of zero or more"))),
    }
}

pub(super) fn percent(at: &At<'_>, field: &str, value: f64) -> Decoded<f64> {
    if (0.0..=100.0).contains(&value) {
        Ok(value)
    } else {
        Err(at.field(field).fault(format!("{value} is no percentage (0 to 100)")))
    }
}

pub(super) fn finite(at: &At<'_>, field: &str, value: f64) -> Decoded<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(at.field(field).fault(format!("{value} is no finite number")))
    }
}

pub(super) fn fraction(at: &At<'_>, field: &str, value: types::FractionalPercent) -> Decoded<Fraction> {
    use types::fractional_percent::DenominatorType as Denominator;
    let denominator = match Denominator::try_from(value.denominator) {
        Ok(Denominator::Hundred) => 100,
        Ok(Denominator::TenThousand) => 10_000,
        Ok(Denominator::Million) => 1_000_000,
        Err(_) => return Err(at.field(field).fault(format!("{} is no denominator", value.denominator))),
    };
    Ok(Fraction { numerator: value.numerator, denominator })
}

/// A share that the runtime layer could change in Envoy; here its default stands.
pub(super) fn runtime_fraction(
    at: &At<'_>,
    field: &str,
    value: Option<core::RuntimeFractionalPercent>,
) -> Decoded<Option<Fraction>> {
    let Some(value) = value else { return Ok(None) };
    let at = at.field(field);
    unpack!(at, value, core::RuntimeFractionalPercent { default_value } else { runtime_key });
    default_value.map(|share| fraction(&at, "default_value", share)).transpose()
}

pub(super) fn port(at: &At<'_>, field: &str, value: u32) -> Decoded<u16> {
    u16::try_from(value).map_err(|_| at.field(field).fault(format!("{value} is no port (0 to 65535)")))
}

pub(super) fn status(at: &At<'_>, field: &str, value: u32) -> Decoded<u16> {
    match u16::try_from(value) {
        Ok(status @ 100..=599) => Ok(status),
        _ => Err(at.field(field).fault(format!("{value} is no HTTP status (100 to 599)"))),
    }
}

pub(super) fn cidr(at: &At<'_>, value: &core::CidrRange) -> Decoded<IpNet> {
    let ip: IpAddr = (value.address_prefix.parse()).map_err(|_| {
        at.field("address_prefix").fault(format!("{:?} is no IP address", value.address_prefix))
    })?;
    let length = value.prefix_len.map_or(0, |length| length.value);
    u8::try_from(length)
        .ok()
        .and_then(|length| IpNet::new(ip, length).ok())
        .ok_or_else(|| at.field("prefix_len").fault(format!("{length} is longer than the address {ip}")))
}

pub(super) fn cidrs(at: &At<'_>, field: &str, values: &[core::CidrRange]) -> Decoded<Vec<IpNet>> {
    values.iter().enumerate().map(|(n, value)| cidr(&at.item(field, n), value)).collect()
}

/// A host, by address or name, and a port.
pub(super) fn host_port(at: &At<'_>, value: core::SocketAddress) -> Decoded<(String, u16)> {
    unpack!(at, value, core::SocketAddress { protocol, address, port_specifier } else {
        resolver_name, ipv4_compat, network_namespace_filepath
    });
    if protocol != core::socket_address::Protocol::Tcp as i32 {
        return Err(at.field("protocol").fault("only TCP is carried"));
    }
    if address.is_empty() {
        return Err(at.field("address").fault("it is empty"));
    }
    match port_specifier {
        Some(core::socket_address::PortSpecifier::PortValue(value)) => {
            Ok((address, port(at, "port_value", value)?))
        }
        _ => Err(at.field("port_value").fault("a port by number is missing")),
    }
}

pub(super) fn socket_address(at: &At<'_>, value: core::SocketAddress) -> Decoded<SocketAddr> {
    let (host, port) = host_port(at, value)?;
    let ip: IpAddr =
        (host.parse()).map_err(|_| at.field("address").fault(format!("{host:?} is no IP address")))?;
    Ok(SocketAddr::new(ip, port))
}

pub(super) fn listening_address(
    at: &At<'_>,
    field: &str,
    value: Option<core::Address>,
) -> Decoded<SocketAddr> {
    let at = at.field(field);
    match value.and_then(|value| value.address) {
        Some(core::address::Address::SocketAddress(value)) => {
            socket_address(&at.field("socket_address"), value)
        }
        Some(_) => Err(at.fault("only IP addresses are listened on")),
        None => Err(at.fault("it is missing")),
    }
}

pub(super) fn regex(at: &At<'_>, field: &str, value: pb::matcher::RegexMatcher) -> Decoded<String> {
    // `engine_type` is of no consequence: there is one engine.
    let regex = value.regex;
    if regex.len() > LONGEST_REGEX {
        return Err(at
            .field(field)
            .fault(format!("a regex of {} bytes is longer than {LONGEST_REGEX}", regex.len())));
    }
    Ok(regex)
}

/// A message inside a resource, with what it says it is.
pub(super) enum Packed<'a> {
    /// Protobuf.
    Message(&'a str, &'a [u8]),
    /// JSON in a `TypedStruct`, of either flavour.
    Json(String, Struct),
}

impl Packed<'_> {
    /// The type's full name, without what stands before the last slash.
    pub(super) fn type_name(&self) -> &str {
        match self {
            Self::Message(name, _) => name,
            Self::Json(url, _) => url.rsplit('/').next().unwrap_or_default(),
        }
    }
}

pub(super) fn packed<'a>(at: &At<'_>, any: &'a Any) -> Decoded<Packed<'a>> {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    if name == istio::udpa::TypedStruct::full_name() {
        let typed: istio::udpa::TypedStruct = message(at, &any.value)?;
        return Ok(Packed::Json(typed.type_url, typed.value.unwrap_or_default()));
    }
    if name == istio::xds::TypedStruct::full_name() {
        let typed: istio::xds::TypedStruct = message(at, &any.value)?;
        return Ok(Packed::Json(typed.type_url, typed.value.unwrap_or_default()));
    }
    Ok(Packed::Message(name, &any.value))
}

/// Reads a message. Bytes that it does not know are noted under `?`: they are fields of a newer protocol.
pub(super) fn message<T: Message + Name + Default>(at: &At<'_>, bytes: &[u8]) -> Decoded<T> {
    let message = T::decode(bytes).map_err(|error| at.fault(format!("no {}: {error}", T::full_name())))?;
    let unread = bytes.len().saturating_sub(message.encoded_len());
    if unread > 0 {
        at.field("?").note(format!("{unread} bytes of {} say nothing to this version", T::full_name()));
    }
    Ok(message)
}

/// An extension of one known type; `None` if it is another one.
pub(super) fn extension<T: Message + Name + Default>(at: &At<'_>, any: Option<&Any>) -> Decoded<Option<T>> {
    match any {
        Some(any) if any.type_url.rsplit('/').next() == Some(T::full_name().as_str()) => {
            message(&at.field("typed_config"), &any.value).map(Some)
        }
        _ => Ok(None),
    }
}
