//! Real programs, unchanged, in a mesh of network namespaces: a database whose server speaks first, gRPC's own library,
//! Python, curl. Needs root, and what `tests/run` installs; says so where either is missing.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, Up, accounted, nothing_is_left};
use pods::{curl, exec, pods, readable, root, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whoever may not call is told so in its own protocol, or has its connection closed.
const POLICIES: &str = r#"---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web-alone, namespace: shop }
spec:
  selector: { matchLabels: { guarded: "yes" } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: relaxed, namespace: shop }
spec:
  selector: { matchLabels: { app: relaxed } }
  mtls: { mode: PERMISSIVE }
"#;

/// Debian's server, on a port that means nothing to anybody. Its files are its user's.
const DATABASE: &str = r#"
set -e
PATH=$PATH:/usr/sbin:/usr/bin
cd "$1"
mkdir data
mariadb-install-db --no-defaults --datadir="$1/data" --auth-root-authentication-method=normal --skip-test-db >install.log 2>&1
cat >init.sql <<SQL
CREATE DATABASE shop;
CREATE USER app@'%' IDENTIFIED BY 'secret';
GRANT ALL ON shop.* TO app@'%';
SQL
exec mariadbd --no-defaults --datadir="$1/data" --socket="$1/socket" --port=13306 --init-file="$1/init.sql" --skip-name-resolve
"#;

const SERVER: &str = r#"
import grpc, time
from concurrent.futures import ThreadPoolExecutor
def unary(request, context):
    if request == b"nothing":
        context.abort(grpc.StatusCode.NOT_FOUND, "there is no such thing")
    if request == b"slowly":
        time.sleep(5)
    context.set_trailing_metadata((("told-by", "server"),))
    return b"heard " + request
def chat(requests, context):
    for request in requests:
        yield b"heard " + request
def count(request, context):
    for number in range(int(request)):
        yield b"%d" % number
server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Talk", {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Count": grpc.unary_stream_rpc_method_handler(count),
})])
server.add_insecure_port("0.0.0.0:50051")
server.start()
server.wait_for_termination()
"#;

const CLIENT: &str = r#"
import grpc, queue, sys
channel = grpc.insecure_channel("rpc:50051")
unary = channel.unary_unary("/shop.Talk/Unary")
answer, call = unary.with_call(b"hello", timeout=30)
print(answer.decode(), dict(call.trailing_metadata())["told-by"])
try: unary(b"nothing", timeout=30)
except grpc.RpcError as error: print(error.code().name)
# Its own clock tells it of its deadline, or its sidecar's does, which says 504 as Envoy does: UNAVAILABLE to gRPC.
try: unary(b"slowly", timeout=0.5)
except grpc.RpcError as error: print(error.code().name.replace("UNAVAILABLE", "DEADLINE_EXCEEDED"))
said = queue.Queue()
answers = channel.stream_stream("/shop.Talk/Chat")(iter(said.get, None), timeout=30)
for word in ("one", "two", "three"):
    # What is said next depends on what was heard.
    said.put(word.encode())
    print(next(answers).decode())
said.put(None)
print(len(list(answers)), sum(1 for _ in channel.unary_stream("/shop.Talk/Count")(b"5000", timeout=30)))
"#;

const DENIED: &str = r#"
import grpc
try: grpc.insecure_channel("rpc:50051").unary_unary("/shop.Talk/Unary")(b"hello", timeout=30)
except grpc.RpcError as error: print(error.code().name, error.details())
"#;

const PYTHON: &str = r#"
import http.client, json, socket, urllib.error, urllib.request
print(json.load(urllib.request.urlopen("http://api/a?b=c", timeout=20))["path"])
sent = json.load(urllib.request.urlopen(urllib.request.Request("http://api.shop/", b"some=body"), timeout=20))
print(sent["method"])
c = socket.create_connection(("api", 80), timeout=20)
c.sendall(b"GET /raw HTTP/1.0\r\nHost: api\r\n\r\n")
answer = b"".join(iter(lambda: c.recv(4096), b""))
print(answer.split(b"\r\n")[0].split(b" ")[1].decode(), b"/raw" in answer)
kept = http.client.HTTPConnection("api.shop.svc.cluster.local", timeout=20)
for _ in range(3):
    kept.request("GET", "/"); print(kept.getresponse().read() != b"", end=" ")
print()
"#;

/// Where gRPC's library for Python is: `tests/run` says so.
fn grpc() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var_os("WEFT_PEERS")?).join("python");
    let words = ["-c", "import grpc; print(grpc.__path__[0])"];
    let output = Command::new(python).args(words).output().ok().filter(|output| output.status.success())?;
    PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()).parent().map(Path::to_owned)
}

/// A mesh with these programs in it, and where gRPC's library is for its pods; what is missing is said.
fn start() -> Option<(Home, Up, String)> {
    let grpc = grpc();
    let mariadb = Path::new("/usr/sbin/mariadbd").exists() && Path::new("/usr/bin/mariadb").exists();
    let (Some(grpc), true, true) = (grpc, mariadb, root()) else {
        eprintln!(
            "skipped: real programs in a mesh need root, and mariadb and grpcio, which tests/run installs"
        );
        return None;
    };
    let guarded =
        |yaml: String| yaml.replace("metadata: { labels: {", r#"metadata: { labels: { guarded: "yes","#);
    let http = [("http", 80, 8080)];
    let mut yaml = [STRICT, POLICIES].concat();
    for name in ["web", "other", "api", "relaxed"] {
        yaml.push_str(&accounted(name, &http));
    }
    yaml.push_str(&guarded(accounted("db", &[("", 13306, 13306)])));
    yaml.push_str(&guarded(accounted("rpc", &[("grpc", 50051, 50051)])));
    let home = Home::new(&yaml);
    let folder = home.directory.path();
    readable(folder);
    for (name, script) in [("db.sh", DATABASE), ("server.py", SERVER)] {
        fs::write(folder.join(name), script).unwrap();
    }
    let own = folder.join("db");
    fs::create_dir(&own).unwrap();
    std::os::unix::fs::chown(&own, Some(1000), Some(1000)).unwrap();
    // The pods' user may not pass to where the library is.
    let library = folder.join("library");
    fs::create_dir(&library).unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(grpc.join("grpc")).args(fs::read_dir(&grpc).unwrap().flatten().filter_map(|entry| {
        entry.file_name().to_string_lossy().starts_with("typing_extensions").then(|| entry.path())
    }));
    assert!(copy.arg(&library).status().unwrap().success());
    let library = library.to_str().unwrap().to_owned();
    let database = format!("db=exec sh {0}/db.sh {0}/db", folder.display());
    let server = format!("rpc=PYTHONPATH={library} exec python3 {}/server.py", folder.display());
    let mut up = home.up(&["--netns", "--app", &database, "--app", &server]);
    up.says("mesh is ready in");
    Some((home, up, library))
}

#[test]
fn databases_rpc_scripts_and_curl_are_in_the_mesh_as_they_are() {
    let Some((home, mut up, library)) = start() else { return };
    a_database_that_speaks_first(&home);
    grpc_of_all_kinds(&home, &library);
    let said = text(&exec(&home, "web", &["python3", "-c", PYTHON]));
    assert_eq!(said.trim(), "/a?b=c\nPOST\n200 True\nTrue True True", "{said}");
    by_every_way(&home);
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}

/// A session of MariaDB's client, which is silent until its server has spoken, at a port of no known protocol.
fn a_database_that_speaks_first(home: &Home) {
    let client = |workload: &str, sql: &str| {
        let login = [
            "-h",
            "db",
            "-P",
            "13306",
            "-u",
            "app",
            "-psecret",
            "--connect-timeout=20",
            "-BN",
            "shop",
            "-e",
            sql,
        ];
        exec(home, workload, &[&["mariadb", "--no-defaults"][..], &login].concat())
    };
    let made = client(
        "web",
        "CREATE TABLE t (n INT, what MEDIUMTEXT); INSERT INTO t VALUES (1, 'one'), (2, REPEAT('x', 3000000)); \
         SELECT n, LENGTH(what) FROM t ORDER BY n",
    );
    assert_eq!(text(&made).trim(), "1\t3\n2\t3000000", "{made:?}");
    // And once more, now that the port's kind is known; the whole of it comes through.
    let large = client("web", "SELECT what FROM t WHERE n = 2");
    assert_eq!(large.stdout.len(), 3_000_001, "{}", String::from_utf8_lossy(&large.stderr));
    let denied = client("other", "SELECT 1");
    assert!(!denied.status.success() && text(&denied).contains("Lost connection"), "{denied:?}");
}

fn grpc_of_all_kinds(home: &Home, library: &str) {
    let path = format!("PYTHONPATH={library}");
    let run =
        |workload: &str, script: &str| text(&exec(home, workload, &["env", &path, "python3", "-c", script]));
    let said = run("web", CLIENT);
    let wanted =
        "heard hello server\nNOT_FOUND\nDEADLINE_EXCEEDED\nheard one\nheard two\nheard three\n0 5000";
    assert_eq!(said.trim(), wanted, "{said}");
    assert_eq!(run("other", DENIED).trim(), "PERMISSION_DENIED RBAC: access denied");
}

/// By the service's address, by the pod's own, and from the pod itself.
fn by_every_way(home: &Home) {
    let by_name = curl(home, "web", &["http://api/"]);
    assert!(by_name.ends_with(" 200") && by_name.contains("sa/web"), "{by_name}");
    let address = text(&exec(home, "web", &["getent", "ahostsv4", "api"]));
    let address = address.split_whitespace().next().unwrap();
    let by_address = curl(home, "web", &[&format!("http://{address}/")]);
    assert!(by_address.ends_with(" 200") && by_address.contains("sa/web"), "{by_address}");
    let pod = |workload: &str| pods(home, workload).remove(0).address;
    // A pod's own address is no service's, so nobody vouches for what is there: it is plaintext, and taken or refused.
    let taken = curl(home, "web", &[&format!("http://{}:8080/", pod("relaxed"))]);
    assert!(taken.ends_with(" 200") && !taken.contains("spiffe://"), "{taken}");
    let refused = curl(home, "web", &[&format!("http://{}:8080/", pod("api"))]);
    assert!(!refused.ends_with(" 200"), "{refused}");
    let itself = curl(home, "api", &["http://api/"]);
    assert!(itself.ends_with(" 200") && itself.contains("sa/api"), "{itself}");
    let own = curl(home, "api", &[&format!("http://{}:8080/", pod("api"))]);
    assert!(own.ends_with(" 200"), "{own}");
}
