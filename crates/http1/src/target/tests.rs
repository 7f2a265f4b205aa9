use super::*;
use crate::{Limits, RequestHead, parse_request};

fn head(method: &str, target: &str) -> RequestHead {
    let mut head = RequestHead::new();
    let bytes = format!("{method} {target} HTTP/1.1\r\nX: y\r\nHoSt: believed-by-nobody\r\n\r\n");
    parse_request(bytes.as_bytes(), &Limits::default(), &mut head).unwrap();
    head
}

#[test]
fn an_absolute_target_decides_the_host() {
    let table = [
        ("GET", "http://Shop:8080/a?b", "/a?b", "Shop:8080", Scheme::Http),
        ("GET", "HTTPS://shop", "/", "shop", Scheme::Https),
        ("GET", "hTTp://shop?q=http://x/", "/?q=http://x/", "shop", Scheme::Http),
        ("GET", "http://[::1]:80//a", "//a", "[::1]:80", Scheme::Http),
        ("OPTIONS", "http://shop", "*", "shop", Scheme::Http),
        ("OPTIONS", "http://shop/", "/", "shop", Scheme::Http),
    ];
    for (method, target, path, host, scheme) in table {
        let mut head = head(method, target);
        assert_eq!(head.authority(), host);
        assert_eq!(head.to_origin_form(), Ok(Some(scheme)), "{target}");
        assert_eq!((head.method(), head.target(), head.authority()), (method, path, host), "{target}");
        let headers: Vec<_> = head.headers.iter().collect();
        assert_eq!(headers, [(&b"X"[..], &b"y"[..]), (b"HoSt", host.as_bytes())]);
    }
}

#[test]
fn other_forms_stay_as_they_are() {
    for (method, target, authority) in [
        ("GET", "/a//../b\\c%2F;d|e", "believed-by-nobody"),
        ("OPTIONS", "*", "believed-by-nobody"),
        ("CONNECT", "db:5432", "db:5432"),
        ("CONNECT", "[::1]:1", "[::1]:1"),
    ] {
        let mut head = head(method, target);
        assert_eq!(head.to_origin_form(), Ok(None));
        assert_eq!((head.target(), head.authority()), (target, authority));
    }
}

#[test]
fn what_is_no_target_is_refused() {
    use Refusal::{HostInvalid, InvalidTarget, TargetDoesNotFitMethod, TargetUserinfo};
    for (method, target, refusal) in [
        ("GET", "shop:80", InvalidTarget),
        ("GET", "ftp://shop/", InvalidTarget),
        ("GET", "://shop/", InvalidTarget),
        ("GET", "http:/shop/", InvalidTarget),
        ("GET", "?a", InvalidTarget),
        ("GET", "**", InvalidTarget),
        ("GET", "http://a@b", TargetUserinfo),
        ("GET", "http://:80/", HostInvalid),
        ("GET", "http://a:/", HostInvalid),
        ("GET", "http://a:65536/", HostInvalid),
        ("connect", "db:5432", InvalidTarget),
        ("CONNECT", "db:0", TargetDoesNotFitMethod),
        ("CONNECT", "u@db:80", TargetDoesNotFitMethod),
        ("CONNECT", "http://db:80", TargetDoesNotFitMethod),
        ("options", "*", TargetDoesNotFitMethod),
    ] {
        assert_eq!(Target::parse(method, target), Err(refusal), "{method} {target}");
    }
}

#[test]
fn a_target_cannot_be_set_to_what_would_not_be_accepted() {
    let mut head = head("GET", "/a");
    for bad in ["", "/a b", "/a\r\nx: y", "/ä", "/#", "/\0", "/\t"] {
        head.set_target(bad).unwrap_err();
    }
    for bad in ["", "GET ", "G\r\n", "GÄT", "A:B"] {
        assert_eq!(head.set_method(bad), Err(Refusal::InvalidRequestLine));
    }
    assert_eq!((head.method(), head.target()), ("GET", "/a"));
    head.set_method("DELETE").unwrap();
    head.set_target("/b").unwrap();
    head.set_method("PUT").unwrap();
    assert_eq!((head.method(), head.target()), ("PUT", "/b"));
}
