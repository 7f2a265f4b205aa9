//! Who speaks first on a connection whose protocol nobody declared. A server's word makes it bytes; what a client says in
//! the end goes out on the connection that was made for it meanwhile, wherever that can carry it.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Instant, SystemTime};

use socket2::SockRef;
use tokio::io::AsyncReadExt as _;
use weft_http1::Limits;
use weft_model::listener::Direction;
use weft_model::table::chain::{Chain, Terminal};

use super::{IDLE, Opened, Reached, Way, reach, watched};
use crate::connection::Conn;
use crate::connection::habit::Habit;
use crate::connection::silence::Silence;
use crate::http::h1::H1;
use crate::snapshot::EndpointView;
use crate::stream::{Io, Tcp};
use crate::tunnel::Bounds;
use crate::upstream::connect::Carrier;
use crate::upstream::places::Place;
use crate::upstream::pool::MadeFor;
use crate::upstream::spare::Spare;
use crate::upstream::unspoken::LIFE;

/// Who spoke first on a connection whose client was silent.
pub enum First {
    /// The server: it is TCP.
    Server(Box<Opened>),
    /// The client, or nobody can tell: its bytes will. A connection that was made by then is there for them.
    Client(Option<Box<Opened>>),
}

/// Connects a silent client upstream, and waits for who speaks first. Nothing is sent, and nothing is written down unless
/// it is the server.
pub async fn first_to_speak(conn: &Conn, client: &mut Tcp) -> First {
    let (Ok(way), chain) = (Way::of(conn), conn.last_chain()) else { return First::Client(None) };
    let started = (Instant::now(), SystemTime::now());
    let mut made = None;
    let server = {
        let mut opening = pin!(async {
            let reached = reach(conn, &way).await.ok()?;
            let (idle, life) = (way.idle, way.life);
            let opened = Opened { reached, cluster: way.cluster, idle, life, started, chain };
            made.insert(Box::new(opened)).hear().await;
            Some(())
        });
        tokio::select! {
            biased;
            // Of its bytes none is taken yet: whoever looks next reads them. The connection may have come about just before
            // it spoke, and is not to be one on which nothing is said.
            _ = client.socket().readable() => poll_fn(|cx| match opening.as_mut().poll(cx) {
                Poll::Ready(heard) => Poll::Ready(heard),
                Poll::Pending => Poll::Ready(None),
            }).await,
            heard = opening.as_mut() => heard,
        }
    };
    match (server, made) {
        (Some(()), Some(opened)) => First::Server(opened),
        (_, made) => First::Client(made),
    }
}

impl Opened {
    /// The client has spoken after all: what it says, on a connection that `chain` takes, goes out on this one, so that
    /// none was made for nothing. Bytes of the same chain are carried as they are, which is for the caller to do; a
    /// request finds it among the idle ones, unless it has to be secured in another way than bytes are.
    pub fn serve_late(self: Box<Self>, conn: &Conn, chain: &Arc<Chain>) -> Option<Box<Self>> {
        if Arc::ptr_eq(&self.chain, chain) {
            return Some(self);
        }
        let Reached { io, in_flight, place, .. } = self.reached;
        let endpoint = in_flight.endpoint();
        if let (Terminal::Http(_), Carrier::Raw) = (&chain.terminal, &*endpoint.carrier) {
            let now = Instant::now();
            let spare =
                Spare::new(H1::new(io, Limits::default()), made_for(conn, endpoint), None, place, now);
            let limit = spare.may_idle(&self.cluster.cluster.settings.http, now);
            conn.worker.pools.borrow_mut().put_h1(endpoint.pool, Box::new(spare), limit, now);
        }
        None
    }
}

/// Waits for the client's first byte where the app speaks HTTP and only its protocol was not told: a caller's sidecar
/// makes such a connection to hear who speaks first, and an app need not see one that says nothing.
pub(super) async fn has_spoken(conn: &Conn, io: &mut Io) -> bool {
    let known = || conn.worker.shared.habits.of(conn.destination, Instant::now()) == Some(Habit::Http);
    if conn.direction != Direction::Inbound || !conn.tls || !known() {
        return true;
    }
    let mut first = [0; 64];
    let reading = async {
        let n = io.read(&mut first).await.unwrap_or(0);
        io.unread(&first[..n]);
        n > 0
    };
    tokio::select! {
        spoken = reading => spoken,
        _ = watched(conn) => false,
        () = tokio::time::sleep(IDLE) => false,
    }
}

/// A caller's sidecar that may only want to hear whether the server speaks first says nothing, from now on.
pub(super) fn silence(conn: &Conn, io: &Io) -> Option<Silence> {
    if conn.direction != Direction::Inbound || !conn.takes_http_too() {
        return None;
    }
    let socket = SockRef::from(io.silent_socket()?).try_clone().ok()?;
    Some(conn.worker.shared.silences.begin(conn.destination, socket.into()))
}

/// Waits for the first word of either side: `true`, if the caller left without having heard or said one. Its request may
/// be about to follow, on a connection of its own.
pub(super) async fn is_left_in_silence(conn: &Conn, io: &mut Io, up: &mut Io, bounds: &Bounds) -> bool {
    let (mut said, mut heard) = ([0; 64], [0; 64]);
    let patience = tokio::time::sleep(bounds.patience(Instant::now()).unwrap_or(IDLE));
    let (mut of_client, mut of_server) = (0, 0);
    let mut left = false;
    tokio::select! {
        n = io.read(&mut said) => {
            left = n.is_err();
            of_client = n.unwrap_or(0);
        }
        n = up.read(&mut heard) => of_server = n.unwrap_or(0),
        // What follows from these, the tunnel says.
        _ = watched(conn) => {}
        () = patience => {}
    }
    io.unread(&said[..of_client]);
    up.unread(&heard[..of_server]);
    // Who ends in order what it says, and it is nothing, may still want to hear.
    left || io.was_cut()
}

/// Leaves a connection on which nothing was said for the request that may follow; it is closed if none does.
pub(super) fn leave(conn: &Conn, endpoint: &EndpointView, up: Io, place: Place) {
    let (Carrier::Raw, false, Io::Plain(tcp)) = (&*endpoint.carrier, place.is_wanted(), up) else { return };
    let Ok(socket) = tcp.into_std() else { return };
    let shared = conn.worker.shared.clone();
    shared.unspoken.keep(endpoint.pool, made_for(conn, endpoint), socket, place, Instant::now());
    tokio::task::spawn_local(async move {
        tokio::time::sleep(LIFE).await;
        shared.unspoken.expire(Instant::now());
    });
}

/// What a connection without TLS to an endpoint is of use for.
fn made_for(conn: &Conn, endpoint: &EndpointView) -> MadeFor {
    let source = conn.original_source.map(|client| client.address);
    MadeFor { address: endpoint.address, name: None, source }
}
