use super::*;

fn annotations(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn settings(text: &str) -> ProxySettings {
    proxy_settings(text).unwrap()
}

#[test]
fn a_pods_own_settings_stand_over_the_meshs_and_an_annotation_for_one_thing_over_both() {
    let mesh =
        settings("{interceptionMode: TPROXY, concurrency: 3, proxyMetadata: {A: mesh, B: mesh}, meshId: m}");
    let config =
        "{holdApplicationUntilProxyStarts: true, terminationDrainDuration: 1500ms, proxyMetadata: {B: pod}}";
    let pod = Proxy::of(&mesh, &annotations(&[(PROXY_CONFIG, config)]));
    assert_eq!(
        pod,
        Proxy {
            mode: InterceptionMode::Tproxy,
            holds_app: true,
            drain: Some(Duration::from_millis(1500)),
            concurrency: Some(3),
            mesh_id: "m".into(),
            metadata: annotations(&[("A", "mesh"), ("B", "pod")]),
        }
    );
    assert_eq!(pod.json(), r#"{"proxyMetadata":{"A":"mesh","B":"pod"},"terminationDrainDuration":"1.5s"}"#);
    let redirected =
        annotations(&[(PROXY_CONFIG, "interceptionMode: TPROXY"), (INTERCEPTION_MODE, "REDIRECT")]);
    assert_eq!(Proxy::of(&mesh, &redirected).mode, InterceptionMode::Redirect);
}

#[test]
fn a_pod_that_says_nothing_asks_for_nothing() {
    assert_eq!(Proxy::of(&settings(""), &annotations(&[])), Proxy::default());
}

#[test]
fn what_is_not_heeded_where_a_mesh_runs_is_said() {
    let said = |of: &[(&str, &str)], in_namespace| unheeded(&annotations(of), in_namespace);
    assert_eq!(said(&[], false), None);
    let excluded = [("traffic.sidecar.istio.io/excludeInboundPorts", "22")];
    assert!(said(&excluded, false).unwrap().contains("excludeInboundPorts"));
    assert_eq!(said(&excluded, true), None);
    let tproxy = [(INTERCEPTION_MODE, "TPROXY")];
    assert!(said(&tproxy, false).unwrap().contains("TPROXY"));
    assert_eq!(said(&tproxy, true), None);
    let none = [(INTERCEPTION_MODE, "NONE")];
    assert_eq!((said(&none, true), said(&none, false)), (None, None));
    let mesh = settings("interceptionMode: TPROXY");
    assert!(unheeded_of_mesh(&mesh, false).unwrap().contains("TPROXY"));
    assert_eq!(unheeded_of_mesh(&mesh, true), None);
}

#[test]
fn dns_is_captured_unless_the_pod_says_otherwise() {
    let answers = |value: &str| {
        let metadata = annotations(&[("ISTIO_META_DNS_CAPTURE", value)]);
        Proxy { metadata, ..Proxy::default() }.answers_dns()
    };
    assert!(Proxy::default().answers_dns() && answers("true") && answers("1"));
    assert!(!answers("false") && !answers("0"));
}
