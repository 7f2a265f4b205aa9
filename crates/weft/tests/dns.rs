//! DNS in a whole mesh: the control plane names the mesh's hosts, the sidecar answers for them, edits follow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;
#[path = "meshes/world.rs"]
mod world;

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use meshes::{Home, STRICT, accounted, eventually, nothing_is_left, text};
use pods::{exec, root};
use world::World;

const MESH: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    defaultConfig:
      proxyMetadata:
        ISTIO_META_DNS_CAPTURE: "true"
        WEFT_RESOLV_CONF: RESOLV_CONF
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.96.0.1
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8000 }]
---
apiVersion: v1
kind: Service
metadata: { name: web-pods, namespace: shop }
spec:
  clusterIP: None
  selector: { app: web }
  ports: [{ name: http, port: 8000 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: app, image: web, ports: [{ containerPort: 8000 }] }] }
"#;

const ENTRY: &str = r#"
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: sql, namespace: shop }
spec:
  hosts: [sql.example]
  resolution: DNS
  ports: [{ number: 3306, name: tcp, protocol: TCP }]
"#;

/// The A records of a name as `server` knows them; `None`: it does not know it.
fn addresses(server: IpAddr, name: &str) -> Option<Vec<String>> {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(&query, (server, 15053)).unwrap();
    let mut answer = vec![0; 4096];
    let length = socket.recv(&mut answer).ok()?;
    if answer[3] & 0x0f != 0 {
        return None;
    }
    // Each record is a pointer to the name, ten bytes, and the address at its end.
    let records = answer[query.len()..length].chunks(16);
    Some(
        records.map(|record| IpAddr::from(<[u8; 4]>::try_from(&record[12..]).unwrap()).to_string()).collect(),
    )
}

#[test]
fn a_sidecar_answers_the_names_of_its_mesh_and_follows_its_edits() {
    let home = Home::new("");
    // Nobody but the mesh knows any name here.
    let file = home.directory.path().join("resolv.conf");
    std::fs::write(&file, "nameserver [127.0.0.1]:1\n").unwrap();
    let mesh = MESH.replace("RESOLV_CONF", file.to_str().unwrap());
    home.write(&mesh);
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    let status: serde_json::Value =
        serde_json::from_str(&text(&home.output(&["status", "--output", "json"]).stdout)).unwrap();
    let pods = status["pods"].as_array().unwrap();
    let of = |field: &str| pods.iter().map(|pod| pod[field].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let server: IpAddr = of("localhost")[0].parse().unwrap();
    // Ready means that names are known.
    assert_eq!(addresses(server, "web").unwrap(), ["10.96.0.1"]);
    assert_eq!(addresses(server, "WEB.shop.svc.cluster.local").unwrap(), ["10.96.0.1"]);
    let mut headless = addresses(server, "web-pods.shop").unwrap();
    headless.sort();
    assert_eq!(headless, of("address"));
    assert_eq!(addresses(server, "sql.example"), None);
    home.write(&(mesh + ENTRY));
    let given = eventually(|| {
        addresses(server, "sql.example").ok_or_else(|| "the new name is not answered".to_owned())
    });
    assert!(given[0].starts_with("240.240."), "{given:?}");
    up.signal("INT");
    assert!(up.ended().success());
}

/// What each name resolves to.
const RESOLVE: &str = r#"
import socket, sys
for name in sys.argv[1:]:
    try: print(socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except socket.gaierror as error:
        print("missing" if error.errno == socket.EAI_NONAME else "unknown")
"#;

#[test]
fn in_namespaces_the_machines_servers_know_the_world_and_are_never_asked_about_the_cluster() {
    if !root() {
        return;
    }
    let world = World::start();
    let http = [("http", 80, 8080)];
    let alone = accounted("alone", &http)
        .replace("metadata: { labels: {", "metadata: { labels: { sidecar.istio.io/inject: \"false\",");
    let yaml = [STRICT, &accounted("web", &http), &alone].concat();
    let home = Home::new(&yaml);
    let file = home.directory.path().join("resolv.conf");
    std::fs::write(&file, format!("search example.org\nnameserver [127.0.0.1]:{}\n", world.port)).unwrap();
    let mut up = home.up(&["--netns", "--resolv-conf", file.to_str().unwrap()]);
    up.says("mesh is ready in");
    let say = |workload: &str, words: &[&str]| text(&exec(&home, workload, words).stdout);
    let resolve = |workload: &str, names: &[&str]| {
        let words = [&["python3", "-c", RESOLVE], names].concat();
        say(workload, &words).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let python = "import socket, sys; print(socket.getnameinfo((sys.argv[1], 80), 0)[0])";
    for address in ["10.244.0.7", "10.96.3.4", "127.0.0.6", "fd00:10:244::7", "fd00:10:96::304"] {
        assert_eq!(say("web", &["python3", "-c", python, address]).trim(), address);
    }
    let said = resolve(
        "web",
        &["www.example.org", "no.example.org", "wep", "wep.shop", "wep.shop.svc.cluster.local"],
    );
    assert_eq!(said, ["192.0.2.7", "missing", "missing", "missing", "missing"], "{:?}", world.asked());
    // Any type by either transport, and what no datagram holds: cut on its way, and asked for again on a connection.
    for more in ["+notcp", "+tcp", "+noedns", "+bufsize=4096"] {
        let six = say("web", &["dig", "+short", more, "www.example.org", "AAAA"]);
        assert_eq!(six.trim(), "2001:db8::7", "{more}");
        let large = say("web", &["dig", "+short", more, "large.example.org", "TXT"]);
        assert_eq!(large.matches('x').count(), 20 * 250, "{more}: {large}");
    }
    // A pod without a sidecar has the mesh's names in its hosts file, and the same server for the rest.
    let said =
        resolve("alone", &["www.example.org", "web.shop", "no.example.org", "wep.shop.svc.cluster.local"]);
    assert!(said[1].starts_with("10.96."), "{said:?}");
    assert_eq!([&said[..1], &said[2..]].concat(), ["192.0.2.7", "missing", "missing"]);
    let asked = world.asked();
    assert!(asked.iter().any(|name| name == "no.example.org"), "{asked:?}");
    // Nor about its addresses, whose names programs ask for.
    let of_cluster = |name: &String| name.ends_with("cluster.local") || name.ends_with("arpa");
    assert!(!asked.iter().any(of_cluster), "{asked:?}");
    // A name of the mesh needs nobody, and one that was known stays known for its time.
    drop(world);
    let said =
        resolve("web", &["web.shop", "www.example.org", "new.example.org", "wep.shop.svc.cluster.local"]);
    assert!(said[0].starts_with("10.96."), "{said:?}");
    assert_eq!(said[1..], ["192.0.2.7", "unknown", "missing"]);
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}

const WILD: &str = r#"
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: wild, namespace: shop }
spec:
  hosts: ["*.wild.test"]
  addresses: [240.241.0.7]
  resolution: NONE
  ports: [{ number: 80, name: http, protocol: HTTP }]
"#;

/// A machine's cache of names (nscd) that knows none, not even those in files.
const KNOWS_NONE: &str = r#"
import os, socket, struct
s = socket.socket(socket.AF_UNIX)
s.bind("/run/nscd/socket")
os.chmod("/run/nscd/socket", 0o666)
s.listen(64)
while True:
    c, _ = s.accept()
    version, kind, length = struct.unpack("3i", c.recv(12, socket.MSG_WAITALL))
    c.recv(length, socket.MSG_WAITALL)
    # Whoever asks for addresses is told that there are none; to other questions there is no answer.
    if kind == 14: c.sendall(struct.pack("6i", 2, 0, 0, 0, 0, 1))
    c.close()
"#;

/// A machine whose programs ask that cache, and no DNS; what its pods' say of names.
const IN_A_POD: &str = r#"
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
mkdir -p /run/nscd
mount -t tmpfs -o mode=755 none /run/nscd
python3 "$1/cache.py" & trap "kill $!" EXIT
until [ -S /run/nscd/socket ]; do sleep 0.01; done
getent ahostsv4 localhost >&2 || echo "the machine knows none"
"$WEFT" up "$1/yaml" --netns --resolv-conf /dev/null -- sh -c '
    for name in localhost web any.wild.test; do weft exec web -- getent ahostsv4 $name | sed -n "1s/ .*//p"; done'
"#;

#[test]
fn a_pod_s_programs_ask_nobody_of_the_machine_for_names() {
    if !root() {
        return;
    }
    let home = Home::new(&[STRICT, &accounted("web", &[("http", 80, 8080)]), WILD].concat());
    let folder = home.directory.path();
    std::fs::write(folder.join("nsswitch.conf"), "passwd: files\nhosts: files\n").unwrap();
    std::fs::write(folder.join("cache.py"), KNOWS_NONE).unwrap();
    let had_cache = std::path::Path::new("/run/nscd").exists();
    let line = format!("unshare -m sh -ec '{}' sh {}", IN_A_POD.replace('\'', "'\\''"), folder.display());
    let output = home.shell(&line);
    if !had_cache {
        let _ = std::fs::remove_dir("/run/nscd");
    }
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    let [machine, local, web, wild] = lines[..] else { panic!("{said}{}", text(&output.stderr)) };
    assert_eq!((machine, local, wild), ("the machine knows none", "127.0.0.1", "240.241.0.7"), "{said}");
    assert!(web.starts_with("10.96."), "{said}");
    nothing_is_left(&home);
}
