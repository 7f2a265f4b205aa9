//! A client on HTTP/2: its streams side by side, each a task of this worker, and how its connection ends.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use rand::RngExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use weft_model::table::chain::Terminal;
use weft_telemetry::{Protocol, ResponseFlag};

use super::call::Call;
use super::downstream::DownH2;
use super::empty_frames::WithoutEmptyFrames;
use super::exchange::{After, exchange, refuse};
use super::h2::{CONNECTION_WINDOW, FRAME, Incoming, STREAM_WINDOW, request_head};
use super::message::{Broken, Length};
use super::reply::Reply;
use super::room::{Room, Used, room, used};
use super::serve::Bounds;
use super::shelf::Shelf;
use super::{connect, turn, upgrade};
use crate::connection::Conn;
use crate::stream::Io;

/// Streams at once on one client's connection.
const MAX_STREAMS: u32 = 1000;

/// The preface must have come so soon.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// A client that takes back most of so many requests is no client but an attack (CVE-2023-44487).
const SUSPICIOUS: u32 = 200;

/// Streams whose connection has gone end by themselves; what has not ended by then is dropped.
const LAST: Duration = Duration::from_secs(2);

/// What is still open so long after GOAWAY is cut.
const DRAIN: Duration = Duration::from_secs(45);

type Connection = h2::server::Connection<WithoutEmptyFrames, bytes::Bytes>;

pub(super) async fn serve(conn: Rc<Conn>, io: Io, bounds: &Bounds) {
    let mut builder = h2::server::Builder::new();
    builder
        .max_frame_size(FRAME)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(bounds.limits.max_head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_reset_streams(64)
        .max_local_error_reset_streams(Some(64));
    if bounds.upgrades {
        builder.enable_connect_protocol();
    }
    let handshake = tokio::time::timeout(HANDSHAKE, builder.handshake(WithoutEmptyFrames::from_client(io)));
    let Ok(Ok(mut connection)) = handshake.await else { return };
    let _guard = conn.drain.guard();
    let mut draining = std::pin::pin!(conn.drain.draining());
    let mut state = State::new(bounds);
    loop {
        let next = poll_fn(|cx| {
            state.reap(cx, &mut connection);
            if !state.told && draining.as_mut().poll(cx).is_ready() {
                state.shut_down(&mut connection);
            }
            if state.poll_over(cx, &mut connection).is_ready() {
                return Poll::Ready(None);
            }
            connection.poll_accept(cx)
        });
        match next.await {
            None => break,
            Some(Err(error)) => {
                tracing::debug!(source = %conn.source, %error, "a client's HTTP/2 connection ended");
                break;
            }
            Some(Ok((request, respond))) => {
                state.streams.spawn_local(serve_one(Stream { conn: conn.clone(), request, respond }));
            }
        }
    }
    drop(connection);
    let ends = async { while state.streams.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST, ends).await.is_err() {
        state.streams.shutdown().await;
    }
}

/// How one stream ended.
struct Ended {
    /// The connection is not to carry another.
    leave: bool,
    /// The client took it back.
    gone: bool,
}

struct State {
    streams: JoinSet<Ended>,
    served: u32,
    gone: u32,
    /// GOAWAY was said.
    told: bool,
    idle: Option<Duration>,
    life_by: Option<Instant>,
    idle_by: Option<Instant>,
    cut_by: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl State {
    fn new(bounds: &Bounds) -> Self {
        Self {
            streams: JoinSet::new(),
            served: 0,
            gone: 0,
            told: false,
            idle: bounds.idle,
            life_by: bounds.life.and_then(|life| Instant::now().checked_add(life)),
            idle_by: None,
            cut_by: None,
            sleep: None,
        }
    }

    /// Looks how streams ended.
    fn reap(&mut self, cx: &mut Context<'_>, connection: &mut Connection) {
        while let Poll::Ready(Some(ended)) = self.streams.poll_join_next(cx) {
            self.served += 1;
            let Ok(ended) = ended else { continue };
            self.gone += u32::from(ended.gone);
            if ended.leave && !self.told {
                self.shut_down(connection);
            }
        }
        if self.served >= SUSPICIOUS {
            if self.gone > self.served / 2 {
                connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
            }
            (self.served, self.gone) = (0, 0);
        }
    }

    /// GOAWAY; what has begun goes on.
    fn shut_down(&mut self, connection: &mut Connection) {
        self.told = true;
        self.cut_by = Some(Instant::now() + DRAIN);
        connection.graceful_shutdown();
    }

    /// Waits until the connection is to be left, however busy it is.
    fn poll_over(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> Poll<()> {
        loop {
            if !self.streams.is_empty() {
                self.idle_by = None;
            } else if self.idle_by.is_none() {
                self.idle_by = self.idle.and_then(|idle| Instant::now().checked_add(idle));
            }
            let life_by = self.life_by.filter(|_| !self.told);
            let idle_by = self.idle_by.filter(|_| !self.told);
            let Some(by) = [life_by, idle_by, self.cut_by].into_iter().flatten().min() else {
                return Poll::Pending;
            };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(by)));
            if sleep.deadline() > by {
                sleep.as_mut().reset(by);
            }
            std::task::ready!(sleep.as_mut().poll(cx));
            let now = Instant::now();
            if by > now {
                sleep.as_mut().reset(by);
            } else if self.told {
                return Poll::Ready(());
            } else {
                self.shut_down(connection);
            }
        }
    }
}

/// A request whose head has been read.
struct Stream {
    conn: Rc<Conn>,
    request: http::Request<h2::RecvStream>,
    respond: h2::server::SendResponse<bytes::Bytes>,
}

/// So many rooms that nobody uses are kept at most; what is not asked for goes sooner.
const MOST_ROOMS: usize = 256;

thread_local! {
    static ROOMS: RefCell<Shelf<Room<Stream, Ended>>> = const { RefCell::new(Shelf::new(MOST_ROOMS)) };
}

/// Frees rooms that were not asked for since the last time.
pub(super) fn tidy() {
    drop(ROOMS.with_borrow_mut(Shelf::tidy));
}

fn serve_one(one: Stream) -> Used<Stream, Ended> {
    let there = ROOMS.with_borrow_mut(Shelf::take);
    used(there.unwrap_or_else(|| room(stream)), one, |room| {
        // A thread that ends keeps no rooms.
        let _ = ROOMS.try_with(|rooms| drop(rooms.borrow_mut().give(room)));
    })
}

async fn stream(Stream { conn, request, respond }: Stream) -> Ended {
    let (parts, body) = request.into_parts();
    let mut call = turn::call();
    let head = request_head(&parts, &mut call.request);
    let mut down = DownH2::new(Incoming::new(body), respond, parts.method == http::Method::HEAD);
    let leave = match head {
        Err(broken) => {
            call.request.clear();
            let reply = match broken {
                Broken::Head(refusal) => Reply::bad_request(refusal),
                other => Reply::new(400, "", "http2.codec_error")
                    .flag(ResponseFlag::DownstreamProtocolError)
                    .because(other.to_string()),
            };
            let reply = reply.bodiless(parts.method == http::Method::HEAD);
            refuse(&conn, &mut call, &mut down, reply).await;
            down.leave
        }
        Ok(()) if parts.method == http::Method::CONNECT => {
            match parts.extensions.get::<h2::ext::Protocol>() {
                Some(protocol) => extended(&conn, down, &mut call, protocol.as_str()).await,
                None => connect::serve_stream(&conn, down, &mut call).await,
            }
            false
        }
        Ok(()) => {
            let length = down.request_length(&call.request);
            exchange(&conn, &mut call, &mut down, length).await;
            down.leave
        }
    };
    let gone = call.ledger.flags.contains(ResponseFlag::DownstreamConnectionTermination);
    turn::give_call(call);
    Ended { leave, gone }
}

/// An extended CONNECT (RFC 8441): a request to change this stream to another protocol. It is served as HTTP/1.1's
/// `Upgrade` is, which is what upstreams are asked by; nothing of what the client sends behind its head is read before
/// they agree.
async fn extended(conn: &Conn, down: DownH2, call: &mut Call, protocol: &str) {
    let mut down = down.upgrading();
    let allowed = conn.current().is_some_and(|(_, chain)| match &chain.terminal {
        Terminal::Http(manager) => upgrade::is_allowed(manager, protocol.as_bytes()),
        _ => false,
    });
    if !allowed || protocol.eq_ignore_ascii_case("connect") {
        let why = format!("this listener passes on no change to {protocol:?}");
        return refuse(conn, call, &mut down, Reply::new(403, "", "upgrade_failed").because(why)).await;
    }
    let chance = conn.worker.rng.borrow_mut().random();
    if upgrade::ask(&mut call.request, protocol, chance).is_err() {
        let refusal = Reply::bad_request(weft_http1::Refusal::InvalidHeaderValue);
        return refuse(conn, call, &mut down, refusal).await;
    }
    if let After::Tunnel(tunnel) = exchange(conn, call, &mut down, Length::None).await {
        upgrade::run(conn, down.into_io(), *tunnel, call, Protocol::Http2).await;
    }
}
