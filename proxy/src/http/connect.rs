//! CONNECT, as an HTTP proxy's client asks for it: a tunnel whose content is what it is, HTTP or bytes.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use weft_http1::{Limits, write_response};
use weft_model::cluster::Discovery;
use weft_model::table::chain::Terminal;
use weft_telemetry::ResponseFlag;

use super::call::{Call, Ledger};
use super::downstream::{DownH1, DownH2};
use super::exchange::{changed, refuse, routes, table};
use super::h1::H1;
use super::message::Outlet as _;
use super::plan::plan;
use super::reply::Reply;
use super::server_name::ByServerName;
use super::{admit, hop, upgrade};
use crate::connection::Conn;
use crate::connection::asked::Asked;
use crate::sniff::{self, Protocol};
use crate::tcp::{Opened, Way};

/// A client that says nothing for so long may wait for the server to speak first: then the upstream is asked.
const SILENCE: Duration = Duration::from_millis(200);

/// The rest of a first line that has begun is waited for so long.
const LATE: Duration = Duration::from_secs(2);

/// Serves a CONNECT over HTTP/1.1 whose head is in `call`.
pub async fn serve(conn: Rc<Conn>, mut h1: H1, mut call: Call) {
    call.ledger = Ledger::default();
    let mut tunnel = match decide(&conn, &mut call).await {
        Ok(tunnel) => tunnel,
        Err(reply) => {
            let mut down = DownH1::new(&mut h1, &call.request, true);
            return refuse(&conn, &mut call, &mut down, reply).await;
        }
    };
    call.response.clear();
    call.response.set_status(200);
    h1.start_output(false, |out| write_response(&call.response, out));
    if poll_fn(|cx| h1.poll_flush(cx)).await.is_err() || !tunnel.is_led(&conn, &mut h1, &call).await {
        return;
    }
    drop(call);
    carry(&conn, h1, tunnel).await;
}

/// Serves a CONNECT that is a stream of HTTP/2. What the client sends before it is answered stays unread.
pub(super) async fn serve_stream(conn: &Conn, mut down: DownH2, call: &mut Call) {
    call.ledger = Ledger::default();
    let mut tunnel = match decide(conn, call).await {
        Ok(tunnel) => tunnel,
        Err(reply) => return refuse(conn, call, &mut down, reply).await,
    };
    call.response.clear();
    call.response.set_status(200);
    if down.open(&call.response).is_ok() {
        let mut h1 = H1::new(down.into_io(), Limits::default());
        if tunnel.is_led(conn, &mut h1, call).await {
            carry(conn, h1, tunnel).await;
        }
    }
}

/// A tunnel that stands.
struct Tunnel {
    way: Way,
    asked: Rc<Asked>,
    /// Its port's TLS is routed by server names.
    by_server_name: Option<ByServerName>,
}

impl Tunnel {
    /// Lets a server name that the client asks for in it decide, where the port is routed so; false if it leads nowhere.
    async fn is_led(&mut self, conn: &Conn, h1: &mut H1, call: &Call) -> bool {
        let Some(by) = &self.by_server_name else { return true };
        let led = by.lead(conn, h1, call, &mut self.way).await;
        if let Err(why) = &led {
            tracing::info!(listener = %conn.listener, %why, "tunnel closed");
        }
        led.is_ok()
    }
}

/// Carries the content of a tunnel that stands.
async fn carry(conn: &Conn, mut h1: H1, Tunnel { way, asked, .. }: Tunnel) {
    let bytes = asked.is_bytes();
    let conn = conn.within(asked);
    let content = if bytes { Content::Bytes(None) } else { content(&conn, &mut h1, &way).await };
    match content {
        // Boxed, because HTTP within CONNECT within HTTP is a circle of types; `Conn::tunnel` keeps it from being one of calls.
        Content::Http => super::serve::serve(Rc::new(conn), upgrade::whole(h1), None).run().await,
        Content::Gone => {}
        Content::Bytes(opened) => {
            let opened = match opened {
                Some(opened) => Some(*opened),
                None => way.open(&conn).await,
            };
            if let Some(opened) = opened {
                opened.run(&conn, upgrade::whole(h1)).await;
            }
        }
    }
}

async fn decide(conn: &Conn, call: &mut Call) -> Result<Tunnel, Reply> {
    if conn.tunnel.is_some() {
        return Err(Reply::new(403, "", "upgrade_failed")
            .flag(ResponseFlag::DownstreamProtocolError)
            .because("a CONNECT tunnel may hold no other"));
    }
    let gone = || changed("the listener changed: connect again");
    let (snapshot, chain) = conn.current().ok_or_else(gone)?;
    let Terminal::Http(manager) = &chain.terminal else { return Err(gone()) };
    if !upgrade::is_allowed(manager, b"connect") {
        return Err(Reply::new(403, "", "upgrade_failed")
            .because("this listener is no HTTP proxy: CONNECT is not served here"));
    }
    call.ledger.remote = Some(hop::remote(&call.request, &manager.settings, conn.source.ip()));
    admit::authorize(conn, manager, call, "http")?;
    let snapshot = routes(conn, manager, snapshot).await?;
    let table = table(manager, &snapshot)?;
    let authority = call.request.target().to_owned();
    let plan = plan(conn, manager, &snapshot, table, call, "http")?;
    let asked = Rc::new(Asked::new(&authority, call.ledger.route_name()));
    let original = if plan.cluster.cluster.settings.discovery == Discovery::OriginalDst {
        let resolved = crate::upstream::outside::resolve(&authority, 443, conn, &plan.cluster).await;
        let refused = |why: String| {
            Reply::new(502, "", "dns_resolution_failed").flag(ResponseFlag::DnsResolutionFailed).because(why)
        };
        Some(resolved.map_err(refused)?)
    } else {
        None
    };
    let by_server_name = ByServerName::of(table, &authority).filter(|_| asked.is_bytes());
    let cluster = plan.cluster.clone();
    // Bytes have the route's limits of a stream, as in Envoy, where zero is none; what is HTTP has its own, each request.
    let (idle, life) = (Some(plan.allowed.idle.unwrap_or_default()), plan.allowed.whole);
    let way = Way { id: plan.id, cluster, hash: plan.hash, original, idle, life, attempts: None };
    Ok(Tunnel { way, asked, by_server_name })
}

/// What stands in a tunnel.
enum Content {
    Http,
    /// Anything else; the upstream may have been asked already.
    Bytes(Option<Box<Opened>>),
    Gone,
}

/// Looks at the first bytes. Where the client is silent the upstream is connected to, and who speaks first decides:
/// the server, then it is TCP; the client, then its bytes tell.
async fn content(conn: &Conn, h1: &mut H1, way: &Way) -> Content {
    let told = tokio::time::timeout(SILENCE, told(h1)).await;
    match told {
        Ok(content) => return content,
        // Half a line: the rest of it is waited for a while before it counts as bytes.
        Err(_) if h1.has_input() => {
            let late = tokio::time::timeout(LATE, self::told(h1)).await;
            return late.unwrap_or(Content::Bytes(None));
        }
        Err(_) => {}
    }
    let again = Way { cluster: way.cluster.clone(), ..*way };
    let mut opening = pin!(async {
        let mut opened = again.open(conn).await?;
        opened.hear().await;
        Some(Box::new(opened))
    });
    let first = poll_fn(|cx| {
        if let Poll::Ready(filled) = h1.poll_fill(cx) {
            return Poll::Ready(Err(matches!(filled, Ok(true))));
        }
        opening.as_mut().poll(cx).map(Ok)
    });
    match first.await {
        Ok(Some(opened)) => Content::Bytes(Some(opened)),
        Ok(None) | Err(false) => Content::Gone,
        Err(true) => self::told(h1).await,
    }
}

/// Reads until the first bytes tell what they are.
async fn told(h1: &mut H1) -> Content {
    loop {
        match sniff::protocol(h1.unread(), false) {
            Some(Protocol::H2c | Protocol::Http11 | Protocol::Http10) => return Content::Http,
            Some(Protocol::Tls | Protocol::Other) => return Content::Bytes(None),
            None => {}
        }
        match poll_fn(|cx| h1.poll_fill(cx)).await {
            Ok(true) => {}
            Ok(false) if h1.has_input() => return Content::Bytes(None),
            Ok(false) | Err(_) => return Content::Gone,
        }
    }
}
