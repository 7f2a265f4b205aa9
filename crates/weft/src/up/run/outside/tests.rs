use super::*;

#[test]
fn whoever_is_at_an_address_of_the_mesh_is_asked_of_nobody_else() {
    let expected = [
        "cluster.local",
        "244.10.in-addr.arpa",
        "96.10.in-addr.arpa",
        "240.240.in-addr.arpa",
        "127.in-addr.arpa",
        "0.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa",
        "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa",
    ];
    assert_eq!(own(), expected);
}

#[test]
fn no_zone_takes_in_more_than_its_range() {
    for range in ranges() {
        let label = if range.addr().is_ipv4() { 8 } else { 4 };
        assert_eq!(range.prefix_len() % label, 0, "{range}");
    }
}
