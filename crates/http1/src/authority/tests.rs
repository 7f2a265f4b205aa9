use super::*;

#[test]
fn hosts_with_and_without_ports() {
    for (text, host, port) in [
        ("shop", "shop", None),
        ("Shop.Default.svc.cluster.local.", "Shop.Default.svc.cluster.local.", None),
        ("shop:0080", "shop", Some(80)),
        ("10.0.0.1:65535", "10.0.0.1", Some(65535)),
        ("a_b-c~d", "a_b-c~d", None),
        ("[::1]", "[::1]", None),
        ("[2001:DB8::1]:443", "[2001:DB8::1]", Some(443)),
    ] {
        assert_eq!(Authority::parse(text), Ok(Authority { host, port }), "{text}");
    }
}

#[test]
fn what_two_hops_could_read_as_two_hosts_is_refused() {
    for text in [
        "",
        ":",
        ":80",
        "a:",
        "a:b",
        "a:+1",
        "a:-1",
        "a: 1",
        "a:65536",
        "a:000080",
        "a:80:80",
        "a b",
        "a,b",
        "a@b",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "%61",
        "a%00b",
        "*",
        "a;b",
        "a'b",
        "ä",
        "::1",
        "[",
        "[]",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[::1%25eth0]",
        "[::1%eth0]",
        "[v1.a]",
        "[127.0.0.1]",
        "[::g]",
        "a[::1]",
        "[::1][::1]",
    ] {
        assert_eq!(Authority::parse(text), Err(Refusal::HostInvalid), "{text}");
    }
}

#[test]
fn an_empty_host_header_is_for_no_host_in_particular() {
    let mut headers = Headers::new();
    headers.append("Host", "").unwrap();
    assert_eq!(check_host(Version::Http11, &headers), Ok(()));
}
