use super::*;

/// As a stock Envoy sends it with the bootstrap of an injected sidecar.
fn sidecar() -> core::Node {
    let texts = [
        ("INTERCEPTION_MODE", "REDIRECT"),
        ("CLUSTER_ID", "Kubernetes"),
        ("SERVICE_ACCOUNT", "transactions-service"),
        ("NAMESPACE", "selfmonitor"),
        ("INSTANCE_IPS", "10.244.0.12,fd00::c"),
        ("ISTIO_VERSION", "1.29.6"),
        ("HTTP10", "true"),
    ];
    let labels = object(&BTreeMap::from([("app".to_owned(), "transactions-service".to_owned())]));
    let texts = texts.map(|(key, text)| (key, json_text(text))).into_iter();
    core::Node {
        id: "sidecar~10.244.0.12~transactions-service.selfmonitor~selfmonitor.svc.cluster.local".to_owned(),
        cluster: "transactions-service.selfmonitor".to_owned(),
        metadata: Some(json_object(texts.chain([("LABELS", labels)]))),
        user_agent_name: "envoy".to_owned(),
        ..Default::default()
    }
}

#[test]
fn a_sidecar_says_who_it_is() {
    let node = decode(&sidecar()).unwrap();
    assert_eq!(node.role, Role::Sidecar);
    assert_eq!(node.namespace(), "selfmonitor");
    assert_eq!(node.metadata.service_account, "transactions-service");
    assert_eq!(node.metadata.labels["app"], "transactions-service");
    assert!(node.metadata.http_10);
    let addresses: Vec<String> = node.addresses().map(|ip| ip.to_string()).collect();
    assert_eq!(addresses, ["10.244.0.12", "fd00::c"]);
    assert_eq!(node.id(), sidecar().id);
}

#[test]
fn a_version_in_the_bootstrap_does_not_make_istios_proxy() {
    let mut value = sidecar();
    assert!(!decode(&value).unwrap().agent.istio_filters);
    value.extensions.push(core::Extension { name: ISTIO_EXTENSION.to_owned(), ..Default::default() });
    assert!(decode(&value).unwrap().agent.istio_filters);
    value.extensions.clear();
    value.user_agent_name = "weft".to_owned();
    assert!(decode(&value).unwrap().agent.istio_filters);
}

#[test]
fn an_address_may_come_from_the_metadata_alone_but_must_come() {
    let mut value = sidecar();
    value.id = "sidecar~~a.b~b.svc.cluster.local".to_owned();
    assert_eq!(decode(&value).unwrap().addresses().count(), 2);
    value.metadata = None;
    assert_eq!(decode(&value).unwrap_err(), NodeError::NoIp(value.id));
}

#[test]
fn a_namespace_is_taken_from_the_name_where_the_metadata_has_none() {
    let mut value = sidecar();
    value.metadata = None;
    assert_eq!(decode(&value).unwrap().namespace(), "selfmonitor");
}

#[test]
fn what_cannot_be_read_is_an_error_in_words() {
    for (id, words) in [
        ("", "four"),
        ("sidecar~10.0.0.1~a.b", "role~ip~name.namespace~domain"),
        ("sidecar~10.0.0.1~a.b~c~d", "role~ip~name.namespace~domain"),
        ("agent~10.0.0.1~a.b~c", "\"agent\" is no role"),
        ("sidecar~ten~a.b~c", "\"ten\" is no IP address"),
    ] {
        let error = decode(&core::Node { id: id.to_owned(), ..sidecar() }).unwrap_err().to_string();
        assert!(error.contains(words) || id.is_empty(), "{error}");
    }
    let mut value = sidecar();
    value.metadata = Some(json_object([("INTERCEPTION_MODE", json_text("MAGIC"))]));
    assert!(decode(&value).unwrap_err().to_string().contains("MAGIC"));
    value.metadata = Some(json_object([("INSTANCE_IPS", json_text("10.0.0.1, nowhere"))]));
    assert!(decode(&value).unwrap_err().to_string().contains("nowhere"));
}
