//! What is wrong between resources is told beside a value that may not be, where that has no part in it.

use super::*;
use crate::check::found as found_of;
use crate::read::read_str;

/// How many errors a text has beside [`WEB`], and `path: message` of what is wrong between its resources all the same.
fn beside(yaml: &str) -> (usize, Vec<String>) {
    let reading = read_str("mesh.yaml", &format!("{WEB}{yaml}"));
    let found = found_of(&reading, check);
    let told = found.iter().map(|warning| format!("{}: {}", warning.path, warning.message));
    (reading.errors().count(), told.collect())
}

/// A rule that is wrong by itself alone.
const WRONG: &str = r"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{timeout: 10us, route: [{destination: {host: web}}]}]}
---
";

/// A policy of nobody.
const POLICY: &str = r"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: shop}
spec: {selector: {matchLabels: {app: wep}}}
---
";

const OF_NOBODY: &str =
    "spec.selector.matchLabels: no workload of namespace shop has app=wep: it applies to nothing";

#[test]
fn what_has_nothing_to_do_with_a_wrong_value_is_told_beside_it() {
    assert_eq!(beside(POLICY), (0, vec![OF_NOBODY.to_owned()]));
    assert_eq!(beside(&format!("{WRONG}{POLICY}")), (1, vec![OF_NOBODY.to_owned()]));
}

/// A service whose port may not be, or may.
fn api(port: &str) -> String {
    format!(
        r"
apiVersion: v1
kind: Service
metadata: {{name: api, namespace: shop}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: {port}}}]}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: api, namespace: shop}}
spec: {{host: api, trafficPolicy: {{portLevelSettings: [{{port: {{number: 80}}}}]}}}}
---
"
    )
}

#[test]
fn what_would_be_mended_with_the_value_is_not_told() {
    assert_eq!(beside(&api("80")), (0, vec![]));
    assert_eq!(beside(&api("81")).1.len(), 1);
    // Without the service its rule would have no host, and with it as it is no such port.
    assert_eq!(beside(&api("0")), (1, vec![]));
}

#[test]
fn beside_what_could_not_be_read_nothing_is_told() {
    for unread in [
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {host: web}\n---\n",
        "apiVersion: v1\nkind: Servise\nmetadata: {name: api, namespace: shop}\n---\n",
        "apiVersion: v1\nkind: Service\nmetadata: {namespace: shop}\nspec: {ports: [{port: 80}]}\n---\n",
        "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nspec: {trustDomain: 'a b'}\n---\n",
        "a: [\n---\n",
    ] {
        let (errors, told) = beside(&format!("{unread}{WRONG}{POLICY}"));
        assert!(errors > 1, "{unread}");
        assert_eq!(told, [""; 0], "{unread}");
    }
}

#[test]
fn what_has_a_wrong_value_is_no_part_of_what_was_read() {
    let reading = read_str("mesh.yaml", &format!("{WEB}{WRONG}{}", api("0")));
    assert_eq!((reading.resources.virtual_services.len(), reading.doubted.virtual_services.len()), (0, 1));
    assert_eq!((reading.resources.services.len(), reading.doubted.services.len()), (1, 1));
}
