//! The world outside of a mesh, by YAML alone: TLS to servers of others, names whose addresses turn, hosts that nobody knows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/outsiders.rs"]
mod outsiders;

use meshes::{Home, app, eventually, text, until};
use outsiders::{Dns, Identity, TlsServer, answers_with};
use std::net::Ipv4Addr;

/// A mesh that knows what it may call.
const REGISTRY: &str = r#"
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio-injection: enabled } }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    outboundTrafficPolicy: { mode: REGISTRY_ONLY }
"#;

/// The same, and a pod that calls.
fn mesh() -> String {
    [REGISTRY, &app("web", 8000)].concat()
}

/// A host whose server listens on this port of this machine, to be spoken to with these settings of TLS.
fn secure(name: &str, port: u16, tls: &str) -> String {
    format!(
        r#"---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: {name}, namespace: shop }}
spec:
  hosts: [{name}.test]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{ number: 80, name: http, protocol: HTTP }}]
  endpoints: [{{ address: 127.0.0.1, ports: {{ http: {port} }} }}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{ name: {name}, namespace: shop }}
spec: {{ host: {name}.test, trafficPolicy: {{ tls: {tls} }} }}
"#
    )
}

impl Home {
    /// A GET of web's: the status, the body, and what stands on standard error.
    fn get(&self, url: &str) -> (String, String, String) {
        let output = self.output(&["curl", "--from", "web", "-m", "20", "-w", "\n%{http_code}", url]);
        let said = text(&output.stdout);
        let (body, status) = said.rsplit_once('\n').unwrap_or_default();
        (status.to_owned(), body.to_owned(), text(&output.stderr))
    }

    /// The line of a request in the mesh's log.
    fn logged(&self, host: &str) -> String {
        let lines = text(&self.output(&["logs", "web", "--output", "json"]).stdout);
        let host = format!("\"authority\":\"{host}\"");
        lines
            .lines()
            .rfind(|line| line.contains(&host))
            .unwrap_or_else(|| panic!("no {host}: {lines}"))
            .into()
    }
}

#[test]
fn servers_outside_are_believed_by_the_rules_files_and_names_and_hosts_that_nobody_knows_are_refused() {
    let home = Home::new("");
    let folder = home.directory.path();
    let (server, client, stranger) =
        (Identity::new("api.test"), Identity::new("client"), Identity::new("client"));
    let [ca, other_ca] =
        [("ca.pem", &server), ("other.pem", &stranger)].map(|(name, of)| of.write_ca(folder, name));
    let own = client.write(folder, "client");
    let strangers = stranger.write(folder, "stranger");
    let Some(simple) = TlsServer::start(folder, &server, &["-servername", "api.test", "-servername_fatal"])
    else {
        return eprintln!("openssl cannot be run: nothing is shown about TLS to others");
    };
    let clients = client.write_ca(folder, "clients.pem");
    let mutual =
        TlsServer::start(folder, &server, &["-CAfile", &clients, "-Verify", "3", "-verify_return_error"])
            .unwrap();
    let believes = |ca: &str, name: &str, sni: &str| {
        format!("{{ mode: SIMPLE, caCertificates: {ca}, subjectAltNames: [{name}], sni: {sni} }}")
    };
    let shows = |(chain, key): &(String, String), name: &str| {
        format!(
            "{{ mode: MUTUAL, caCertificates: {ca}, clientCertificate: {chain}, privateKey: {key}, \
             subjectAltNames: [{name}], sni: api.test }}"
        )
    };
    let cases = [
        ("good", simple.port, believes(&ca, "api.test", "api.test"), None),
        ("other-ca", simple.port, believes(&other_ca, "api.test", "api.test"), Some("UnknownIssuer")),
        ("no-ca", simple.port, believes("/nowhere/ca.pem", "api.test", "api.test"), Some("/nowhere/ca.pem")),
        (
            "other-san",
            simple.port,
            believes(&ca, "db.test", "api.test"),
            Some("the names of its certificate are api.test"),
        ),
        ("other-sni", simple.port, believes(&ca, "api.test", "db.test"), Some("UnrecognisedName")),
        ("mutual", mutual.port, shows(&own, "api.test"), None),
        (
            "mutual-other-san",
            mutual.port,
            shows(&own, "db.test"),
            Some("the names of its certificate are api.test"),
        ),
        ("mutual-stranger", mutual.port, shows(&strangers, "api.test"), Some("alert")),
        ("mutual-nobody", mutual.port, believes(&ca, "api.test", "api.test"), Some("alert")),
    ];
    let hosts: String = cases.iter().map(|(name, port, tls, _)| secure(name, *port, tls)).collect();
    home.write(&format!("{}{hosts}", mesh()));
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    for (name, _, _, refused) in cases {
        let (status, body, said) = home.get(&format!("http://{name}.test/"));
        let Some(word) = refused else {
            assert!(status == "200" && body.contains("s_server"), "{name}: {status} {body} {said}");
            continue;
        };
        assert_eq!(status, "503", "{name}: {body} {said}");
        let logged = home.logged(&format!("{name}.test"));
        assert!(logged.contains(word), "{name}: no {word} in {logged}");
        assert!(said.contains(word), "{name}: no {word} in {said}");
    }

    let (status, body, said) = home.get("http://nobody.test/");
    let words = "outboundTrafficPolicy is REGISTRY_ONLY and no service is called";
    assert_eq!(status, "502", "{body} {said}");
    assert!(body.contains(words) && body.contains("nobody.test"), "{body}");
    assert!(said.contains(words), "{said}");
    assert!(home.logged("nobody.test").contains(words));
    assert_eq!(home.get("http://web/").0, "200", "who is known is called");
    let tunnel = home.output(&["curl", "--from", "web", "-k", "-m", "20", "https://nobody.test/"]);
    assert!(!tunnel.status.success() && text(&tunnel.stderr).contains("502"), "{tunnel:?}");
    up.signal("INT");
    assert!(up.ended().success());
}

#[test]
fn a_server_whose_authority_the_system_trusts_is_believed_without_a_file() {
    let home = Home::new("");
    let folder = home.directory.path();
    let (known, unknown) = (Identity::new("api.test"), Identity::new("api.test"));
    let trusted = folder.join("trusted");
    std::fs::create_dir(&trusted).unwrap();
    known.write_ca(&trusted, "ca-certificates.crt");
    let Some(good) = TlsServer::start(folder, &known, &[]) else {
        return eprintln!("openssl cannot be run: nothing is shown about TLS to others");
    };
    let stranger = TlsServer::start(folder, &unknown, &[]).unwrap();
    let Some(command) = outsiders::with_trusted(&home, &trusted) else { return };
    let by_name = |name: &str| format!("{{ mode: SIMPLE, sni: api.test, subjectAltNames: [{name}] }}");
    let cases = [
        ("good", good.port, by_name("api.test"), None),
        ("other-san", good.port, by_name("db.test"), Some("the names of its certificate are api.test")),
        ("unknown", stranger.port, by_name("api.test"), Some("UnknownIssuer")),
        (
            "unverified",
            stranger.port,
            "{ mode: SIMPLE, sni: api.test, insecureSkipVerify: true }".to_owned(),
            None,
        ),
    ];
    let hosts: String = cases.iter().map(|(name, port, tls, _)| secure(name, *port, tls)).collect();
    home.write(&format!("{}{hosts}", mesh()));
    let mut up = home.up_by(command);
    up.says("mesh is ready in");
    for (name, _, _, refused) in cases {
        let (status, body, said) = home.get(&format!("http://{name}.test/"));
        match refused {
            None => assert!(status == "200" && body.contains("s_server"), "{name}: {status} {body} {said}"),
            Some(word) => assert!(status == "503" && said.contains(word), "{name}: {status} {body} {said}"),
        }
    }
    up.signal("INT");
    assert!(up.ended().success());
}

#[test]
fn a_host_whose_addresses_turn_is_called_at_the_first_of_each_answer() {
    let home = Home::new("");
    // Addresses of this test's own.
    let [high, low] = std::process::id().to_be_bytes()[2..] else { unreachable!() };
    let address = |last: u8| Ipv4Addr::new(127, 96 | high >> 3, low, last);
    let Some(dns) = Dns::start(address(53)) else { return };
    let port = answers_with(address(1), 0, "one");
    answers_with(address(2), port, "two");
    dns.say(&[address(1), address(2)]);
    let resolv = home.directory.path().join("resolv.conf");
    std::fs::write(&resolv, format!("nameserver {}\noptions timeout:1\n", address(53))).unwrap();
    home.write(&format!(
        r#"{}---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{ name: turns, namespace: shop }}
spec:
  hosts: [turns.test]
  location: MESH_EXTERNAL
  resolution: DNS_ROUND_ROBIN
  ports: [{{ number: 80, name: http, protocol: HTTP, targetPort: {port} }}]
"#,
        mesh()
    ));
    let Some(command) = outsiders::with_resolv_conf(&home, &resolv) else { return };
    let mut up = home.up_by(command);
    up.says("mesh is ready in");
    let comes_to = |wanted: &str| {
        eventually(|| match home.get("http://turns.test/") {
            (status, body, _) if status == "200" && body == wanted => Ok(()),
            seen => Err(format!("{wanted} is never called, but {seen:?}")),
        });
    };
    comes_to("one");
    for _ in 0..10 {
        assert_eq!(home.get("http://turns.test/").1, "one", "the first of the answer, and no other");
    }
    dns.say(&[address(2), address(1)]);
    comes_to("two");
    dns.say(&[address(1)]);
    comes_to("one");
    // Nobody answers for the name any more: the last answer stays.
    let asked = dns.asked();
    dns.say(&[]);
    until("the name is not asked for any more", || {
        assert_eq!(home.get("http://turns.test/").1, "one");
        dns.asked() >= asked + 4
    });
    up.signal("INT");
    assert!(up.ended().success());
}
