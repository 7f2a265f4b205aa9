//! Hosts that no service is called by, reached because outboundTrafficPolicy is ALLOW_ANY.

use std::net::SocketAddr;
use std::time::Duration;

use crate::connection::Conn;

/// A name must be resolved by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The address of `authority`.
///
/// # Errors
/// In words: no such host, or one that would lead back to this proxy.
pub async fn resolve(authority: &str, default_port: u16, conn: &Conn) -> Result<SocketAddr, String> {
    let host = weft_model::table::route::without_port(authority);
    let port = authority[host.len()..].strip_prefix(':').map_or(Some(default_port), |p| p.parse().ok());
    let port = port.ok_or_else(|| format!("{authority:?} names no valid port"))?;
    let name = host.trim_matches(['[', ']']).trim_end_matches('.').to_owned();
    let looked = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name.clone(), port))).await;
    let mut found = match looked {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            return Err(format!(
                "no service of the mesh is called {name:?}, and it does not resolve outside: {error}"
            ));
        }
        Err(_) => return Err(format!("{name:?} did not resolve within {PATIENCE:?}")),
    };
    let address = found.next().ok_or_else(|| format!("{name:?} resolves to nothing"))?;
    if address == conn.destination {
        return Err(format!("{authority} is this proxy itself: the request would go in a circle"));
    }
    Ok(address)
}
