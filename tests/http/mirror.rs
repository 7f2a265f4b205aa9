//! Copies of requests: whole, beside the original, and of no consequence for it.

use weft_model::http::HttpConnectionManager;
use weft_model::route::{Fraction, Mirror};
use weft_testkit::settings;
use weft_testkit::wire::{Peer, Puppet};

use super::{GET, Lone, OK, forward};

fn to(cluster: &str) -> Mirror {
    Mirror { cluster: cluster.into(), fraction: None, keep_host: true }
}

/// A sidecar whose route copies to these; the mirrors' apps.
async fn mirrored<const N: usize>(mirrors: [Mirror; N]) -> (Lone, [Puppet; N]) {
    let names = mirrors.clone().map(|mirror| mirror.cluster);
    let change = |manager: &mut HttpConnectionManager| forward(manager).mirrors = mirrors.into();
    let lone = Lone::with(change, |_| {}).await;
    let mut apps = Vec::new();
    for name in names {
        let app = Puppet::new().await;
        lone.sidecar.apply(&[settings::cluster(&name, &[app.address])], &[]).await;
        apps.push(app);
    }
    (lone, apps.try_into().unwrap())
}

async fn counted(lone: &Lone, cluster: &str, result: &str) {
    counted_times(lone, cluster, result, 1).await;
}

async fn counted_times(lone: &Lone, cluster: &str, result: &str, times: usize) {
    let line = format!("weft_mirrored_requests_total{{cluster=\"{cluster}\",result=\"{result}\"}} {times}");
    weft_testkit::eventually(&line, async || lone.sidecar.metrics().lines().any(|own| own == line)).await;
}

const POST: &str = "POST /a?b=c HTTP/1.1\r\nHost: app:80\r\nX-Mine: 1\r\nContent-Length: 4\r\n\r\nbody";

async fn whole(app: &mut Peer) -> (String, String) {
    (app.head().await, app.exactly(4).await)
}

#[tokio::test]
async fn a_copy_is_the_same_request_and_its_answer_is_dropped() {
    let (lone, [one, two]) = mirrored([to("one"), to("two")]).await;
    let (mut client, mut app, head) = lone.asked(POST).await;
    assert_eq!(app.exactly(4).await, "body");
    let mut kept = Vec::new();
    for mirror in [&one, &two] {
        let mut mirror = mirror.accept().await;
        let (copied, body) = whole(&mut mirror).await;
        assert_eq!(copied, head);
        assert_eq!(body, "body");
        mirror.send("HTTP/1.1 500 Copied\r\nContent-Length: 5\r\n\r\nwrong").await;
        kept.push(mirror);
    }
    counted(&lone, "one", "answered").await;
    counted(&lone, "two", "answered").await;
    app.send(OK).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 200") && body == "ok", "{head}");
    // The mirror's connection is used again.
    client.send(POST).await;
    whole(&mut app).await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    assert_eq!(whole(&mut kept[0]).await.1, "body");
    assert!(one.is_left_alone().await);
}

#[tokio::test]
async fn a_mirror_that_is_gone_or_never_answers_is_no_matter_to_the_original() {
    let (lone, [silent, gone]) = mirrored([to("silent"), to("gone")]).await;
    drop(gone);
    let (mut client, mut app, _) = lone.asked(POST).await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    counted(&lone, "gone", "failed").await;
    let mut copy = silent.accept().await;
    assert_eq!(whole(&mut copy).await.1, "body");
}

#[tokio::test]
async fn a_copy_streams_beside_its_original_and_ends_with_it() {
    let (lone, [mirror]) = mirrored([to("mirror")]).await;
    let head = "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (mut client, mut app, _) = lone.asked(head).await;
    let mut mirror = mirror.accept().await;
    mirror.head().await;
    client.send("3\r\none\r\n").await;
    assert_eq!(mirror.until("one\r\n").await, "3\r\none\r\n");
    assert_eq!(app.until("one\r\n").await, "3\r\none\r\n");
    client.send("0\r\nx-end: yes\r\n\r\n").await;
    assert_eq!(mirror.until("\r\n\r\n").await, "0\r\nx-end: yes\r\n\r\n");
    app.until("\r\n\r\n").await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    mirror.send(OK).await;
    counted(&lone, "mirror", "answered").await;
    // A client that goes away takes the copy with it.
    client.send(head).await;
    client.send("3\r\none\r\n").await;
    mirror.until("one\r\n").await;
    client.break_off();
    mirror.end().await;
    counted(&lone, "mirror", "dropped").await;
}

#[tokio::test]
async fn a_mirror_that_reads_too_slowly_loses_its_copy_and_the_original_keeps_its_pace() {
    const MANY: usize = 32 * 1024 * 1024;
    let (lone, [mirror]) = mirrored([to("mirror")]).await;
    let head = format!("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: {MANY}\r\n\r\n");
    let (mut client, mut app, _) = lone.asked(&head).await;
    let mut slow = mirror.accept().await;
    slow.head().await;
    let sending = async {
        for _ in 0..MANY / (1024 * 1024) {
            client.send(vec![b'x'; 1024 * 1024]).await;
        }
    };
    let ((), body) = tokio::join!(sending, app.exactly(MANY));
    assert_eq!(body.len(), MANY);
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    counted(&lone, "mirror", "dropped").await;
    assert!(slow.end().await.0.len() < MANY);
}

#[tokio::test]
async fn only_the_share_is_copied_and_the_host_says_so_unless_that_is_switched_off() {
    let none = Mirror { fraction: Some(Fraction { numerator: 0, denominator: 100 }), ..to("never") };
    let all = Mirror { fraction: Some(Fraction { numerator: 100, denominator: 100 }), ..to("always") };
    let (lone, [never, always]) = mirrored([none, Mirror { keep_host: false, ..all }]).await;
    let (mut client, mut app, _) = lone.asked(&GET.replace("app", "app:80")).await;
    app.send(OK).await;
    client.response().await;
    let head = always.accept().await.head().await;
    assert!(head.to_ascii_lowercase().contains("\r\nhost: app-shadow:80\r\n"), "{head}");
    assert!(never.is_left_alone().await);
}

#[tokio::test]
async fn a_mirror_is_judged_by_how_it_answers_copies_and_one_that_is_ejected_gets_none() {
    let (lone, [mirror]) = mirrored([to("mirror")]).await;
    let mut cluster = settings::cluster("mirror", &[mirror.address]);
    cluster.balancing.panic_threshold = Some(0.0);
    cluster.outlier_detection = Some(settings::ejects_after(3));
    lone.sidecar.apply(&[cluster], &[]).await;
    let (mut client, mut app, _) = lone.asked(GET).await;
    let mut copies = mirror.accept().await;
    // A copy that is answered well forgives what failed before.
    for (before, said) in [503, 503, 200, 503, 503, 503].into_iter().enumerate() {
        assert!(!lone.sidecar.metrics().contains("ejections_active{cluster_name=\"mirror\"} 1"), "{before}");
        app.send(OK).await;
        assert_eq!(client.response().await.1, "ok");
        copies.head().await;
        copies.send(format!("HTTP/1.1 {said} Copied\r\nContent-Length: 0\r\n\r\n")).await;
        counted_times(&lone, "mirror", "answered", before + 1).await;
        client.send(GET).await;
        app.head().await;
    }
    // That of the last request had nowhere to go.
    counted(&lone, "mirror", "failed").await;
    assert!(lone.sidecar.metrics().contains("ejections_active{cluster_name=\"mirror\"} 1"));
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn a_mirror_that_informs_without_end_loses_its_copy() {
    let (lone, [mirror]) = mirrored([to("mirror")]).await;
    let (mut client, mut app, _) = lone.asked(GET).await;
    let mut copy = mirror.accept().await;
    copy.head().await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    copy.send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(65)).await;
    counted(&lone, "mirror", "failed").await;
}
