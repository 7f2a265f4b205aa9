//! What goes wrong between two pods is told in words: which hop refused, why, and what to look at next.

#[path = "meshes/home.rs"]
mod meshes;

use meshes::{Home, STRICT, annotated, app, deployment, eventually, nothing_is_left, text};

/// `plain` has a rule that turns mTLS off where it is asked for, and `open` one that asks for it where it is turned off.
fn shop() -> String {
    let rule = |name: &str, mode: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{ name: {name}, namespace: shop }}\nspec: {{ host: {name}, trafficPolicy: {{ tls: {{ mode: {mode} }} }} }}\n"
        )
    };
    let more = r#"---
apiVersion: v1
kind: Service
metadata: { name: idle, namespace: shop }
spec:
  selector: { app: nobody }
  ports: [{ name: http, port: 80 }]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: open, namespace: shop }
spec: { selector: { matchLabels: { app: open } }, mtls: { mode: DISABLE } }
---
apiVersion: batch/v1
kind: Job
metadata: { name: seed, namespace: shop }
"#;
    [
        STRICT.to_owned(),
        app("web", 8000),
        annotated("api", &[("http", 9080, 8000)], ""),
        app("plain", 8000),
        app("open", 8000),
        rule("plain", "DISABLE"),
        rule("open", "ISTIO_MUTUAL"),
        more.to_owned(),
    ]
    .concat()
}

impl Home {
    /// What web is told of a call, body and all, and its exit status.
    fn told(&self, url: &str) -> (Option<i32>, String) {
        let output = self.output(&["curl", "--from", "web", "-m", "10", url]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    /// Waits until the log of `workload` says so.
    fn logs(&self, workload: &str, words: &str) {
        eventually(|| {
            let said = text(&self.output(&["logs", workload]).stdout);
            if said.contains(words) {
                Ok(())
            } else {
                Err(format!("{workload} does not say {words:?}: {said}"))
            }
        });
    }
}

#[test]
fn each_refusal_says_which_hop_it_was_and_what_to_look_at() {
    let home = Home::new(&shop());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    let says = |url: &str, status: i32, words: &[&str]| {
        let (code, told) = home.told(url);
        assert_eq!(code, Some(status), "{url}: {told}");
        for words in words {
            assert!(told.contains(words), "{url} does not say {words:?}: {told}");
        }
        assert!(!told.contains("no service of the mesh"), "{url}: {told}");
    };

    // A port that the Service does not have, with the one that it has.
    says("http://api:9080/", 0, &[]);
    let lacks = "service api.shop has no such port; it has 9080 (HTTP)";
    says("http://api/", 0, &["503 Service Unavailable", "port 80: ", lacks]);
    says("http://api.shop:81/", 0, &["503 Service Unavailable", "port 81: ", lacks]);
    says("https://api/", 56, &["port 443: ", lacks]);

    // TLS where plain HTTP is spoken.
    says("https://api:9080/", 35, &["api is a service of the mesh: write http://"]);
    home.logs("api", "at the sidecar of api-1: the client speaks TLS, and plain HTTP is spoken here");

    // Two ends that do not agree on mTLS.
    let plain = "trafficPolicy.tls.mode of DestinationRule shop/plain has it called in plaintext";
    says("http://plain/", 0, &["503 Service Unavailable", "reset reason: connection termination: ", plain]);
    home.logs("plain", "failed at the sidecar of plain-1: the client speaks plaintext, and ");
    let open =
        "trafficPolicy.tls.mode of DestinationRule shop/open asks for mTLS, which a pod without a sidecar";
    says("http://open/", 0, &["503 Service Unavailable", "the other end speaks plaintext", open]);
    home.logs("open", open);

    // Nobody behind a Service, and what nobody runs.
    let idle = "no pod of idle.shop.svc.cluster.local takes requests at port 80: none is ready, or the Service's selector";
    says("http://idle/", 0, &["no healthy upstream: ", idle]);
    home.logs("idle", idle);
    let job = home.output(&["logs", "seed"]);
    assert!(text(&job.stderr).contains("Job seed of namespace shop has no pods"), "{job:?}");

    up.signal("INT");
    assert!(up.ended().success());
}

#[test]
fn an_app_that_does_not_run_and_what_is_wrong_with_the_files_stand_in_status() {
    let nowhere = r#"---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: shop }
spec:
  hosts: [web]
  http:
  - route:
    - destination: { host: webb }
"#;
    let yaml = [STRICT.to_owned(), app("web", 8000), app("sick", 8000), nowhere.to_owned()].concat();
    let home = Home::new(&yaml);
    for name in ["docker-compose.yml", "values.yaml"] {
        std::fs::write(home.yaml().join(name), "services: { web: { image: web } }\n").unwrap();
    }
    let mut up = home.up(&["--app", "sick=echo no database >&2; exit 3"]);
    up.says("docker-compose.yml: warning: passed over: ");
    up.says("values.yaml: warning: passed over: ");
    let line = 1 + yaml.lines().position(|line| line.contains("webb")).unwrap();
    up.says(&format!("mesh.yaml:{line}:22: warning: spec.http[0].route[0].destination.host: "));
    let status = |words: &[&str]| {
        eventually(|| {
            let output = home.output(&["status"]);
            let told = text(&output.stdout);
            let lacks = words.iter().find(|words| !told.contains(**words));
            match lacks {
                None if output.status.code() == Some(1) => Ok(()),
                _ => Err(format!("{lacks:?} is not told, {:?}: {told}", output.status)),
            }
        });
    };
    let warned = format!("mesh.yaml:{line}:22: warning: ");
    status(&[
        "! sick-1: its app ended with status 3 after ",
        " times by now (weft logs sick-1 --of app)",
        "docker-compose.yml: warning: passed over: ",
        &warned,
    ]);
    // Each end has its own last words.
    up.says("ended with status 3");
    up.says("ended with status 3");
    assert_eq!(up.says("").trim(), "no database");
    assert!(!up.says("").contains("no database"));

    // A route to nobody is not said to lack a port or a subset.
    eventually(|| {
        let (_, told) = home.told("http://web/");
        let words =
            "the route leads to webb.shop.svc.cluster.local, and this proxy knows no service of that name";
        if told.contains(words) { Ok(()) } else { Err(told) }
    });

    home.write(&yaml.replace("hosts: [web]", "hots: [web]"));
    status(&[
        "! the files have errors; what they said before is in force\n    ",
        "mesh.yaml:",
        ": spec.hots: ",
    ]);

    up.signal("INT");
    assert!(up.ended().success());
}

#[test]
fn a_command_that_cannot_be_run_is_told_before_anything_is_started() {
    let home = Home::new(&[STRICT.to_owned(), app("web", 8000)].concat());
    let mut up = home.up(&["--", "no-such-command"]);
    up.says("weft: cannot start no-such-command: not found in PATH");
    assert_eq!(up.ended().code(), Some(127));
    let yaml = home.yaml().join("mesh.yaml");
    let mut up = home.up(&["--", yaml.to_str().unwrap()]);
    up.says("mesh.yaml: permission denied");
    assert_eq!(up.ended().code(), Some(126));
    // Not even a folder for the mesh's files was made.
    assert!(!home.directory.path().join("weft").exists());
    // Outside of any pod `weft run` could not start a sidecar.
    let run = home.output(&["run", "--", "./no-such-command"]);
    assert_eq!(run.status.code(), Some(127), "{run:?}");
}

#[test]
fn a_command_does_not_wait_for_an_app_that_ends_again_and_again() {
    let home = Home::new(&[STRICT.to_owned(), app("web", 8000), app("sick", 8000)].concat());
    let mut up = home.up(&["--app", "sick=echo no database >&2; exit 3", "--", "true"]);
    let said = up.says("weft: true is not run: ");
    assert!(
        said.contains("app shop/sick-1 has ended 8 times, and its pod was not ready in between"),
        "{said}"
    );
    assert_eq!(up.says("").trim(), "no database");
    assert_eq!(up.ended().code(), Some(1));
    nothing_is_left(&home);
}

#[test]
fn a_program_that_an_edit_replaces_begins_anew() {
    let sick = |nth: &str| {
        let spec = format!(
            "containers: [{{ name: app, image: app, ports: [{{ containerPort: 8000 }}], env: [{{ name: NTH, value: {nth} }}] }}]"
        );
        let set = deployment("sick", "", &spec).replace("kind: Deployment", "kind: StatefulSet");
        [
            STRICT.to_owned(),
            app("web", 8000),
            set.replace("spec:\n  selector", "spec:\n  serviceName: sick\n  selector"),
        ]
        .concat()
    };
    let home = Home::new(&sick("first"));
    let mut up = home.up(&["--app", "sick=echo the $NTH program >&2; exit 3", "--", "true"]);
    (0..5).for_each(|_| drop(up.says("    the first program")));
    home.write(&sick("second"));
    up.says("replaces [sick-0]");
    // Ten ends in all.
    (0..5).for_each(|_| drop(up.says("    the second program")));
    up.signal("INT");
    assert_eq!(up.ended().code(), Some(130));
}

#[test]
fn health_checks_and_copies_are_told_apart_from_the_requests_of_apps() {
    let checked = |yaml: String, name: &str, how: &str| {
        let named = format!("metadata: {{ name: {name}, namespace: shop");
        let annotations =
            format!("{named}, annotations: {{ weft.dev/health-check: \"{how}, interval=1s\" }}");
        yaml.replacen(&named, &annotations, 1)
    };
    let api = checked(app("api", 8000), "api", "protocol=http, path=/");
    let rpc = checked(annotated("rpc", &[("grpc", 90, 9000)], ""), "rpc", "protocol=grpc");
    let mirror = r#"---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: api, namespace: shop }
spec:
  hosts: [api]
  http: [{ route: [{ destination: { host: api } }], mirror: { host: api-shadow } }]
"#;
    let yaml = [STRICT.to_owned(), app("web", 8000), app("api-shadow", 8000), api, rpc, mirror.to_owned()];
    let home = Home::new(&yaml.concat());
    let mut up = home.up(&[]);
    up.says("mesh is ready in");
    assert_eq!(home.told("http://api/mine").0, Some(0));
    assert_eq!(home.told("http://api-shadow/its-own").0, Some(0));
    home.logs("api-shadow", "GET /mine (a mirrored copy)");
    home.logs("api-shadow", "GET /its-own  ");
    for (pod, requests) in [("api-1", 1), ("rpc-1", 0)] {
        eventually(|| {
            let status: serde_json::Value =
                serde_json::from_slice(&home.output(&["status", "--output", "json"]).stdout).unwrap();
            let found = status["pods"].as_array().unwrap().iter().find(|of| of["name"] == pod).unwrap();
            let traffic = &found["sidecar"]["status"]["traffic"];
            let is_it = traffic["health_checks"].as_u64() >= Some(3) && traffic["requests"] == requests;
            if is_it { Ok(()) } else { Err(format!("{pod}: {traffic}")) }
        });
    }
    home.logs("rpc", "POST /grpc.health.v1.Health/Check (a health check)");
    up.signal("INT");
    assert!(up.ended().success());
}
