//! What a route does by itself, and on purpose, is told in the log in plain words; the client reads what was configured.

use std::path::PathBuf;
use std::time::Duration;

use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::http::{HttpConnectionManager, HttpFilter};
use weft_model::route::{Fault, FaultAbort, Fraction, Redirect, Route, RouteAction};
use weft_testkit::{eventually, settings};

use super::{Lone, OK};

const ALWAYS: Fraction = Fraction { numerator: 100, denominator: 100 };

/// Routes that do something by themselves, before the one that leads to the app.
fn on_purpose(manager: &mut HttpConnectionManager) {
    let leads =
        |name: &str| settings::route(name, &format!("/{name}"), settings::forward("outbound|80||app"));
    let does = |name: &str, action: RouteAction| Route { action, ..leads(name) };
    let faulty = |name: &str, delay: Option<Duration>, abort: Option<FaultAbort>| Route {
        fault: Some(Fault {
            delay: delay.map(|delay| (delay, ALWAYS)),
            abort: abort.map(|abort| (abort, ALWAYS)),
        }),
        ..leads(name)
    };
    let moment = Some(Duration::from_millis(20));
    let own = [
        does("gone", RouteAction::DirectResponse { status: 410, body: Vec::new() }),
        does("told", RouteAction::DirectResponse { status: 200, body: b"hello".to_vec() }),
        does(
            "old",
            RouteAction::Redirect(Redirect { path: None, host: Some("new".into()), ..Redirect::default() }),
        ),
        faulty("broken", None, Some(FaultAbort::Http(555))),
        faulty("both", moment, Some(FaultAbort::Http(555))),
        faulty("slow", moment, None),
    ];
    super::routes(manager).virtual_hosts[0].routes.splice(0..0, own);
    manager.filters.insert(0, HttpFilter::Fault);
}

fn log(manager: &mut HttpConnectionManager) -> PathBuf {
    let path = std::env::temp_dir().join(format!("weft-test-{}-on-purpose.log", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let format = LogFormat::Text("%RESPONSE_CODE% %RESPONSE_FLAGS% \"%REASON%\"\n".into());
    manager.access_log.push(AccessLog { path: path.display().to_string(), format, only_no_route: false });
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_route_does_by_itself_has_words_in_the_log_and_adds_none_to_what_the_client_reads() {
    let mut path = PathBuf::new();
    let purposes = |m: &mut HttpConnectionManager| {
        on_purpose(m);
        path = log(m);
    };
    let lone = Lone::with(purposes, |_| {}).await;
    let says = async |start: &str, words: &str| {
        // Quotes within quotes are escaped in a log of text.
        let line = &format!("{start} \"{}\"", words.replace('"', "\\\""));
        eventually(line, async || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            text.lines().any(|l| l == line)
        })
        .await;
    };
    let mut client = lone.client().await;
    let held = "held this up for 20ms on purpose (VirtualService fault.delay)";
    for (asked, status, body, flags, words) in [
        (
            "gone",
            410,
            "",
            "-",
            r#"answered by route "gone" itself (VirtualService directResponse)"#.to_owned(),
        ),
        (
            "told",
            200,
            "hello",
            "-",
            r#"answered by route "told" itself (VirtualService directResponse)"#.to_owned(),
        ),
        ("old", 301, "", "-", r#"redirected by route "old" (VirtualService redirect)"#.to_owned()),
        (
            "broken",
            555,
            "fault filter abort",
            "FI",
            r#"route "broken" injects this fault on purpose (VirtualService fault.abort)"#.to_owned(),
        ),
        (
            "both",
            555,
            "fault filter abort",
            "DI,FI",
            format!(
                r#"route "both" injects this fault on purpose (VirtualService fault.abort); route "both" {held}"#
            ),
        ),
    ] {
        client.send(format!("GET /{asked} HTTP/1.1\r\nHost: app\r\n\r\n")).await;
        let (head, read) = client.response().await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{asked}: {head}");
        assert_eq!(read, body, "{asked}");
        says(&format!("{status} {flags}"), &words).await;
    }
    client.send("GET /slow HTTP/1.1\r\nHost: app\r\n\r\n").await;
    let mut app = lone.app.accept().await;
    app.head().await;
    app.send(OK).await;
    client.response().await;
    says("200 DI", &format!(r#"route "slow" {held}"#)).await;
    client.send("GET /plain HTTP/1.1\r\nHost: app\r\n\r\n").await;
    app.head().await;
    app.send(OK).await;
    client.response().await;
    says("200 -", "-").await;
    let _ = std::fs::remove_file(&path);
}
