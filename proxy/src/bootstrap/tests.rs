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
        ("ISTIO_META_IDLE_TIMEOUT", Some("soon"), "ISTIO_META_IDLE_TIMEOUT=\"soon\""),
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

#[test]
fn what_is_open_at_the_end_has_as_long_as_the_environment_says_else_the_proxys_configuration() {
    let of = |more: &[(&str, &str)]| {
        let mut env = pod();
        env.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Bootstrap::from_environment(&env, "d").map(|bootstrap| (bootstrap.drain, bootstrap.concurrency))
    };
    let config = ("PROXY_CONFIG", r#"{"terminationDrainDuration": "1.5s", "concurrency": 3}"#);
    assert_eq!(of(&[]).unwrap(), (Duration::from_secs(5), None));
    assert_eq!(of(&[("ISTIO_META_INTERCEPTION_MODE", "TPROXY")]).unwrap().0, Duration::from_secs(25));
    assert_eq!(of(&[config]).unwrap(), (Duration::from_millis(1500), Some(3)));
    let both = [config, ("TERMINATION_DRAIN_DURATION_SECONDS", "7"), ("PROXY_CONCURRENCY", "1")];
    assert_eq!(of(&both).unwrap(), (Duration::from_secs(7), Some(1)));
    for wrong in [r#"{"terminationDrainDuration": "5"}"#, r#"{"terminationDrainDuration": "-1s"}"#] {
        let error = of(&[("PROXY_CONFIG", wrong)]).unwrap_err().to_string();
        assert!(error.contains("terminationDrainDuration"), "{error}");
    }
}

#[test]
fn beside_an_app_it_stays_for_five_seconds_at_least_or_as_long_as_the_environment_says() {
    let of = |more: &[(&str, &str)]| {
        let mut env = pod();
        env.insert("ISTIO_META_INTERCEPTION_MODE".to_owned(), "REDIRECT".to_owned());
        env.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Bootstrap::from_environment(&env, "d").map(|bootstrap| bootstrap.least_drain)
    };
    assert_eq!(of(&[]).unwrap(), Duration::from_secs(5));
    assert_eq!(of(&[("ISTIO_META_INTERCEPTION_MODE", "NONE")]).unwrap(), Duration::ZERO);
    assert_eq!(of(&[("MINIMUM_DRAIN_DURATION", "1m30s")]).unwrap(), Duration::from_secs(90));
    let metadata = ("PROXY_CONFIG", r#"{"proxyMetadata": {"MINIMUM_DRAIN_DURATION": "0s"}}"#);
    assert_eq!(of(&[metadata]).unwrap(), Duration::ZERO);
    let error = of(&[("MINIMUM_DRAIN_DURATION", "long")]).unwrap_err().to_string();
    assert!(error.contains("MINIMUM_DRAIN_DURATION") && error.contains("no time such as 5s"), "{error}");
}

#[test]
fn what_comes_while_it_starts_waits_for_a_minute_or_as_long_as_the_environment_says() {
    let of = |more: &[(&str, &str)]| {
        let mut env = pod();
        env.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Bootstrap::from_environment(&env, "d").map(|bootstrap| bootstrap.startup_hold)
    };
    assert_eq!(of(&[]).unwrap(), Duration::from_secs(60));
    assert_eq!(of(&[("WEFT_STARTUP_HOLD", "5m")]).unwrap(), Duration::from_secs(300));
    let error = of(&[("WEFT_STARTUP_HOLD", "long")]).unwrap_err().to_string();
    assert!(error.contains("WEFT_STARTUP_HOLD") && error.contains("no time such as 5s"), "{error}");
}

#[test]
fn dns_is_captured_if_the_environment_or_the_proxy_s_metadata_says_so() {
    let of = |more: &[(&str, &str)]| {
        let mut env = pod();
        env.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Bootstrap::from_environment(&env, "d")
    };
    let off = of(&[]).unwrap();
    assert!(off.dns.is_none() && !off.node.metadata.dns_capture);
    assert!(of(&[("ISTIO_META_DNS_CAPTURE", "false")]).unwrap().dns.is_none());
    let on = of(&[("ISTIO_META_DNS_CAPTURE", "true"), ("WEFT_LOCALHOST", "127.0.0.1")]).unwrap();
    assert!(on.node.metadata.dns_capture);
    let dns = on.dns.unwrap();
    let listen: Vec<_> = dns.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:15053", "[::1]:15053"]);
    assert_eq!(dns.resolv_conf.to_str(), Some("/etc/resolv.conf"));
    let config =
        r#"{"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true", "DNS_PROXY_ADDR": "127.64.1.2:53"}}"#;
    let dns = of(&[("PROXY_CONFIG", config)]).unwrap().dns.unwrap();
    assert_eq!(dns.listen, ["127.64.1.2:53".parse().unwrap()]);
    // What the pod's own environment says counts more.
    assert!(of(&[("PROXY_CONFIG", config), ("ISTIO_META_DNS_CAPTURE", "0")]).unwrap().dns.is_none());
    for (name, value) in
        [("ISTIO_META_DNS_CAPTURE", "maybe"), ("DNS_PROXY_ADDR", "localhost:x"), ("PROXY_CONFIG", "[")]
    {
        let error = of(&[("ISTIO_META_DNS_CAPTURE", "1"), (name, value)]).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn how_long_clients_may_be_idle_is_for_the_control_plane_to_know() {
    let mut env = pod();
    let of = |env: &BTreeMap<String, String>| {
        Bootstrap::from_environment(env, "d").unwrap().node.metadata.idle_timeout
    };
    assert_eq!(of(&env), "");
    let config = r#"{"proxyMetadata": {"ISTIO_META_IDLE_TIMEOUT": "1m30s"}}"#;
    env.insert("PROXY_CONFIG".to_owned(), config.to_owned());
    assert_eq!(of(&env), "1m30s");
}
