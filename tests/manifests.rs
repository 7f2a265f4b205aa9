//! deploy/selfmonitor as others judge it: not by weft's own types, but by Kubernetes' schemas and by models of Istio's
//! CustomResourceDefinitions, both from Python's packages (tests/run installs them).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of deploy/selfmonitor, what stands in it, and the mistake that is put in its place once.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("00-namespace.yaml", "labels:", "lables:"),
    ("services/core.yaml", "containerPort:", "containerPorts:"),
    ("services/core.yaml", "replicas: ", "replicas: some"),
    ("services/money.yaml", "serviceAccountName:", "serviceAcountName:"),
    ("services/edge.yaml", "targetPort:", "targetPorts:"),
    ("security/authorization.yaml", "principals:", "principal:"),
    ("security/authorization.yaml", "action: ALLOW", "action: PERMIT"),
    ("security/peer-authentication.yaml", "mode: STRICT", "mode: STRICTER"),
    ("telemetry.yaml", "providers:", "provider:"),
    ("traffic/destination-rules.yaml", "maxConnections: 200", "maxConnections: many"),
    ("traffic/destination-rules.yaml", "consecutive5xxErrors: 5", "consecutive5xx: 5"),
    ("traffic/outside.yaml", "resolution: DNS", "resolution: NAMES"),
    ("traffic/sidecar.yaml", "hosts:", "host:"),
    ("traffic/virtual-services.yaml", "attempts: 2", "attempt: 2"),
    ("traffic/virtual-services.yaml", "weight: 90", "weight: ninety"),
];

#[test]
fn kubernetes_and_istio_find_nothing_wrong_with_self_monitor_and_would_if_there_were() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/selfmonitor");
    let wrong = tempfile::tempdir().unwrap();
    for (number, (file, right, mistake)) in MISTAKES.iter().enumerate() {
        let text = std::fs::read_to_string(manifests.join(file)).unwrap();
        assert!(text.contains(right), "{file} has no {right:?} any more: choose another mistake");
        // Of the file only the document with the mistake is kept.
        let documents = text.replacen(right, mistake, 1);
        let document = documents.split("\n---\n").find(|document| document.contains(mistake)).unwrap();
        std::fs::write(wrong.path().join(format!("{number:02}.yaml")), document).unwrap();
    }
    let Some(verdicts) = judged(&[&manifests, wrong.path()]) else { return };
    let (ours, wrong): (Vec<&str>, Vec<&str>) =
        verdicts.lines().partition(|verdict| !verdict.contains(wrong.path().to_str().unwrap()));
    assert!(ours.len() > 100, "{} documents were judged", ours.len());
    let refused: Vec<&&str> = ours.iter().filter(|verdict| !verdict.starts_with("ok ")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    assert_eq!(wrong.len(), MISTAKES.len(), "{wrong:#?}");
    let missed: Vec<_> =
        wrong.iter().zip(MISTAKES).filter(|(verdict, _)| !verdict.starts_with("no ")).collect();
    assert!(missed.is_empty(), "mistakes that nobody saw: {missed:#?}");
}

/// A verdict on each document; None where there are no judges, which is said, and fails in CI.
fn judged(folders: &[&Path]) -> Option<String> {
    let python = std::env::var_os("WEFT_PEERS").map(|peers| PathBuf::from(peers).join("python"));
    let python = python.filter(|python| {
        let judges =
            Command::new(python).args(["-c", "import cloudcoil.models.istio, kubernetes_validate"]).output();
        judges.is_ok_and(|output| output.status.success())
    });
    let Some(python) = python else {
        let message = "no judges in WEFT_PEERS (tests/run installs them); nothing is judged";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        println!("{message}");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/judge.py");
    let output = Command::new(python).arg(script).args(folders).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
