//! gRPC calls in a closed loop: each caller waits for its answer, compares it, and calls again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::pattern;
use crate::report::Report;

/// No answer takes longer than this, or it is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// A whole load.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    address: SocketAddr,
    host: String,
    seconds: u32,
    connections: u32,
    streams: u32,
    bytes: u32,
    /// Streams stay, and messages are counted; else each call is a stream.
    stays: bool,
}

impl Plan {
    /// The words of the command line that follow the kind of call.
    pub(crate) fn parse(kind: &str, words: &[&str]) -> anyhow::Result<Self> {
        let [address, host, numbers @ ..] = words else { anyhow::bail!("ADDRESS:PORT HOST are missing") };
        let numbers: Vec<u32> = numbers
            .iter()
            .map(|word| word.parse().with_context(|| format!("{word:?}")))
            .collect::<Result<_, _>>()?;
        let [seconds @ 1..=3600, connections @ 1..=1024, streams @ 1..=100, bytes @ 0..=4_194_304] =
            numbers[..]
        else {
            anyhow::bail!(
                "SECONDS is 1 to 3600, CONNECTIONS 1 to 1024, STREAMS 1 to 100, BYTES at most 4 MiB"
            );
        };
        let address = address.parse().context("ADDRESS:PORT")?;
        Ok(Self {
            address,
            host: (*host).to_owned(),
            seconds,
            connections,
            streams,
            bytes,
            stays: kind == "stream",
        })
    }

    fn request(&self) -> anyhow::Result<Request<()>> {
        let path = if self.stays { "Stream" } else { "Unary" };
        let request = Request::post(format!("http://{}/bench.Echo/{path}", self.host))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        Ok(request.body(())?)
    }

    /// As it goes over the wire: not compressed, its length, itself.
    fn message(&self) -> Bytes {
        let mut message = BytesMut::with_capacity(self.bytes as usize + 5);
        message.put_u8(0);
        message.put_u32(self.bytes);
        message.extend_from_slice(&pattern::whole(self.bytes as usize));
        message.freeze()
    }
}

/// Calls until the time is over, and returns what became of it.
pub(crate) async fn load(plan: &Plan) -> Report {
    let begin = Instant::now();
    let end = begin + Duration::from_secs(plan.seconds.into());
    let mut callers = JoinSet::new();
    let mut all = Report::default();
    for _ in 0..plan.connections {
        match timeout(PATIENCE, connect(plan)).await.context("no connection").flatten() {
            Ok(send) => {
                for _ in 0..plan.streams {
                    callers.spawn(calls(plan.clone(), send.clone(), end));
                }
            }
            Err(error) => all.failed(&format!("{error:#}")),
        }
    }
    while let Some(report) = callers.join_next().await {
        match report {
            Ok(report) => all = all.merge(report),
            Err(error) => all.failed(&error.to_string()),
        }
    }
    all.took = begin.elapsed();
    all
}

async fn connect(plan: &Plan) -> anyhow::Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24).enable_push(false);
    let (send, connection) = builder.handshake(stream).await?;
    // What breaks it breaks its calls, who say so.
    tokio::spawn(connection);
    Ok(send)
}

/// One caller's life. The first thing that goes wrong ends it.
async fn calls(plan: Plan, send: SendRequest<Bytes>, end: Instant) -> Report {
    let mut report = Report::default();
    let ended = if plan.stays {
        messages(&plan, send, end, &mut report).await
    } else {
        let message = plan.message();
        loop {
            let begin = Instant::now();
            if begin >= end {
                break Ok(());
            }
            match timeout(PATIENCE, unary(&plan, &send, &message)).await.context("no answer").flatten() {
                Ok(()) => report.answered(begin.elapsed()),
                Err(error) => break Err(error),
            }
        }
    };
    if let Err(error) = ended {
        report.failed(&format!("{error:#}"));
    }
    report
}

async fn unary(plan: &Plan, send: &SendRequest<Bytes>, message: &Bytes) -> anyhow::Result<()> {
    let mut send = send.clone().ready().await?;
    let (response, mut stream) = send.send_request(plan.request()?, false)?;
    stream.send_data(message.clone(), true)?;
    let response = response.await?;
    ensure!(response.status() == 200, "answered {}, {:?}", response.status(), response.headers());
    let mut body = response.into_body();
    receive(&mut body, message, message.len()).await?;
    ends_well(body).await
}

/// One stream that stays: a message, its echo, the next.
async fn messages(
    plan: &Plan,
    send: SendRequest<Bytes>,
    end: Instant,
    report: &mut Report,
) -> anyhow::Result<()> {
    let message = plan.message();
    let (response, mut stream) = send.ready().await?.send_request(plan.request()?, false)?;
    stream.send_data(message.clone(), false)?;
    let response = timeout(PATIENCE, response).await.context("no answer")??;
    ensure!(response.status() == 200, "answered {}, {:?}", response.status(), response.headers());
    let mut body = response.into_body();
    let mut begin = Instant::now();
    loop {
        timeout(PATIENCE, receive(&mut body, &message, message.len())).await.context("no message")??;
        report.answered(begin.elapsed());
        begin = Instant::now();
        if begin >= end {
            break;
        }
        stream.send_data(message.clone(), false)?;
    }
    finish(stream, body).await
}

async fn finish(mut stream: SendStream<Bytes>, body: RecvStream) -> anyhow::Result<()> {
    stream.send_data(Bytes::new(), true)?;
    timeout(PATIENCE, ends_well(body)).await.context("the stream does not end")?
}

/// So many bytes, which are those of `message`.
async fn receive(body: &mut RecvStream, message: &Bytes, length: usize) -> anyhow::Result<()> {
    let mut seen = 0;
    while seen < length {
        let part = body
            .data()
            .await
            .with_context(|| format!("the answer ended after {seen} of {length} bytes"))??;
        body.flow_control().release_capacity(part.len())?;
        ensure!(message.get(seen..seen + part.len()) == Some(&*part), "another message came back");
        seen += part.len();
    }
    Ok(())
}

async fn ends_well(mut body: RecvStream) -> anyhow::Result<()> {
    while let Some(part) = body.data().await {
        ensure!(part?.is_empty(), "more came than was sent");
    }
    let trailers = body.trailers().await?.context("no trailers")?;
    ensure!(trailers.get("grpc-status").is_some_and(|status| status == "0"), "ended with {trailers:?}");
    Ok(())
}
