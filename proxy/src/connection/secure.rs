//! The handshake of a connection whose chain is chosen.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use weft_model::table::chain::Chain;
use weft_model::tls::Transport;
use weft_telemetry::ResponseFlag;

use super::arrive::Refused;
use super::{Arrived, Conn};
use crate::snapshot::{ListenerView, Snapshot};
use crate::stream::{Io, Tcp};
use crate::tls::foreign::words;
use crate::tls::names::PeerNames;
use crate::worker::Worker;

/// Envoy's default for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// Ends TLS where the chain wants it.
pub(super) async fn secure(
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
        let refused = Refused::Plaintext(arrived.destination);
        arrived.worker.observer.unmatched(&arrived, &view.listener, &refused.to_string());
        return Err(refused);
    }
    let identified = wait_for_identity(&arrived.worker).await;
    // Without a certificate of ours it is not the client that was wrong.
    let blame = match identified {
        Ok(()) => ResponseFlag::DownstreamProtocolError,
        Err(_) => ResponseFlag::LocalReset,
    };
    let shaken = match identified {
        Ok(()) => {
            let offered: Vec<Vec<u8>> = arrived.protocols.iter().map(|p| p.clone().into_bytes()).collect();
            let limit = chain.settings.handshake_timeout.filter(|t| !t.is_zero()).unwrap_or(HANDSHAKE);
            shake_hands(TlsAcceptor::from(acceptor.config(&offered)), tcp, limit).await
        }
        Err(refused) => Err(refused),
    };
    let (stream, alpn, names) = match shaken {
        Ok(shaken) => shaken,
        Err(refused) => {
            // The chain's access log hears of it too.
            let conn = Conn::new(arrived, snapshot, chain, false, None);
            crate::tcp::refused(&conn, Some(blame), "tls_handshake_failed", None, refused.to_string());
            return Err(refused);
        }
    };
    let conn = Conn::new(arrived, snapshot, chain, true, names.map(Arc::new));
    Ok((conn, tokio_rustls::TlsStream::from(stream).into(), alpn))
}

/// A client whose handshake is over: the stream, the protocol that was agreed on, whom its certificate names.
type Shaken = (TlsStream<Tcp>, Option<Vec<u8>>, Option<PeerNames>);

async fn shake_hands(acceptor: TlsAcceptor, tcp: Tcp, limit: Duration) -> Result<Shaken, Refused> {
    let shaken = tokio::time::timeout(limit, acceptor.accept(tcp)).await;
    let stream = shaken.map_err(|_| Refused::Silent(limit))?.map_err(|e| Refused::Tls(words(&e)))?;
    let (_, session) = stream.get_ref();
    let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    let names = leaf.map(PeerNames::of).transpose().map_err(|e| Refused::Tls(e.to_string()))?;
    Ok((stream, alpn, names))
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
