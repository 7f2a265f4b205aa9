//! Addresses that nobody has: a pod's that is gone, a service's own, a host's of the world outside. Without a word of anybody
//! a call to one hangs for as long as its caller is patient; here it is refused within moments.
//!
//! What leaves the pods' own network comes to the hub, which takes all of it for its own, where nobody listens. A word of a
//! router that there is no way would not do: the kernel says it to each pod but once a second.

/// The hub's routes, behind those to the pods.
pub(super) fn routes(has_six: bool) -> String {
    let six = if has_six { "route add local ::/0 dev lo table main\n" } else { "" };
    format!("route add local default dev lo table main\n{six}")
}

/// Each datagram is refused, however many there are. A host that is not there answers no ping, either.
pub(super) const HUB: [(&str, &str); 4] = [
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_echo_ignore_all", "1"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/icmp/echo_ignore_all", "1"),
];

/// How a pod learns that a neighbour is gone: by three questions within 0.6 s, without trust that is older than a second or
/// two. Whoever is there answers at once: it is the kernel of this very machine.
pub(super) const POD: [(&str, &str); 6] = [
    ("ipv4/neigh/eth0/base_reachable_time_ms", "1000"),
    ("ipv4/neigh/eth0/delay_first_probe_time", "0"),
    ("ipv4/neigh/eth0/retrans_time_ms", "200"),
    ("ipv6/neigh/eth0/base_reachable_time_ms", "1000"),
    ("ipv6/neigh/eth0/delay_first_probe_time", "0"),
    ("ipv6/neigh/eth0/retrans_time_ms", "200"),
];
