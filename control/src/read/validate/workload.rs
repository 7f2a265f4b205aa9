//! What makes pods: Pod, Deployment, StatefulSet, DaemonSet.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DeploymentSpec, StatefulSetSpec};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::read::finding::Findings;
use crate::read::nearest::nearest;
use crate::read::path::Path;

/// Checks a Pod.
pub(in crate::read) fn pod(pod: &PodSpec, into: &mut Findings) {
    let root = Path::ROOT;
    containers(pod, &root.key("spec"), into);
}

/// Checks a Deployment.
pub(in crate::read) fn deployment(deployment: &DeploymentSpec, into: &mut Findings) {
    made_of(deployment.replicas, &deployment.selector, &deployment.template, into);
}

/// Checks a StatefulSet.
pub(in crate::read) fn stateful_set(set: &StatefulSetSpec, into: &mut Findings) {
    made_of(set.replicas, &set.selector, &set.template, into);
}

/// Checks a DaemonSet.
pub(in crate::read) fn daemon_set(set: &DaemonSetSpec, into: &mut Findings) {
    made_of(None, &set.selector, &set.template, into);
}

fn made_of(replicas: Option<i32>, selector: &LabelSelector, template: &PodTemplateSpec, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    super::share::not_negative(replicas.unwrap_or(1), &spec.key("replicas"), into);
    let at = spec.key("template");
    let none = BTreeMap::new();
    let labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref()).unwrap_or(&none);
    let metadata = at.key("metadata");
    super::names::label_map(labels, &metadata.key("labels"), into);
    super::sidecar_annotation::inject(labels, &metadata.key("labels"), into);
    let annotations = template.metadata.as_ref().and_then(|metadata| metadata.annotations.as_ref());
    super::names::annotations("Pod", annotations.unwrap_or(&none), &at, into);
    let wanted = selector.match_labels.as_ref().unwrap_or(&none);
    if wanted.is_empty() && selector.match_expressions.as_ref().is_none_or(Vec::is_empty) {
        into.error(&spec, "`selector` is missing: it names the labels of the template");
    }
    for (key, value) in wanted {
        if labels.get(key) != Some(value) {
            let list = spec.key("selector");
            into.error(
                &list.key("matchLabels").key(key),
                format!("the template has no label {key}: {value}"),
            );
        }
    }
    match &template.spec {
        Some(pod) => containers(pod, &at.key("spec"), into),
        None => into.error(&at, "`spec` is missing"),
    }
}

fn containers(pod: &PodSpec, at: &Path<'_>, into: &mut Findings) {
    if pod.containers.is_empty() {
        into.error(at, "`containers` is missing");
    }
    let mut names = HashSet::new();
    let first = pod.init_containers.as_deref().unwrap_or_default();
    for (list, containers) in [("initContainers", first), ("containers", &pod.containers)] {
        for (index, container) in containers.iter().enumerate() {
            let list = at.key(list);
            let at = list.index(index);
            if let Err(why) = super::names::label(&container.name) {
                let name = at.key("name");
                into.error(if container.name.is_empty() { &at } else { &name }, why);
            }
            if !names.insert(&container.name) {
                into.error(
                    &at.key("name"),
                    format!("a container {:?} stands here a second time", container.name),
                );
            }
            one(container, &at, into);
        }
    }
    if let Some(account) = &pod.service_account_name
        && let Err(why) = super::names::subdomain(account)
        && !account.is_empty()
    {
        into.error(&at.key("serviceAccountName"), why);
    }
}

fn one(container: &Container, at: &Path<'_>, into: &mut Findings) {
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let list = at.key("ports");
        let at = list.index(index);
        super::port::number(u32::try_from(port.container_port).unwrap_or(0), &at.key("containerPort"), into);
        super::port::transport(port.protocol.as_deref().unwrap_or("TCP"), &at.key("protocol"), into);
        if let Some(name) = &port.name
            && (name.len() > 15 || super::names::label(name).is_err())
        {
            into.error(
                &at.key("name"),
                format!("{name:?} is not a port's name: at most 15 of a-z, 0-9 and -"),
            );
        }
    }
    probes(container, at, into);
    for (field, amounts) in
        container.resources.iter().flat_map(|r| [("limits", &r.limits), ("requests", &r.requests)])
    {
        for (name, amount) in amounts.iter().flatten() {
            let at = at.key("resources");
            super::quantity::check(&amount.0, &at.key(field).key(name), into);
        }
    }
    for (index, variable) in container.env.iter().flatten().enumerate() {
        let list = at.key("env");
        environment(variable, &list.index(index), into);
    }
    for (index, from) in container.env_from.iter().flatten().enumerate() {
        let list = at.key("envFrom");
        let at = list.index(index);
        match (&from.config_map_ref, &from.secret_ref) {
            (Some(map), None) if map.name.is_empty() => {
                into.error(&at.key("configMapRef"), "`name` is missing")
            }
            (None, Some(secret)) if secret.name.is_empty() => {
                into.error(&at.key("secretRef"), "`name` is missing")
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => into.error(&at, "exactly one of configMapRef and secretRef is needed"),
        }
    }
}

/// A port that a probe names is one of its own container's: where there is none, the kubelet never finds the app well.
fn probes(container: &Container, at: &Path<'_>, into: &mut Findings) {
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (field, probe) in probes {
        let Some(probe) = probe else { continue };
        let http = probe.http_get.as_ref().map(|of| ("httpGet", &of.port));
        let tcp = probe.tcp_socket.as_ref().map(|of| ("tcpSocket", &of.port));
        for (kind, port) in http.into_iter().chain(tcp) {
            let IntOrString::String(name) = port else { continue };
            let known = || container.ports.iter().flatten().filter_map(|port| port.name.as_deref());
            if name.parse::<u16>().is_ok() || known().any(|of| of == name) {
                continue;
            }
            let probe = at.key(field);
            let kind = probe.key(kind);
            into.warning(
                &kind.key("port"),
                format!("the container has no port named {name}: a cluster never gets an answer"),
            );
            if let Some(near) = nearest(name, known()) {
                into.hint(format!("did you mean {near}?"));
            }
        }
    }
}

fn environment(variable: &EnvVar, at: &Path<'_>, into: &mut Findings) {
    if variable.name.is_empty() || variable.name.contains('=') {
        into.error(at, format!("{:?} is not a variable's name", variable.name));
    }
    let Some(from) = &variable.value_from else { return };
    let at = at.key("valueFrom");
    if variable.value.as_ref().is_some_and(|value| !value.is_empty()) {
        into.error(&at, "only one of value and valueFrom can be set");
    }
    let ways = [
        from.config_map_key_ref.is_some(),
        from.secret_key_ref.is_some(),
        from.field_ref.is_some(),
        from.resource_field_ref.is_some(),
    ];
    if ways.iter().filter(|way| **way).count() != 1 {
        into.error(
            &at,
            "exactly one of configMapKeyRef, secretKeyRef, fieldRef and resourceFieldRef is needed",
        );
    }
}
