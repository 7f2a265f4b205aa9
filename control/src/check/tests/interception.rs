//! What does nothing where connections are intercepted, or where they are not.

use super::super::{check, check_interception, check_loopback};
use super::{WEB, sample};

#[test]
fn what_a_headless_service_cannot_have_where_connections_are_intercepted_is_named_there() {
    let headless = WEB
        .replace("metadata: {name: web, namespace: shop}\nspec: {selector: {app: web}", "metadata: {name: web, namespace: shop, annotations: {weft.dev/health-check: protocol=tcp}}\nspec: {clusterIP: None, selector: {app: web}");
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, trafficPolicy: {outlierDetection: {maxEjectionPercent: 100}}}";
    let told = |text: &str| {
        let warnings = check_interception(&sample::world(&format!("{text}{rule}")));
        warnings.into_iter().map(|warning| warning.path).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&headless),
        ["spec.trafficPolicy.outlierDetection", "metadata.annotations[\"weft.dev/health-check\"]"]
    );
    assert_eq!(told(WEB), [""; 0]);
    assert_eq!(check(&sample::world(&format!("{headless}{rule}"))), [], "without interception it has both");
}

#[test]
fn what_asks_for_an_address_that_no_proxy_sees_on_loopback_is_named_there_and_only_there() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: shop}\nspec: {hosts: [web], tcp: [{match: [{port: 80}, {destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: web}}]}], tls: [{match: [{sniHosts: [web], destinationSubnets: [10.1.1.1]}], route: [{destination: {host: web}}]}]}";
    let world = sample::world(&format!("{WEB}{yaml}"));
    let paths: Vec<String> = check_loopback(&world).into_iter().map(|warning| warning.path).collect();
    assert_eq!(paths, ["spec.tcp[0].match[1].destinationSubnets", "spec.tls[0].match[0].destinationSubnets"]);
    assert!(!check(&world).iter().any(|warning| warning.path.contains("destinationSubnets")));
}
