//! A DNS server of the test's own: UDP and TCP on one port, and what it says is the test's to decide.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{A, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

/// What the server sends back to a query, one after the other. `true`: it came on a connection.
type Behaviour = dyn Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync;

/// A server.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    asked: Arc<AtomicUsize>,
    last: Arc<Mutex<Vec<u8>>>,
    behaviour: Arc<Mutex<Arc<Behaviour>>>,
}

impl Server {
    /// One that behaves so.
    pub(crate) async fn new(behaviour: impl Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let socket = UdpSocket::bind(at).await.unwrap();
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let server = Self {
            at,
            asked: Arc::default(),
            last: Arc::default(),
            behaviour: Arc::new(Mutex::new(behaviour)),
        };
        let (asked, last, how) = (server.asked.clone(), server.last.clone(), server.behaviour.clone());
        let decide = move |query: &[u8], connected| {
            asked.fetch_add(1, Ordering::SeqCst);
            *last.lock().unwrap() = query.to_vec();
            let how = how.lock().unwrap().clone();
            how(query, connected)
        };
        let decide = Arc::new(decide);
        let on_datagrams = decide.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                for answer in on_datagrams(&buffer[..length], false) {
                    socket.send_to(&answer, peer).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let decide = decide.clone();
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut query = vec![0; usize::from(length)];
                        stream.read_exact(&mut query).await.unwrap();
                        for answer in decide(&query, true) {
                            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                            stream.write_all(&answer).await.unwrap();
                        }
                    }
                });
            }
        });
        server
    }

    /// One that answers as [`usual`] does.
    pub(crate) async fn usual() -> Self {
        Self::new(|query, connected| vec![usual(query, connected)]).await
    }

    /// From now on it behaves so.
    pub(crate) fn behave(&self, behaviour: impl Fn(&[u8], bool) -> Vec<Vec<u8>> + Send + Sync + 'static) {
        *self.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// How many queries it got.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The last query that it got.
    pub(crate) fn last(&self) -> Vec<u8> {
        self.last.lock().unwrap().clone()
    }
}

/// A response to `query` with this code and what `fill` puts into it.
pub(crate) fn response(query: &[u8], code: ResponseCode, fill: impl FnOnce(&mut Message)) -> Vec<u8> {
    let query = Message::from_vec(query).unwrap();
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata = Metadata::response_from_request(&query.metadata);
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = code;
    answer.add_queries(query.queries.iter().cloned());
    if let Some(edns) = query.edns {
        answer.set_edns(edns);
    }
    fill(&mut answer);
    answer.to_vec().unwrap()
}

/// Any name under `example.org` is 192.0.2.53 for five minutes and has a text; `large` has one that fits no datagram;
/// `short` is it for one second; `no` is no name; `bad` fails.
pub(crate) fn usual(query: &[u8], connected: bool) -> Vec<u8> {
    let asked = Message::from_vec(query).unwrap().queries[0].clone();
    let name = asked.name().clone();
    let first = name.iter().next().map(|label| String::from_utf8_lossy(label).to_lowercase());
    let first = first.unwrap_or_default();
    let zone = || Name::from_ascii("example.org.").unwrap();
    let soa = move |m: &mut Message| {
        let soa = SOA::new(zone(), zone(), 1, 60, 60, 60, 60);
        m.add_authority(Record::from_rdata(zone(), 300, RData::SOA(soa)));
    };
    match (first.as_str(), asked.query_type()) {
        ("no", _) => response(query, ResponseCode::NXDomain, soa),
        ("bad", _) => response(query, ResponseCode::ServFail, |_| {}),
        ("large", _) => response(query, ResponseCode::NoError, |m| {
            m.metadata.truncation = !connected;
            let text = vec!["x".repeat(200); if connected { 30 } else { 0 }];
            if connected {
                m.add_answer(Record::from_rdata(name, 300, RData::TXT(TXT::new(text))));
            }
        }),
        (_, RecordType::A) => response(query, ResponseCode::NoError, |m| {
            let ttl = if first == "short" { 1 } else { 300 };
            m.add_answer(Record::from_rdata(name, ttl, RData::A(A::new(192, 0, 2, 53))));
        }),
        (_, RecordType::TXT) => response(query, ResponseCode::NoError, |m| {
            let text = TXT::new(vec!["a text".to_owned()]);
            m.add_answer(Record::from_rdata(name, 300, RData::TXT(text)));
        }),
        _ => response(query, ResponseCode::NoError, soa),
    }
}
