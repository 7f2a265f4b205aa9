//! A connection's arrival: look at its first bytes, choose its chain, shake hands, hand it on.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use weft_model::listener::{Direction, ListenerFilter};
use weft_model::table::chain::{Chain, Listener, Terminal};
use weft_model::tls::Transport;
use weft_runtime::drain::DrainWatch;

use super::arrivals::Arriving;
use super::habit::Habit;
use super::origin::{self, Origin};
use super::secure::secure;
use super::stage::Stage;
use super::{Arrived, Conn};
use crate::snapshot::{Current, ListenerView};
use crate::sniff::{self, Protocol};
use crate::stream::{Io, Tcp};
use crate::tcp::{First, Opened};
use crate::worker::Worker;

/// Envoy's default for looking.
const LOOK: Duration = Duration::from_secs(15);

/// A client that says nothing where the server may speak first, and where nothing else limits it, is kept for so long:
/// Envoy's hour for what is idle.
const IDLE: Duration = Duration::from_secs(3600);

/// A client that says nothing for so long may be waiting for the server to speak.
const SILENCE: Duration = Duration::from_millis(200);

/// No ClientHello is longer than this.
const LONGEST_HELLO: usize = 64 * 1024;

/// Why a connection was closed before anything was served on it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The listener has gone meanwhile.
    #[error("listener {0} is gone")]
    NoListener(String),
    /// No filter chain is for it.
    #[error(
        "no filter chain of listener {listener} takes a {transport} connection to {destination} (server name {sni:?}, protocols {protocols:?}); see /config_dump for its chains"
    )]
    NoChain {
        /// The listener.
        listener: String,
        /// `tls` or `raw_buffer`.
        transport: &'static str,
        /// Where it was going.
        destination: SocketAddr,
        /// SNI.
        sni: String,
        /// What was offered or seen.
        protocols: Vec<String>,
    },
    /// It comes in plaintext where nothing but mTLS is taken.
    #[error(
        "the client speaks plaintext, and {0} takes mTLS alone (PeerAuthentication STRICT): it has no sidecar, or a \
         DestinationRule turns its mTLS off (trafficPolicy.tls.mode)"
    )]
    Plaintext(SocketAddr),
    /// It comes in the mesh's mTLS where that is not taken.
    #[error(
        "the client's sidecar speaks mTLS, and {0} takes plaintext alone (PeerAuthentication DISABLE): see the \
         trafficPolicy.tls.mode of its DestinationRule"
    )]
    MutualTls(SocketAddr),
    /// Nothing came in time.
    #[error("the client sent nothing that tells its protocol within {0:?}")]
    Silent(Duration),
    /// Too many came at once.
    #[error("the client has said nothing yet, and so many others were arriving that it had to make room")]
    Crowded,
    /// It is no TLS, or none that is accepted.
    #[error("TLS handshake failed: {0}")]
    Tls(String),
}

/// Takes a connection from its first byte to its last.
pub fn arrive(
    worker: Rc<Worker>,
    socket: std::net::TcpStream,
    source: SocketAddr,
    listener: Arc<str>,
    drain: DrainWatch,
    arriving: Arriving,
) -> impl Future<Output = ()> {
    worker.takes_work(Instant::now());
    // Boxed, and gone once the connection is served.
    let taking = Stage::more(async move {
        let name = listener.clone();
        match take(worker, socket, source, listener, drain, arriving).await {
            Ok(served) => served,
            Err(refused) => {
                tracing::info!(listener = %name, %source, reason = %refused, "connection refused");
                None
            }
        }
    });
    taking.run()
}

async fn take(
    worker: Rc<Worker>,
    socket: std::net::TcpStream,
    source: SocketAddr,
    listener: Arc<str>,
    drain: DrainWatch,
    mut arriving: Arriving,
) -> Result<Option<Stage>, Refused> {
    let (view, snapshot) = view_of(&worker, &listener).ok_or_else(|| gone(&listener))?;
    let origin = Origin::of(&socket, &view.listener.settings)?;
    let (listener, view) = origin::hand_over((listener, view), origin, &snapshot);
    drop(snapshot);
    let mut tcp = Tcp::new(TcpStream::from_std(socket)?);
    let Origin { destination, intercepted } = origin;
    let looks = Looks::of(&view, destination.port());
    let mut arrived = Arrived {
        worker,
        listener,
        direction: view.listener.settings.direction,
        source,
        destination,
        undeclared: looks.http,
        intercepted,
        original_source: origin::kept_source(source, &view.listener.settings),
        sni: Box::default(),
        protocols: Box::default(),
        transport: "raw_buffer",
        drain,
    };
    let habit = if looks.http { arrived.worker.shared.habits.of(destination, Instant::now()) } else { None };
    let silence = if habit == Some(Habit::ServerFirst) { Duration::ZERO } else { SILENCE };
    let (seen, opened) = match tokio::time::timeout(silence, look(&mut tcp, &view, looks)).await {
        Ok(seen) => (seen?, None),
        Err(_) => {
            let limit = patience(&arrived, &view);
            let waited = tokio::select! {
                waited = wait(arrived, habit, &mut tcp, &view, looks) => waited?,
                () = arriving.crowded() => return Err(Refused::Crowded),
                () = tokio::time::sleep(limit) => return Err(Refused::Silent(limit)),
            };
            match waited {
                Waited::Server(conn, opened) => {
                    conn.worker.shared.habits.note(destination, Habit::ServerFirst, Instant::now());
                    return Ok(Some(Stage::last(async move { opened.run(&conn, Io::Plain(tcp)).await })));
                }
                Waited::Client(still, seen, opened) => {
                    arrived = *still;
                    (seen, opened)
                }
            }
        }
    };
    // Where there is little memory, who comes in a crowd makes room though nobody has listened to him yet.
    if !arriving.has_spoken() && arrived.worker.shared.overload.is_full() {
        return Err(Refused::Crowded);
    }
    // What it says is judged by the configuration of now, however long it was silent.
    let (view, snapshot) =
        view_of(&arrived.worker, &arrived.listener).ok_or_else(|| gone(&arrived.listener))?;
    if seen == Some(Protocol::Tls) && looks.tls {
        let hello = client_hello(&mut tcp).await?;
        (arrived.transport, arrived.sni, arrived.protocols) = ("tls", hello.sni.into(), hello.alpn.into());
    } else {
        arrived.protocols = seen.and_then(Protocol::alpn).map(str::to_owned).into_iter().collect();
    }
    let Some(chain) = arrived.chain(&view.listener).cloned() else {
        return Err(no_chain(arrived, &view.listener));
    };
    let (mut conn, io, alpn) = secure(arrived, tcp, &view, &snapshot, chain.clone()).await?;
    let http = match &chain.terminal {
        Terminal::Http(_) => true,
        Terminal::Tcp(_) => false,
        Terminal::Refuse(why) => {
            tracing::info!(listener = %conn.listener, %why, "connection closed");
            return Ok(None);
        }
    };
    if http && conn.direction == Direction::Inbound && conn.tls {
        // What its caller left in silence to come again with a request is to be there for that.
        conn.worker.shared.silences.news_of(destination).await;
    }
    let opened = opened.and_then(|opened| opened.serve_late(&conn, &chain));
    // Nothing of this moment's configuration lives as long as the connection.
    Ok(Some(match opened {
        Some(opened) => Stage::last(async move { opened.run(&conn, io).await }),
        None if http && conn.worker.shared.overload.is_full() => {
            conn.at_the_ceiling = true;
            let stage = crate::http::serve::serve(Rc::new(conn), io, alpn.as_deref());
            Stage::last(async move {
                let _place = arriving;
                stage.run().await;
            })
        }
        None if http => crate::http::serve::serve(Rc::new(conn), io, alpn.as_deref()),
        None => Stage::last(crate::tcp::serve(Rc::new(conn), io)),
    }))
}

/// Why no chain takes it, which the listener's access log hears, too.
fn no_chain(arrived: Arrived, listener: &Arc<Listener>) -> Refused {
    let takes = |transport: &'static str, protocol: &str| {
        Arrived { transport, protocols: [protocol.to_owned()].into(), ..arrived.clone() }
            .chain(listener)
            .is_some()
    };
    let destination = arrived.destination;
    let is_mesh = arrived.protocols.iter().any(|protocol| protocol.starts_with("istio"));
    let refused = match (arrived.direction, arrived.transport) {
        (Direction::Inbound, "raw_buffer") if takes("tls", "istio") => Refused::Plaintext(destination),
        (Direction::Inbound, "tls") if is_mesh => Refused::MutualTls(destination),
        (_, transport) => Refused::NoChain {
            listener: arrived.listener.to_string(),
            transport,
            destination,
            sni: arrived.sni.to_string(),
            protocols: arrived.protocols.to_vec(),
        },
    };
    arrived.worker.observer.unmatched(&arrived, listener, &refused.to_string());
    refused
}

/// The listener as it is at this moment, and the snapshot that says so.
fn view_of(worker: &Worker, listener: &Arc<str>) -> Option<(Arc<ListenerView>, Rc<Current>)> {
    let snapshot = worker.snapshot();
    let view = snapshot.listener(listener)?.clone();
    Some((view, snapshot))
}

fn gone(listener: &Arc<str>) -> Refused {
    Refused::NoListener(listener.to_string())
}

/// How long a silent client is kept at most. Where nothing but TLS is taken it is the client who has to speak first, and
/// soon; elsewhere it may be the server, and a client is as idle as one between two requests. A limit that the
/// configuration sets is kept where the first bytes are looked at.
fn patience(arrived: &Arrived, view: &ListenerView) -> Duration {
    let takes_raw = |protocol: Option<&str>| {
        let protocols = protocol.into_iter().map(str::to_owned).collect();
        let raw = Arrived { protocols, ..arrived.clone() };
        let chain = raw.chain(&view.listener);
        chain.is_some_and(|chain| matches!(chain.settings.transport, Transport::Raw))
    };
    let unlimited = view.listener.settings.listener_filters_timeout == Some(Duration::ZERO);
    let raw = [None, Some("http/1.1"), Some("http/1.0"), Some("h2c")].into_iter().any(takes_raw);
    if unlimited && !raw { arrived.worker.shared.bootstrap.first_byte } else { IDLE }
}

/// What became of a client that said nothing.
enum Waited {
    /// Its server spoke first: it is TCP.
    Server(Box<Conn>, Box<Opened>),
    /// The client has spoken; what it was told by, if anybody looked, and the connection to its server, if that was made
    /// to hear who speaks first.
    Client(Box<Arrived>, Option<Protocol>, Option<Box<Opened>>),
}

/// Waits for whoever speaks first. A client that says nothing where its first bytes should tell its protocol may wait for
/// the server, as MySQL's and SMTP's do. If it is the server, the connection is TCP, on the chain for what no inspector
/// recognized; otherwise nothing was sent, and what the client says may go out on the connection that was made.
async fn wait(
    mut arrived: Arrived,
    habit: Option<Habit>,
    tcp: &mut Tcp,
    view: &ListenerView,
    looks: Looks,
) -> Result<Waited, Refused> {
    // With a limit to the looking, what happens at its end is the configuration's to say.
    let mut made = None;
    let patient = view.listener.settings.listener_filters_timeout == Some(Duration::ZERO);
    // Whoever spoke HTTP there before is only slow: its server need not see a connection that says nothing.
    if looks.http && patient && habit != Some(Habit::Http) && tcp.seen().is_empty() {
        let (view, snapshot) =
            view_of(&arrived.worker, &arrived.listener).ok_or_else(|| gone(&arrived.listener))?;
        let is_tcp = |chain: &&Arc<Chain>| {
            matches!((&chain.terminal, &chain.settings.transport), (Terminal::Tcp(_), Transport::Raw))
        };
        if let Some(chain) = arrived.chain(&view.listener).filter(is_tcp).cloned() {
            let conn = Conn::new(arrived, &snapshot, chain, false, None);
            drop((view, snapshot));
            match crate::tcp::first_to_speak(&conn, tcp).await {
                First::Server(opened) => return Ok(Waited::Server(Box::new(conn), opened)),
                First::Client(opened) => {
                    arrived = conn.into_arrived();
                    made = opened;
                }
            }
        }
    }
    let seen = look(tcp, view, looks).await?;
    Ok(Waited::Client(Box::new(arrived), seen, made))
}

/// Who wants to look at first bytes.
#[derive(Debug, Clone, Copy)]
struct Looks {
    tls: bool,
    http: bool,
}

impl Looks {
    fn of(view: &ListenerView, port: u16) -> Self {
        let listener = &view.listener;
        let on = |disabled: &[std::ops::RangeInclusive<u16>]| !disabled.iter().any(|r| r.contains(&port));
        let filters = &listener.settings.listener_filters;
        let ends_tls = |c: &Arc<Chain>| !matches!(c.settings.transport, Transport::Raw);
        Self {
            tls: filters
                .iter()
                .any(|f| matches!(f, ListenerFilter::TlsInspector { disabled } if on(disabled)))
                || listener.chains.iter().chain(&listener.default).any(ends_tls),
            http: filters
                .iter()
                .any(|f| matches!(f, ListenerFilter::HttpInspector { disabled } if on(disabled))),
        }
    }
}

/// Reads until it is told what the connection speaks; `None` when nobody asked or time ran out.
async fn look(tcp: &mut Tcp, view: &ListenerView, looks: Looks) -> Result<Option<Protocol>, Refused> {
    if !looks.tls && !looks.http {
        return Ok(None);
    }
    let settings = &view.listener.settings;
    let reading = async {
        loop {
            if let Some(protocol) = sniff::protocol(tcp.seen(), false) {
                return Ok(Some(protocol));
            }
            // Without the HTTP inspector the first byte decides: TLS or not.
            if !looks.http && tcp.seen().first().is_some_and(|b| *b != 0x16) {
                return Ok(None);
            }
            if tcp.look().await? == 0 {
                return Ok(sniff::protocol(tcp.seen(), true));
            }
        }
    };
    match settings.listener_filters_timeout {
        Some(limit) if limit.is_zero() => reading.await,
        limit => {
            let limit = limit.unwrap_or(LOOK);
            match tokio::time::timeout(limit, reading).await {
                Ok(result) => result,
                Err(_) if settings.continue_on_listener_filters_timeout => Ok(None),
                Err(_) => Err(Refused::Silent(limit)),
            }
        }
    }
}

struct Hello {
    sni: String,
    alpn: Vec<String>,
}

/// Reads the ClientHello, and leaves it where it was.
async fn client_hello(tcp: &mut Tcp) -> Result<Hello, Refused> {
    let reading = async {
        loop {
            // A record that is not whole tells nothing yet; one that comes byte by byte is not read again for each.
            let record = match tcp.seen() {
                [_, _, _, high, low, ..] => 5 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => 5,
            };
            if tcp.seen().len() < record {
                if tcp.look().await? == 0 {
                    return Err(Refused::Tls("the client closed within its ClientHello".into()));
                }
                continue;
            }
            let mut acceptor = rustls::server::Acceptor::default();
            acceptor.read_tls(&mut tcp.seen())?;
            match acceptor.accept() {
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let alpn = hello.alpn().into_iter().flatten();
                    return Ok(Hello {
                        sni: hello.server_name().unwrap_or_default().to_ascii_lowercase(),
                        alpn: alpn.map(|p| String::from_utf8_lossy(p).into_owned()).collect(),
                    });
                }
                Ok(None) if tcp.seen().len() > LONGEST_HELLO => {
                    return Err(Refused::Tls("the ClientHello is too long".into()));
                }
                Ok(None) => {}
                Err((error, _)) => return Err(Refused::Tls(error.to_string())),
            }
            if tcp.look().await? == 0 {
                return Err(Refused::Tls("the client closed within its ClientHello".into()));
            }
        }
    };
    tokio::time::timeout(LOOK, reading).await.unwrap_or(Err(Refused::Silent(LOOK)))
}
