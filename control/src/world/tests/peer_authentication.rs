//! Workload, namespace, mesh; a port of its own; the oldest.

use crate::sample;
use crate::world::peer_authentication::MutualTls::{self, Disable, Permissive, Strict};

fn policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )
}

fn mode(port: u16, policies: &[String]) -> MutualTls {
    let labels = [("app".to_owned(), "web".to_owned())].into();
    sample::world(&policies.concat()).mutual_tls("shop", &labels).of(port)
}

const OWN: &str = "selector: {matchLabels: {app: web}}";

#[test]
fn without_a_word_both_are_taken() {
    assert_eq!(mode(80, &[]), Permissive);
}

#[test]
fn the_workload_s_comes_before_the_namespace_s_before_the_mesh_s() {
    let mesh = policy("istio-system", "m", "mtls: {mode: STRICT}");
    let namespace = policy("shop", "ns", "mtls: {mode: DISABLE}");
    let own = policy("shop", "o", &format!("{OWN}, mtls: {{mode: PERMISSIVE}}"));
    assert_eq!(mode(80, &[mesh.clone(), namespace.clone(), own]), Permissive);
    assert_eq!(mode(80, &[mesh.clone(), namespace]), Disable);
    assert_eq!(mode(80, &[mesh]), Strict);
}

#[test]
fn what_is_unset_is_the_next_wider_one_s() {
    let namespace = policy("shop", "ns", "mtls: {mode: STRICT}");
    let own = policy(
        "shop",
        "o",
        &format!(
            "{OWN}, mtls: {{mode: UNSET}}, portLevelMtls: {{'80': {{mode: DISABLE}}, '81': {{mode: UNSET}}}}"
        ),
    );
    assert_eq!(mode(80, &[namespace.clone(), own.clone()]), Disable);
    assert_eq!(mode(81, &[namespace.clone(), own.clone()]), Strict);
    assert_eq!(mode(82, &[namespace, own]), Strict);
}

#[test]
fn of_two_of_a_kind_the_older_holds() {
    let (old, new) =
        (policy("shop", "b", "mtls: {mode: STRICT}"), policy("shop", "a", "mtls: {mode: DISABLE}"));
    assert_eq!(mode(80, &[old, new]), Strict);
}

#[test]
fn another_namespace_s_policies_and_other_selectors_do_not_count() {
    let foreign = policy("other", "ns", "mtls: {mode: STRICT}");
    let other = policy("shop", "o", "selector: {matchLabels: {app: cart}}, mtls: {mode: STRICT}");
    let root = policy("istio-system", "r", &format!("{OWN}, mtls: {{mode: STRICT}}"));
    assert_eq!(mode(80, &[foreign, other, root]), Permissive);
}

#[test]
fn with_a_selector_in_the_root_namespace_it_is_ignored_even_there() {
    let root = policy("istio-system", "r", &format!("{OWN}, mtls: {{mode: STRICT}}"));
    let labels = [("app".to_owned(), "web".to_owned())].into();
    assert_eq!(sample::world(&root).mutual_tls("istio-system", &labels).of(80), Permissive);
}
