//! A planned pod as Kubernetes would show it, for the control plane and for the sidecar's own metadata.

use super::super::pods::Kind;
use super::super::protocol::Protocol;
use super::Pod;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use weft_control::world::family::Family;

impl Pod {
    /// Its labels with those that Istio's injector adds.
    pub(crate) fn injected_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        if !self.sidecar {
            return labels;
        }
        let first = |names: &[&str]| names.iter().find_map(|name| self.labels.get(*name).cloned());
        let name = first(&["app.kubernetes.io/name", "app"]).unwrap_or_else(|| self.workload.clone());
        let revision =
            first(&["app.kubernetes.io/version", "version"]).unwrap_or_else(|| "latest".to_owned());
        for (label, value) in [
            ("service.istio.io/canonical-name", name),
            ("service.istio.io/canonical-revision", revision),
            ("security.istio.io/tlsMode", "istio".to_owned()),
        ] {
            labels.entry(label.to_owned()).or_insert(value);
        }
        labels
    }

    /// Its annotations with weft's own.
    pub(crate) fn annotated(&self) -> BTreeMap<String, String> {
        let mut annotations = self.annotations.clone();
        // With a network of its own it listens where it likes, and the kernel turns what it sends.
        if self.is_bound() {
            annotations.insert("weft.dev/localhost".into(), self.localhost.to_string());
            annotations.insert("weft.dev/tcp-addresses".into(), json!(self.tcp).to_string());
        }
        annotations
    }

    /// An address as the pod itself sees it, for [`crate::client`].
    pub(crate) fn within(&self, address: Ipv4Addr, port: u16) -> String {
        match &self.netns {
            Some(netns) => format!("{netns}@{address}:{port}"),
            None => format!("{address}:{port}"),
        }
    }

    /// Its addresses of these families, in their order.
    pub(crate) fn addresses(&self, families: &[Family]) -> Vec<IpAddr> {
        let of = |family: &Family| match family {
            Family::V4 => Some(self.address.into()),
            Family::V6 => self.six.map(IpAddr::from),
        };
        families.iter().filter_map(of).collect()
    }

    /// `kubernetes://apis/apps/v1/namespaces/NS/deployments/NAME`, as Istio names owners.
    pub(crate) fn owner(&self) -> String {
        let (group, plural) = match self.kind {
            Kind::Deployment => ("apps/v1", "deployments"),
            Kind::StatefulSet => ("apps/v1", "statefulsets"),
            Kind::DaemonSet => ("apps/v1", "daemonsets"),
            Kind::Pod => ("v1", "pods"),
        };
        format!("kubernetes://apis/{group}/namespaces/{}/{plural}/{}", self.namespace, self.workload)
    }

    /// The Pod resource: running, ready or not, with its address.
    pub(crate) fn resource(&self) -> Value {
        let ports: Vec<Value> = self
            .ports
            .iter()
            .map(|port| {
                let transport = if port.protocol == Protocol::Udp { "UDP" } else { "TCP" };
                let mut port_value = json!({ "containerPort": port.number, "protocol": transport });
                if let Some(name) = &port.name {
                    port_value["name"] = json!(name);
                }
                port_value
            })
            .collect();
        let mut containers: Vec<Value> =
            self.containers.iter().map(|name| json!({ "name": name, "image": "weft" })).collect();
        if let Some(first) = containers.first_mut() {
            first["ports"] = json!(ports);
        }
        let owners = match self.kind {
            Kind::Pod => json!([]),
            kind => json!([{
                "apiVersion": "apps/v1", "kind": kind.name(), "name": self.workload, "uid": "", "controller": true,
            }]),
        };
        let mut spec = json!({
            "serviceAccountName": self.service_account,
            "nodeName": self.node,
            "containers": containers,
        });
        if let Some((hostname, subdomain)) = &self.dns {
            spec["hostname"] = json!(hostname);
            spec["subdomain"] = json!(subdomain);
        }
        let six = self.six.map(|six| json!({ "ip": six.to_string() }));
        let ips: Vec<Value> = std::iter::once(json!({ "ip": self.address.to_string() })).chain(six).collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": self.injected_labels(),
                "annotations": self.annotated(),
                "ownerReferences": owners,
            },
            "spec": spec,
            "status": {
                "phase": "Running",
                "podIP": self.address.to_string(),
                "podIPs": ips,
                "conditions": [{ "type": "Ready", "status": if self.ready { "True" } else { "False" } }],
            },
        })
    }
}
