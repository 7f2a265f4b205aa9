//! Folders that are meant for `kubectl apply -k`.

use super::*;

fn of(file: &str, text: &str) -> (Vec<String>, Option<usize>) {
    let reading = read_str(file, text);
    let said = reading.diagnostics.iter().map(ToString::to_string).collect();
    (said, reading.passed_over.get("Kustomization").copied())
}

#[test]
fn one_that_changes_what_it_lists_is_told_loudly() {
    let changes = "resources: [base.yaml]\nnamespace: shop\npatches:\n- path: p.yaml\n";
    let kind = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let said = "warning: namespace: weft does not run kustomize: nothing comes of namespace, patches; give weft what `kubectl kustomize` makes of this folder, instead of the folder";
    assert_eq!(of("t.yaml", &format!("{kind}{changes}")), (vec![format!("t.yaml:4:1: {said}")], None));
    // By its name it is one without saying so.
    assert_eq!(
        of("a/kustomization.yaml", changes),
        (vec![format!("a/kustomization.yaml:2:1: {said}")], None)
    );
    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamePrefix: a-\n";
    assert_eq!(of("t.yaml", component).0.len(), 1);
}

#[test]
fn one_that_only_lists_is_counted_and_another_file_without_a_kind_is_none() {
    let kind = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: a}\n";
    assert_eq!(of("t.yaml", &format!("{kind}resources: [a.yaml]\n")), (vec![], Some(1)));
    let (said, count) = of("values.yaml", "resources: [a.yaml]\nnamespace: shop\n");
    assert_eq!((said.len(), count), (2, None), "{said:?}");
    assert!(said.iter().all(|line| line.contains("error: `")), "{said:?}");
}
