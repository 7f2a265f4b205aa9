//! Local rate limits: what finds no token is answered 429, and who comes is told what is left.

use std::time::Duration;

use weft_model::http::{HttpConnectionManager, HttpFilter};
use weft_model::limit::{LocalRateLimit, TokenBucket};
use weft_model::route::Fraction;

use super::{GET, Lone, OK, route};

const ALL: Fraction = Fraction { numerator: 100, denominator: 100 };

fn limit(max_tokens: Option<u32>) -> LocalRateLimit {
    // Nothing comes back while a test lasts.
    let bucket =
        |max_tokens| TokenBucket { max_tokens, tokens_per_fill: 1, fill_interval: Duration::from_secs(3600) };
    LocalRateLimit {
        stat_prefix: "of-a-test".into(),
        bucket: max_tokens.map(bucket),
        enabled: ALL,
        enforced: ALL,
        status: 429,
        headers: true,
        resource_exhausted: false,
    }
}

fn with(
    of_filter: LocalRateLimit,
    of_route: Option<LocalRateLimit>,
) -> impl FnOnce(&mut HttpConnectionManager) {
    move |manager| {
        manager.filters.insert(0, HttpFilter::LocalRateLimit(of_filter));
        route(manager).limit = of_route;
    }
}

/// The status of one request, and what is said to be left.
async fn one(lone: &Lone, request: &str) -> (String, String, String) {
    let mut client = lone.client().await;
    client.send(request).await;
    let app = async {
        let mut app = lone.app.accept().await;
        app.head().await;
        app.send(OK).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        (head, body) = client.response() => {
            let left = head.lines().find_map(|line| line.strip_prefix("x-ratelimit-remaining: "));
            (head[9..12].to_owned(), left.unwrap_or("-").to_owned(), if body == "ok" { head.clone() } else { format!("{head}{body}") })
        }
        () = app => unreachable!("it waits"),
    }
}

#[tokio::test]
async fn a_burst_passes_and_the_rest_is_answered_in_envoys_words() {
    let lone = Lone::with(with(limit(Some(2)), None), |m| m.http.max_requests_per_connection = Some(1)).await;
    assert_eq!(one(&lone, GET).await.0, "200");
    let (status, left, _) = one(&lone, GET).await;
    assert_eq!((status.as_str(), left.as_str()), ("200", "0"));
    let (status, left, said) = one(&lone, GET).await;
    assert_eq!((status.as_str(), left.as_str()), ("429", "0"));
    assert!(said.contains("x-ratelimit-limit: 2") && said.contains("x-ratelimit-reset: 3"), "{said}");
    assert!(said.ends_with("local_rate_limited"), "{said}");
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn a_routes_own_bucket_counts_instead_of_the_filters_and_an_empty_say_limits_nothing() {
    let unlimited = with(limit(Some(0)), Some(limit(None)));
    let lone = Lone::with(unlimited, |m| m.http.max_requests_per_connection = Some(1)).await;
    let (status, left, _) = one(&lone, GET).await;
    assert_eq!((status.as_str(), left.as_str()), ("200", "-"));
    let own = with(limit(None), Some(LocalRateLimit { status: 503, headers: false, ..limit(Some(1)) }));
    let lone = Lone::with(own, |m| m.http.max_requests_per_connection = Some(1)).await;
    assert_eq!(one(&lone, GET).await.0, "200");
    let (status, left, _) = one(&lone, GET).await;
    assert_eq!((status.as_str(), left.as_str()), ("503", "-"));
}

#[tokio::test]
async fn grpc_is_told_in_its_own_words_and_what_is_not_enforced_passes() {
    let lone = Lone::with(with(limit(Some(0)), None), |_| {}).await;
    let grpc = "POST / HTTP/1.1\r\nHost: app\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n";
    let (status, _, said) = one(&lone, grpc).await;
    assert_eq!(status, "200");
    assert!(said.contains("grpc-status: 14") && said.contains("grpc-message: local_rate_limited"), "{said}");
    let none = Fraction { numerator: 0, denominator: 100 };
    let lone = Lone::with(with(LocalRateLimit { enforced: none, ..limit(Some(0)) }, None), |_| {}).await;
    assert_eq!(one(&lone, GET).await.0, "200");
}
