//! Service accounts that pods run as and nobody has written down.

use super::super::check;
use super::{WEB, sample};

#[test]
fn an_account_that_is_nowhere_written_down_is_named() {
    let pod = |spec: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop}}\nspec: {{{spec}, containers: [{{name: app, image: web}}]}}"
        );
        let found = check(&sample::world(&format!("{WEB}{text}")));
        found.into_iter().map(|told| (told.path, told.hint.unwrap_or_default())).collect::<Vec<_>>()
    };
    let told = |path: &str, hint: &str| vec![(path.to_owned(), hint.to_owned())];
    assert_eq!(
        pod("serviceAccountName: none"),
        told("spec.serviceAccountName", "write a ServiceAccount of that name beside it")
    );
    assert_eq!(pod("serviceAccountName: wbe"), told("spec.serviceAccountName", "did you mean web?"));
    assert_eq!(pod("serviceAccount: wbe"), told("spec.serviceAccount", "did you mean web?"));
    for known in ["web", "default", "''"] {
        assert_eq!(pod(&format!("serviceAccountName: {known}")), [], "{known}");
    }
    let deployment = WEB.replace("metadata: {name: web, namespace: shop}\n---", "metadata: {name: web}\n---");
    let found = check(&sample::world(&deployment));
    assert_eq!(
        found[0].to_string(),
        "mesh.yaml:11:1: warning: spec.template.spec.serviceAccountName: there is no ServiceAccount shop/web: a cluster makes no pod that runs as it; namespace default has one of that name [Deployment shop/web]"
    );
}
