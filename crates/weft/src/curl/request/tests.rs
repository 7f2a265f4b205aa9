use super::*;
use clap::Parser;
use http_body_util::BodyExt;

#[derive(Debug, Parser)]
struct Curl {
    #[command(flatten)]
    args: Args,
}

fn request(arguments: &[&str]) -> Request<Full<Bytes>> {
    let words = ["curl", "--from", "a"].iter().chain(arguments);
    let args = Curl::parse_from(words).args;
    let target = Target::parse(&args.url).unwrap();
    build(&args, &target, true).unwrap()
}

#[tokio::test]
async fn a_request_is_what_curl_would_send_to_a_proxy() {
    let plain = request(&["http://cart/items?x=1#top"]);
    assert_eq!((plain.method(), plain.uri().to_string().as_str()), (&Method::GET, "http://cart/items?x=1"));
    assert_eq!(plain.headers()["host"], "cart");
    let posted = request(&["cart:8080", "-d", "a=1", "-d", "b=2", "-H", "X-A: 1", "-H", "x-a: 2"]);
    assert_eq!((posted.method(), posted.uri().to_string().as_str()), (&Method::POST, "http://cart:8080/"));
    assert_eq!(posted.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(posted.headers().get_all("x-a").iter().count(), 2);
    assert_eq!(posted.into_body().collect().await.unwrap().to_bytes(), "a=1&b=2");
    let put = request(&["http://cart", "-X", "PUT", "-d", "{}", "-H", "Content-Type: application/json"]);
    assert_eq!(
        (put.method(), &put.headers()["content-type"]),
        (&Method::PUT, &"application/json".parse().unwrap())
    );
    assert_eq!(put.headers().get_all("content-type").iter().count(), 1);
}

#[test]
fn headers_can_be_emptied_and_left_out() {
    let request = request(&["http://cart", "-H", "Accept:", "-H", "X-Empty;", "-H", "Host: other"]);
    assert!(!request.headers().contains_key("accept"));
    assert_eq!(request.headers()["x-empty"], "");
    assert_eq!(request.headers()["host"], "other");
}

#[test]
fn https_is_asked_in_origin_form_inside_the_tunnel() {
    let request = request(&["https://api.example/v1"]);
    assert_eq!(request.uri().to_string(), "/v1");
    assert_eq!(Target::parse("https://api.example/v1").unwrap().authority(), "api.example:443");
}

#[test]
fn what_is_no_url_or_header_is_said() {
    for url in ["ftp://x", "http://", "http://u:p@x/", "http://a b"] {
        assert!(Target::parse(url).is_err(), "{url}");
    }
    for text in ["no colon", "b d: x", ": x"] {
        assert!(header(text).is_err(), "{text}");
    }
}

#[test]
fn a_port_is_one_or_is_refused_in_words() {
    for (url, port) in [
        ("cart:8080/x", Some(8080)),
        ("http://[::1]:65535", Some(65535)),
        ("http://[::1]", None),
        ("http://cart/a:99999", None),
        ("http://cart:/x", None),
    ] {
        assert_eq!(Target::parse(url).unwrap().port, port, "{url}");
    }
    for (url, port) in [("http://cart:99999/", "99999"), ("https://[::1]:65536", "65536"), ("cart:0", "0")] {
        let why = Target::parse(url).unwrap_err();
        assert!(why.contains(&format!("{port:?} is no port")), "{url}: {why}");
    }
    for url in ["http://cart:+80/", "http://cart:80x/", "http://cart:http/"] {
        assert!(Target::parse(url).is_err(), "{url}");
    }
}

#[test]
fn a_request_has_a_name_of_its_own_unless_the_user_gave_it_one_or_wants_none() {
    let named = |arguments: &[&str]| {
        let args = Curl::parse_from(["curl", "--from", "a", "http://cart"].iter().chain(arguments)).args;
        let mut request = build(&args, &Target::parse(&args.url).unwrap(), true).unwrap();
        let name = name(&args, &mut request);
        assert_eq!(request.headers().get(REQUEST_ID).map(|id| id.to_str().unwrap().to_owned()), name);
        name
    };
    assert_ne!(named(&[]).unwrap(), named(&[]).unwrap());
    assert_eq!(named(&["-H", "X-Request-Id: mine"]).unwrap(), "mine");
    assert_eq!(named(&["-H", "x-request-id:"]), None);
}
