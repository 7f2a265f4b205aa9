//! Access logs for providers that are not there.

use super::found;

#[test]
fn a_log_for_a_provider_that_is_not_there_or_no_file_is_named() {
    let mesh = "extensionProviders:\n- {name: file, envoyFileAccessLog: {path: /dev/stdout}}\n- {name: otel, envoyOtelAls: {service: a.b, port: 1}}\n---\n";
    let yaml = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t, namespace: shop}\nspec: {accessLogging: [{providers: [{name: envoy}, {name: file}, {name: otel}, {name: fiel}]}]}";
    assert_eq!(
        found(&format!("{mesh}{yaml}")),
        [
            "spec.accessLogging[0].providers[2].name: otel is no file, and weft logs to files alone: nothing comes there",
            "spec.accessLogging[0].providers[3].name: the mesh's extensionProviders have no fiel: nothing is logged there",
        ]
    );
}
