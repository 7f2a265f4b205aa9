//! A connection's arrival: look at its first bytes, choose its chain, shake hands, hand it on.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use weft_model::listener::ListenerFilter;
use weft_model::table::chain::{Chain, Terminal};
use weft_model::tls::Transport;
use weft_runtime::drain::DrainWatch;
use weft_telemetry::ResponseFlag;

use super::{Arrived, Conn};
use crate::snapshot::{ListenerView, Snapshot};
use crate::sniff::{self, Protocol};
use crate::stream::{Io, Tcp};
use crate::tcp::{First, Opened};
use crate::tls::names::PeerNames;
use crate::worker::Worker;

/// Envoy's defaults: for looking, and for the handshake.
const LOOK: Duration = Duration::from_secs(15);
const HANDSHAKE: Duration = Duration::from_secs(15);

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
        "no filter chain of listener {listener} takes a {transport} connection to {destination} (server name {sni:?}, protocols {protocols:?}); {hint}"
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
        /// What that usually means.
        hint: &'static str,
    },
    /// Nothing came in time.
    #[error("the client sent nothing that tells its protocol within {0:?}")]
    Silent(Duration),
    /// It is no TLS, or none that is accepted.
    #[error("TLS handshake failed: {0}")]
    Tls(String),
}

/// Takes a connection from its first byte to its last.
pub async fn arrive(
    worker: Rc<Worker>,
    socket: std::net::TcpStream,
    source: SocketAddr,
    listener: Arc<str>,
    drain: DrainWatch,
) {
    let name = listener.clone();
    if let Err(refused) = take(worker, socket, source, listener, drain).await {
        tracing::info!(listener = %name, %source, reason = %refused, "connection refused");
    }
}

async fn take(
    worker: Rc<Worker>,
    socket: std::net::TcpStream,
    source: SocketAddr,
    listener: Arc<str>,
    drain: DrainWatch,
) -> Result<(), Refused> {
    socket.set_nodelay(true)?;
    socket.set_nonblocking(true)?;
    let local = socket.local_addr()?;
    let mut tcp = Tcp::new(TcpStream::from_std(socket)?);
    let snapshot = worker.snapshot();
    let view = snapshot.listener(&listener).ok_or_else(|| Refused::NoListener(listener.to_string()))?.clone();
    let destination = SocketAddr::new(local.ip().to_canonical(), local.port());

    let looks = Looks::of(&view, destination.port());
    let mut arrived = Arrived {
        worker,
        listener,
        direction: view.listener.settings.direction,
        source,
        destination,
        sni: String::new(),
        protocols: Vec::new(),
        transport: "raw_buffer",
        drain,
    };
    let seen = match tokio::time::timeout(SILENCE, look(&mut tcp, &view, looks)).await {
        Ok(seen) => seen?,
        Err(_) => match silent(arrived, &mut tcp, &view, &snapshot, looks).await {
            Silent::Opened(conn, opened) => {
                drop((view, snapshot));
                opened.run(&conn, Io::Plain(tcp)).await;
                return Ok(());
            }
            Silent::Client(still) => {
                arrived = still;
                look(&mut tcp, &view, looks).await?
            }
        },
    };
    if seen == Some(Protocol::Tls) && looks.tls {
        let hello = client_hello(&mut tcp).await?;
        (arrived.transport, arrived.sni, arrived.protocols) = ("tls", hello.sni, hello.alpn);
    } else {
        arrived.protocols.extend(seen.and_then(Protocol::alpn).map(str::to_owned));
    }
    let Some(chain) = arrived.chain(&view.listener).cloned() else { return Err(no_chain(arrived, looks)) };
    let (conn, io, alpn) = secure(arrived, tcp, &view, &snapshot, chain.clone()).await?;
    let http = match &chain.terminal {
        Terminal::Http(_) => true,
        Terminal::Tcp(_) => false,
        Terminal::Refuse(why) => {
            tracing::info!(listener = %conn.listener, %why, "connection closed");
            return Ok(());
        }
    };
    // Nothing of this moment's configuration lives as long as the connection.
    drop((chain, view, snapshot));
    if http {
        crate::http::serve::serve(Rc::new(conn), io, alpn.as_deref()).await;
    } else {
        crate::tcp::serve(Rc::new(conn), io).await;
    }
    Ok(())
}

fn no_chain(arrived: Arrived, looks: Looks) -> Refused {
    let Arrived { transport, destination, sni, protocols, .. } = arrived;
    let hint = if transport == "raw_buffer" && looks.tls {
        "PeerAuthentication STRICT asks every client for mTLS"
    } else {
        "see /config_dump for the listener's chains"
    };
    let listener = arrived.listener.to_string();
    Refused::NoChain { listener, transport, destination, sni, protocols, hint }
}

/// What became of a client that said nothing.
enum Silent {
    /// Its server spoke first: it is TCP.
    Opened(Box<Conn>, Box<Opened>),
    /// The client has said something meanwhile, or nobody can tell.
    Client(Arrived),
}

/// A client that says nothing where its first bytes should tell its protocol may wait for the server to speak first, as
/// MySQL's and SMTP's do. If it does, the connection is TCP, on the chain for what no inspector recognized; otherwise
/// nothing has happened.
async fn silent(
    arrived: Arrived,
    tcp: &mut Tcp,
    view: &ListenerView,
    snapshot: &Arc<Snapshot>,
    looks: Looks,
) -> Silent {
    // With a limit to the looking, what happens at its end is the configuration's to say.
    let patient = view.listener.settings.listener_filters_timeout == Some(Duration::ZERO);
    let is_tcp = |chain: &&Arc<Chain>| {
        matches!((&chain.terminal, &chain.settings.transport), (Terminal::Tcp(_), Transport::Raw))
    };
    let chain = arrived.chain(&view.listener).filter(is_tcp);
    let Some(chain) = chain.filter(|_| looks.http && patient && tcp.seen().is_empty()) else {
        return Silent::Client(arrived);
    };
    let conn = Conn::new(arrived, snapshot, chain.clone(), false, None);
    match crate::tcp::first_to_speak(&conn, tcp).await {
        First::Server(opened) => Silent::Opened(Box::new(conn), opened),
        First::Client => Silent::Client(conn.into_arrived()),
    }
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

/// Ends TLS where the chain wants it.
async fn secure(
    arrived: Arrived,
    tcp: Tcp,
    view: &ListenerView,
    snapshot: &Arc<Snapshot>,
    chain: Arc<Chain>,
) -> Result<(Conn, Io, Option<Vec<u8>>), Refused> {
    let acceptor = match view.acceptor(&chain) {
        None if matches!(chain.settings.transport, Transport::Raw) => {
            return Ok((Conn::new(arrived, snapshot, chain, false, None), Io::Plain(tcp), None));
        }
        None => return Err(Refused::Tls("the chain's transport is not honoured".into())),
        Some(acceptor) => acceptor.map_err(|why| Refused::Tls(why.to_owned()))?,
    };
    if arrived.transport != "tls" {
        return Err(Refused::Tls(
            "the client speaks plaintext where mTLS is asked for (PeerAuthentication STRICT)".into(),
        ));
    }
    wait_for_identity(&arrived.worker).await?;
    let offered: Vec<Vec<u8>> = arrived.protocols.iter().map(|p| p.clone().into_bytes()).collect();
    let limit = chain.settings.handshake_timeout.filter(|t| !t.is_zero()).unwrap_or(HANDSHAKE);
    let handshake = TlsAcceptor::from(acceptor.config(&offered)).accept(tcp);
    let shaken = match tokio::time::timeout(limit, handshake).await {
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
            let leaf = session.peer_certificates().and_then(<[_]>::first);
            let names = leaf.map(PeerNames::of).transpose().map_err(|e| Refused::Tls(e.to_string()));
            names.map(|names| (stream, alpn, names))
        }
        Ok(Err(error)) => Err(Refused::Tls(error.to_string())),
        Err(_) => Err(Refused::Silent(limit)),
    };
    let (stream, alpn, names) = match shaken {
        Ok(shaken) => shaken,
        Err(refused) => {
            // The chain's access log hears of it too.
            let conn = Conn::new(arrived, snapshot, chain, false, None);
            let flag = Some(ResponseFlag::DownstreamProtocolError);
            crate::tcp::refused(&conn, flag, "tls_handshake_failed", None, refused.to_string());
            return Err(refused);
        }
    };
    let conn = Conn::new(arrived, snapshot, chain, true, names.map(Arc::new));
    Ok((conn, tokio_rustls::TlsStream::from(stream).into(), alpn))
}

/// A proxy without a certificate holds the connection for a while, and then refuses it.
async fn wait_for_identity(worker: &Worker) -> Result<(), Refused> {
    let hold = worker.shared.bootstrap.hold;
    let secrets = &worker.shared.secrets;
    let waiting = async {
        while secrets.svid().is_none() || secrets.trust().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(hold, waiting).await;
    waited.map_err(|_| {
        Refused::Tls(format!("this workload still has no certificate after {hold:?}; see /ready"))
    })
}
