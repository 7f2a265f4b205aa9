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
