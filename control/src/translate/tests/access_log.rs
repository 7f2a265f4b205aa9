//! Who logs, where and how.

use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::listener::NetworkFilter;
use weft_model::node::{Agent, Node};

use crate::sample;
use crate::translate::translate;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: app, image: web, ports: [{name: http, containerPort: 80}]}]}\n";

/// What the pod's proxy logs as server and as client.
fn logs(more: &str, agent: &str) -> (Vec<AccessLog>, Vec<AccessLog>) {
    let world = sample::world(&format!("{POD}{more}"));
    let own = Agent { name: agent.to_owned(), version: String::new(), istio_filters: true };
    let node = Node { agent: own, ..sample::node(&world, "shop", "web") };
    let configuration = translate(&world, &node);
    let of = |name: &str| {
        let listener = configuration.listeners.iter().find(|of| of.name == name).unwrap();
        match listener.filter_chains[0].filters.last() {
            Some(NetworkFilter::Http(manager)) => manager.access_log.clone(),
            other => unreachable!("{other:?}"),
        }
    };
    (of("127.64.1.1_80"), of("127.64.1.2_15007"))
}

fn telemetry(namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: t, namespace: {namespace}}}\nspec: {{accessLogging: [{spec}]}}\n"
    )
}

#[test]
fn weft_s_own_proxies_log_json_with_a_reason_and_others_nothing_unless_asked() {
    let (server, client) = logs("", "weft");
    assert_eq!(server, client);
    let LogFormat::Json(fields) = &server[0].format else { unreachable!("it is JSON") };
    assert!(fields.contains(&("reason".to_owned(), "%REASON%".to_owned())));
    assert_eq!(server[0].path, "/dev/stdout");
    assert_eq!(logs("", "envoy"), (Vec::new(), Vec::new()));
}

#[test]
fn telemetry_switches_on_and_off_and_the_namespace_comes_before_the_mesh() {
    let on = telemetry("istio-system", "{providers: [{name: envoy}]}");
    let (server, _) = logs(&on, "envoy");
    assert!(
        matches!(&server[0].format, LogFormat::Text(text) if text.starts_with("[%START_TIME%]") && text.ends_with('\n'))
    );
    let off = telemetry("shop", "{disabled: true}");
    assert_eq!(logs(&format!("{on}{off}"), "envoy"), (Vec::new(), Vec::new()));
    assert_eq!(logs(&off, "weft"), (Vec::new(), Vec::new()));
}

#[test]
fn a_setting_for_one_side_leaves_the_other_alone() {
    let (server, client) =
        logs(&telemetry("shop", "{match: {mode: SERVER}, providers: [{name: envoy}]}"), "envoy");
    assert_eq!((server.len(), client.len()), (1, 0));
}

#[test]
fn a_provider_has_its_own_file_and_format() {
    let mesh = "---\nextensionProviders:\n- name: mine\n  envoyFileAccessLog: {path: /tmp/log, logFormat: {text: '%REQ(:PATH)%'}}\n";
    let used = telemetry("shop", "{providers: [{name: mine}]}");
    let expected = AccessLog {
        path: "/tmp/log".to_owned(),
        format: LogFormat::Text("%REQ(:PATH)%\n".to_owned()),
        only_no_route: false,
    };
    assert_eq!(logs(&format!("{mesh}{used}"), "weft").0, [expected]);
}

#[test]
fn whoever_names_no_provider_logs_to_those_of_the_next_wider_that_does() {
    let mesh = "---\nextensionProviders:\n- name: mine\n  envoyFileAccessLog: {path: /tmp/log, logFormat: {text: x}}\n";
    let wide = telemetry("istio-system", "{providers: [{name: mine}]}");
    let narrow = telemetry("shop", "{match: {mode: SERVER}}");
    for agent in ["envoy", "weft"] {
        let (server, client) = logs(&format!("{mesh}{wide}{narrow}"), agent);
        assert_eq!((&*server[0].path, &*client[0].path, server.len()), ("/tmp/log", "/tmp/log", 1));
    }
}
