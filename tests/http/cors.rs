//! What a browser on a foreign page is told: preflights are answered by the sidecar, actual answers get their headers.

use weft_model::http::{HttpConnectionManager, HttpFilter};
use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::route::{Cors, Fault, FaultAbort, Fraction, RouteAction};

use super::{GET, Lone, OK, route};

fn policy() -> Cors {
    Cors {
        allow_origins: vec![
            StringMatcher::exact("https://exact.example"),
            Pattern::Prefix("https://prefix.".into()).into(),
            Pattern::Regex(r"https://[a-z]+\.regex\.example".into()).into(),
        ],
        allow_methods: "GET,PUT".into(),
        allow_headers: "authorization".into(),
        expose_headers: "x-total".into(),
        max_age: "600".into(),
        allow_credentials: Some(true),
        forward_not_matching_preflights: None,
    }
}

fn with(cors: Cors) -> impl FnOnce(&mut HttpConnectionManager) {
    move |manager| {
        manager.filters.insert(0, HttpFilter::Cors);
        route(manager).cors = Some(cors);
    }
}

fn preflight(origin: &str) -> String {
    format!(
        "OPTIONS /a HTTP/1.1\r\nHost: app\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: PUT\r\n\r\n"
    )
}

fn said(head: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = head.lines().filter(|line| line.starts_with("access-control-")).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn a_preflight_of_an_allowed_origin_is_answered_without_the_app() {
    let lone = Lone::with(with(policy()), |_| {}).await;
    let mut client = lone.client().await;
    for origin in ["https://exact.example", "https://prefix.any", "https://a.regex.example"] {
        client.send(preflight(origin)).await;
        let (head, body) = client.response().await;
        assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
        assert_eq!(
            said(&head),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: authorization",
                "access-control-allow-methods: get,put",
                &format!("access-control-allow-origin: {origin}"),
                "access-control-expose-headers: x-total",
                "access-control-max-age: 600",
            ]
        );
    }
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn a_preflight_of_a_stranger_goes_to_the_app_or_is_not_allowed_as_the_policy_says() {
    let lone = Lone::with(with(policy()), |_| {}).await;
    let (mut client, mut app, head) = lone.asked(&preflight("https://evil.example")).await;
    assert!(head.starts_with("OPTIONS /a"), "{head}");
    app.send(OK).await;
    assert!(said(&client.response().await.0).is_empty());

    let ignored = Cors { forward_not_matching_preflights: Some(false), ..policy() };
    let lone = Lone::with(with(ignored), |_| {}).await;
    let mut client = lone.client().await;
    client.send(preflight("https://evil.example")).await;
    let (head, _) = client.response().await;
    assert!(head.starts_with("http/1.1 200") && !head.contains("access-control-allow-origin"), "{head}");
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn an_actual_answer_gets_the_policys_headers_in_place_of_the_apps_and_so_does_one_of_our_own() {
    let lone = Lone::with(with(policy()), |_| {}).await;
    let ask = GET.replace("\r\n\r\n", "\r\nOrigin: https://exact.example\r\n\r\n");
    let (mut client, mut app, _) = lone.asked(&ask).await;
    app.send("HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\nok").await;
    let granted = [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://exact.example",
        "access-control-expose-headers: x-total",
    ];
    assert_eq!(said(&client.response().await.0), granted);
    // The app breaks off: a page may read that, too.
    client.send(&ask.replace("GET", "POST")).await;
    app.head().await;
    app.break_off();
    let (head, _) = client.response().await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert_eq!(said(&head), granted);
    // Who sends no Origin is no browser on a foreign page.
    client.send(GET).await;
    let mut app = lone.app.accept().await;
    app.head().await;
    app.send(OK).await;
    assert!(said(&client.response().await.0).is_empty());
}

#[tokio::test]
async fn without_its_filter_a_policy_says_nothing() {
    let lone = Lone::with(|manager| route(manager).cors = Some(policy()), |_| {}).await;
    let (mut client, mut app, _) = lone.asked(&preflight("https://exact.example")).await;
    app.send(OK).await;
    assert!(said(&client.response().await.0).is_empty());
}

#[tokio::test]
async fn what_the_route_answers_itself_is_held_up_by_its_fault_and_readable_by_its_origins() {
    let change = |manager: &mut HttpConnectionManager| {
        with(policy())(manager);
        manager.filters.insert(0, HttpFilter::Fault);
        let all = Fraction { numerator: 100, denominator: 100 };
        let delay = std::time::Duration::from_millis(200);
        let none = Fraction { numerator: 0, denominator: 100 };
        let abort = Some((FaultAbort::Http(418), none));
        route(manager).fault = Some(Fault { delay: Some((delay, all)), abort });
        route(manager).action = RouteAction::DirectResponse { status: 202, body: b"done".to_vec() };
    };
    let lone = Lone::with(change, |_| {}).await;
    let mut client = lone.client().await;
    let began = std::time::Instant::now();
    client.send(GET.replace("\r\n\r\n", "\r\nOrigin: https://exact.example\r\n\r\n")).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 202") && body == "done", "{head}");
    assert!(began.elapsed() >= std::time::Duration::from_millis(200));
    assert!(head.contains("access-control-allow-origin: https://exact.example"), "{head}");
}
