//! Files of other programs in a folder of manifests.

use super::*;

const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";

/// What reading a folder of these files has to say, without the folder's name.
fn said_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let inside = format!("{}/", folder.path().display());
    let reading = read(&[folder.path().to_owned()]);
    reading.diagnostics.iter().map(|told| told.to_string().replace(&inside, "")).collect()
}

#[test]
fn a_file_that_is_no_manifest_is_passed_over_and_named() {
    let compose = "version: '3'\nx-base: &base {restart: always}\nservices:\n  web: {<<: *base, image: web}\nvolumes: {}\n";
    let values = "replicaCount: 1\nimage: {tag: ''}\nserviceAccount: {create: true}\npodAnnotations: {}\nsecurityContext: {}\nservice: {type: ClusterIP}\ningress: {kind: x}\nresources: {}\nautoscaling: {}\nnodeSelector: {}\ntolerations: []\naffinity: {}\nfullnameOverride: ''\n";
    for (name, text) in [
        ("docker-compose.yml", compose),
        ("values.yaml", values),
        ("ci.yaml", "name: test\non: push\njobs: {test: {steps: [{run: make}]}}\n"),
        ("package.json", r#"{"name": "web", "version": "1.0.0", "scripts": {"test": "x"}}"#),
        ("playbook.yaml", "- hosts: all\n  tasks: []\n"),
        ("list.yaml", "[a, b]"),
        // Of what a spec has, and what none has; and what is no sign of one.
        ("chart.yaml", "ports: {}\nhosts: []\nimage: {tag: ''}\ncertificates: []\nca: ''\n"),
        ("lint.yaml", "extends: a\nrules: {}\n"),
        ("client.json", r#"{"host": "localhost", "port": 80}"#),
        ("module.json", r#"{"type": "module"}"#),
        ("deep.yaml", "a: {kind: x, b: {apiVersion: v1}}\n"),
        ("none.yaml", "{}"),
        ("two.yaml", "# first\n---\na: 1\n---\nb: 2\n"),
    ] {
        let said = said_of(&[("a.yaml", ACCOUNT), (name, text)]);
        let told = "warning: passed over: it has neither `apiVersion` nor `kind`, so it is no manifest";
        assert_eq!(said, [format!("{name}: {told}")]);
    }
}

#[test]
fn what_may_have_been_meant_as_a_resource_is_an_error() {
    for text in [
        "kind: Pod\n",
        "apiVersion: v1\nname: a-chart\n",
        "Kind: Pod\napiversion: v1\n",
        "metadata: {name: a}\nspec: {}\n",
        "spec: {rules: []}\n",
        "trustDomian: a\n",
        "- {kind: Pod}\n",
        "items: [{apiVersion: v1, kind: Pod}]\n",
        // A resource, however deep.
        "tasks: [{k8s: {definition: {apiVersion: v1, kind: Pod}}}]\n",
        "a: [[{b: {apiversion: v1, Kind: Pod}}]]\n",
        // Specs without a header, be it with a slip.
        "rules: []\n",
        "acton: DENY\nrules: []\n",
        "selector: {}\nmtls: {mode: STRICT}\n",
        "portLevelMtls: {}\n",
        "jwtRules: []\n",
        "hosts: [a]\nhttp: []\nexport_to: [.]\n",
        "hosts: [a]\ntcp: []\ntls: []\n",
        "host: a\ntrafficPolicy: {}\nsubsets: []\n",
        "hosts: [a]\naddresses: []\nports: []\nendpoints: []\n",
        "workloadSelector: {}\ningress: []\negress: []\n",
        "selector: {}\nservers: []\n",
        "selector: {app: a}\nports: []\ntype: ClusterIP\n",
        // A MeshConfig, or what holds one.
        "meshConfig: {}\na: 1\n",
        "tlsDefaults: {}\na: 1\n",
        "tls_defaults: {}\n",
        "tlsDefualts: {}\n",
        "defaultHttpRetryPolicy: {}\n",
        "localityLbSetting: {}\n",
        "caCertificates: []\n",
        "apiVers",
        "a: [\n",
        "a: 1\na: 2\n",
        // With a resource in it, it is a file of manifests.
        &format!("{ACCOUNT}---\nservices: {{}}\n"),
    ] {
        let said = said_of(&[("b.yaml", "# nothing yet\n"), ("c.yaml", text)]);
        assert!(said.iter().any(|line| line.contains("error: ")), "{text}: {said:?}");
        assert!(!said.iter().any(|line| line.contains("passed over")), "{text}: {said:?}");
    }
}

#[test]
fn a_folder_of_nothing_else_has_no_manifest_and_a_file_that_is_named_is_one() {
    let said = said_of(&[("values.yaml", "a: 1\n"), ("comments.yaml", "# nothing yet\n")]);
    assert!(said[0].starts_with("values.yaml: warning: passed over"), "{said:?}");
    assert!(said[1].contains("error: no manifest is in this folder"), "{said:?}");
    assert_eq!(said.len(), 2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, "a: 1\n").unwrap();
    assert!(read(&[file]).has_errors());
}

#[test]
fn of_many_files_that_are_passed_over_five_are_named() {
    let strangers = |count: usize| {
        let names: Vec<String> = (0..count).map(|nth| format!("values-{nth}.yaml")).collect();
        let files = names.iter().map(|name| (name.as_str(), "a: 1\n"));
        let said = said_of(&[("a.yaml", ACCOUNT)].into_iter().chain(files).collect::<Vec<_>>());
        let (named, counted): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|line| line.starts_with("values-"));
        (named.len(), counted.iter().map(|line| line.split("warning: ").nth(1).unwrap().to_owned()).collect())
    };
    let lacks = "neither `apiVersion` nor `kind`";
    assert_eq!(strangers(5), (5, Vec::<String>::new()));
    assert_eq!(strangers(6), (5, vec![format!("one more file is passed over: it has {lacks}")]));
    assert_eq!(strangers(3000), (5, vec![format!("2995 more files are passed over: they have {lacks}")]));
}

#[test]
fn a_file_of_many_small_maps_is_passed_over_in_no_time() {
    let text: String = (0..100_000).map(|nth| format!("- {{name{nth}: 1, hosts: 2}}\n")).collect();
    let began = std::time::Instant::now();
    let said = said_of(&[("a.yaml", ACCOUNT), ("data.yaml", &text)]);
    assert!(said.len() == 1 && said[0].contains("passed over"), "{said:?}");
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
}
