//! Ports that this user may not listen on: a container's port 80 is fine in a pod, and root's alone on a laptop.

use super::plan::Plan;
use super::protocol::Protocol;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

/// The lowest port that this process may listen on.
pub(super) fn floor() -> u16 {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let configured = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    if is_root { 0 } else { configured().and_then(|text| text.trim().parse().ok()).unwrap_or(1024) }
}

/// What to say of a plan that needs ports below `floor`: which, whose, and the way out.
pub(super) fn warning(plan: &Plan, floor: u16) -> Option<String> {
    let mut ports = BTreeSet::new();
    let mut pods = BTreeSet::new();
    for pod in &plan.pods {
        let own = pod.ports.iter().filter(|port| port.protocol != Protocol::Udp).map(|port| port.number);
        let reached = pod.tcp.keys().filter_map(|key| key.rsplit(':').next()?.parse().ok());
        for port in own.chain(reached).filter(|port| *port < floor) {
            ports.insert(port);
            pods.insert(pod.workload.as_str());
        }
    }
    let lowest = ports.first()?;
    let list = |numbers: &BTreeSet<u16>| numbers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let pods = pods.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!(
        "weft: warning: this user may not listen on ports below {floor}, and {pods} need {}; `sudo sysctl net.ipv4.ip_unprivileged_port_start={lowest}` lets you, until the next boot",
        list(&ports)
    ))
}

#[cfg(test)]
mod tests;
