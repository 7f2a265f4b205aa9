//! An endpoint that misbehaves costs what was sent to it, is told of in plain words, and harms no other endpoint.

use std::time::{Duration, Instant};

use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::cluster::{Cluster, OutlierDetection};
use weft_model::http::HttpConnectionManager;
use weft_model::route::RetryPolicy;
use weft_testkit::app::Switched;
use weft_testkit::wire::{End, Peer, Puppet};
use weft_testkit::{eventually, settings};

use super::{GET, Way, ask, forward};

/// What it does with a request, what the client is told, and the words of the log.
type Act = (&'static str, &'static [u8], u16, &'static str);

const ACTS: &[Act] = &[
    ("closes without a word", b"", 503, "ended the connection before it answered"),
    ("says garbage", b"\x00\x01\x02 this is no HTTP\r\n\r\n", 502, "the head is refused"),
    (
        "says two lengths",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        502,
        "the head is refused",
    ),
    (
        "says length and chunks",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        502,
        "the head is refused",
    ),
    ("stops within its head", b"HTTP/1.1 200 OK\r\nContent-Le", 503, "closed in the middle of a message"),
    (
        "changes protocols unasked",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        502,
        "a protocol that was not asked for",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_one_endpoint_does_the_other_goes_on() {
    for (what, said, told, words) in ACTS {
        let (hostile, well) = (Puppet::new().await, Switched::new().await);
        let log = Log::new("acts");
        let way = Way::with(&[hostile.address, well.address], |_| {}, |m| log.of(m)).await;
        let mut client = way.client().await;
        let (mut harmed, mut served) = (0, 0);
        for _ in 0..6 {
            let answer = async { ask(&mut client, GET).await };
            tokio::pin!(answer);
            let status = tokio::select! {
                (status, ..) = &mut answer => status,
                mut asked = hostile.accept() => {
                    asked.head().await;
                    asked.send(said).await;
                    asked.finish().await;
                    answer.await.0
                }
            };
            match status {
                200 => served += 1,
                status => {
                    assert_eq!(status, *told, "it {what}");
                    harmed += 1;
                }
            }
        }
        assert_eq!((harmed, served), (3, 3), "it {what}");
        log.says(words).await;
    }
}

/// An access log of reasons alone.
pub(super) struct Log(std::path::PathBuf);

impl Log {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weft-hostile-{}-{name}.log", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    pub(super) fn of(&self, manager: &mut HttpConnectionManager) {
        let format = LogFormat::Text("%RESPONSE_CODE% \"%REASON%\"\n".into());
        let path = self.0.display().to_string();
        manager.access_log.push(AccessLog { path, format, only_no_route: false });
    }

    pub(super) async fn says(&self, words: &str) {
        eventually(words, async || {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            text.lines().any(|line| line.contains(words))
        })
        .await;
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A client whose request the hostile one has got, whoever's turn it was before.
pub(super) async fn trapped(way: &Way, hostile: &Puppet, request: &str) -> (Peer, Peer) {
    loop {
        let mut client = way.client().await;
        client.send(request).await;
        tokio::select! {
            head = client.head() => assert!(head.starts_with("HTTP/1.1 200"), "{head}"),
            mut asked = hostile.accept() => {
                asked.head().await;
                return (client, asked);
            }
        }
    }
}

/// The other serves, whoever's turn it is.
pub(super) async fn the_other_serves(way: &Way, hostile: &Puppet) {
    loop {
        let mut client = way.client().await;
        tokio::select! {
            (status, ..) = ask(&mut client, GET) => return assert_eq!(status, 200),
            asked = hostile.accept() => drop(asked),
        }
    }
}

/// What it does, what it says meanwhile, byte by byte, how the client's answer begins, and the words of the log.
type Slow = (&'static str, &'static str, &'static str, &'static str);

const SLOW: &[Slow] = &[
    ("never answers", "", "HTTP/1.1 504", "no answer within"),
    ("writes its head slowly", "HTTP/1.1 200 OK\r\nX-Slow: y", "HTTP/1.1 504", "no answer within"),
    (
        "stops within its answer",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf",
        "HTTP/1.1 200",
        "the answer had not ended within",
    ),
    ("informs only", "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 103", "no answer within"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_slow_costs_the_routes_time_and_no_more() {
    let limit = Duration::from_millis(300);
    for (what, said, answer, words) in SLOW {
        let (hostile, well) = (Puppet::new().await, Switched::new().await);
        let log = Log::new("slow");
        let change = |m: &mut HttpConnectionManager| {
            forward(m).timeout = Some(limit);
            log.of(m);
        };
        let way = Way::with(&[hostile.address, well.address], |_| {}, change).await;
        let (mut client, mut asked) = trapped(&way, &hostile, GET).await;
        for byte in said.as_bytes() {
            asked.send([*byte]).await;
        }
        the_other_serves(&way, &hostile).await;
        assert_eq!(asked.end().await.0, "", "it {what}, and is told to stop");
        let told = if answer.ends_with("200") { client.end().await.0 } else { client.head().await };
        assert!(told.starts_with(answer), "it {what}: {told:?}");
        log.says(words).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_breaks_off_within_its_answers_is_left_alone_and_its_answers_do_not_look_whole() {
    let (hostile, well) = (Puppet::new().await, Switched::new().await);
    let log = Log::new("half");
    let ejects = |cluster: &mut Cluster| {
        let settings = settings::ejects_after(1);
        cluster.outlier_detection = Some(OutlierDetection { max_ejection_percent: Some(50), ..settings });
    };
    let way = Way::with(&[hostile.address, well.address], ejects, |m| log.of(m)).await;
    let mut halves = 0;
    while way.count("outlier_detection_ejections_active") == 0 {
        let mut client = way.client().await;
        client.send(GET).await;
        tokio::select! {
            (head, _) = client.response() => assert!(head.starts_with("http/1.1 200"), "{head}"),
            mut asked = hostile.accept() => {
                asked.head().await;
                asked.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf").await;
                client.until("half").await;
                asked.break_off();
                assert_eq!(client.end().await.1, End::Reset);
                halves += 1;
            }
        }
        assert!(halves < 10, "it is never left alone");
    }
    log.says("the upstream broke off within its answer").await;
    let mut client = way.client().await;
    for _ in 0..6 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_read_holds_up_its_own_request_alone_and_takes_no_memory() {
    use tokio::io::AsyncWriteExt as _;
    let (deaf, well) = (Puppet::new().await, Switched::new().await);
    let log = Log::new("deaf");
    let change = |m: &mut HttpConnectionManager| {
        forward(m).idle_timeout = Some(Duration::from_millis(500));
        log.of(m);
    };
    let way = Way::with(&[deaf.address, well.address], |_| {}, change).await;
    let upload = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 1000000000\r\n\r\n";
    let (mut client, _asked) = trapped(&way, &deaf, upload).await;
    the_other_serves(&way, &deaf).await;
    let large = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while client.socket().write_all(&large).await.is_ok() {
        sent += large.len();
        assert!(sent < 64 * 1024 * 1024, "{sent} bytes are taken for one who does not read");
    }
    log.says("nothing moved for").await;
    the_other_serves(&way, &deaf).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_accepts_and_never_answers_costs_its_try_and_no_more() {
    let (silent, well) = (Puppet::new().await, Switched::new().await);
    let retry = RetryPolicy {
        retry_on: "5xx".into(),
        num_retries: Some(2),
        per_try_timeout: Some(Duration::from_millis(60)),
        avoid_previous_hosts: true,
        ..RetryPolicy::default()
    };
    let way = Way::with(&[silent.address, well.address], |_| {}, |m| forward(m).retry = Some(retry)).await;
    let mut client = way.client().await;
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert!(began.elapsed() >= Duration::from_millis(120), "nobody was waited for");
    // A retry takes a turn, too, so the silent one may be asked first each time.
    assert!((2..=4).contains(&way.count("weft_retry_after_app_may_have_seen_it")));
}
