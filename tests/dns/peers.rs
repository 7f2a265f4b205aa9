//! Programs that know nothing of weft: dig, and the C library's resolver behind Python.

use std::net::SocketAddr;
use std::process::Command;

use super::room::{Room, mesh};
use super::server::Server;

/// What dig says, one record a line.
fn dig(at: SocketAddr, words: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("dig");
    command
        .args([&format!("@{}", at.ip()), "-p", &at.port().to_string(), "+tries=1", "+time=10"])
        .args(words);
    let Ok(output) = command.output() else {
        println!("skipped: there is no dig here (Debian: bind9-dnsutils); tests/run installs it");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words:?}: {text}");
    Some(text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dig_is_answered_on_both_transports_with_and_without_edns() {
    let server = Server::usual().await;
    let room = Room::new(&[server.at]);
    for more in [&["+noedns"][..], &["+edns=0", "+nocookie"], &["+cookie"], &["+tcp"], &["+dnssec"]] {
        let ask = |name: &'static str, kind: &'static str| {
            let words: Vec<&str> = [name, kind, "+short"].into_iter().chain(more.iter().copied()).collect();
            dig(room.at, &words)
        };
        let Some(of_mesh) = ask("web.shop.svc.cluster.local", "A") else { return };
        assert_eq!(of_mesh, ["10.96.0.1"], "{more:?}");
        assert_eq!(ask("web.shop", "AAAA").unwrap(), Vec::<String>::new());
        let searched = ask("api.example.com.shop.svc.cluster.local", "A").unwrap();
        assert_eq!(searched, ["api.example.com.", "240.240.0.7"]);
        assert_eq!(ask("a.example.org", "A").unwrap(), ["192.0.2.53"]);
        assert_eq!(ask("a.example.org", "TXT").unwrap(), ["\"a text\""]);
        let large = ask("large.example.org", "TXT").unwrap();
        assert!(large[0].len() > 6000, "cut, asked again on a connection, and whole");
    }
    let status = |words: &[&str]| dig(room.at, words).unwrap().join("\n");
    assert!(status(&["no.example.org", "A"]).contains("status: NXDOMAIN"));
    assert!(status(&["web.shop", "A", "+edns=1", "+noednsnegotiation"]).contains("BADVERS"));
    let flags = status(&["web.shop", "A"]);
    assert!(flags.contains("flags: qr aa rd ra;"), "{flags}");
    assert!(!flags.contains("WARNING"), "{flags}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_resolves_short_names_by_way_of_the_search_domains_and_asks_the_world_nothing_in_vain() {
    let server = Server::usual().await;
    let at: SocketAddr = SocketAddr::new("127.53.53.53".parse().unwrap(), 53);
    if std::net::UdpSocket::bind(at).is_err() {
        println!("skipped: port 53 cannot be had here; needs root");
        return;
    }
    let _room = Room::at(at, &format!("nameserver [{}]:{}", server.at.ip(), server.at.port()), Some(mesh()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resolv.conf");
    let search = "search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n";
    std::fs::write(&file, format!("nameserver {}\n{search}", at.ip())).unwrap();
    let script = "import socket, sys\nfor name in sys.argv[1:]:\n    \
        print(name, *sorted({a[4][0] for a in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}))\n";
    let names = ["web", "web.shop", "web.shop.svc.cluster.local", "api.example.com", "x.wild.example", "db"];
    let resolve = move |names: Vec<&'static str>| {
        let mount =
            format!("mount --bind {} /etc/resolv.conf && exec python3 -c \"$0\" \"$@\"", file.display());
        Command::new("unshare").args(["-m", "sh", "-c", &mount, script]).args(names).output()
    };
    let output = tokio::task::spawn_blocking(move || resolve(names.to_vec())).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("Operation not permitted") || errors.contains("permission denied") {
        println!("skipped: no mount namespace can be had here: {errors}");
        return;
    }
    assert!(output.status.success(), "{errors}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(),
        [
            "web 10.96.0.1",
            "web.shop 10.96.0.1",
            "web.shop.svc.cluster.local 10.96.0.1",
            "api.example.com 240.240.0.7",
            "x.wild.example 192.0.2.1",
            "db 10.0.0.1 10.0.0.2 10.0.0.3",
        ]
    );
    assert_eq!(server.asked(), 0, "the first of the questions that a short name makes is the last");
}
