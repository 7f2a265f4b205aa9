use super::*;

fn sidecar() -> Sidecar {
    serde_json::from_value(json!({
        "node": "sidecar~127.64.1.1~a-1.shop~shop.svc.cluster.local",
        "ready": true,
        "control_plane": { "connected": true },
        "configuration": {
            "Cluster": { "resources": 3, "since": 940, "digest": "00000000000000ff" },
            "Listener": { "resources": 2, "since": 900, "digest": "000000000000000f" },
        },
        "certificate": { "uri": "spiffe://cluster.local/ns/shop/sa/a", "remaining_seconds": 86_000 },
        "traffic": { "requests": 10, "success_rate": 0.9, "p50_ms": 1.25, "p99_ms": 20.0 },
        "something": "that a later version tells",
    }))
    .unwrap()
}

#[test]
fn a_proxy_is_one_line_of_what_matters() {
    let row = row("shop/a-1".into(), &sidecar(), 1000);
    assert_eq!(row[0], "shop/a-1");
    assert!(row[1].ends_with(" acked"), "{}", row[1]);
    assert_eq!(row[2..], ["1m 0s", "23h 53m", "10", "90.00 %", "", "1.2 ms", "20.0 ms"]);
    assert_eq!(problem(&sidecar()), None);
}

#[test]
fn what_was_denied_stands_beside_the_success_of_those_who_got_nothing_else() {
    let mut refused = sidecar();
    refused.traffic = admin::Traffic { requests: 7, success_rate: Some(1.0), denied: 2, ..refused.traffic };
    assert_eq!(row("web-1".into(), &refused, 1000)[5..7], ["100.00 %", "2"]);
    refused.traffic.denied = 7;
    assert_eq!(row("web-1".into(), &refused, 1000)[5..7], ["100.00 %", "7, all"]);
}

#[test]
fn equal_configuration_has_equal_words_and_another_has_others() {
    let mut other = sidecar();
    assert_eq!(configuration(&other), configuration(&sidecar()));
    if let Some(clusters) = other.configuration.get_mut("Cluster") {
        clusters.digest = "ff00000000000000".into();
    }
    assert_ne!(configuration(&other), configuration(&sidecar()));
}

#[test]
fn a_refusal_comes_before_all_other_troubles() {
    let mut troubled = sidecar();
    troubled.control_plane = admin::Connection { connected: false, last_error: Some("refused".into()) };
    assert_eq!(problem(&troubled).unwrap(), "no control plane: refused");
    troubled.listeners_failed.insert("127.64.1.1_8000".into(), "address in use".into());
    assert!(problem(&troubled).unwrap().contains("address in use"));
    if let Some(clusters) = troubled.configuration.get_mut("Cluster") {
        clusters.refused = Some("cluster x: no".into());
    }
    assert_eq!(problem(&troubled).unwrap(), "refused the last Cluster: cluster x: no");
    assert_eq!(configuration(&troubled), "1 refused");
}

#[test]
fn files_with_errors_are_not_all_well() {
    let account = |in_use: bool| Ok(json!({ "files": { "in_use": in_use } }));
    assert!(is_well(&account(true), &[]));
    assert!(!is_well(&account(false), &[]));
    assert!(!is_well(&Err("no answer".into()), &[]));
}

#[test]
fn a_mesh_tells_where_its_files_are_and_of_those_beside_it() {
    let state = run_directory::State {
        pid: 1,
        started: 0,
        folders: vec!["/shop".into()],
        again: String::new(),
        control: String::new(),
        ready: true,
    };
    let running = Running {
        path: "/run/up-7".into(),
        state,
        plan: crate::up::plan::Plan::default(),
        account: run_directory::Account::default(),
    };
    let told = |others: &[Other]| as_text(&running, others, &Ok(json!({})), &[], &[], 60);
    assert!(told(&[]).ends_with("\n\nmesh of /shop, up for 1m 0s, its files in /run/up-7"), "{}", told(&[]));
    let other = Other { path: "/run/up-8".into(), of: "/blog".into() };
    assert!(told(&[other]).ends_with("\nbeside it one runs: that of /blog (WEFT_RUN=/run/up-8)"));
}
