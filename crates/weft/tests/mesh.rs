//! A small mesh with real sidecars: who may call whom, edits, and deaths.

#[path = "meshes/home.rs"]
mod meshes;

use meshes::{Home, STRICT, deployment, eventually, nothing_is_left, service, text};

/// web calls api and db; api lets in web alone; everything is denied by default.
const POLICIES: &str = r#"---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: shop }
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: api-callers, namespace: shop }
spec:
  selector: { matchLabels: { app: api } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
      to: [{ operation: { methods: [GET] } }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: db-callers, namespace: shop }
spec:
  selector: { matchLabels: { app: db } }
  rules:
    - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
"#;

/// A ServiceAccount, a Service and a Deployment.
fn account(name: &str, port_name: &str, port: u16, container: u16, env: &str) -> String {
    let account =
        format!("---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{ name: {name}, namespace: shop }}\n");
    let ports = format!("{{ containerPort: {container}, name: {port_name} }}");
    let spec = format!(
        "serviceAccountName: {name}, containers: [{{ name: app, image: {name}, ports: [{ports}], env: {env} }}]"
    );
    let ports = format!("{{ name: {port_name}, port: {port}, targetPort: {container} }}");
    [account, service(name, &ports), deployment(name, "", &spec)].concat()
}

fn shop() -> String {
    let calls = "[{ name: API_URL, value: 'http://api' }, { name: DB, value: 'postgresql://u@db:5432/x' }]";
    [
        STRICT.to_owned(),
        POLICIES.to_owned(),
        account("web", "http", 80, 8000, calls),
        account("api", "http", 80, 8000, "[]"),
        account("db", "tcp", 5432, 5432, "[]"),
        account("stranger", "http", 80, 8000, "[]"),
    ]
    .concat()
}

impl Home {
    /// `weft curl`: its exit status and what it wrote.
    fn curl(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.output(&[&["curl"][..], arguments].concat());
        (output.status.code(), text(&output.stdout))
    }

    /// The status of a GET.
    fn status(&self, from: &str, url: &str) -> String {
        self.curl(&["--from", from, url, "-s", "-f", "-m", "10", "-w", "%{http_code}"]).1
    }

    /// Waits until a GET has this status.
    fn comes_to(&self, from: &str, url: &str, status: &str) {
        eventually(|| {
            let seen = self.status(from, url);
            if seen.ends_with(status) {
                Ok(())
            } else {
                Err(format!("{from} -> {url} stays {seen}, not {status}"))
            }
        });
    }
}

#[test]
fn policy_decides_who_calls_whom_and_the_log_names_it() {
    let home = Home::new(&shop());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    assert!(home.status("web", "http://api/x").ends_with("200"));
    assert_eq!(home.status("stranger", "http://api/x"), "403");
    for nth in 0..5 {
        assert_eq!(home.status("stranger", &format!("http://api/{nth}")), "403");
        let at_once = text(&home.output(&["logs", "api", "--denied", "-n", "1"]).stdout);
        let line = format!(" GET /{nth} ");
        assert!(at_once.contains(&line), "what was answered is in the log already, not {line}: {at_once}");
    }
    assert_eq!(home.status("api", "http://web/"), "403", "nobody may call web");
    let (_, posted) = home.curl(&["--from", "web", "http://api/", "-d", "x=1", "-i"]);
    assert!(posted.starts_with("HTTP/1.1 403") && posted.ends_with("RBAC: access denied"), "{posted}");
    let refused = home.output(&["curl", "--from", "stranger", "http://api/"]);
    assert_eq!(text(&refused.stdout), "RBAC: access denied", "the body and nothing else");
    let told = text(&refused.stderr);
    assert!(
        told.contains("403 Forbidden: denied by the sidecar of api-1: ") && told.contains("sa/stranger"),
        "{told}"
    );
    let silent = home.output(&["curl", "--from", "stranger", "-s", "http://api/"]);
    assert!(silent.status.success() && silent.stderr.is_empty(), "{silent:?}");
    let (_, seen) = home.curl(&["--from", "web", "http://api/", "-H", "X-CaSe: kept"]);
    assert!(seen.contains("\"X-CaSe\""), "header names reach the app as they were typed: {seen}");
    let (_, tree) = home.curl(&["--from", "web", "http://127.0.0.1/", "-s", "-m", "5"]);
    assert!(!tree.contains("\"pod\""), "{tree}");
    let logs = text(&home.output(&["logs", "api"]).stdout);
    let line = |of: &[&str]| logs.lines().any(|line| of.iter().all(|part| line.contains(part)));
    assert!(
        line(&["web-1 -> api-1 ", " GET /x ", "allowed by AuthorizationPolicy shop/api-callers rule 0"]),
        "{logs}"
    );
    assert!(
        line(&["stranger-1 -> api-1", " 403 ", "denied by the sidecar of api-1: ", "sa/stranger"]),
        "{logs}"
    );
    let denied = text(&home.output(&["logs", "stranger", "--denied", "--since", "1h"]).stdout);
    assert!(
        denied.contains("api-1") && !denied.contains(" 200 "),
        "the caller is told the reason too: {denied}"
    );
    let written = text(&home.output(&["logs", "stranger", "--output", "json"]).stdout);
    assert!(written.contains("\"pod\":\"shop/stranger-1\"") && written.contains("request_id"), "{written}");
    let headed = home.shell("\"$WEFT\" logs | head -n 1");
    assert!(text(&headed.stderr).is_empty() && text(&headed.stdout).lines().count() == 1, "{headed:?}");
    let status = home.output(&["status"]);
    let shown = text(&status.stdout);
    assert!(status.status.success(), "{shown}");
    let of = shown.lines().find(|line| line.contains("stranger-1")).unwrap();
    assert!(
        of.contains("100.00 %") && of.contains(", all "),
        "whoever only got refusals stands out: {shown}"
    );
    let certs = text(&home.output(&["certs", "web"]).stdout);
    assert!(certs.contains("spiffe://cluster.local/ns/shop/sa/web"), "{certs}");
    up.signal("INT");
    assert!(up.ended().success());
    nothing_is_left(&home);
}

#[test]
fn an_app_reaches_tcp_over_its_own_address_and_http_over_its_proxy() {
    let home = Home::new(&shop().replace(
        "name: nobody, namespace: shop }\nspec: {}",
        "name: all, namespace: shop }\nspec: { rules: [{}] }",
    ));
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    let (_, tree) = home.curl(&["--from", "stranger", "http://web/tree"]);
    let tree: serde_json::Value = serde_json::from_str(&tree).unwrap();
    let calls = tree["calls"].as_array().unwrap();
    assert_eq!((&calls[0]["service"], &calls[0]["status"]), (&"api".into(), &200.into()), "{tree:#}");
    assert_eq!((&calls[1]["service"], &calls[1]["echoed"]), (&"db".into(), &true.into()), "{tree:#}");
    assert_eq!(text(&home.output(&["exec", "web", "--", "printenv", "HOSTNAME"]).stdout), "web-1\n");
    let nowhere = home.output(&["exec", "web", "--", "no-such-program"]);
    assert_eq!(nowhere.status.code(), Some(127), "{}", text(&nowhere.stderr));
}

#[test]
fn an_edit_is_in_force_at_once_and_a_broken_one_changes_nothing() {
    let home = Home::new(&shop());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    assert_eq!(home.status("stranger", "http://api/"), "403");
    home.write(&shop().replace(
        "[cluster.local/ns/shop/sa/web] } }]\n      to",
        "[cluster.local/ns/shop/sa/stranger] } }]\n      to",
    ));
    home.comes_to("stranger", "http://api/", "200");
    assert_eq!(home.status("web", "http://api/"), "403");
    home.write(&shop().replace("principals", "principal"));
    up.says("mesh.yaml:");
    assert!(home.status("stranger", "http://api/").ends_with("200"), "a broken edit changes nothing");
}

#[test]
fn the_mesh_outlives_its_control_plane_and_heals_a_sidecar() {
    let home = Home::new(&shop());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    home.kill(&["--parent-pipe control"]);
    up.says("control plane was ended by SIGKILL");
    assert!(home.status("web", "http://api/").ends_with("200"), "traffic goes on");
    home.kill(&["proxy sidecar", "POD_NAME=api-1"]);
    up.says("sidecar shop/api-1 was ended by SIGKILL");
    home.comes_to("web", "http://api/", "200");
    home.write(&shop().replace("[GET]", "[PUT]"));
    home.comes_to("web", "http://api/", "403");
}

#[test]
fn a_control_plane_that_starts_beside_broken_files_serves_what_they_said_before() {
    let home = Home::new(&shop());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    home.write(&shop().replace("[GET]", "[PUT]"));
    home.comes_to("web", "http://api/", "403");
    home.write(&shop().replace("principals", "principal"));
    up.says("this edit is refused");
    home.kill(&["--parent-pipe control"]);
    up.says("control plane was ended by SIGKILL");
    home.kill(&["proxy sidecar", "POD_NAME=api-1"]);
    up.says("api-1 is ready");
    // By the policy of the last good edit.
    home.comes_to("web", "http://api/", "403");
    let status = text(&home.output(&["status"]).stdout);
    assert!(status.contains("the files have errors; what they said before is in force"), "{status}");
    home.write(&shop());
    home.comes_to("web", "http://api/", "200");
}

/// Two pods with names of their own, over HTTP and over TCP, and another name for both of them.
const SET: &str = r#"---
apiVersion: v1
kind: Service
metadata: { name: set, namespace: shop }
spec:
  clusterIP: None
  selector: { app: set }
  ports: [{ name: http, port: 80, targetPort: 8000 }, { name: tcp, port: 5432 }]
---
apiVersion: v1
kind: Service
metadata: { name: alias, namespace: shop }
spec: { type: ExternalName, externalName: set.shop.svc.cluster.local }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: set, namespace: shop }
spec:
  replicas: 2
  serviceName: set
  selector: { matchLabels: { app: set } }
  template:
    metadata: { labels: { app: set } }
    spec: { containers: [{ name: app, image: set }] }
"#;

#[test]
fn a_stateful_sets_pods_are_called_by_their_own_names() {
    let open = shop().replace(
        "name: nobody, namespace: shop }\nspec: {}",
        "name: all, namespace: shop }\nspec: { rules: [{}] }",
    );
    let first = "env: [{ name: FIRST, value: 'postgresql://u@set-0.set:5432/x' }]";
    let home = Home::new(&format!("{}{SET}", open.replace("env: []", first)));
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    for pod in ["set-0", "set-1"] {
        for name in [format!("{pod}.set"), format!("{pod}.set.shop.svc.cluster.local")] {
            let (_, seen) = home.curl(&["--from", "web", &format!("http://{name}/"), "-s", "-m", "10"]);
            assert!(seen.contains(&format!("\"pod\": \"{pod}\"")), "{name}: {seen}");
        }
    }
    assert!(home.status("web", "http://alias/").ends_with("200"));
    let (_, tree) = home.curl(&["--from", "web", "http://stranger/tree"]);
    let tree: serde_json::Value = serde_json::from_str(&tree).unwrap();
    assert_eq!(tree["calls"][0]["echoed"], true, "{tree:#}");
}

#[test]
fn an_edited_deployment_of_one_replica_is_replaced_without_a_failed_request() {
    let home = Home::new(&shop());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    let done = std::sync::atomic::AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let load = || {
            let mut answers = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                answers.push(home.status("web", "http://api/"));
            }
            answers
        };
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(load)).collect();
        home.write(&shop().replace("env: []", "env: [{ name: LEVEL, value: debug }]"));
        up.says("replaces [api-1, db-1, stranger-1]");
        up.says("api-1-");
        up.says("api-1 is gone");
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let failed: Vec<_> = answers.iter().filter(|answer| !answer.ends_with("200")).collect();
    assert!(failed.is_empty() && answers.len() > 10, "{} of {}: {failed:?}", failed.len(), answers.len());
    let new = answers.iter().filter(|answer| answer.contains("\"pod\": \"api-1-")).count();
    assert!(new > 0, "the new pod answers: {:?}", answers.last());
}

#[test]
fn an_app_on_all_addresses_is_named_as_reachable_around_its_sidecar() {
    let home = Home::new(&shop());
    let weft = env!("CARGO_BIN_EXE_weft");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let app = format!("api={weft} stand-in --listen http=$HOST:$PORT --listen http=0.0.0.0:{port}");
    let mut up = home.up(&["--app", &app]);
    let warning = up.says("listens on 0.0.0.0");
    assert!(warning.contains("shop/api-1") && warning.contains(&port.to_string()), "{warning}");
    up.says("mesh is ready in");
    assert!(home.status("web", "http://api/").ends_with("200"), "the user's own program answers");
}
