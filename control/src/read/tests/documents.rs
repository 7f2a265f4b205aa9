//! What a document is: its header, its kind, its place among the others.

use super::*;
use crate::resources::Job;

const SERVICE_ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";

#[test]
fn what_makes_no_resource_is_told_with_its_place() {
    for (text, expected) in [
        (
            "- a\n",
            "t.yaml:1:1: error: a resource is a mapping with apiVersion, kind and metadata; found a list; several resources are documents divided by ---, or {apiVersion: v1, kind: List, items: [...]}",
        ),
        ("kind: Pod\n", "t.yaml:1:1: error: `apiVersion` is missing"),
        (
            "apiVersion: v1\nKind: Pod\n",
            "t.yaml:1:1: error: `kind` is missing; is `Kind` meant to be `kind`?",
        ),
        (
            "apiVersion: v1\nkind: 7\n",
            "t.yaml:2:1: error: kind: expected a string, found the number 7; quote it: \"7\"",
        ),
        (
            "apiVersion: a/b/c\nkind: Pod\n",
            "t.yaml:1:1: error: apiVersion: \"a/b/c\" is not of the form group/version",
        ),
        (
            "apiVersion: v1\nkind: ServiceAccount\n",
            "t.yaml:1:1: error: `metadata` is missing: a resource needs a name",
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata:\n",
            "t.yaml:1:1: error: `metadata` is missing: a resource needs a name",
        ),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {}\n",
            "t.yaml:3:1: error: metadata: `metadata.name` is missing",
        ),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: [a]\n",
            "t.yaml:3:1: error: metadata: expected a mapping, found a list",
        ),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {generateName: a-}\n",
            "t.yaml:3:1: error: metadata: `metadata.name` is missing; generateName makes a new name each time; weft needs one that stays",
        ),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: 5}\n",
            "t.yaml:3:12: error: metadata.name: expected a string, found the number 5; quote it: \"5\"",
        ),
    ] {
        assert_eq!(said(text), [expected], "{text}");
    }
}

#[test]
fn names_follow_rfc_1123() {
    for name in ["A", "-a", "a_b", "a-", "a..b", &"a".repeat(254)] {
        let said = said(&SERVICE_ACCOUNT.replace("name: a", &format!("name: {name:?}")));
        assert_eq!(said.len(), 1, "{name}");
        assert!(said[0].contains("metadata.name: ") && said[0].contains("is not a name"), "{said:?}");
    }
    for name in ["a", "a.b", "0", "a-1"] {
        assert_eq!(
            said(&SERVICE_ACCOUNT.replace("name: a", &format!("name: {name:?}"))),
            Vec::<String>::new()
        );
    }
    let said = said(&SERVICE_ACCOUNT.replace("name: a", "name: '{{ .Values.name }}'"));
    assert!(said[0].contains("helm template"), "{said:?}");
}

#[test]
fn a_namespace_left_out_is_the_default_one() {
    let reading = read_str("t.yaml", SERVICE_ACCOUNT);
    assert_eq!(reading.resources.service_accounts[0].meta.namespace, "default");
}

#[test]
fn a_kind_that_does_not_exist_is_told_with_the_nearest_that_does() {
    for (api, kind, expected) in [
        (
            "networking.istio.io/v1",
            "Sidecr",
            "error: kind: networking.istio.io/v1 has no kind \"Sidecr\"; did you mean Sidecar (networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3)? [Sidecar default/a]",
        ),
        (
            "apps/v1",
            "ServiceAccount",
            "error: kind: apps/v1 has no kind \"ServiceAccount\"; did you mean ServiceAccount (v1)? [ServiceAccount default/a]",
        ),
        (
            "v1beta1",
            "Secret",
            "error: apiVersion: v1beta1 is not a version of Secret that is served; write v1 [Secret default/a]",
        ),
        ("batch/v1", "Jb", "error: kind: batch/v1 has no kind \"Jb\"; did you mean Job (batch/v1)?"),
        (
            "istio.io/v1",
            "PeerAuthentication",
            "error: kind: istio.io/v1 has no kind \"PeerAuthentication\"; did you mean PeerAuthentication (security.istio.io/v1 or security.istio.io/v1beta1)? [PeerAuthentication default/a]",
        ),
        (
            "config.istio.io/v1alpha2",
            "handler",
            "warning: kind: unknown kind \"handler\" of config.istio.io/v1alpha2: passed over",
        ),
        ("example.com/v1", "Widget", "warning: kind: unknown kind \"Widget\" of example.com/v1: passed over"),
        (
            "serving.knative.dev/v1",
            "Service",
            "warning: kind: unknown kind \"Service\" of serving.knative.dev/v1: passed over; did you mean Service (v1)?",
        ),
    ] {
        let said = said(&format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\n"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with(expected), "{said:?}");
    }
}

#[test]
fn what_does_not_concern_a_mesh_is_counted() {
    let text =
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, namespace: shop}\nspec: {whatever: [1]}\n---\n"
            .repeat(3)
            + "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\n";
    let reading = read_str("t.yaml", &text);
    assert_eq!(reading.diagnostics, []);
    assert_eq!(
        reading.passed_over,
        BTreeMap::from([("Job".to_owned(), 3), ("PodDisruptionBudget".to_owned(), 1)])
    );
    // Whoever asks for a Job is to hear that it is one.
    let job = Job { kind: "Job".to_owned(), name: "a".to_owned(), namespace: "shop".to_owned() };
    assert_eq!(reading.resources.jobs, vec![job; 3]);
}

#[test]
fn a_kind_about_traffic_that_is_not_honoured_is_told_loudly() {
    for (api, kind) in [
        ("networking.istio.io/v1alpha3", "EnvoyFilter"),
        ("extensions.istio.io/v1alpha1", "WasmPlugin"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("networking.k8s.io/v1", "Ingress"),
        ("v1", "Endpoints"),
    ] {
        let reading = read_str(
            "t.yaml",
            &format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a, namespace: b}}\n"),
        );
        assert_eq!(reading.diagnostics.len(), 1, "{kind}");
        let line = reading.diagnostics[0].to_string();
        assert!(line.starts_with("t.yaml:2:1: warning: kind: ") && line.contains("not honoured"), "{line}");
        assert!(line.ends_with(&format!("[{kind} b/a]")), "{line}");
        assert!(reading.passed_over.is_empty(), "once is enough: {kind}");
    }
}

#[test]
fn two_of_a_kind_cannot_share_a_name() {
    let text = format!(
        "{SERVICE_ACCOUNT}---\n{SERVICE_ACCOUNT}---\n{}",
        SERVICE_ACCOUNT.replace("{name: a}", "{name: a, namespace: b}")
    );
    let reading = read_str("t.yaml", &text);
    let lines: Vec<String> = reading.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "t.yaml:7:12: error: metadata.name: this ServiceAccount is written down a second time; the first is at t.yaml:1 [ServiceAccount default/a]"
        ]
    );
    assert_eq!(reading.resources.service_accounts.len(), 2);
}

#[test]
fn one_resource_in_two_versions_is_still_one() {
    let text = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\n---\napiVersion: networking.istio.io/v1beta1\nkind: Sidecar\nmetadata: {name: a}\n";
    assert!(said(text)[0].contains("a second time"));
}

#[test]
fn lists_are_unrolled() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n- {apiVersion: v1, kind: ServiceAccount, metadata: {nam: b}}\n";
    let reading = read_str("t.yaml", text);
    assert_eq!(reading.resources.service_accounts.len(), 1);
    let places = reading.diagnostics.iter().map(|told| (told.line, told.path.as_str()));
    assert_eq!(places.collect::<Vec<_>>(), [(5, "metadata"), (5, "metadata.nam")]);
    let typed =
        "apiVersion: v1\nkind: ServiceAccountList\nitems: [{metadata: {name: a}}, {metadata: {name: b}}]\n";
    assert_eq!(read_str("t.yaml", typed).resources.service_accounts.len(), 2);
}

#[test]
fn older_is_what_says_so_then_what_was_read_first() {
    let text = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: first}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: dated, creationTimestamp: '2020-01-01T00:00:00Z'}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: last}\n";
    let mut accounts = read_str("t.yaml", text).resources.service_accounts;
    accounts.sort_by_key(|account| account.meta.age);
    let names: Vec<&str> = accounts.iter().map(|account| account.meta.name.as_str()).collect();
    assert_eq!(names, ["dated", "first", "last"]);
}

#[test]
fn every_version_that_istio_serves_is_read() {
    for (group, versions, kinds) in [
        (
            "networking.istio.io",
            &["v1", "v1beta1", "v1alpha3"][..],
            &[
                "VirtualService",
                "DestinationRule",
                "ServiceEntry",
                "WorkloadEntry",
                "WorkloadGroup",
                "Sidecar",
                "Gateway",
            ][..],
        ),
        ("networking.istio.io", &["v1beta1"], &["ProxyConfig"]),
        (
            "security.istio.io",
            &["v1", "v1beta1"],
            &["PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication"],
        ),
        ("telemetry.istio.io", &["v1", "v1alpha1"], &["Telemetry"]),
    ] {
        for version in versions {
            for kind in kinds {
                let text = format!(
                    "apiVersion: {group}/{version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{zzz: 1}}\n"
                );
                let said = said(&text);
                assert!(
                    said.iter().any(|line| line.contains("unknown field `zzz`")),
                    "{kind} {version}: {said:?}"
                );
            }
        }
    }
}

#[test]
fn the_meshs_settings_are_read_wherever_they_stand() {
    for (text, line) in [
        ("trustDomain: td\naccessLogFile: /dev/stdout\n", 1),
        (
            "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  meshConfig:\n    trustDomain: td\n",
            1,
        ),
        (
            "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: a}\nspec: {meshConfig: {trust_domain: td}}\n",
            1,
        ),
        ("apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nspec: {trustDomain: td}\n", 1),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    trustDomain: td\n",
            6,
        ),
    ] {
        let reading = read_str("t.yaml", text);
        assert_eq!(reading.diagnostics, [], "{text}");
        let mesh = reading.resources.mesh.expect(text);
        assert_eq!((mesh.spec.trust_domain.as_str(), mesh.source.line), ("td", line), "{text}");
    }
}

#[test]
fn a_mistake_inside_the_config_map_is_told_with_its_place_in_the_file() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    trustDomain: td\n    defaultConfig:\n      concurency: 2\n";
    assert_eq!(
        said(text),
        [
            "t.yaml:8:7: error: defaultConfig.concurency: unknown field `concurency`; did you mean `concurrency`? [MeshConfig istio-system/istio]"
        ]
    );
}

#[test]
fn the_meshs_settings_stand_once() {
    let text = "trustDomain: a\n---\ntrustDomain: b\n";
    assert_eq!(
        said(text),
        [
            "t.yaml:3:1: error: the mesh's settings (MeshConfig) stand in more than one place; the first is at t.yaml:1 [MeshConfig istio-system/istio]"
        ]
    );
}

#[test]
fn a_service_is_one_label_of_a_host_name() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a.b}\nspec: {ports: [{port: 80}]}\n";
    assert_eq!(
        said(text),
        ["t.yaml:3:12: error: metadata.name: a Service's name has no dots [Service default/a.b]"]
    );
}

#[test]
fn a_secrets_values_are_not_said() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {pin: 4711}\ndata: {k: '%%hidden%%'}\n";
    let said = said(text);
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|line| !line.contains("4711") && !line.contains("hidden")), "{said:?}");
}

#[test]
fn what_is_said_fits_on_a_line() {
    let long = "k".repeat(5_000);
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: a}}\nspec: {{\"a\\n\\e[31m\": 1, {long}: 2}}\n"
    );
    let said = said(&text);
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|line| line.len() < 2_500 && !line.contains(char::is_control)), "{said:?}");
}

#[test]
fn what_a_controller_made_is_not_taken_twice() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a-1, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: a, uid: u}]}\nspec: {containers: [{name: c}]}\n";
    let reading = read_str("t.yaml", text);
    assert_eq!(reading.diagnostics, []);
    assert!(reading.resources.pods.is_empty());
    assert_eq!(reading.passed_over.get("Pod"), Some(&1));
}
