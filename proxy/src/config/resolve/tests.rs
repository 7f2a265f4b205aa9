use super::*;

#[test]
fn the_family_asked_for_decides_which_addresses_count() {
    let addresses: Vec<SocketAddr> =
        ["[::1]:1", "127.0.0.2:1", "127.0.0.1:1", "127.0.0.1:1"].map(|a| a.parse().unwrap()).into();
    let pick = |family| choose(addresses.clone(), family).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(pick(DnsFamily::V4Only), ["127.0.0.1:1", "127.0.0.2:1"]);
    assert_eq!(pick(DnsFamily::V4Preferred), ["127.0.0.1:1", "127.0.0.2:1"]);
    assert_eq!(pick(DnsFamily::Auto), ["[::1]:1"]);
    assert_eq!(pick(DnsFamily::All).len(), 3);
}
