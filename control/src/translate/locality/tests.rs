//! What istiod makes of the same settings, case by case.

use weft_model::cluster::Cluster;
use weft_model::endpoint::{Address, LoadAssignment};

use crate::sample;
use crate::translate::translate;

/// A caller in r1/z1/s1, and endpoints all over the world.
const PODS: &[(&str, &str)] = &[
    ("same", "r1.z1.s1"),
    ("zone", "r1.z1.s2"),
    ("region", "r1.z2.s1"),
    ("far", "r2.z1.s1"),
    ("farther", "r3.z1.s1"),
];

const OUTLIERS: &str = "outlierDetection: {consecutive5xxErrors: 5}";

fn mesh(service: &str, policy: &str) -> String {
    let mut yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: caller, namespace: shop, labels: {istio-locality: r1.z1.s1, version: v2}}\nspec: {containers: [{name: app}]}\n".to_owned();
    for (name, locality) in PODS {
        yaml.push_str(&format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web, name: {name}, version: v{}, istio-locality: {locality}}}}}\nspec: {{containers: [{{name: app}}]}}\n",
            name.len() % 2 + 1
        ));
    }
    yaml.push_str(&format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{app: web}}, ports: [{{name: http, port: 80}}]{service}}}\n"));
    if !policy.is_empty() {
        yaml.push_str(&format!("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: r, namespace: shop}}\nspec: {{host: web, trafficPolicy: {{{policy}}}}}\n"));
    }
    yaml
}

fn translated(service: &str, policy: &str) -> (Cluster, LoadAssignment, Vec<(String, String)>) {
    translated_from(&mesh(service, policy))
}

fn translated_from(yaml: &str) -> (Cluster, LoadAssignment, Vec<(String, String)>) {
    let world = sample::world(yaml);
    let configuration = translate(&world, &sample::node(&world, "shop", "caller"));
    let name = "outbound|80||web.shop.svc.cluster.local";
    let cluster = configuration.clusters.into_iter().find(|cluster| cluster.name == name).unwrap();
    let assignment = configuration.endpoints.into_iter().find(|of| of.cluster == name).unwrap();
    let addresses = PODS.iter().map(|(pod, _)| {
        let ip = world.workload("shop", pod).unwrap().ip().unwrap();
        (format!("{ip}:80"), (*pod).to_owned())
    });
    let addresses = addresses.collect();
    (cluster, assignment, addresses)
}

/// `pod:priority`, by pod; and whether localities are weighted.
fn priorities(service: &str, policy: &str) -> (String, bool) {
    priorities_from(&mesh(service, policy))
}

fn priorities_from(yaml: &str) -> (String, bool) {
    let (cluster, assignment, addresses) = translated_from(yaml);
    let mut seen = Vec::new();
    for of in &assignment.localities {
        for endpoint in &of.endpoints {
            let Address::Socket(address) = &endpoint.address else { unreachable!("pods have addresses") };
            let at = addresses.iter().position(|(known, _)| *known == address.to_string()).unwrap();
            seen.push((at, format!("{}:{}", addresses[at].1, of.priority)));
        }
    }
    seen.sort();
    (
        seen.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" "),
        cluster.balancing.locality_weighted,
    )
}

fn balancer(setting: &str) -> String {
    format!("loadBalancer: {{localityLbSetting: {{{setting}}}}}, {OUTLIERS}")
}

const ALIKE: &str = "same:0 zone:0 region:0 far:0 farther:0";

#[test]
fn without_a_way_to_notice_failures_everybody_is_alike() {
    assert_eq!(priorities("", ""), (ALIKE.into(), false));
    let setting = "loadBalancer: {localityLbSetting: {failover: [{from: r1, to: r3}]}}";
    assert_eq!(priorities("", setting), (ALIKE.into(), false));
}

#[test]
fn with_outlier_detection_the_nearer_come_first_unless_that_is_switched_off() {
    assert_eq!(priorities("", OUTLIERS), ("same:0 zone:1 region:2 far:3 farther:3".into(), false));
    assert_eq!(priorities("", &balancer("enabled: false")), (ALIKE.into(), false));
}

#[test]
fn whoever_stands_nowhere_is_close_to_those_that_do_as_well_and_far_from_all_others() {
    let nowhere = |locality: &str| mesh("", OUTLIERS).replace(&format!("istio-locality: {locality}"), "a: b");
    assert_eq!(priorities_from(&nowhere("r2.z1.s1")).0, "same:0 zone:1 region:2 far:3 farther:3");
    // The caller stands where `same` does.
    assert_eq!(priorities_from(&nowhere("r1.z1.s1")).0, "same:0 zone:1 region:1 far:1 farther:1");
    let by_labels = balancer("failoverPriority: [topology.kubernetes.io/region]");
    let far = mesh("", &by_labels).replace("istio-locality: r2.z1.s1", "a: b");
    assert_eq!(priorities_from(&far).0, "same:0 zone:0 region:0 far:1 farther:1");
}

#[test]
fn a_region_fails_over_to_the_one_that_is_named() {
    let setting = balancer("failover: [{from: r1, to: r3}]");
    assert_eq!(priorities("", &setting), ("same:0 zone:1 region:2 far:4 farther:3".into(), true));
    let of_others = balancer("failover: [{from: r9, to: r3}]");
    assert_eq!(priorities("", &of_others), ("same:0 zone:1 region:2 far:3 farther:3".into(), true));
}

#[test]
fn labels_in_order_make_priorities_without_gaps() {
    let setting = balancer("failoverPriority: [topology.kubernetes.io/region, topology.kubernetes.io/zone]");
    assert_eq!(priorities("", &setting), ("same:0 zone:0 region:1 far:2 farther:2".into(), true));
    // v1 is asked for in so many words, though the caller is v2.
    let setting = balancer("failoverPriority: [version=v1, topology.kubernetes.io/region]");
    assert_eq!(priorities("", &setting), ("same:0 zone:0 region:0 far:1 farther:1".into(), true));
    let both = balancer("failoverPriority: [version], failover: [{from: r1, to: r3}]");
    assert_eq!(priorities("", &both), ("same:2 zone:3 region:4 far:1 farther:0".into(), true));
}

#[test]
fn a_service_may_ask_for_what_is_close_without_outlier_detection() {
    let close = ", trafficDistribution: PreferClose";
    assert_eq!(priorities(close, ""), ("same:0 zone:0 region:1 far:2 farther:2".into(), true));
    let node = ", trafficDistribution: PreferSameNode";
    assert_eq!(priorities(node, ""), ("same:0 zone:1 region:2 far:3 farther:3".into(), true));
    // A rule's own setting comes before it.
    let off = "loadBalancer: {localityLbSetting: {enabled: false}}";
    assert_eq!(priorities(close, off), (ALIKE.into(), false));
}

#[test]
fn shares_are_distributed_and_who_is_not_named_gets_nothing() {
    let setting = balancer("distribute: [{from: 'r1/z1/*', to: {'r1/z1/*': 70, 'r1/z2/*': 20, 'r2/*': 10}}]");
    let (cluster, assignment, _) = translated("", &setting);
    assert!(cluster.balancing.locality_weighted);
    let shares: Vec<(String, u32, usize)> = assignment
        .localities
        .iter()
        .map(|of| {
            let at = &of.locality;
            (format!("{}/{}/{}", at.region, at.zone, at.sub_zone), of.weight.unwrap(), of.endpoints.len())
        })
        .collect();
    let wanted = [
        ("r1/z1/s1", 35, 1),
        ("r1/z1/s2", 35, 1),
        ("r1/z2/s1", 20, 1),
        ("r2/z1/s1", 10, 1),
        ("r3/z1/s1", 1, 0),
    ];
    assert_eq!(shares, wanted.map(|(name, share, count)| (name.to_owned(), share, count)));
    assert!(assignment.localities.iter().all(|of| of.priority == 0));
    // A rule for elsewhere changes nothing.
    let elsewhere = balancer("distribute: [{from: r9, to: {r1: 100}}]");
    assert_eq!(priorities("", &elsewhere), (ALIKE.into(), true));
}
