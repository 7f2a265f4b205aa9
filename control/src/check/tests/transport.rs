//! A DestinationRule's `tls` against what PeerAuthentications ask of the pods behind its host.

use super::{WEB, found, found_in};

fn rule(spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, {spec}}}\n---\n"
    )
}

fn asked(spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: strict, namespace: shop}}\nspec: {{{spec}}}\n---\n"
    )
}

fn policy(mode: &str) -> String {
    format!("trafficPolicy: {{tls: {{mode: {mode}}}}}")
}

const STRICT: &str = "mtls: {mode: STRICT}";
const WEB_8000: &str = "selector: {matchLabels: {app: web}}, portLevelMtls: {'8000': {mode: ";

#[test]
fn plain_text_where_a_peer_authentication_asks_for_mtls_is_named_with_it() {
    let told = |mode: &str| found(&(rule(&policy(mode)) + &asked(STRICT)));
    let said = |speaks: &str| {
        [format!(
            "spec.trafficPolicy.tls.mode: callers speak {speaks} to web.shop.svc.cluster.local, but PeerAuthentication shop/strict (mesh.yaml:25) says STRICT for port 8000 of web: what they send there fails"
        )]
    };
    assert_eq!(told("DISABLE"), said("plain text (DISABLE)"));
    assert_eq!(told("SIMPLE"), said("TLS that is not the mesh's (SIMPLE)"));
    assert_eq!(told("ISTIO_MUTUAL"), [""; 0]);
    assert_eq!(found(&rule(&policy("DISABLE"))), [""; 0]);
    assert_eq!(found(&(rule(&policy("DISABLE")) + &asked("mtls: {mode: PERMISSIVE}"))), [""; 0]);
}

#[test]
fn the_policy_that_is_named_is_the_one_that_decides() {
    let of_mesh = asked(STRICT).replace("namespace: shop", "namespace: istio-system");
    let told = found(&(rule(&policy("DISABLE")) + &of_mesh));
    assert!(told.len() == 1 && told[0].contains("PeerAuthentication istio-system/strict"), "{told:?}");
    let own = asked(&format!("{WEB_8000}PERMISSIVE}}}}")).replace("name: strict", "name: own");
    assert_eq!(found(&(rule(&policy("DISABLE")) + &asked(STRICT) + &own)), [""; 0]);
}

#[test]
fn mtls_to_a_port_that_takes_none_is_named() {
    let told = found(&(rule(&policy("ISTIO_MUTUAL")) + &asked(&format!("{WEB_8000}DISABLE}}}}"))));
    assert!(
        told.len() == 1
            && told[0].contains("callers speak mTLS (ISTIO_MUTUAL)")
            && told[0].contains("says DISABLE for port 8000 of web"),
        "{told:?}"
    );
}

#[test]
fn pods_without_a_sidecar_take_plain_text_and_no_mtls() {
    let bare = WEB.replace("version: v1}", "version: v1, sidecar.istio.io/inject: 'false'}");
    let told = |yaml: &str| found_in(&format!("{bare}{yaml}"));
    assert_eq!(told(&(rule(&policy("DISABLE")) + &asked(STRICT))), [""; 0]);
    let mtls = told(&rule(&policy("ISTIO_MUTUAL")));
    assert!(mtls.len() == 1 && mtls[0].contains("web has no sidecar at port 8000"), "{mtls:?}");
}

#[test]
fn the_settings_of_a_port_and_of_a_subset_are_told_at_their_own_place() {
    let port = rule(
        "trafficPolicy: {tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: ISTIO_MUTUAL}}]}",
    );
    assert_eq!(found(&(port + &asked(STRICT))), [""; 0]);
    let port = rule("trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}");
    let told = found(&(port + &asked(STRICT)));
    assert!(
        told.len() == 1 && told[0].starts_with("spec.trafficPolicy.portLevelSettings[0].tls.mode: "),
        "{told:?}"
    );
    let subset = rule(&format!(
        "{}, subsets: [{{name: v1, labels: {{version: v1}}, {}}}]",
        policy("ISTIO_MUTUAL"),
        policy("DISABLE")
    ));
    let told = found(&(subset + &asked(STRICT)));
    assert!(told.len() == 1 && told[0].starts_with("spec.subsets[0].trafficPolicy.tls.mode: "), "{told:?}");
}

#[test]
fn a_rule_for_all_hosts_does_not_count_where_one_is_for_the_host_itself() {
    let all =
        rule(&policy("DISABLE")).replace("host: web", "host: '*.local'").replace("name: web", "name: all");
    assert_eq!(found(&(all.clone() + &asked(STRICT))).len(), 1);
    assert_eq!(found(&(all + &rule("subsets: []") + &asked(STRICT))), [""; 0]);
}
