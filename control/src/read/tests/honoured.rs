//! What is known and not honoured.

use super::*;

#[test]
fn each_use_of_a_field_that_is_not_honoured_is_told() {
    let spec = "spec:\n  hosts: [a]\n  http:\n  - fault: {abort: {httpStatus: 500}}\n    route: [{destination: {host: a}}]\n    match: [{uri: {prefix: /a}}]\n  - mirrors: [{destination: {host: b}}]\n    route: [{destination: {host: a}}]\n";
    assert_eq!(
        said_of("networking.istio.io/v1", "VirtualService", spec),
        [
            "t.yaml:7:5: warning: spec.http[0].fault: weft does not honour this yet; no request is delayed or aborted",
            "t.yaml:10:5: warning: spec.http[1].mirrors: weft does not honour this yet; no copy of a request is sent",
        ]
    );
}

#[test]
fn a_field_that_asks_for_nothing_is_left_in_peace() {
    assert_eq!(
        said("trustDomain: a\ndefaultConfig: {tracing: {}, extraStatTags: [], zipkinAddress: ''}\n"),
        Vec::<String>::new()
    );
}

#[test]
fn some_are_not_honoured_for_one_value_only() {
    let service = |affinity: &str| {
        said(&format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{sessionAffinity: {affinity}, ports: [{{port: 80}}]}}\n"
        ))
    };
    assert_eq!(service("None"), Vec::<String>::new());
    assert_eq!(service("ClientIP").len(), 1);
}

#[test]
fn annotations_are_told_by_their_beginning() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    traffic.sidecar.istio.io/excludeInboundPorts: \"22\"\n    example.com/x: z\nspec: {containers: [{name: c}]}\n";
    assert_eq!(
        said(text),
        [
            "t.yaml:6:5: warning: metadata.annotations[\"traffic.sidecar.istio.io/excludeInboundPorts\"]: weft does not honour this yet; the proxy takes all ports of its pod [Pod default/a]"
        ]
    );
}

#[test]
fn delegation_is_refused() {
    let said = said_of(
        "networking.istio.io/v1",
        "VirtualService",
        "spec: {hosts: [a], http: [{delegate: {name: b}}]}\n",
    );
    assert_eq!(
        said,
        [
            "t.yaml:4:28: error: spec.http[0].delegate: weft refuses delegation: no route would come of it; write the delegate's routes here, each with this route's match"
        ]
    );
}
