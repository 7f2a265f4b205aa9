use super::*;

fn pod() -> BTreeMap<String, String> {
    [
        ("POD_NAME", "auth-service-0"),
        ("POD_NAMESPACE", "selfmonitor"),
        ("INSTANCE_IP", "127.64.1.1"),
        ("SERVICE_ACCOUNT", "auth-service"),
        ("ISTIO_META_INTERCEPTION_MODE", "NONE"),
        ("ISTIO_METAJSON_LABELS", r#"{"app":"auth-service"}"#),
        ("XDS_ADDR", "127.63.0.1:15012"),
        ("WEFT_LOCALHOST", "127.64.1.2"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

#[test]
fn a_pods_environment_says_who_the_sidecar_is() {
    let bootstrap = Bootstrap::from_environment(&pod(), "selfmonitor.svc.cluster.local").unwrap();
    assert_eq!(
        bootstrap.node.id(),
        "sidecar~127.64.1.1~auth-service-0.selfmonitor~selfmonitor.svc.cluster.local"
    );
    assert_eq!(bootstrap.node.cluster, "auth-service.selfmonitor");
    assert_eq!(bootstrap.admin.to_string(), "127.64.1.2:15000");
    assert_eq!(bootstrap.status.to_string(), "127.64.1.1:15021");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (name, value, says) in [
        ("POD_NAME", None, "POD_NAME is not set"),
        ("INSTANCE_IP", Some("here"), "INSTANCE_IP=\"here\""),
        ("ISTIO_META_INTERCEPTION_MODE", Some("MAGIC"), "REDIRECT, TPROXY or NONE"),
        ("ISTIO_METAJSON_LABELS", Some("[1]"), "JSON object of strings"),
    ] {
        let mut env = pod();
        match value {
            Some(value) => env.insert(name.to_owned(), value.to_owned()),
            None => env.remove(name),
        };
        let error = Bootstrap::from_environment(&env, "d").unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
