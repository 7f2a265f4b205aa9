//! Services that lead nowhere though they select something.

use super::{WEB, said_in};

#[test]
fn a_port_that_leads_to_a_name_that_no_container_has_is_named() {
    let named = |target: &str, container: &str| {
        said_in(
            &WEB.replace("targetPort: 8000", &format!("targetPort: {target}"))
                .replace("{containerPort: 8000}", container),
        )
    };
    let message = "spec.ports[0].targetPort: no container of its pods has a port named web: port 80 leads nowhere, requests to it fail with 503; ";
    assert_eq!(named("web", "{name: web, containerPort: 8000}"), [""; 0]);
    assert_eq!(named("'8000'", "{containerPort: 8000}"), [""; 0]);
    assert_eq!(named("web", "{name: wbe, containerPort: 8000}"), [format!("{message}did you mean wbe?")]);
    assert_eq!(
        named("web", "{name: other, containerPort: 8000}"),
        [format!("{message}their ports are named other")]
    );
    assert_eq!(
        named("web", "{containerPort: 8000}"),
        [format!("{message}none of their ports has a name: give it one, or write its number")]
    );
}

#[test]
fn a_service_whose_workloads_have_no_replicas_is_named() {
    let with = |replicas: u8, more: &str| {
        let yaml = WEB.replace("spec:\n  selector:", &format!("spec:\n  replicas: {replicas}\n  selector:"));
        said_in(&format!("{yaml}{more}"))
    };
    assert_eq!(
        with(0, ""),
        ["spec.selector: Deployment web has 0 replicas: nobody answers, requests fail with 503; "]
    );
    assert_eq!(with(1, ""), [""; 0]);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: app, image: web}]}\n";
    assert_eq!(with(0, pod), [""; 0]);
}
