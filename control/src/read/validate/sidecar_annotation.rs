//! The annotations `sidecar.istio.io/...` and `traffic.sidecar.istio.io/...` of a pod: whether it has a sidecar, and whose
//! connections that takes. An injector leaves one that it does not know where it is, in silence.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::read::finding::Findings;
use crate::read::nearest::nearest;
use crate::read::path::Path;
use crate::world::injection;

const SIDECAR: &str = "sidecar.istio.io/";
const TRAFFIC: &str = "traffic.sidecar.istio.io/";

/// Those that Istio has.
const OF_SIDECAR: &[&str] = &[
    "agentLogLevel",
    "bootstrapOverride",
    "componentLogLevel",
    "controlPlaneAuthPolicy",
    "discoveryAddress",
    "enableCoreDump",
    "extraStatTags",
    "inject",
    "interceptionMode",
    "logLevel",
    "nativeSidecar",
    "proxyCPU",
    "proxyCPULimit",
    "proxyImage",
    "proxyImageType",
    "proxyMemory",
    "proxyMemoryLimit",
    "rewriteAppHTTPProbers",
    "statsCompression",
    "statsEvictionInterval",
    "statsHistogramBuckets",
    "statsInclusionPrefixes",
    "statsInclusionRegexps",
    "statsInclusionSuffixes",
    "status",
    "userVolume",
    "userVolumeMount",
];

/// Those that Istio has, and what stands in each.
const OF_TRAFFIC: &[(&str, Form)] = &[
    ("excludeInboundPorts", Form::Ports),
    ("excludeInterfaces", Form::Names),
    ("excludeOutboundIPRanges", Form::Networks),
    ("excludeOutboundPorts", Form::Ports),
    ("includeInboundPorts", Form::AllOrPorts),
    ("includeOutboundIPRanges", Form::AllOrNetworks),
    ("includeOutboundPorts", Form::Ports),
    ("kubevirtInterfaces", Form::Names),
];

/// A list of what; `*` alone stands for all where that may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Ports,
    AllOrPorts,
    Networks,
    AllOrNetworks,
    Names,
}

/// Checks the annotations, which stand at `at`.
pub(in crate::read) fn check(of: &BTreeMap<String, String>, at: &Path<'_>, into: &mut Findings) {
    inject(of, at, into);
    for (key, value) in of {
        let (Some(name), traffic) = (match key.strip_prefix(TRAFFIC) {
            Some(name) => (Some(name), true),
            None => (key.strip_prefix(SIDECAR), false),
        }) else {
            continue;
        };
        let known = OF_TRAFFIC.iter().find(|(known, _)| *known == name);
        match known.filter(|_| traffic) {
            Some((_, asked)) => {
                if let Some(why) = wrong(value, *asked) {
                    into.error(&at.key(key), why);
                }
            }
            None if !traffic && OF_SIDECAR.contains(&name) => {}
            None => unknown(name, traffic, &at.key(key), into),
        }
    }
}

/// Checks a pod's labels, or annotations, for whether it has a sidecar.
pub(in crate::read) fn inject(of: &BTreeMap<String, String>, at: &Path<'_>, into: &mut Findings) {
    if let Some(value) = of.get(injection::INJECT)
        && injection::wish(value).is_none()
    {
        into.warning(
            &at.key(injection::INJECT),
            format!("{value:?} is neither true nor false: whether the pod has a sidecar is for its namespace to say"),
        );
        if let Some(near) = nearest(&value.to_ascii_lowercase(), ["true", "false"]) {
            into.hint(format!("did you mean {near}?"));
        }
    }
}

fn unknown(name: &str, traffic: bool, at: &Path<'_>, into: &mut Findings) {
    let of_traffic = || OF_TRAFFIC.iter().map(|(known, _)| *known);
    let sidecar = || nearest(name, OF_SIDECAR.iter().copied()).map(|near| (SIDECAR, near));
    let traffics = || nearest(name, of_traffic()).map(|near| (TRAFFIC, near));
    let near = if traffic { traffics().or_else(sidecar) } else { sidecar().or_else(traffics) };
    let Some((prefix, near)) = near else { return };
    into.warning(at, "Istio has no such annotation: it does nothing");
    into.hint(format!("did you mean {prefix}{near}?"));
}

/// What is wrong with a value; spaces and empty items do not count.
fn wrong(value: &str, form: Form) -> Option<String> {
    let may_be_all = matches!(form, Form::AllOrPorts | Form::AllOrNetworks);
    if form == Form::Names || (may_be_all && value.trim() == "*") {
        return None;
    }
    let is_ports = matches!(form, Form::Ports | Form::AllOrPorts);
    let is_port = |item: &str| item.parse::<u16>().is_ok_and(|port| port != 0);
    let is_network = |item: &str| item.parse::<IpNet>().is_ok() || item.parse::<IpAddr>().is_ok();
    let mut items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
    let bad = items.find(|item| if is_ports { !is_port(item) } else { !is_network(item) })?;
    let wanted = if is_ports { "a port, 1 to 65535" } else { "a network such as 10.0.0.0/8" };
    let all = if may_be_all { "; `*` alone stands for all" } else { "" };
    Some(format!("{bad:?} is not {wanted}{all}"))
}
