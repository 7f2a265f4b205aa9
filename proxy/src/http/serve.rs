//! A connection that speaks HTTP: which version, and the limits that its listener sets.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use weft_http1::Limits;
use weft_model::table::chain::Terminal;

use super::h1::H1;
use super::{serve_h1, serve_h2};
use crate::connection::Conn;
use crate::connection::stage::Stage;
use crate::sniff::H2_PREFACE;
use crate::stream::Io;

/// An idle client is kept for so long where the configuration says nothing: Envoy's hour.
const IDLE: Duration = Duration::from_secs(3600);

/// A request's head must have arrived so soon after its first byte where the configuration says nothing.
const HEAD: Duration = Duration::from_secs(60);

/// Serves a connection to its end. `alpn` is what TLS agreed on, if it did.
pub fn serve(conn: Rc<Conn>, io: Io, alpn: Option<&[u8]>) -> Stage {
    let bounds = Bounds::of(&conn);
    let h1 = Box::new(H1::new(io, bounds.limits));
    match alpn {
        Some(b"h2" | b"istio-h2") => as_h2(conn, h1, bounds),
        Some(b"http/1.1" | b"http/1.0" | b"istio-http/1.1" | b"istio-http/1.0") => as_h1(conn, h1),
        // Nothing agreed, or only `istio`: the first bytes tell.
        _ => Stage::more(told(conn, h1, bounds)),
    }
}

async fn told(conn: Rc<Conn>, mut h1: Box<H1>, bounds: Bounds) -> Option<Stage> {
    let h2 = is_h2(&conn, &mut h1, &bounds).await?;
    Some(if h2 { as_h2(conn, h1, bounds) } else { as_h1(conn, h1) })
}

fn as_h1(conn: Rc<Conn>, h1: Box<H1>) -> Stage {
    Stage::last(serve_h1::serve(conn, h1))
}

fn as_h2(conn: Rc<Conn>, h1: Box<H1>, bounds: Bounds) -> Stage {
    let (mut io, rest) = h1.into_parts();
    io.unread(&rest);
    Stage::last(async move { serve_h2::serve(conn, io, &bounds).await })
}

/// What a listener allows one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Of heads.
    pub(super) limits: Limits,
    /// Between two requests; `None`: for ever.
    pub(super) idle: Option<Duration>,
    /// From a head's first byte to its last.
    pub(super) head: Duration,
    /// The connection's own life.
    pub(super) life: Option<Duration>,
    /// Streams may be changed to other protocols.
    pub(super) upgrades: bool,
}

impl Bounds {
    pub(super) fn of(conn: &Conn) -> Self {
        let limits = Limits::default();
        let mut bounds = Self { limits, idle: Some(IDLE), head: HEAD, life: None, upgrades: false };
        let Some((_, chain)) = conn.current() else { return bounds };
        let Terminal::Http(manager) = &chain.terminal else { return bounds };
        let settings = &manager.settings;
        if let Some(kib) = settings.max_request_headers_kb {
            bounds.limits.max_head_bytes = (kib as usize).clamp(1, 8192) * 1024;
        }
        bounds.idle = settings.idle_timeout.map_or(Some(IDLE), |t| (!t.is_zero()).then_some(t));
        bounds.head = settings.request_headers_timeout.filter(|t| !t.is_zero()).unwrap_or(HEAD);
        bounds.upgrades = settings.upgrades.iter().any(|u| u.enabled && !u.terminate_connect);
        bounds.life = settings.max_connection_duration.filter(|t| !t.is_zero());
        bounds
    }
}

/// Does the client begin with HTTP/2's preface? `None`: it has gone, or said nothing for too long.
async fn is_h2(conn: &Conn, h1: &mut H1, bounds: &Bounds) -> Option<bool> {
    let first = async {
        loop {
            let seen = h1.unread();
            let n = seen.len().min(H2_PREFACE.len());
            if n > 0 && seen[..n] != H2_PREFACE[..n] {
                return Some(false);
            }
            if n == H2_PREFACE.len() {
                return Some(true);
            }
            let limit = if n > 0 { Some(bounds.head) } else { bounds.idle };
            let filling = poll_fn(|cx| h1.poll_fill(cx));
            let filled = match limit {
                Some(limit) => tokio::time::timeout(limit, filling).await.ok()?,
                None => filling.await,
            };
            if !matches!(filled, Ok(true)) {
                return None;
            }
        }
    };
    // A client that has not begun loses nothing when its listener goes away; it is given a moment all the same.
    let drained = async {
        conn.drain.draining().await;
        tokio::time::sleep(serve_h1::GRACE).await;
    };
    tokio::select! {
        h2 = first => h2,
        () = drained => None,
    }
}
