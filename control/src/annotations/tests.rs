use std::time::Duration;

use weft_model::health::Probe;
use weft_model::limit::TokenBucket;
use weft_model::route::HashKey;

use super::*;

fn with(name: &str, value: &str) -> Annotations {
    [(name.to_owned(), value.to_owned())].into()
}

#[test]
fn a_session_is_known_by_a_header_or_a_cookie() {
    let key = |value: &str| sticky(&with(STICKY, value)).map(|policy| policy.key);
    assert_eq!(key("header=X-User"), Some(HashKey::Header("x-user".into())));
    let cookie = |ttl| HashKey::Cookie {
        name: "s".into(),
        ttl: Some(Duration::from_secs(ttl)),
        path: "/".into(),
        attributes: Vec::new(),
    };
    assert_eq!(key("cookie=s"), Some(cookie(0)));
    assert_eq!(key("cookie=s, ttl=1h"), Some(cookie(3600)));
    assert!(sticky(&with(STICKY, "header=a")).unwrap().terminal);
    for wrong in [
        "",
        "header",
        "header=",
        "header=a, cookie=b",
        "cookie=s, ttl=soon",
        "header=a, ttl=1s",
        "header=a b",
    ] {
        assert_eq!(key(wrong), None, "{wrong}");
        assert_eq!(check("VirtualService", &with(STICKY, wrong)).len(), 1, "{wrong}");
    }
    assert_eq!(check("Service", &with(STICKY, "header=a")).len(), 1, "a Service has no versions");
}

#[test]
fn a_limit_is_a_bucket_of_tokens() {
    let bucket = |value: &str| limit(&with(LOCAL_RATE_LIMIT, value), "a").and_then(|limit| limit.bucket);
    let of = |max_tokens, tokens_per_fill, millis| {
        Some(TokenBucket { max_tokens, tokens_per_fill, fill_interval: Duration::from_millis(millis) })
    };
    assert_eq!(bucket("max_tokens=10"), of(10, 10, 1000));
    assert_eq!(bucket("max_tokens=10,tokens_per_fill=2 , fill_interval=500ms"), of(10, 2, 500));
    for wrong in [
        "",
        "max_tokens=0",
        "max_tokens=-1",
        "max_tokens=9, tokens_per_fill=0",
        "max_tokens=9, fill_interval=1ms",
        "max_tokens=9, burst=1",
        "max_tokens=9, max_tokens=8",
    ] {
        assert_eq!(bucket(wrong), None, "{wrong}");
        for kind in ["VirtualService", "Service", "Pod"] {
            assert_eq!(check(kind, &with(LOCAL_RATE_LIMIT, wrong)).len(), 1, "{wrong}");
        }
    }
}

#[test]
fn endpoints_are_asked_over_http_grpc_or_tcp() {
    let of = |value: &str| health_check(&with(HEALTH_CHECK, value));
    let http = |path: &str| Probe::Http { path: path.into(), host: String::new(), patient: true };
    assert_eq!(of("path=/healthz").unwrap().probe, http("/healthz"));
    assert_eq!(
        of("protocol=grpc, service=a.B").unwrap().probe,
        Probe::Grpc { service: "a.B".into(), authority: String::new() }
    );
    let tcp = of("protocol=tcp, interval=250ms, timeout=100ms, unhealthy_threshold=2, healthy_threshold=1")
        .unwrap();
    assert_eq!((tcp.probe, tcp.unhealthy_threshold, tcp.healthy_threshold), (Probe::Tcp, 2, 1));
    assert_eq!((tcp.interval, tcp.timeout), (Duration::from_millis(250), Duration::from_millis(100)));
    for wrong in [
        "protocol=icmp",
        "path=healthz",
        "interval=0s",
        "unhealthy_threshold=0",
        "protocol=tcp, path=/a",
        "every=1s",
    ] {
        assert!(of(wrong).is_none(), "{wrong}");
        assert_eq!(check("Service", &with(HEALTH_CHECK, wrong)).len(), 1, "{wrong}");
    }
}
