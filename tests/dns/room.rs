//! A sidecar's DNS at work on real sockets, and whoever asks it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use weft_model::names::{NameTable, NamedHost};
use weft_policy::names::Names;
use weft_proxy::dns::resolv_conf::ResolvConf;
use weft_proxy::dns::{Dns, Sockets, start};
use weft_runtime::live::Live;
use weft_telemetry::{Metrics, MetricsSettings};
use weft_testkit::free_address;

/// The longest that anybody here waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A room.
pub(crate) struct Room {
    pub(crate) at: SocketAddr,
    pub(crate) names: Live<Option<Names>>,
    metrics: Metrics,
    _dns: Dns,
}

/// The mesh whose names it answers: a service of Kubernetes, one with three pods and no address of its own, a host
/// outside, a wildcard.
pub(crate) fn mesh() -> Names {
    let kubernetes = |name: &str, ips: &[&str]| {
        let named = NamedHost {
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            registry: "Kubernetes".to_owned(),
            short_name: name.to_owned(),
            namespace: "shop".to_owned(),
        };
        (format!("{name}.shop.svc.cluster.local"), named)
    };
    let outside = |host: &str, ip: &str| {
        (host.to_owned(), NamedHost { ips: vec![ip.parse().unwrap()], ..NamedHost::default() })
    };
    let hosts = [
        kubernetes("web", &["10.96.0.1"]),
        kubernetes("db", &["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        outside("api.example.com", "240.240.0.7"),
        outside("*.wild.example", "192.0.2.1"),
    ];
    Names::new(&NameTable { hosts: hosts.into() }, "shop", Some("shop.svc.cluster.local"))
}

impl Room {
    /// One that answers the mesh's names and asks these servers for others.
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        let lines = servers.iter().map(|at| format!("nameserver [{}]:{}\n", at.ip(), at.port()));
        let text = lines.collect::<String>() + "options timeout:1\n";
        Self::at(free_address(), &text, Some(mesh()))
    }

    /// One at this address.
    pub(crate) fn at(at: SocketAddr, resolv_conf: &str, names: Option<Names>) -> Self {
        let names = Live::new(names);
        let metrics = Metrics::new(MetricsSettings::default(), "proxy", "0", Instant::now());
        let sockets = Sockets::bind(&[at]).unwrap();
        let dns = start(sockets, ResolvConf::parse(resolv_conf), names.clone(), &metrics).unwrap();
        Self { at, names, metrics, _dns: dns }
    }

    /// What comes back for these bytes; `None`: nothing for a moment.
    pub(crate) async fn raw(&self, bytes: &[u8], patience: Duration) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(self.at).await.unwrap();
        socket.send(bytes).await.unwrap();
        let mut buffer = vec![0; 65_535];
        let length = tokio::time::timeout(patience, socket.recv(&mut buffer)).await.ok()?.unwrap();
        buffer.truncate(length);
        Some(buffer)
    }

    /// The answer to a query, by datagram.
    pub(crate) async fn ask(&self, query: &Message) -> Message {
        let answer = self.raw(&query.to_vec().unwrap(), PATIENCE).await.expect("there is an answer");
        let answer = Message::from_vec(&answer).unwrap();
        assert_eq!(answer.metadata.id, query.metadata.id);
        answer
    }

    /// The answer to a query, on a connection.
    pub(crate) async fn ask_connected(&self, query: &Message) -> Message {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let bytes = query.to_vec().unwrap();
        stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let length = tokio::time::timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.unwrap();
        Message::from_vec(&answer).unwrap()
    }

    /// The addresses of a name, and the code of the answer.
    pub(crate) async fn addresses(&self, name: &str, kind: RecordType) -> (Vec<String>, String) {
        let answer = self.ask(&asking(name, kind)).await;
        let ips = answer.answers.iter().filter_map(|record| match &record.data {
            RData::A(ip) => Some(ip.to_string()),
            RData::AAAA(ip) => Some(ip.to_string()),
            _ => None,
        });
        (ips.collect(), answer.metadata.response_code.to_string())
    }

    /// A line of the metrics page: its value.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let page = self.metrics.render(Instant::now());
        let found = page.lines().find_map(|text| text.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("no {line} in\n{page}"))
    }
}

/// A question as a resolver asks it.
pub(crate) fn asking(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(rand_id(name), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

/// A number that differs from name to name.
fn rand_id(name: &str) -> u16 {
    name.bytes().fold(7, |id: u16, byte| id.wrapping_mul(31).wrapping_add(byte.into()))
}
