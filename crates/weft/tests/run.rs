//! `weft run -- COMMAND`: a Job together with its sidecar. Its pods are in network namespaces, so it needs root; says so
//! where there is none.
#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "meshes/home.rs"]
mod meshes;
#[path = "meshes/pods.rs"]
mod pods;

use meshes::{Home, STRICT, Up, app, nothing_is_left, until};
use pods::{root, run_folder, text};
use std::process::{Command, Output, Stdio};

/// `job` gets no sidecar from the mesh: it brings its own.
const JOB: &str = r#"---
apiVersion: apps/v1
kind: Deployment
metadata: { name: job, namespace: shop }
spec:
  selector: { matchLabels: { app: job } }
  template:
    metadata: { labels: { app: job, sidecar.istio.io/inject: "false" } }
    spec: { serviceAccountName: job, containers: [{ name: app, image: app }] }
"#;

struct Job {
    home: Home,
    up: Up,
    environment: Vec<(String, String)>,
    netns: String,
    /// The address of the service `web`.
    web: String,
}

impl Job {
    /// A mesh, and a pod in it whose connections are turned to a sidecar that is not there yet.
    fn new() -> Self {
        // `web` answers mTLS alone.
        let home = Home::new(&[STRICT, &app("web", 8080), JOB].concat());
        let mut up = home.up(&["--netns"]);
        up.says("mesh is ready in");
        let run = run_folder(&home);
        let plan: serde_json::Value =
            serde_json::from_slice(&std::fs::read(run.join("plan.json")).unwrap()).unwrap();
        let pods = plan["pods"].as_array().unwrap();
        let pod = pods.iter().find(|pod| pod["workload"] == "job").unwrap();
        let netns = pod["netns"].as_str().unwrap().to_owned();
        let named = plan["named"].as_array().unwrap();
        let web = named.iter().find(|named| named["host"] == "web.shop.svc.cluster.local").unwrap();
        let web = web["addresses"][0].as_str().unwrap().to_owned();
        let turned = Command::new(env!("CARGO_BIN_EXE_weft"))
            .args(["redirect", "-u", "1337", "-g", "1337", "-i", "*", "-b", "*", "-d", "15090,15021,15020"])
            .arg(format!("--network-namespace=/run/netns/{netns}"))
            .output()
            .unwrap();
        assert!(turned.status.success(), "{turned:?}");
        let token = pods::folder(&home, "job").join("token");
        std::os::unix::fs::chown(&token, Some(1337), Some(1337)).unwrap();
        let root = run.join("root-cert.pem").display().to_string();
        let environment = [
            ("POD_NAME", pod["name"].as_str().unwrap()),
            ("POD_NAMESPACE", "shop"),
            ("INSTANCE_IP", pod["address"].as_str().unwrap()),
            ("SERVICE_ACCOUNT", "job"),
            ("ISTIO_META_INTERCEPTION_MODE", "REDIRECT"),
            ("XDS_ADDR", "10.244.0.1:15012"),
            ("CA_ROOT_CA", &root),
            ("TOKEN_PATH", &token.display().to_string()),
            ("PROXY_CONCURRENCY", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        Self { home, up, environment, netns, web }
    }

    /// `weft run` in the pod, as root.
    fn weft(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.netns, env!("CARGO_BIN_EXE_weft"), "run"]).args(arguments);
        command.envs(self.environment.iter().cloned());
        // Who is left of it can be told by that.
        command.env("HOME", self.home.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.weft(arguments).output().unwrap()
    }
}

#[test]
fn a_job_runs_in_the_mesh_and_its_sidecar_ends_with_it() {
    if !root() {
        return;
    }
    let mut job = Job::new();
    // What it writes is all there is on standard output, and its status is the whole's.
    let url = format!("http://{}/", job.web);
    let asked =
        format!("curl -sS -m 20 -o /dev/null -w '%{{http_code}}' -H 'Host: web' {url}; id -u; exit 7");
    let done = job.run(&["--user", "1000", "--", "sh", "-c", &asked]);
    assert_eq!(done.status.code(), Some(7), "{done:?}");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "2001000\n", "{done:?}");
    assert_eq!(pods::sidecar(&job.up, "job"), None);

    // Signals are the command's to answer; until it has, its sidecar carries what it says.
    let trap = format!(
        "trap 'curl -sS -m 20 -o /dev/null -w \"%{{http_code}}\\n\" -H \"Host: web\" {url}; exit 3' TERM; \
         echo ready; while :; do sleep 0.1; done"
    );
    let mut waiting = job.weft(&["--user", "1000", "--", "sh", "-c", &trap]).spawn().unwrap();
    let mut lines = {
        use std::io::BufRead as _;
        std::io::BufReader::new(waiting.stdout.take().unwrap()).lines().map_while(Result::ok)
    };
    assert_eq!(lines.next().as_deref(), Some("ready"));
    // `ip netns exec` became it: the process is the same.
    assert!(Command::new("kill").args(["-TERM", &waiting.id().to_string()]).status().unwrap().success());
    assert_eq!(lines.next().as_deref(), Some("200"));
    assert_eq!(waiting.wait().unwrap().code(), Some(3));
    assert_eq!(pods::sidecar(&job.up, "job"), None);

    // As a container's first process it waits for whoever is left to that, and hears what is said to that.
    let first = |command: &str| {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &job.netns, "timeout", "-k", "1", "60"]);
        inside.args([
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            env!("CARGO_BIN_EXE_weft"),
        ]);
        inside.args(["run", "--", "sh", "-c", command]).env("HOME", job.home.directory.path());
        inside.envs(job.environment.iter().cloned()).stdin(Stdio::null()).output().unwrap()
    };
    let orphans = "for n in 1 2 3 4 5; do left=\"$left $(sleep 0.2 >/dev/null & echo $!)\"; done; \
                   for one in $left; do while [ -e /proc/$one ]; do sleep 0.05; done; done; \
                   cat /proc/1/comm; exit 5";
    let done = first(orphans);
    assert_eq!((done.status.code(), &*done.stdout), (Some(5), &b"weft\n"[..]), "{done:?}");
    let done = first("trap 'exit 3' TERM; kill -TERM 1; while :; do sleep 0.1; done");
    assert_eq!(done.status.code(), Some(3), "{done:?}");

    // A command that was killed, or is none.
    assert_eq!(job.run(&["--", "sh", "-c", "kill -9 $$"]).status.code(), Some(128 + 9));
    let missing = job.run(&["--", "/no/such/program"]);
    assert_eq!(missing.status.code(), Some(127));
    assert!(text(&missing).contains("cannot start /no/such/program"), "{missing:?}");

    // The sidecar of a container beside it is told to end, and nobody else's sidecar is started.
    let mut beside = Command::new(env!("CARGO_BIN_EXE_weft"));
    beside.args(["enter", "--netns", &job.netns, "--own", "--user", "1337", "--group", "1337", "--"]);
    beside.args(["proxy", "sidecar", "--domain", "shop.svc.cluster.local"]);
    beside.envs(job.environment.iter().cloned());
    let mut beside = beside.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let done = job.run(&["--beside", "--", "sh", "-c", "echo done"]);
    assert_eq!((done.status.code(), text(&done)), (Some(0), "done".to_owned()));
    until("the sidecar beside it lives on", || beside.try_wait().unwrap().is_some());

    // Without anybody who makes it ready nothing is started.
    job.environment.push(("XDS_ADDR".into(), "10.244.0.1:1".into()));
    let late = job.run(&["--ready-within", "1", "--", "echo", "started"]);
    assert_eq!(late.status.code(), Some(1));
    assert!(text(&late).contains("not ready within 1 s") && late.stdout.is_empty(), "{late:?}");
    job.environment.push(("ISTIO_META_INTERCEPTION_MODE".into(), "MAGIC".into()));
    assert!(text(&job.run(&["--", "true"])).contains("REDIRECT, TPROXY or NONE"));

    job.up.signal("INT");
    assert!(job.up.ended().success());
    nothing_is_left(&job.home);
}
