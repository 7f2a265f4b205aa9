//! What admission takes and does otherwise than it reads.

use super::values::{NET, SEC, found};

#[test]
fn hosts_that_a_port_behind_them_gets_around_are_told() {
    let of = |action: &str, field: &str, hosts: &str| {
        let spec = format!("{{action: {action}, rules: [{{to: [{{operation: {{{field}: [{hosts}]}}}}]}}]}}");
        found(SEC, "AuthorizationPolicy", &spec)
    };
    assert_eq!(
        of("DENY", "hosts", "secret.example.com"),
        [
            "warning: spec.rules[0].to[0].operation.hosts[0]: a request for \"secret.example.com\" with a port (secret.example.com:80) is for another host: it is not denied; add \"secret.example.com:*\" beside it"
        ]
    );
    assert_eq!(
        of("DENY", "hosts", "'*.example.com'"),
        [
            "warning: spec.rules[0].to[0].operation.hosts[0]: a request for \"any.example.com\" with a port (any.example.com:80) is for another host: it is not denied; add each port that callers may write: \"*.example.com:80\""
        ]
    );
    assert_eq!(of("ALLOW", "notHosts", "a, b").len(), 2);
    for (action, field, hosts) in [
        ("DENY", "hosts", "secret.example.com, 'Secret.example.com:*'"),
        ("DENY", "hosts", "secret.example.com, 'secret*'"),
        ("DENY", "hosts", "secret.example.com, '*'"),
        ("DENY", "hosts", "'*.example.com', '*.example.com:8080'"),
        ("DENY", "hosts", "'a:80', 'b*', '*', '[::1]:80'"),
        ("DENY", "notHosts", "a"),
        ("ALLOW", "hosts", "a"),
        ("ALLOW", "notHosts", "a, 'a:*'"),
    ] {
        assert_eq!(of(action, field, hosts), [""; 0], "{action} {field} {hosts}");
    }
    for action in ["AUDIT", "DENY"] {
        assert_eq!(of(action, "hosts", "'[::1]'").len(), 1, "{action}: an address without a port");
    }
}

#[test]
fn a_keepalive_that_the_kernel_does_not_take_is_told() {
    let of = |keepalive: &str| {
        let spec = format!(
            "{{host: a, trafficPolicy: {{connectionPool: {{tcp: {{tcpKeepalive: {{{keepalive}}}}}}}}}}}"
        );
        found(NET, "DestinationRule", &spec)
    };
    let at = "warning: spec.trafficPolicy.connectionPool.tcp.tcpKeepalive";
    assert_eq!(
        of("time: 100ms, interval: 32768s, probes: 128"),
        [
            format!("{at}.time: 100ms is less than the kernel can do: 1s is taken"),
            format!("{at}.interval: 32768s is more than the kernel can do: 32767s is taken"),
            format!("{at}.probes: 128 is more than the kernel can do: 127 is taken"),
        ]
    );
    assert_eq!(of("time: 0s"), [format!("{at}.time: 0s is no time: the kernel's own holds")]);
    assert_eq!(of("time: 1s, interval: 32767s, probes: 127"), [""; 0]);
    assert_eq!(of("probes: 0"), [""; 0]);
}
