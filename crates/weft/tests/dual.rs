//! A mesh of two families, as `weft up --netns` makes it: Services that ask for IPv4, for IPv6 or for both, by their names,
//! by their addresses and pod by pod. Needs root; says so where there is none.

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, nothing_is_left};
use pods::{ON_ALL, SEEN, curl, exec, from_outside, root, text};

/// A workload, what its Service says of families, and an annotation.
const PODS: [(&str, &str, &str, &str); 4] = [
    ("four", "Deployment", "type: ClusterIP", ""),
    ("six", "Deployment", "ipFamilies: [IPv6]", ""),
    ("both", "Deployment", "ipFamilyPolicy: RequireDualStack", ""),
    (
        "rows",
        "StatefulSet",
        "clusterIP: None\n  ipFamilyPolicy: PreferDualStack\n  ipFamilies: [IPv6, IPv4]",
        "",
    ),
];

fn mesh() -> String {
    let one = |(name, kind, service, annotations): &(&str, &str, &str, &str)| {
        // Whoever has resolved a headless name calls a pod's own port.
        let (named, port) = match *kind {
            "StatefulSet" => (format!("serviceName: {name}"), 8080),
            _ => ("paused: false".to_owned(), 80),
        };
        format!(
            r#"---
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: shop }}
spec:
  {service}
  selector: {{ app: {name} }}
  ports: [{{ name: http, port: {port}, targetPort: 8080 }}, {{ name: tcp-raw, port: 9000 }}]
---
apiVersion: apps/v1
kind: {kind}
metadata: {{ name: {name}, namespace: shop }}
spec:
  {named}
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }}, annotations: {{ {annotations} }} }}
    spec: {{ serviceAccountName: {name}, containers: [{{ name: app, image: app, ports: [{{ containerPort: 8080 }}] }}] }}
"#
        )
    };
    let bound = ("bound", "Deployment", "type: ClusterIP", "sidecar.istio.io/interceptionMode: NONE");
    std::iter::once(STRICT.to_owned()).chain(PODS.iter().chain([&bound]).map(one)).collect()
}

/// What a name resolves to by the sidecar's own DNS and by the system's, and who is met there, on bytes and in HTTP.
const MEET: &str = r#"
import http.client, socket, struct, sys
def asked(name, kind):
    q = b"".join(bytes([len(l)]) + l for l in name.encode().split(b".")) + b"\0" + struct.pack(">2H", kind, 1)
    u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    u.settimeout(20)
    u.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + q, ("fd00:10:244::53", 53))
    answer = u.recv(4096)
    count, size = struct.unpack(">H", answer[6:8])[0], 4 if kind == 1 else 16
    family = socket.AF_INET if kind == 1 else socket.AF_INET6
    return [socket.inet_ntop(family, answer[-size:])] if count else []
for name in sys.argv[1:]:
    by_sidecar = asked(name + ".shop.svc.cluster.local", 1) + asked(name + ".shop.svc.cluster.local", 28)
    by_system = {info[4][0] for info in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)}
    assert by_system == set(by_sidecar), (name, by_system, by_sidecar)
    met = []
    for address in by_sidecar:
        port = 8080 if name.startswith("rows") else 80
        c = http.client.HTTPConnection(address, port, timeout=20)
        c.request("GET", "/", headers={"Host": name})
        answer = c.getresponse()
        raw = socket.create_connection((address, 9000), timeout=20)
        raw.sendall(b"who am I\n")
        kind = "6" if ":" in address else "4"
        met.append(f"{kind} {answer.status} {answer.read().decode()} {raw.makefile().read()}")
    print(name, *met, sep="|")
"#;

#[test]
fn a_service_is_called_in_each_family_that_it_asks_for_and_in_no_other() {
    if !root() {
        return;
    }
    let home = Home::new(&mesh());
    let mut up = pods::ready(&home, &[SEEN, ON_ALL].concat(), &PODS.map(|(name, ..)| (name, "")));

    // By either address of a service a sidecar goes to its pods in the family that it names first.
    let (four, six) = ("::ffff:127.0.0.6", "::6");
    let expected = [
        format!("four|4 200 {four} {four}"),
        format!("six|6 200 {six} {six}"),
        format!("both|4 200 {four} {four}|6 200 {four} {four}"),
        // Whoever calls a pod itself has chosen.
        format!("rows|4 200 {four} {four}|6 200 {six} {six}"),
        format!("rows-0.rows|4 200 {four} {four}|6 200 {six} {six}"),
    ];
    for caller in ["four", "six", "both"] {
        let met = exec(&home, caller, &["python3", "-c", MEET, "four", "six", "both", "rows", "rows-0.rows"]);
        assert_eq!(text(&met).lines().collect::<Vec<_>>(), expected, "from {caller}");
    }
    for (family, name) in [("-4", "both"), ("-6", "both"), ("-6", "six"), ("-4", "four")] {
        let said = curl(&home, "four", &[family, &format!("http://{name}/")]);
        assert!(said.ends_with(" 200"), "{family} {name}: {said}");
    }
    // Where nothing is turned there is IPv4 alone, and all can be called by it.
    for name in ["four", "six", "both"] {
        assert_eq!(curl(&home, "bound", &[&format!("http://{name}/")]), format!("{four} 200"), "{name}");
    }
    // Past a sidecar nobody reaches an app, in either family.
    let status = home.output(&["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    for pod in status["pods"].as_array().unwrap().iter().filter(|pod| pod["workload"] != "bound") {
        for address in
            [pod["address"].as_str().unwrap().to_owned(), format!("[{}]", pod["six"].as_str().unwrap())]
        {
            for port in [8080, 9000] {
                let url = format!("http://{address}:{port}/");
                let past = from_outside(&up, &["-s", "-g", "-m", "5", &url]);
                assert!(!past.status.success(), "{url}: {past:?}");
            }
        }
    }

    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}
