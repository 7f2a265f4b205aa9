use super::*;
use Version::{Http10, Http11};

fn list(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    lines.iter().for_each(|(name, value)| headers.append(name, value).unwrap());
    headers
}

fn stripped(lines: &[(&str, &str)], upgrade: Upgrade) -> Headers {
    let mut headers = list(lines);
    strip_hop_by_hop(&mut headers, upgrade);
    headers
}

#[test]
fn a_connection_lives_on_by_version_and_option() {
    for (version, connection, lives) in [
        (Http11, None, true),
        (Http11, Some("keep-alive"), true),
        (Http11, Some("Close"), false),
        (Http11, Some("x, CLOSE ,y"), false),
        (Http11, Some("closed"), true),
        (Http11, Some("keep-alive, close"), false),
        (Http10, None, false),
        (Http10, Some("Keep-Alive"), true),
        (Http10, Some("keep-alive, close"), false),
        (Http10, Some("upgrade"), false),
        (Http11, Some("keep alive"), false),
        (Http10, Some("keep-alive, x-\u{d0}"), false),
    ] {
        let headers = connection.map(|value| list(&[("Connection", value)])).unwrap_or_default();
        assert_eq!(keep_alive(version, &headers), lives, "{version:?} {connection:?}");
    }
    assert!(!keep_alive(Http11, &list(&[("connection", "keep-alive"), ("connection", "close")])));
}

#[test]
fn what_is_for_this_connection_alone_goes_no_further() {
    let headers = stripped(
        &[
            ("Host", "a"),
            ("Connection", "keep-alive, X-Mine ,,x-yours"),
            ("Keep-Alive", "timeout=5"),
            ("x-mine", "1"),
            ("Accept", "*/*"),
            ("X-MINE", "2"),
            ("connection", "x-theirs"),
            ("X-Yours", "3"),
            ("x-theirs", "4"),
            ("Proxy-Connection", "keep-alive"),
            ("TE", "gzip"),
            ("Trailer", "x-sum"),
            ("Upgrade", "websocket"),
            ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ("Transfer-Encoding", "chunked"),
        ],
        Upgrade::Drop,
    );
    let rest = [("Host", "a"), ("Accept", "*/*"), ("Trailer", "x-sum"), ("Transfer-Encoding", "chunked")];
    assert_eq!(headers, list(&rest));
}

#[test]
fn nobody_can_nominate_what_the_next_hop_believes_in() {
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "X-Forwarded-For",
        "x-forwarded-client-cert",
        "X-Forwarded-Proto",
        "x-envoy-external-address",
        "x-envoy-peer-metadata",
        "x-request-id",
        "x-b3-traceid",
        "traceparent",
        "Authorization",
        "Cookie",
        "Forwarded",
        "Content-Type",
    ] {
        let headers = stripped(&[(name, "1"), ("Connection", name), ("x", "y")], Upgrade::Drop);
        assert_eq!(headers, list(&[(name, "1"), ("x", "y")]));
    }
    for name in ["x-forwarded", "xx-envoy-a", "hosts", "x"] {
        assert!(!is_protected(name.as_bytes()), "{name}");
    }
}

#[test]
fn te_goes_on_as_trailers_or_not_at_all() {
    for (lines, expected) in [
        (&[("TE", "trailers")][..], &[("TE", "trailers")][..]),
        (&[("te", "gzip, Trailers")], &[("te", "trailers")]),
        (&[("te", "trailers"), ("te", "gzip")], &[("te", "trailers")]),
        (&[("te", "trailers"), ("connection", "te")], &[("te", "trailers")]),
        (&[("te", "deflate;q=0.5")], &[]),
        (&[("te", "")], &[]),
    ] {
        assert_eq!(stripped(lines, Upgrade::Drop), list(expected));
    }
}

#[test]
fn a_kept_upgrade_is_the_only_option_left() {
    let upgrade =
        [("Connection", "keep-alive, Upgrade, x"), ("Upgrade", "websocket"), ("x", "1"), ("y", "2")];
    let kept = list(&[("Connection", "Upgrade"), ("Upgrade", "websocket"), ("y", "2")]);
    assert_eq!(stripped(&upgrade, Upgrade::Keep), kept);
    assert_eq!(stripped(&upgrade, Upgrade::Drop), list(&[("y", "2")]));
    assert_eq!(stripped(&[("connection", "close")], Upgrade::Keep), Headers::new());
    let twice = [("connection", "upgrade"), ("connection", "connection, upgrade"), ("upgrade", "websocket")];
    let once = list(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
    assert_eq!(stripped(&twice, Upgrade::Keep), once);
}

#[test]
fn an_endless_list_of_nominations_is_read_to_its_bound() {
    let many = "x,".repeat(64) + "y";
    let headers = stripped(&[("connection", &many), ("x", "1"), ("y", "2")], Upgrade::Drop);
    assert_eq!(headers, list(&[("y", "2")]));
}

#[test]
fn an_upgrade_counts_only_if_the_connection_names_it() {
    let asked = list(&[("Connection", "keep-alive, Upgrade"), ("Upgrade", "h2c, websocket, foo/2")]);
    assert_eq!(upgrade_token(&asked), Some(&b"h2c"[..]));
    assert_eq!(upgrade_tokens(&asked).collect::<Vec<_>>(), [&b"h2c"[..], b"websocket", b"foo/2"]);
    assert_eq!(upgrade_token(&list(&[("Upgrade", "websocket")])), None);
    assert_eq!(upgrade_token(&list(&[("Connection", "upgrade")])), None);
    assert_eq!(upgrade_token(&list(&[("Connection", "upgrade"), ("Upgrade", "we b, a//b, ;")])), None);
}

#[test]
fn expectations() {
    assert!(expects_continue(Http11, &list(&[("Expect", "100-Continue")])));
    assert!(!expects_continue(Http10, &list(&[("Expect", "100-continue")])));
    assert!(!expects_continue(Http11, &list(&[("Expect", "200-ok")])));
    assert!(!expects_continue(Http11, &Headers::new()));
}
