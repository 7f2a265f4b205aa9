//! Upgrades: WebSocket in both directions, and everything that must not become a tunnel.

use weft_model::http::HttpFilter;
use weft_model::listener::Direction;
use weft_model::rbac::{Action, Permission, Policy, Principal, Rbac, RbacFilter};
use weft_model::tls::Transport;
use weft_testkit::settings;
use weft_testkit::wire::End;

use super::{Lone, OK};

pub(super) const WEBSOCKET: &str = "GET /chat HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(super) const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn a_websocket_carries_both_ways_what_came_early_included() {
    let lone = Lone::new().await;
    let (mut client, mut app, head) = lone.asked(&format!("{WEBSOCKET}early")).await;
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains("upgrade: websocket") && lower.contains("connection: upgrade"), "{head}");
    // No byte of the client's goes up before the app has agreed: the app would take it for a request.
    app.send(format!("{SWITCH}hello")).await;
    assert_eq!(app.exactly(5).await, "early");
    let answer = client.head().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101") && answer.contains("upgrade: websocket"), "{answer}");
    assert_eq!(client.exactly(5).await, "hello");
    client.send("ping").await;
    assert_eq!(app.exactly(4).await, "ping");
    client.finish().await;
    assert_eq!(app.end().await, (String::new(), End::Closed));
    app.send("bye").await;
    drop(app);
    assert_eq!(
        client.end().await,
        ("bye".into(), End::Closed),
        "a half that is closed leaves the other open"
    );
}

#[tokio::test]
async fn a_websocket_ends_when_the_policy_that_let_it_in_does() {
    let rules = |action, principal| {
        let policy =
            Policy { permissions: vec![Permission::Any], principals: vec![principal], has_condition: false };
        let rules = Some(Rbac { action, policies: [("p".to_owned(), policy)].into() });
        HttpFilter::Rbac(RbacFilter { rules, ..RbacFilter::default() })
    };
    let lone = Lone::with(|m| m.filters.insert(0, rules(Action::Allow, Principal::Any)), |_| {}).await;
    let (mut client, mut app, _) = lone.asked(WEBSOCKET).await;
    app.send(SWITCH).await;
    client.head().await;
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("outbound|80||app"))]);
    let manager = settings::manager(false, routes, vec![rules(Action::Deny, Principal::Any)]);
    let listener = settings::http("out", lone.at, Direction::Outbound, Transport::Raw, manager);
    lone.sidecar.apply(&[], &[listener]).await;
    let mut late = lone.client().await;
    late.send(WEBSOCKET).await;
    assert!(late.head().await.starts_with("HTTP/1.1 403"));
    client.end().await;
    app.end().await;
}

#[tokio::test]
async fn an_app_that_does_not_upgrade_answers_as_it_likes() {
    let lone = Lone::new().await;
    let (mut client, mut app, _) = lone.asked(WEBSOCKET).await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    client.send("GET /next HTTP/1.1\r\nHost: app\r\n\r\n").await;
    assert!(app.head().await.starts_with("GET /next "));
}

#[tokio::test]
async fn unknown_upgrades_are_ignored_and_of_several_the_app_sees_what_is_allowed() {
    let lone = Lone::new().await;
    let ask = |token: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {token}\r\n\
                 HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
        )
    };
    for token in ["h2c", "TLS/1.0", "made-up"] {
        let (mut client, mut app, head) = lone.asked(&ask(token)).await;
        let head = head.to_ascii_lowercase();
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
        app.send(OK).await;
        assert_eq!(client.response().await.1, "ok");
        drop(app);
    }
    let (_client, _app, head) = lone.asked(&ask("h2c, websocket")).await;
    assert!(head.to_ascii_lowercase().contains("upgrade: websocket\r\n"), "{head}");
}

#[tokio::test]
async fn a_change_of_protocol_that_was_not_asked_for_is_a_502() {
    let lone = Lone::new().await;
    for (request, answer) in [
        ("GET / HTTP/1.1\r\nHost: app\r\n\r\n".to_owned(), SWITCH.to_owned()),
        (WEBSOCKET.to_owned(), SWITCH.replace("websocket", "h2c")),
        (
            "GET / HTTP/1.0\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
            SWITCH.into(),
        ),
    ] {
        let (mut client, mut app, _) = lone.asked(&request).await;
        app.send(answer).await;
        assert!(client.head().await.starts_with("HTTP/1.1 502"), "{request}");
        app.end().await;
    }
}
