//! TLS in a CONNECT tunnel goes by the name that its ClientHello asks for, as it would without a tunnel: by the filter
//! chains of the service's port, which here are virtual hosts, and under the name of the port's own (`NAME|web:443`).
//! Where there is no such name, or no such host, it goes where the CONNECT was for.

use std::future::poll_fn;
use std::time::Duration;

use weft_model::route::SERVER_NAMES;
use weft_model::table::RouteTable;
use weft_model::table::chain::Terminal;
use weft_policy::route::{self, Choice, Decision};

use super::call::{Call, View};
use super::exchange::{routes, table};
use super::h1::H1;
use crate::connection::Conn;
use crate::sniff::{self, Protocol};
use crate::tcp::Way;

/// A client that says nothing for so long may speak something that is no TLS, where its server speaks first.
const SILENCE: Duration = Duration::from_millis(200);

/// A ClientHello that has begun is waited for so long.
const LATE: Duration = Duration::from_secs(10);

/// No ClientHello is longer than this.
const LONGEST: usize = 64 * 1024;

/// A port whose TLS is routed by server names.
#[derive(Debug)]
pub(super) struct ByServerName {
    /// The name of its virtual host.
    port: Box<str>,
}

impl ByServerName {
    /// Whether that is so of the port that a CONNECT for `authority` leads to.
    pub(super) fn of(table: &RouteTable, authority: &str) -> Option<Self> {
        let port = Self { port: port_of(&table.host(authority)?.name).into() };
        // Any name at all has a virtual host among them, if there are some.
        (port_of(&table.host(&port.domain("any"))?.name) == &*port.port).then_some(port)
    }

    fn domain(&self, name: &str) -> String {
        format!("{name}{SERVER_NAMES}{}", self.port)
    }

    /// Reads the ClientHello, without consuming it, and lets `way` lead where its name does.
    ///
    /// # Errors
    /// In words, where it leads nowhere.
    pub(super) async fn lead(
        &self,
        conn: &Conn,
        h1: &mut H1,
        call: &Call,
        way: &mut Way,
    ) -> Result<(), String> {
        let Some(name) = server_name(h1).await else { return Ok(()) };
        let gone = || "the listener changed: connect again".to_owned();
        let (snapshot, chain) = conn.current().ok_or_else(gone)?;
        let Terminal::Http(manager) = &chain.terminal else { return Err(gone()) };
        let Ok(snapshot) = routes(conn, manager, snapshot).await else { return Ok(()) };
        let Ok(table) = table(manager, &snapshot) else { return Ok(()) };
        let view = View { head: &call.request, scheme: "http" };
        let decision = route::route_at(
            table,
            &self.domain(&name),
            &view,
            conn.worker.index,
            &mut *conn.worker.rng.borrow_mut(),
        );
        let Decision::Forward(forwarding) = decision else { return Ok(()) };
        // An edit meanwhile may have taken the names away.
        if port_of(&forwarding.host.name) != &*self.port {
            return Ok(());
        }
        let Choice::Cluster(to) = forwarding.to else { return Ok(()) };
        let missing = || {
            format!("server name {name}: its route leads to cluster {}, which is not there", to.cluster.name)
        };
        let cluster = snapshot.keep_cluster(to.cluster.id).ok_or_else(missing)?;
        (way.id, way.cluster) = (to.cluster.id, cluster);
        Ok(())
    }
}

/// The port that a virtual host belongs to: `web:443` of `a.web|web:443`.
fn port_of(host: &str) -> &str {
    host.rsplit_once(SERVER_NAMES).map_or(host, |(_, port)| port)
}

/// The name that the client's first bytes ask for, if they are TLS and name one; they stay where they are.
async fn server_name(h1: &mut H1) -> Option<String> {
    let silent = !h1.has_input();
    if silent && !tokio::time::timeout(SILENCE, fill(h1)).await.ok()? {
        return None;
    }
    let reading = async {
        loop {
            match sniff::protocol(h1.unread(), false) {
                Some(Protocol::Tls) => {}
                Some(_) => return None,
                None if fill(h1).await => continue,
                None => return None,
            }
            match hello(h1.unread()) {
                Hello::Names(name) => return name,
                Hello::Partial if h1.unread().len() < LONGEST && fill(h1).await => {}
                Hello::Partial | Hello::Bad => return None,
            }
        }
    };
    tokio::time::timeout(LATE, reading).await.ok().flatten()
}

async fn fill(h1: &mut H1) -> bool {
    matches!(poll_fn(|cx| h1.poll_fill(cx)).await, Ok(true))
}

/// What the first bytes of TLS say.
#[derive(Debug, PartialEq, Eq)]
enum Hello {
    Names(Option<String>),
    Partial,
    Bad,
}

fn hello(mut seen: &[u8]) -> Hello {
    let mut acceptor = rustls::server::Acceptor::default();
    // It takes a few kilobytes at a time.
    while !seen.is_empty() {
        if !matches!(acceptor.read_tls(&mut seen), Ok(1..)) {
            return Hello::Bad;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                return Hello::Names(accepted.client_hello().server_name().map(str::to_ascii_lowercase));
            }
            Ok(None) => {}
            Err(_) => return Hello::Bad,
        }
    }
    Hello::Partial
}

#[cfg(test)]
mod tests;
