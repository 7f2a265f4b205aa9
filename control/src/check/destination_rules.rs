//! DestinationRules of hosts that nobody knows, subsets without pods, settings of ports that are not there.

use std::collections::BTreeMap;

use super::backed::Backed;
use super::rules_by_age::RulesByAge;
use super::selectors::{instead, written};
use super::{Checked, listed};
use crate::resources::Object;
use crate::resources::destination_rule::{DestinationRule, SimpleBalancer, TrafficPolicy};
use crate::world::host;
use crate::world::topology::KUBERNETES;

const KIND: &str = "DestinationRule";

impl Checked<'_> {
    pub(super) fn destination_rules(&mut self, rules: &RulesByAge<'_>) {
        for aged in rules.iter() {
            let object = aged.object;
            let namespace = object.meta.namespace.as_str();
            let named = aged.rule.host.as_str();
            let seen = |of: &&Backed<'_>| {
                of.service.export_to.sees(namespace) && host::overlap(named, &of.service.host)
            };
            let services: Vec<&Backed<'_>> = self.services.iter().filter(seen).collect();
            if services.is_empty() {
                let message =
                    format!("no service that namespace {namespace} sees is {named}: the rule does nothing");
                let hint = self.near(named, namespace);
                self.warn(KIND, object, "spec.host".to_owned(), message, hint);
                continue;
            }
            self.ports(object, &services, object.spec.traffic_policy.as_ref(), "spec.trafficPolicy");
            self.warmups(object, object.spec.traffic_policy.as_ref(), "spec.trafficPolicy");
            if let [service] = &services[..] {
                self.outliers(object, service);
            }
            self.transport(&aged, &services);
            for (place, subset) in object.spec.subsets.iter().enumerate() {
                let at = format!("spec.subsets[{place}]");
                self.ports(object, &services, subset.traffic_policy.as_ref(), &format!("{at}.trafficPolicy"));
                self.warmups(object, subset.traffic_policy.as_ref(), &format!("{at}.trafficPolicy"));
                // To one that an older rule has, nothing is routed, which is told elsewhere.
                if !services.iter().any(|service| has_pods(service, &subset.labels))
                    && aged.older_with_subset(&subset.name).is_none()
                {
                    let nobody = match written(&subset.labels) {
                        all if all.is_empty() => format!("no pod is behind {}", object.spec.host),
                        labels => format!("no pod behind {} has {labels}", object.spec.host),
                    };
                    let message = format!(
                        "{nobody}: subset {} is empty, and what is routed to it fails with 503",
                        subset.name
                    );
                    let behind = services.iter().flat_map(|service| service.behind.iter().copied());
                    let hint = instead(behind, &subset.labels);
                    self.warn(KIND, object, format!("{at}.labels"), message, hint);
                }
            }
        }
    }

    /// Who does not compare endpoints gives newcomers no less.
    fn warmups(&mut self, object: &Object<DestinationRule>, policy: Option<&TrafficPolicy>, at: &str) {
        let Some(policy) = policy else { return };
        let of_ports =
            policy.port_level_settings.iter().enumerate().map(|(place, port)| {
                (format!("{at}.portLevelSettings[{place}]"), port.load_balancer.as_ref())
            });
        for (at, balancer) in std::iter::once((at.to_owned(), policy.load_balancer.as_ref())).chain(of_ports)
        {
            let Some(balancer) = balancer else { continue };
            let field = match (&balancer.warmup, &balancer.warmup_duration_secs) {
                (Some(_), _) => "warmup",
                (None, Some(_)) => "warmupDurationSecs",
                (None, None) => continue,
            };
            let by = match balancer.simple {
                _ if balancer.consistent_hash.is_some() => "consistentHash",
                Some(SimpleBalancer::Random) => "RANDOM",
                Some(SimpleBalancer::Passthrough) => "PASSTHROUGH",
                _ => continue,
            };
            let message = format!("{by} gives new endpoints their full share at once: warmup has no effect");
            let hint = "ROUND_ROBIN and LEAST_REQUEST warm up".to_owned();
            self.warn(KIND, object, format!("{at}.loadBalancer.{field}"), message, Some(hint));
        }
    }

    fn ports(
        &mut self,
        object: &Object<DestinationRule>,
        services: &[&Backed<'_>],
        policy: Option<&TrafficPolicy>,
        at: &str,
    ) {
        let Some(policy) = policy else { return };
        for (place, settings) in policy.port_level_settings.iter().enumerate() {
            let Some(port) = settings.port.as_ref().and_then(|port| u16::try_from(port.number).ok()) else {
                continue;
            };
            if services.iter().any(|of| of.service.port(port).is_some()) {
                continue;
            }
            let known = listed(services.iter().flat_map(|of| &of.service.ports).map(|port| port.number));
            let message =
                format!("{} does not expose port {port}: these settings do nothing", object.spec.host);
            let hint = Some(format!("its ports are {known}"));
            self.warn(KIND, object, format!("{at}.portLevelSettings[{place}].port.number"), message, hint);
        }
    }
}

fn has_pods(of: &Backed<'_>, labels: &BTreeMap<String, String>) -> bool {
    let running = of.service.endpoints.iter().any(|endpoint| endpoint.workload.is_of(labels, KUBERNETES));
    running || of.behind.iter().any(|workload| workload.is_of(labels, KUBERNETES))
}
