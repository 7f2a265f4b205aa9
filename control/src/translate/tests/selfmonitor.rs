//! deploy/selfmonitor: every pod's configuration is taken by the model that proxies compile with.

use std::collections::BTreeSet;
use std::sync::Arc;

use weft_model::cluster::Discovery;
use weft_model::compile;
use weft_model::table::Names;

use crate::sample;
use crate::translate::{Configuration, translate};

fn every_pod() -> Vec<(String, Configuration)> {
    let world = sample::running(sample::selfmonitor().resources);
    let pods = world.workloads.iter().map(|workload| {
        let node = sample::node(&world, &workload.namespace, &workload.name);
        (workload.name.clone(), translate(&world, &node))
    });
    pods.collect()
}

#[test]
fn the_model_takes_every_resource_of_every_pod_without_a_warning() {
    let mut warnings = BTreeSet::new();
    for (pod, configuration) in every_pod() {
        let mut names = Names::default();
        for cluster in configuration.clusters {
            let assignment = configuration.endpoints.iter().find(|of| of.cluster == cluster.name).cloned();
            let compiled = compile::cluster(Arc::new(cluster), assignment.as_ref()).expect(&pod);
            warnings.extend(compiled.warnings.iter().map(ToString::to_string));
        }
        for listener in configuration.listeners {
            let compiled = compile::listener(Arc::new(listener), &mut names).expect(&pod);
            warnings.extend(compiled.warnings.iter().map(ToString::to_string));
        }
        for routes in &configuration.routes {
            let compiled = compile::route_table(routes, &mut names).expect(&pod);
            warnings.extend(compiled.warnings.iter().map(ToString::to_string));
        }
    }
    assert_eq!(warnings, BTreeSet::new());
}

#[test]
fn every_cluster_that_asks_for_endpoints_gets_some() {
    for (pod, configuration) in every_pod() {
        for cluster in &configuration.clusters {
            let Discovery::Eds(_) = &cluster.discovery else { continue };
            let name = &cluster.name;
            let assignment = configuration.endpoints.iter().find(|of| of.cluster == *name).expect(name);
            assert!(!assignment.localities.is_empty(), "{pod}: {name} has no endpoints");
        }
    }
}

#[test]
fn every_pod_has_a_listener_for_each_port_of_its_app_and_the_http_proxy() {
    let all = every_pod();
    assert!(all.len() >= 25, "{}", all.len());
    for (pod, configuration) in all {
        let names: Vec<&str> = configuration.listeners.iter().map(|of| of.name.as_str()).collect();
        assert!(names.iter().any(|name| name.ends_with(".2_15007")), "{pod}: {names:?}");
        assert!(names.len() >= 2, "{pod}: {names:?}");
    }
}

#[test]
fn each_version_of_the_canary_stands_in_for_the_other() {
    let world = sample::running(sample::selfmonitor().resources);
    let caller = world.workloads.iter().find(|of| of.name.starts_with("fraud-detection")).unwrap();
    let node = sample::node(&world, &caller.namespace, &caller.name);
    let configuration = translate(&world, &node);
    for version in ["v1", "v2"] {
        let name = format!("outbound|80|{version}|predictive-analytics.selfmonitor.svc.cluster.local");
        let assignment = configuration.endpoints.iter().find(|of| of.cluster == name).unwrap();
        let mut by_priority: Vec<_> = assignment
            .localities
            .iter()
            .flat_map(|of| of.endpoints.iter().map(|endpoint| (of.priority, endpoint.workload.clone())))
            .collect();
        by_priority.sort();
        let [(0, first), (1, second)] = &by_priority[..] else { unreachable!("{name}: {by_priority:?}") };
        assert!(first.contains(&format!(";{version};")), "{name}: {first} comes first");
        assert!(!second.contains(&format!(";{version};")), "{name}: {second} comes next");
        let cluster = configuration.clusters.iter().find(|of| of.name == name).unwrap();
        let outlier = cluster.outlier_detection.as_ref().unwrap();
        assert_eq!((outlier.consecutive_5xx, outlier.max_ejection_percent), (Some(5), Some(50)));
    }
}
