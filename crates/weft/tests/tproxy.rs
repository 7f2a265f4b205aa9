//! A pod in network namespaces whose app sees its clients' own addresses (interception mode TPROXY), whose kubelet asks
//! for its health past STRICT mTLS, and whose proxy is set by annotations. Needs root; says so where there is none.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, Up, annotated, nothing_is_left};
use pods::{SEEN, curl, from_outside, python, readable, root};
use std::process::Command;
use std::time::{Duration, Instant};

/// `seen` and `caller` keep clients' addresses, as the mesh asks.
const MESH: &str = r#"---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
spec: { defaultConfig: { interceptionMode: TPROXY } }
---
apiVersion: v1
kind: Service
metadata: { name: seen, namespace: shop }
spec:
  selector: { app: seen }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp-raw, port: 9000 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: seen, namespace: shop }
spec:
  selector: { matchLabels: { app: seen } }
  template:
    metadata:
      labels: { app: seen }
      annotations:
        proxy.istio.io/config: |
          holdApplicationUntilProxyStarts: true
          proxyMetadata: { WEFT_TEST: "yes" }
    spec:
      containers:
        - name: app
          image: app
          ports: [{ containerPort: 8080 }, { containerPort: 9000 }, { name: secure, containerPort: 8443 }]
          readinessProbe: { httpGet: { path: /ready, port: secure, scheme: HTTPS }, timeoutSeconds: 5 }
          livenessProbe: { tcpSocket: { port: 9000 } }
          startupProbe: { httpGet: { path: /missing, port: secure, scheme: HTTPS }, timeoutSeconds: 5 }
---
apiVersion: v1
kind: Service
metadata: { name: caller, namespace: shop }
spec: { selector: { app: caller }, ports: [{ name: grpc, port: 9000 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: caller, namespace: shop }
spec:
  selector: { matchLabels: { app: caller } }
  template:
    metadata: { labels: { app: caller } }
    spec:
      containers:
        - name: app
          image: app
          ports: [{ containerPort: 9000 }]
          livenessProbe: { grpc: { port: 9000 } }
          readinessProbe: { grpc: { port: 9000, service: nobody.knows.This } }
"#;

/// Tells everybody which address they come from: in HTTP, in HTTPS, and to whoever connects.
const SERVE: &str = r#"
class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
class Server(http.server.ThreadingHTTPServer):
    pass
servers = [Server(("0.0.0.0", 8080), Http)]
if len(sys.argv) > 1:
    servers.append(Tcp(("0.0.0.0", 9000), Raw))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    secure = Server(("0.0.0.0", 8443), Http)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    servers.append(secure)
for server in servers:
    threading.Thread(target=server.serve_forever).start()
"#;

const RAW: &str = r#"
import socket
c = socket.create_connection(("seen", 9000), timeout=20)
c.sendall(b"who am I\n")
print(c.makefile().read())
"#;

/// Asks a resolver that is nowhere.
const RESOLVED: &str = r#"
import socket, struct
name = b"".join(bytes([len(label)]) + label for label in b"seen.shop.svc.cluster.local".split(b"."))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(20)
u.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">2H", 1, 1), ("10.9.9.9", 53))
print(socket.inet_ntoa(u.recv(4096)[-4:]))
"#;

/// The rules of a workload's pod anew, by nft.
fn turn_by_nft(home: &Home, workload: &str, mode: &str) {
    let netns = pods::netns(home, workload);
    let mut redirect = Command::new(env!("CARGO_BIN_EXE_weft"));
    redirect.args(["redirect", "--native-nftables", "-u", "1337", "-g", "1337", "-i", "*", "-b", "*"]);
    redirect.args(["-d", "15090,15021,15020", "-m", mode, "--redirect-dns", "--capture-all-dns"]);
    let turned = redirect.arg(format!("--network-namespace=/run/netns/{netns}")).output().unwrap();
    assert!(turned.status.success(), "{turned:?}");
    let left = Command::new("ip").args(["netns", "exec", &netns, "iptables-save"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&left.stdout).contains("ISTIO_"), "{left:?}");
}

fn start() -> (Home, Up) {
    // That asks for the other mode.
    let turned = annotated("turned", &[("http", 80, 8080)], "sidecar.istio.io/interceptionMode: REDIRECT");
    let home = Home::new(&[STRICT, MESH, &turned].concat());
    let folder = home.directory.path();
    let script = folder.join("seen.py");
    std::fs::write(&script, [SEEN, SERVE].concat()).unwrap();
    // Signed by nobody: a kubelet does not mind.
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["somebody.else".into()]).unwrap().self_signed(&key).unwrap();
    let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    readable(folder);
    let python = format!("exec python3 {}", script.display());
    // Its first deed is to ask whether its sidecar is ready.
    let ready = "curl -s -m 20 -o /dev/null -w 'ready: %{http_code}\\n' http://127.0.0.1:15021/healthz/ready";
    let seen = format!("seen={ready}; {python} {} {}", cert_file.display(), key_file.display());
    let mut up = home.up(&["--netns", "--app", &seen, "--app", &format!("turned={python}")]);
    up.says("mesh is ready in");
    (home, up)
}

#[test]
fn an_app_sees_its_clients_own_addresses_and_a_kubelet_its_health() {
    if !root() {
        return;
    }
    let (home, mut up) = start();
    let address = |workload| pods::address(&home, workload);
    let (seen, caller, turned) = (address("seen"), address("caller"), address("turned"));
    for native in [false, true] {
        if native {
            // By the other back end all is the same, and nothing of the first is left beside it.
            for (workload, mode) in [("seen", "TPROXY"), ("caller", "TPROXY"), ("turned", "REDIRECT")] {
                turn_by_nft(&home, workload, mode);
            }
        }
        // Again and again, so that connections are used again: nobody comes over one of another client.
        for _ in 0..3 {
            for (workload, client) in [("caller", &caller), ("turned", &turned)] {
                assert_eq!(curl(&home, workload, &["http://seen/"]), format!("{client} 200"));
            }
        }
        assert_eq!(python(&home, "caller", RAW), caller);
        assert_eq!(python(&home, "turned", RAW), turned);
        // In both directions through its own sidecar.
        assert_eq!(curl(&home, "seen", &["http://seen/"]), format!("{seen} 200"));
        // Alone with itself; and in the other mode it is its sidecar that calls.
        assert_eq!(curl(&home, "seen", &["http://127.0.0.1:8080/"]), "127.0.0.1 200");
        assert_eq!(curl(&home, "caller", &["http://turned/"]), "127.0.0.6 200");
        // Whatever resolver is asked, the sidecar answers.
        for workload in ["seen", "turned"] {
            let answered = python(&home, workload, RESOLVED);
            assert!(answered.starts_with("10.96."), "{answered}");
        }
        // STRICT is STRICT in this mode too, at every port.
        for (pod, port) in [(&seen, 8080), (&seen, 9000), (&seen, 8443), (&turned, 8080)] {
            let past = from_outside(&up, &["-sk", "-m", "5", &format!("http://{pod}:{port}/")]);
            assert!(!past.status.success(), "{past:?}");
        }
    }

    let asked = |pod: &str, probe: &str| {
        let url = format!("http://{pod}:15020/app-health/app/{probe}");
        let output = from_outside(&up, &["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", &url]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let of_seen = ["readyz", "livez", "startupz"].map(|probe| asked(&seen, probe));
    assert_eq!(of_seen, ["200", "200", "404"]);
    let of_grpc = ["livez", "readyz", "startupz"].map(|probe| asked(&caller, probe));
    assert_eq!(of_grpc, ["200", "500", "404"]);

    // The annotation's settings: the app was held back until its proxy was ready, which knows its metadata.
    let said = std::fs::read_to_string(pods::folder(&home, "seen").join("app.log")).unwrap();
    assert!(said.starts_with("ready: 200\n"), "{said}");
    let environment = pods::sidecar_environment(&up, "seen");
    assert!(environment.contains("WEFT_TEST"), "{environment}");
    assert_eq!(pods::sidecar_user(&up, "seen"), (0, 1337));
    assert_eq!(pods::sidecar_user(&up, "turned"), (1337, 1337));

    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}

#[test]
fn without_the_right_to_it_a_sidecar_says_what_to_do() {
    if !root() {
        return;
    }
    use std::os::unix::process::CommandExt as _;
    let mut sidecar = Command::new(env!("CARGO_BIN_EXE_weft"));
    sidecar.args(["proxy", "sidecar"]).uid(1337).gid(1337).env_clear();
    for (name, value) in [
        ("POD_NAME", "seen-1"),
        ("POD_NAMESPACE", "shop"),
        ("INSTANCE_IP", "127.0.0.1"),
        ("XDS_ADDR", "127.0.0.1:1"),
        ("ISTIO_META_INTERCEPTION_MODE", "TPROXY"),
    ] {
        sidecar.env(name, value);
    }
    let began = Instant::now();
    let output = sidecar.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && began.elapsed() < Duration::from_secs(30));
    assert!(said.contains("CAP_NET_ADMIN") && said.contains("user 0 and group 1337"), "{said}");
}
