//! DestinationRules by which callers speak what the pods do not take: plain text where a PeerAuthentication asks for mTLS,
//! mTLS where nobody speaks it.

use std::collections::BTreeSet;

use super::Checked;
use super::backed::Backed;
use super::rules_by_age::Aged;
use crate::resources::destination_rule::{TlsMode, TrafficPolicy};
use crate::translate::traffic::Traffic;
use crate::world::injection;
use crate::world::peer_authentication::{MutualTls, deciding};
use crate::world::service::Service;
use crate::world::topology::KUBERNETES;
use crate::world::workload::Workload;

/// The pods' ports that a sidecar leaves alone.
const LEFT_ALONE: &str = "traffic.sidecar.istio.io/excludeInboundPorts";

impl Checked<'_> {
    /// Says of each `tls` of the rule that some pod behind its host does not take it; once of each.
    pub(super) fn transport(&mut self, aged: &Aged<'_, '_>, services: &[&Backed<'_>]) {
        let spec = &aged.object.spec;
        // Of two the older's policy holds.
        let has_policy = !aged.older().any(|(_, older)| older.traffic_policy.is_some());
        let whole = has_policy.then_some(("", None));
        let subsets = spec.subsets.iter().enumerate();
        let own = subsets.filter(|(_, subset)| aged.older_with_subset(&subset.name).is_none());
        let parts: Vec<_> =
            whole.into_iter().chain(own.map(|(place, subset)| (subset.name.as_str(), Some(place)))).collect();
        let mut told = BTreeSet::new();
        for Backed { service, behind } in services {
            if service.external || !self.holds(aged, service) {
                continue;
            }
            for port in &service.ports {
                for (subset, place) in &parts {
                    let Some(tls) = Traffic::of(Some(aged.rule), subset, port.number).tls else { continue };
                    let path = path(spec.traffic_policy.as_ref(), spec, *place, port.number);
                    let is_heard = has_policy || !path.starts_with("spec.trafficPolicy");
                    if told.contains(&path) || !is_heard {
                        continue;
                    }
                    let labels = place.and_then(|place| spec.subsets.get(place)).map(|of| of.labels.clone());
                    let labels = labels.unwrap_or_default();
                    let pods = behind.iter().filter(|pod| pod.is_of(&labels, KUBERNETES));
                    let clash = pods.filter_map(|pod| Some((pod, port.of(pod)?)));
                    let clash = clash.filter_map(|(pod, at)| self.clash(tls.mode, service, pod, at)).next();
                    if let Some((message, hint)) = clash {
                        self.warn("DestinationRule", aged.object, path.clone(), message, Some(hint));
                        told.insert(path);
                    }
                }
            }
        }
    }

    /// Whether callers of its own namespace go by this rule rather than by one that is more specific.
    fn holds(&self, aged: &Aged<'_, '_>, service: &Service) -> bool {
        let rule = aged.rule;
        let found = self.world.destination_rule(&rule.namespace, &rule.selector, service);
        found.is_some_and(|found| {
            found.namespace == rule.namespace && found.host == rule.host && found.selector == rule.selector
        })
    }

    /// Why a port of this pod does not take what callers speak by `mode`, and what to do.
    fn clash(&self, mode: TlsMode, service: &Service, pod: &Workload, port: u16) -> Option<(String, String)> {
        let speaks = match mode {
            TlsMode::Disable => "plain text (DISABLE)",
            TlsMode::Simple => "TLS that is not the mesh's (SIMPLE)",
            TlsMode::Mutual => "TLS with certificates of their own (MUTUAL)",
            TlsMode::IstioMutual => "mTLS (ISTIO_MUTUAL)",
        };
        let takes_plain = mode != TlsMode::IstioMutual;
        let why = if self.has_sidecar(pod, port) {
            let asked = self.world.mutual_tls(&pod.namespace, &pod.labels).of(port);
            let (wrong, takes) = match asked {
                MutualTls::Strict => (takes_plain, "STRICT"),
                MutualTls::Disable => (!takes_plain, "DISABLE"),
                MutualTls::Permissive => return None,
            };
            let policy =
                deciding(&self.world.resources, &self.world.mesh, &pod.namespace, &pod.labels, port)?;
            let meta = &policy.meta;
            wrong.then(|| {
                format!(
                    "PeerAuthentication {}/{} ({}) says {takes} for port {port} of {}",
                    meta.namespace, meta.name, policy.source, pod.owner
                )
            })?
        } else if takes_plain {
            return None;
        } else {
            format!("{} has no sidecar at port {port}", pod.owner)
        };
        let needed = if takes_plain { "ISTIO_MUTUAL" } else { "DISABLE" };
        let by_itself =
            if self.world.mesh.auto_mtls { ", and without `tls` it is chosen by itself" } else { "" };
        Some((
            format!("callers speak {speaks} to {}, but {why}: what they send there fails", service.host),
            format!("mode {needed} is what it takes{by_itself}"),
        ))
    }

    /// Whether a sidecar stands before that port of the workload.
    pub(super) fn has_sidecar(&self, workload: &Workload, port: u16) -> bool {
        if workload.entry {
            return workload.mtls;
        }
        let left_alone = workload
            .annotations
            .get(LEFT_ALONE)
            .is_some_and(|ports| ports.split(',').any(|item| item.trim().parse() == Ok(port)));
        let of_namespace = self.world.namespace_labels(&workload.namespace);
        !left_alone
            && !self.is_on_host_network(workload)
            && injection::is_wanted(&workload.labels, &workload.annotations, of_namespace)
    }

    /// Whether it has the node's own network, into which nothing is injected.
    fn is_on_host_network(&self, workload: &Workload) -> bool {
        let resources = &self.world.resources;
        let is_it = |meta: &crate::resources::Meta| {
            meta.name == workload.owner && meta.namespace == workload.namespace
        };
        let templates = (resources.deployments.iter().map(|of| (&of.meta, &of.spec.template)))
            .chain(resources.stateful_sets.iter().map(|of| (&of.meta, &of.spec.template)))
            .chain(resources.daemon_sets.iter().map(|of| (&of.meta, &of.spec.template)));
        let specs = templates.map(|(meta, template)| (meta, template.spec.as_ref()));
        let mut all = specs.chain(resources.pods.iter().map(|of| (&of.meta, Some(&of.spec))));
        all.any(|(meta, spec)| is_it(meta) && spec.is_some_and(|spec| spec.host_network == Some(true)))
    }
}

/// Where the `tls` stands that holds for this port of the subset at `place`, of the whole host without one.
fn path(
    whole: Option<&TrafficPolicy>,
    spec: &crate::resources::destination_rule::DestinationRule,
    place: Option<usize>,
    port: u16,
) -> String {
    let at_port = |policy: &TrafficPolicy| {
        let is_it = |number: u32| number == u32::from(port);
        policy.port_level_settings.iter().position(|of| of.port.as_ref().is_some_and(|of| is_it(of.number)))
    };
    let within = |policy: &TrafficPolicy, at: &str| match at_port(policy) {
        Some(place) => Some(format!("{at}.portLevelSettings[{place}].tls.mode")),
        None => policy.tls.as_ref().map(|_| format!("{at}.tls.mode")),
    };
    let subset = place.and_then(|place| Some((place, spec.subsets.get(place)?.traffic_policy.as_ref()?)));
    subset
        .and_then(|(place, policy)| within(policy, &format!("spec.subsets[{place}].trafficPolicy")))
        .or_else(|| within(whole?, "spec.trafficPolicy"))
        .unwrap_or_else(|| "spec.trafficPolicy.tls.mode".to_owned())
}
