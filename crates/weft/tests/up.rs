//! `weft up` from outside: what it starts, what it says, and what it leaves behind.
//!
//! These meshes have no sidecars, so they show the command alone; the mesh's own promises are tested where all of
//! it comes together.

#[path = "meshes/home.rs"]
mod meshes;

use meshes::{Home, nothing_is_left, pids, processes_of, text, until};
use std::io::Read;

/// Two pods without sidecars.
const TWO: &str = r#"
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8000 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata:
      labels: { app: web, sidecar.istio.io/inject: "false" }
    spec:
      containers:
        - name: app
          image: web
          ports: [{ containerPort: 8000 }]
          env: [{ name: GREETING, value: "hello" }]
"#;

#[test]
fn a_command_runs_in_the_ready_mesh_and_its_status_is_ups_own() {
    let home = Home::new(TWO);
    let script = r#"weft status --output json; test -d "$WEFT_RUN" && exit 17"#;
    let mut up = home.up(&["--", "/bin/sh", "-c", script]);
    up.says("mesh is ready in");
    assert_eq!(up.ended().code(), Some(17));
    let mut output = String::new();
    up.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    let status: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(status["pods"][1]["name"], "web-2");
    assert_eq!(home.runs(), 0);
    nothing_is_left(&home);
}

#[test]
fn ctrl_c_leaves_no_process_and_no_file() {
    let home = Home::new(TWO);
    let mut up = home.up(&[]);
    up.says("Ctrl-C stops it");
    assert_eq!(home.runs(), 1);
    assert!(!processes_of(home.directory.path()).is_empty());
    up.signal("INT");
    assert!(up.ended().success());
    assert_eq!(home.runs(), 0);
    nothing_is_left(&home);
}

#[test]
fn even_a_killed_up_leaves_no_process_and_the_next_removes_its_files() {
    let home = Home::new(TWO);
    let mut up = home.up(&["--app", "web=sleep 1000 & wait"]);
    up.says("web-2: its app does not listen");
    up.signal("KILL");
    up.ended();
    nothing_is_left(&home);
    for command in [&["status"][..], &["certs"], &["logs"], &["curl", "--from", "web", "http://web"]] {
        let said = text(&home.output(command).stderr);
        let yaml = home.yaml();
        assert!(
            said.contains(&format!("the mesh of {} died without saying goodbye", yaml.display())),
            "{said}"
        );
    }
    let mut next = home.up(&[]);
    next.says("mesh is ready in");
    assert_eq!(home.runs(), 1);
    assert!(!text(&home.output(&["status"]).stderr).contains("died"));
}

/// The same with another port of the Service, which no container declares.
fn with_grpc() -> String {
    TWO.replace("targetPort: 8000 }]", "targetPort: 8000 }, { name: grpc, port: 90, targetPort: 9000 }]")
}

#[test]
fn a_service_that_gains_a_port_gains_a_listener_and_nothing_is_started_anew() {
    let home = Home::new(TWO);
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    let address = home.address("web-1");
    let started = pids(&["stand-in", &address]);
    home.write(&with_grpc());
    up.says("web-1 listens on 9000 (grpc) now");
    answers(&address, 9000);
    answers(&address, 8000);
    assert_eq!((pids(&["stand-in", &address]), started.len()), (started.clone(), 1));
    // It is what comes back after a crash too.
    let status = std::process::Command::new("kill").arg("-KILL").args(&started).status();
    assert!(status.unwrap().success());
    up.says("app shop/web-1 was ended by SIGKILL");
    answers(&address, 9000);
    home.write(TWO);
    up.says("edit read");
    refuses(&address, 9000);
}

#[test]
fn a_program_of_the_users_own_is_told_of_a_port_and_not_started_anew() {
    let home = Home::new(TWO);
    let weft = env!("CARGO_BIN_EXE_weft");
    let app = format!("web=exec {weft} stand-in --listen http=$HOST:$PORT");
    let mut up = home.up(&["--app", &app]);
    up.says("mesh is ready in");
    let address = home.address("web-1");
    let started = pids(&["stand-in", &address]);
    home.write(&with_grpc());
    let said = up.says("web-1: port 9000 (grpc) leads to your own program now");
    assert!(said.contains(&format!("once it listens on {address}:9000")), "{said}");
    assert_eq!(started.len(), 2, "who tends it, and the program");
    assert_eq!(pids(&["stand-in", &address]), started);
}

/// Waits until somebody listens there.
fn answers(address: &str, port: u16) {
    until(&format!("nobody listens on {address}:{port}"), || {
        std::net::TcpStream::connect((address, port)).is_ok()
    });
}

/// Waits until nobody listens there.
fn refuses(address: &str, port: u16) {
    until(&format!("somebody listens on {address}:{port} still"), || {
        std::net::TcpStream::connect((address, port)).is_err()
    });
}

#[test]
fn files_with_errors_start_nothing_and_every_error_is_told() {
    let home = Home::new("kind: Deployment\n---\nkind: [");
    let output = home.output(&["up", home.yaml().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("nothing was started") && said.contains("mesh.yaml:"), "{said}");
    assert_eq!(home.runs(), 0);
}

#[test]
fn names_that_nothing_has_are_told_with_those_there_are() {
    let home = Home::new(TWO);
    let yaml = home.yaml();
    for option in [["--only", "wbe"], ["--app", "wbe=true"]] {
        let output = home.output(&[&["up", yaml.to_str().unwrap()][..], &option].concat());
        assert_eq!(output.status.code(), Some(2), "{option:?}");
        let said = text(&output.stderr);
        assert!(said.contains("wbe") && said.contains("web"), "{said}");
    }
}

#[test]
fn an_edit_replaces_the_pods_it_changes_and_a_bad_one_none() {
    let home = Home::new(TWO);
    let weft = env!("CARGO_BIN_EXE_weft");
    let app = format!(r#"web=echo "$GREETING"; exec {weft} stand-in --listen http=$HOST:$PORT"#);
    let mut up = home.up(&["--app", &app]);
    up.says("mesh is ready in");
    home.write(&format!("{TWO}\n---\nkind: ["));
    up.says("this edit is refused");
    home.write(TWO);
    up.says("the files say again what runs");
    home.write(&TWO.replace("\"hello\"", "\"hi\""));
    up.says("replaces [web-1, web-2]");
    // New ones start beside them, one more than there are replicas; each old one goes when a new one is ready.
    up.says("web-2-");
    // Their farewells may overlap.
    let gone = [up.says(" is gone"), up.says(" is gone")].concat();
    assert!(gone.contains("web-1 is gone") && gone.contains("web-2 is gone"), "{gone}");
    let log = text(&home.output(&["logs", "web", "--of", "app"]).stdout);
    assert!(log.contains("hi") && !log.contains("hello"), "{log}");
    home.write(&TWO.replace("\"hello\"", "\"hi\"").replace("replicas: 2", "replicas: 1"));
    up.says("stops [web-2-");
    up.says(" is gone");
}

#[test]
fn what_cannot_be_written_down_is_said_and_ends_nothing() {
    let home = Home::new(TWO);
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    let run = std::fs::read_dir(home.directory.path().join("weft")).unwrap().next().unwrap().unwrap().path();
    // A folder in the way of the plan's new file.
    let in_the_way = run.join("plan.json.new");
    std::fs::create_dir(&in_the_way).unwrap();
    home.write(&TWO.replace("replicas: 2", "replicas: 3"));
    up.says("plan.json: ");
    up.says("web-3 is ready");
    std::fs::remove_dir(&in_the_way).unwrap();
    until("the plan is never written", || {
        std::fs::read_to_string(run.join("plan.json")).unwrap().contains("web-3")
    });
    up.signal("INT");
    assert!(up.ended().success());
}

#[test]
fn an_emptied_file_is_no_edit() {
    let home = Home::new(TWO);
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    home.write("");
    up.says("the file is empty");
    up.says("this edit is refused");
    home.write(&TWO.replace("replicas: 2", "replicas: 1"));
    up.says("stops [web-2]");
}

#[test]
fn a_crashing_app_is_named_and_told_where_to_listen() {
    let home = Home::new(TWO);
    let mut up = home.up(&["--app", "web=echo bind: address already in use >&2; exit 1"]);
    up.says("app shop/web-1 ended with status 1");
    up.says("listen on $HOST:$PORT");
}

#[test]
fn who_may_make_no_namespaces_is_told_so_and_has_a_mesh_on_loopback() {
    let home = Home::new(TWO);
    let yaml = home.yaml();
    let up = [env!("CARGO_BIN_EXE_weft"), "up", yaml.to_str().unwrap(), "--netns"];
    // Where root runs this, nobody in particular does.
    let is_root = nix::unistd::geteuid().is_root();
    let words = [if is_root { &["unshare", "--user"][..] } else { &[] }, &up].concat();
    let mut up = home.up_by(home.by(words[0], &words[1..]));
    up.says("--netns needs root, to make network namespaces; this mesh runs on loopback");
    up.says("mesh is ready in");
    assert!(home.address("web-1").starts_with("127."), "{}", home.address("web-1"));
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}

#[test]
fn root_that_lacks_a_right_to_it_makes_no_namespaces_and_has_a_mesh_on_loopback() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: it needs root to have all but one of its rights");
    }
    for right in ["-sys_admin", "-net_admin"] {
        let home = Home::new(TWO);
        let yaml = home.yaml();
        let without = ["--bounding-set", right, "--inh-caps", right, env!("CARGO_BIN_EXE_weft")];
        let words = [&without[..], &["up", yaml.to_str().unwrap(), "--netns"]].concat();
        let mut up = home.up_by(home.by("setpriv", &words));
        let said = up.says("--netns needs the right to make network namespaces");
        assert!(said.contains("not permitted") && said.contains("--privileged"), "{right}: {said}");
        up.says("mesh is ready in");
        assert!(home.address("web-1").starts_with("127."), "{}", home.address("web-1"));
        let left = std::path::PathBuf::from(format!("/run/netns/weft-up-{}", up.child.id()));
        assert!(!left.exists(), "{left:?}");
        up.signal("INT");
        assert!(up.ended().success());
        nothing_is_left(&home);
    }
}

#[test]
fn two_meshes_on_one_machine_share_no_address() {
    let (one, other) = (Home::new(TWO), Home::new(TWO));
    let mut up_one = one.up(&[]);
    up_one.says("mesh is ready in");
    let mut up_other = other.up(&[]);
    up_other.says("mesh is ready in");
    assert_ne!(one.address("web-1"), other.address("web-1"));
}

#[test]
fn a_mesh_that_is_not_ready_in_time_ends_with_an_error() {
    let home = Home::new(TWO);
    let mut up = home.up(&["--ready-within", "1", "--app", "web=sleep 100", "--", "true"]);
    up.says("its app does not listen on");
    up.says("not ready within 1 s");
    assert!(!up.ended().success());
    nothing_is_left(&home);
}

#[test]
fn an_edit_counts_where_a_linked_file_lies_and_where_the_link_is_turned() {
    let home = Home::new("");
    let (real, link) = (home.directory.path().join("real"), home.yaml().join("mesh.yaml"));
    let release = |name: &str, yaml: &str| {
        std::fs::create_dir_all(&real).unwrap();
        std::fs::write(real.join(name), yaml).unwrap();
        std::os::unix::fs::symlink(real.join(name), home.yaml().join(".next")).unwrap();
        std::fs::rename(home.yaml().join(".next"), &link).unwrap();
    };
    release("one.yaml", TWO);
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    std::fs::write(real.join("one.yaml"), TWO.replace("replicas: 2", "replicas: 1")).unwrap();
    up.says("stops [web-2]");
    release("two.yaml", &TWO.replace("replicas: 2", "replicas: 3"));
    up.says("starts [web-2, web-3]");
}
