//! Real clients and servers of other makers: curl, h2load, gRPC's own library.

use std::process::Stdio;

use tokio::process::Command;
use weft_model::cluster::UpstreamProtocol;
use weft_testkit::{app, settings};

use super::Lone;

async fn with_echo() -> Lone {
    let echo = app::echo().await;
    let cluster = |c: &mut weft_model::cluster::Cluster| {
        *c = settings::cluster("outbound|80||app", &[echo]);
        c.http.protocol = UpstreamProtocol::Downstream;
    };
    Lone::with(|_| {}, cluster).await
}

/// Runs a program; `None` where it is not installed.
async fn run(program: &str, args: &[&str]) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .env_remove("http_proxy")
        .env_remove("no_proxy");
    match tokio::time::timeout(std::time::Duration::from_secs(20), command.output()).await {
        Ok(Ok(output)) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{program} is not installed: nothing is shown about it");
            None
        }
        other => panic!("{program}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_served_in_each_of_its_versions_and_through_a_proxy() {
    let lone = with_echo().await;
    let url = format!("http://{}/curl?a=b", lone.at);
    for (version, wanted) in [
        ("--http1.0", "HTTP/1.1"),
        ("--http1.1", "HTTP/1.1"),
        ("--http2", "HTTP/1.1"),
        ("--http2-prior-knowledge", "HTTP/2.0"),
    ] {
        let args = ["-sS", "--fail", version, "-d", "some=body", "-H", "Expect: 100-continue", &url];
        let Some((good, told)) = run("curl", &args).await else { return };
        assert!(good && told.contains(wanted) && told.contains("some=body"), "{version}: {told}");
    }
    let proxy = format!("http://{}", lone.at);
    let args = ["-sS", "--fail", "--proxy", &proxy, "http://somewhere.example:8080/through"];
    let (good, told) = run("curl", &args).await.unwrap();
    assert!(good && told.contains(r#""path":"/through""#), "{told}");
    assert!(told.contains("somewhere.example:8080"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_has_all_its_streams_answered() {
    let lone = with_echo().await;
    let url = format!("http://{}/load", lone.at);
    let Some((_, told)) = run("h2load", &["-n", "500", "-c", "5", "-m", "20", &url]).await else { return };
    assert!(told.contains("500 succeeded, 0 failed, 0 errored"), "{told}");
}

/// Speaks TLS to `at` with openssl's client, sends `input` and reads to the end; `None` where it is not installed.
pub(super) async fn openssl(at: std::net::SocketAddr, args: &[&str], input: &str) -> Option<String> {
    use tokio::io::AsyncWriteExt as _;
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &at.to_string(), "-ign_eof"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("openssl cannot be run ({error}): nothing is shown about it");
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    // A handshake that failed has nobody to read this.
    let _ = stdin.write_all(input.as_bytes()).await;
    let output = tokio::time::timeout(std::time::Duration::from_secs(10), child.wait_with_output()).await;
    drop(stdin);
    let output = output.expect("openssl does not end").unwrap();
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// All four kinds of calls, trailers with an error, metadata, a deadline; a server and a client of gRPC's own library.
const GRPC: &str = r#"
import grpc, sys
from concurrent import futures
same = lambda x: x
def fails(request, context):
    context.set_trailing_metadata((("x-why", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: 100%")
def slow(request, context):
    import threading
    threading.Event().wait(5)
    return b""
class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        kind = details.method.rsplit("/", 1)[1]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(lambda r, c: r + b"!"),
            "Down": grpc.unary_stream_rpc_method_handler(lambda r, c: (r * n for n in range(1, 50))),
            "Up": grpc.stream_unary_rpc_method_handler(lambda rs, c: b"".join(rs)),
            "Both": grpc.stream_stream_rpc_method_handler(lambda rs, c: (r + b"?" for r in rs)),
            "Fails": grpc.unary_unary_rpc_method_handler(fails),
            "Slow": grpc.unary_unary_rpc_method_handler(slow),
        }.get(kind)
if sys.argv[1] == "serve":
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[Handler()])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    sys.exit(0)
channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)])
ask = dict(request_serializer=same, response_deserializer=same)
assert channel.unary_unary("/a.B/Unary", **ask)(b"x" * 100000, timeout=10) == b"x" * 100000 + b"!"
assert [len(m) for m in channel.unary_stream("/a.B/Down", **ask)(b"ab", timeout=10)] == [2 * n for n in range(1, 50)]
assert channel.stream_unary("/a.B/Up", **ask)(iter([b"a", b"b", b"c"]), timeout=10) == b"abc"
import queue
asked = queue.Queue()
answers = channel.stream_stream("/a.B/Both", **ask)(iter(asked.get, None), timeout=10)
for n in range(20):
    asked.put(b"%d" % n)
    assert next(answers) == b"%d?" % n
asked.put(None)
assert list(answers) == []
def error(method, timeout):
    try:
        channel.unary_unary(method, **ask)(b"", timeout=timeout)
    except grpc.RpcError as e:
        return e
e = error("/a.B/Fails", 10)
assert e.code() == grpc.StatusCode.FAILED_PRECONDITION and e.details() == "not now: 100%", e
assert ("x-why", "because") in [(k, v) for k, v in e.trailing_metadata()], e
assert error("/a.B/None", 10).code() == grpc.StatusCode.UNIMPLEMENTED
assert error("/a.B/Slow", 0.2).code() == grpc.StatusCode.DEADLINE_EXCEEDED
print("all good")
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcs_own_library_makes_all_its_kinds_of_calls() {
    use tokio::io::AsyncBufReadExt as _;
    match run("python3", &["-c", "import grpc"]).await {
        Some((true, _)) => {}
        _ => return eprintln!("grpcio is not installed: nothing is shown about it"),
    }
    let mut server = Command::new("python3");
    let server = server.args(["-c", GRPC, "serve"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = server.kill_on_drop(true).spawn().unwrap();
    let mut line = String::new();
    tokio::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let address = format!("127.0.0.1:{}", line.trim()).parse().unwrap();
    let cluster = |c: &mut weft_model::cluster::Cluster| {
        *c = settings::cluster("outbound|80||app", &[address]);
        c.http.protocol = UpstreamProtocol::Http2;
    };
    let lone = Lone::with(|_| {}, cluster).await;
    let (good, told) = run("python3", &["-c", GRPC, &lone.at.to_string()]).await.unwrap();
    assert!(good && told.contains("all good"), "{told}");
    let metrics = lone.sidecar.metrics();
    assert!(metrics.contains(r#"grpc_response_status="9""#), "{metrics}");
}
