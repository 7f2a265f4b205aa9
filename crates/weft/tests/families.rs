//! Interception of IPv6, by both back ends and in both modes: pods that have an address of IPv6 alone as far as the mesh
//! knows, with sidecars that stand in them as an injector would have put them. Needs root; says so where there is none.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, Up, nothing_is_left, until};
use pods::{ON_ALL, SEEN, from_outside, python, root, run_folder, text};
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

/// A pod, how its connections are turned, and by what.
struct Turned {
    name: &'static str,
    mode: &'static str,
    native: bool,
}

const PODS: [Turned; 4] = [
    Turned { name: "nat", mode: "REDIRECT", native: false },
    Turned { name: "nftnat", mode: "REDIRECT", native: true },
    Turned { name: "kept", mode: "TPROXY", native: false },
    Turned { name: "nftkept", mode: "TPROXY", native: true },
];

/// The mesh knows each pod by its address of IPv6, which a WorkloadEntry tells; the pod itself gets no sidecar from it.
fn mesh() -> String {
    let mut yaml = STRICT.to_owned();
    for (number, Turned { name, .. }) in PODS.iter().enumerate() {
        let (address, service) = (address(number), service(number));
        let _ = write!(
            yaml,
            r#"---
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: shop }}
spec:
  clusterIP: "{service}"
  selector: {{ six: {name} }}
  ports: [{{ name: http, port: 80, targetPort: 8080 }}, {{ name: tcp-raw, port: 9000 }}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{ name: {name}, namespace: shop }}
spec: {{ address: "{address}", serviceAccount: {name}, labels: {{ six: {name} }} }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name}, namespace: shop }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name}, sidecar.istio.io/inject: "false" }} }}
    spec: {{ serviceAccountName: {name}, containers: [{{ name: app, image: app, ports: [{{ containerPort: 8080 }}] }}] }}
"#
        );
    }
    yaml
}

fn address(number: usize) -> String {
    format!("fd00:10::{}", number + 2)
}

fn service(number: usize) -> String {
    format!("fd00:96::{}", number + 2)
}

/// Asks every service, twice over one connection and once with bytes, and a resolver that is nowhere for the last one's
/// address; a line for each service.
const ASK: &str = r#"
import http.client, socket, struct, sys
for at in sys.argv[2:]:
    c = http.client.HTTPConnection(at, 80, timeout=20)
    said = []
    for _ in range(2):
        c.request("GET", "/")
        answer = c.getresponse()
        said.append(f"{answer.status} {answer.read().decode()}")
    raw = socket.create_connection((at, 9000), timeout=20)
    raw.sendall(b"who am I\n")
    said.append(raw.makefile().read())
    print(*said)
name = b"".join(bytes([len(label)]) + label for label in sys.argv[1].encode().split(b"."))
query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">2H", 28, 1)
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.settimeout(20)
u.sendto(query, ("fd00:10::53", 53))
answer, server = u.recvfrom(4096)
print(socket.inet_ntop(socket.AF_INET6, answer[-16:]), server[0])
t = socket.create_connection(("fd00:10::53", 53), timeout=20)
t.sendall(struct.pack(">H", len(query)) + query)
print(socket.inet_ntop(socket.AF_INET6, t.recv(4096)[-16:]))
"#;

/// Sidecars that are not the mesh's own children; gone when this is dropped.
struct Sidecars(Vec<Child>);

impl Drop for Sidecars {
    fn drop(&mut self) {
        for sidecar in &mut self.0 {
            let _ = sidecar.kill();
            let _ = sidecar.wait();
        }
    }
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {words}: {done:?}");
}

/// Gives a pod its address of IPv6, and turns its connections.
fn settle(netns: &str, number: usize, pod: &Turned) {
    pods::inside(netns, || std::fs::write("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "0").unwrap());
    ip(&format!("-n {netns} addr add {}/64 dev eth0 nodad", address(number)));
    let mut redirect = Command::new(env!("CARGO_BIN_EXE_weft"));
    redirect.args(["redirect", "-u", "1337", "-g", "1337", "-i", "*", "-b", "*", "-d", "15090,15021,15020"]);
    redirect.args(["-m", pod.mode, "--redirect-dns", "--capture-all-dns"]);
    redirect.arg(format!("--native-nftables={}", pod.native));
    let turned = redirect.arg(format!("--network-namespace=/run/netns/{netns}")).output().unwrap();
    assert!(turned.status.success(), "{}: {turned:?}", pod.name);
    let said = String::from_utf8_lossy(&turned.stderr).into_owned();
    assert_eq!(said.contains("(nft)"), pod.native, "{said}");
}

fn sidecar(home: &Home, netns: &str, number: usize, pod: &Turned) -> Child {
    let folder = pods::folder(home, pod.name);
    let token = folder.join("token");
    std::os::unix::fs::chown(&token, Some(1337), Some(1337)).unwrap();
    let root = run_folder(home).join("root-cert.pem");
    let user = if pod.mode == "TPROXY" { "0" } else { "1337" };
    let log = std::fs::File::create(folder.join("sidecar-six.log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
    command.args(["enter", "--netns", netns, "--own", "--user", user, "--group", "1337", "--resolv"]);
    command.arg(folder.join("resolv.conf"));
    command.args(["--", "proxy", "sidecar", "--domain", "shop.svc.cluster.local"]);
    command.env_clear().env("HOME", home.directory.path()).envs([
        ("POD_NAME", pod.name),
        ("POD_NAMESPACE", "shop"),
        ("INSTANCE_IP", &address(number)),
        ("SERVICE_ACCOUNT", pod.name),
        ("ISTIO_META_INTERCEPTION_MODE", pod.mode),
        ("ISTIO_META_DNS_CAPTURE", "true"),
        ("XDS_ADDR", "10.244.0.1:15012"),
        ("CA_ROOT_CA", &root.display().to_string()),
        ("TOKEN_PATH", &token.display().to_string()),
        ("PROXY_CONCURRENCY", "1"),
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn is_ready(up: &Up, number: usize) -> bool {
    let url = format!("http://[{}]:15021/healthz/ready", address(number));
    let asked = from_outside(up, &["-s", "-g", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", &url]);
    asked.stdout == b"200"
}

#[test]
fn by_ipv6_both_back_ends_turn_connections_in_both_modes() {
    if !root() {
        return;
    }
    let home = Home::new(&mesh());
    let mut up = pods::ready(&home, &[SEEN, ON_ALL].concat(), &PODS.map(|pod| (pod.name, "")));
    ip(&format!("-n weft-up-{} addr add fd00:10::1/64 dev br0 nodad", up.child.id()));
    let mut sidecars = Sidecars(Vec::new());
    for (number, pod) in PODS.iter().enumerate() {
        let netns = pods::netns(&home, pod.name);
        settle(&netns, number, pod);
        sidecars.0.push(sidecar(&home, &netns, number, pod));
    }
    for (number, pod) in PODS.iter().enumerate() {
        until(&format!("the sidecar of {} is not ready", pod.name), || is_ready(&up, number));
    }

    // Everybody calls everybody, itself included; who keeps clients' addresses sees them, others see their own sidecar.
    let services: Vec<String> = (0..PODS.len()).map(service).collect();
    for (number, caller) in PODS.iter().enumerate() {
        let mut ask = vec!["python3", "-c", ASK, "nftkept.shop.svc.cluster.local"];
        ask.extend(services.iter().map(String::as_str));
        let said = text(&pods::exec(&home, caller.name, &ask));
        let mut expected: Vec<String> = PODS
            .iter()
            .map(|server| if server.mode == "TPROXY" { address(number) } else { "::6".to_owned() })
            .map(|seen| format!("200 {seen} 200 {seen} {seen}"))
            .collect();
        // The resolver that was asked is the one that seems to answer.
        expected.extend([format!("{} fd00:10::53", services[3]), services[3].clone()]);
        assert_eq!(said.lines().collect::<Vec<_>>(), expected, "from {}", caller.name);
    }
    // Alone with itself.
    let alone =
        "import urllib.request as u; print(u.urlopen('http://[::1]:8080/', timeout=20).read().decode())";
    for pod in &PODS {
        assert_eq!(python(&home, pod.name, alone), "::1", "{}", pod.name);
    }
    // STRICT is STRICT: past a sidecar nobody reaches an app, at no port of it; nor is anybody's DNS for others.
    for number in 0..PODS.len() {
        for port in [8080, 9000, 15053] {
            let url = format!("http://[{}]:{port}/", address(number));
            let past = from_outside(&up, &["-s", "-g", "-m", "5", &url]);
            assert!(!past.status.success(), "{url}: {past:?}");
        }
    }

    drop(sidecars);
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}
