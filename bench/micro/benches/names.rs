//! DNS answers a second of a sidecar's DNS proxy: real datagrams on loopback, and the CPU time of the one thread that
//! answers them. Bounded in time: three seconds for each kind of answer.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use weft_model::names::{NameTable, NamedHost};
use weft_policy::names::Names;
use weft_proxy::dns::resolv_conf::ResolvConf;
use weft_proxy::dns::{Sockets, start};
use weft_runtime::live::Live;
use weft_telemetry::{Metrics, MetricsSettings};

const SPAN: Duration = Duration::from_secs(3);

/// Queries in flight: enough that the answering thread never waits.
const WINDOW: usize = 64;

/// Hosts of the mesh, and names that a server is asked about once each.
const NAMES: usize = 1000;

fn query(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes[..2].copy_from_slice(&id.to_be_bytes());
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// A server that answers every query with one address for an hour.
fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let at = socket.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..length].to_vec();
            answer[2] |= 0x80;
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1]);
            let _ = socket.send_to(&answer, peer);
        }
    });
    at
}

/// User and system time of this process's thread of that name.
fn cpu_of(name: &str) -> Duration {
    for task in fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            let stat = read("schedstat");
            let nanoseconds = stat.split(' ').next().and_then(|number| number.parse().ok());
            return Duration::from_nanos(nanoseconds.unwrap_or_default());
        }
    }
    Duration::ZERO
}

fn measure(what: &str, at: SocketAddr, names: &[String]) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.connect(at).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket takes a timeout");
    let queries: Vec<Vec<u8>> = names.iter().map(|name| query(7, name)).collect();
    let mut buffer = [0; 512];
    let ask = |query: &[u8]| socket.send(query).expect("loopback");
    let mut hear = || socket.recv(&mut buffer).is_ok();
    // Each name once, so that all are known.
    for query in &queries {
        ask(query);
        assert!(hear(), "{what}: no answer");
    }
    let (began, cpu) = (Instant::now(), cpu_of("dns"));
    let (mut sent, mut answered) = (0, 0_u32);
    for _ in 0..WINDOW {
        ask(&queries[sent % queries.len()]);
        sent += 1;
    }
    while began.elapsed() < SPAN {
        // A datagram that was lost is not waited for.
        answered += u32::from(hear());
        ask(&queries[sent % queries.len()]);
        sent += 1;
    }
    let (took, cpu) = (began.elapsed(), cpu_of("dns") - cpu);
    let each = cpu / answered.max(1);
    println!(
        "{what}: {:.0} answers/s, {:.1} us of CPU each: {:.0} answers/s on one core",
        f64::from(answered) / took.as_secs_f64(),
        each.as_secs_f64() * 1e6,
        1.0 / each.as_secs_f64(),
    );
}

fn main() {
    let hosts = (0..NAMES).map(|n| {
        let ips = vec![[10, 96, (n / 250) as u8, (n % 250) as u8].into()];
        let (short_name, namespace) = (format!("service-{n}"), "shop".to_owned());
        let host = format!("{short_name}.{namespace}.svc.cluster.local");
        (host, NamedHost { ips, registry: "Kubernetes".to_owned(), short_name, namespace })
    });
    let table = NameTable { hosts: hosts.collect() };
    let names = Live::new(Some(Names::new(&table, "shop", Some("shop.svc.cluster.local"))));
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback");
    let server = server();
    let resolv = ResolvConf::parse(&format!("nameserver [127.0.0.1]:{}", server.port()));
    let metrics = Metrics::new(MetricsSettings::default(), "proxy", "0", Instant::now());
    let sockets = Sockets::bind(&[free]).expect("the port is free");
    let _dns = start(sockets, resolv, names, &metrics).expect("a thread can be had");
    let of_mesh: Vec<String> = table.hosts.keys().cloned().collect();
    measure("names of the mesh", free, &of_mesh);
    let of_world: Vec<String> = (0..NAMES).map(|n| format!("www-{n}.example.org")).collect();
    measure("kept answers of a server", free, &of_world);
}
