//! Outlier detection that can never act: a share of so few endpoints that it is less than one, or no failure that counts.

use std::collections::BTreeMap;

use super::Checked;
use crate::resources::Object;
use crate::resources::destination_rule::{DestinationRule, OutlierDetection};
use crate::world::service::{Resolution, Service};
use crate::world::topology::KUBERNETES;
use crate::world::workload::selects;

/// Envoy's default, where `maxEjectionPercent` says nothing.
const DEFAULT_PERCENT: i32 = 10;

impl Checked<'_> {
    /// The rule's own outlier detection, each port's, and what of them holds for subsets.
    pub(super) fn outliers(&mut self, object: &Object<DestinationRule>, service: &Service) {
        let Some(count) = self.expected(service, &BTreeMap::new()) else { return };
        let spec = &object.spec;
        let of_rule = spec.traffic_policy.as_ref().and_then(|policy| policy.outlier_detection.as_ref());
        if let Some(outlier) = of_rule {
            self.outlier(object, outlier, "spec.trafficPolicy", &spec.host, count);
        }
        for (place, port) in
            spec.traffic_policy.iter().flat_map(|policy| &policy.port_level_settings).enumerate()
        {
            if let Some(outlier) = &port.outlier_detection {
                let at = format!("spec.trafficPolicy.portLevelSettings[{place}]");
                self.outlier(object, outlier, &at, &spec.host, count);
            }
        }
        for (place, subset) in spec.subsets.iter().enumerate() {
            let own = subset.traffic_policy.as_ref().and_then(|policy| policy.outlier_detection.as_ref());
            // What is wrong with the rule for all of the service was said above.
            let inherited = of_rule.filter(|outlier| counts(outlier) && can_eject(outlier, count));
            let (outlier, at) = match (own, inherited) {
                (Some(own), _) => (own, format!("spec.subsets[{place}].trafficPolicy")),
                (None, Some(inherited)) => (inherited, "spec.trafficPolicy".to_owned()),
                (None, None) => continue,
            };
            let expected = self.expected(service, &subset.labels).filter(|expected| *expected > 0);
            if let Some(expected) = expected {
                self.outlier(object, outlier, &at, &format!("subset {}", subset.name), expected);
            }
        }
    }

    fn outlier(
        &mut self,
        object: &Object<DestinationRule>,
        outlier: &OutlierDetection,
        at: &str,
        whose: &str,
        count: usize,
    ) {
        if !counts(outlier) {
            let message = "no number of failures is set: nobody is ever ejected".to_owned();
            let hint = Some("consecutive5xxErrors or consecutiveGatewayErrors above 0".to_owned());
            self.warn("DestinationRule", object, format!("{at}.outlierDetection"), message, hint);
        } else if count > 0 && !can_eject(outlier, count) {
            let (percent, enough) = (percent(outlier), 100_usize.div_ceil(count));
            let s = if count == 1 { "" } else { "s" };
            let message = format!(
                "{percent} % of the {count} endpoint{s} of {whose} is less than one: none is ever ejected"
            );
            let hint = Some(format!("{enough} % may eject one of {count}"));
            let path = format!("{at}.outlierDetection.maxEjectionPercent");
            self.warn("DestinationRule", object, path, message, hint);
        }
    }

    /// How many endpoints with these labels the service has: as many as run, or as its workloads ask for. `None`: only its
    /// DNS knows.
    fn expected(&self, service: &Service, labels: &BTreeMap<String, String>) -> Option<usize> {
        if service.resolution != Resolution::Static {
            return None;
        }
        let running =
            service.endpoints.iter().filter(|endpoint| endpoint.workload.is_of(labels, KUBERNETES)).count();
        let resources = &self.world.resources;
        let written = resources
            .services
            .iter()
            .find(|object| object.meta.name == service.name && object.meta.namespace == service.namespace);
        let Some(selector) = written.and_then(|object| object.spec.selector.as_ref()) else {
            return Some(running);
        };
        let wanted = |namespace: &str, of: Option<&BTreeMap<String, String>>| {
            namespace == service.namespace
                && of.is_some_and(|of| !selector.is_empty() && selects(selector, of) && selects(labels, of))
        };
        let mut asked = 0;
        let mut add = |namespace: &str, of: Option<&BTreeMap<String, String>>, replicas: Option<i32>| {
            if wanted(namespace, of) {
                asked += usize::try_from(replicas.unwrap_or(1)).unwrap_or(0);
            }
        };
        for object in &resources.deployments {
            let labels = object.spec.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
            add(&object.meta.namespace, labels, object.spec.replicas);
        }
        for object in &resources.stateful_sets {
            let labels = object.spec.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
            add(&object.meta.namespace, labels, object.spec.replicas);
        }
        for object in &resources.pods {
            add(&object.meta.namespace, Some(&object.meta.labels), None);
        }
        Some(running.max(asked))
    }
}

/// Some failure counts.
fn counts(outlier: &OutlierDetection) -> bool {
    outlier.consecutive_5xx_errors != Some(0)
        || outlier.consecutive_gateway_errors.is_some_and(|n| n > 0)
        // What is not said is Envoy's 5, and 0 says nothing.
        || outlier.split_external_local_origin_errors
}

fn percent(outlier: &OutlierDetection) -> i32 {
    if outlier.max_ejection_percent > 0 { outlier.max_ejection_percent } else { DEFAULT_PERCENT }
}

/// At least one of so many may be out.
fn can_eject(outlier: &OutlierDetection, count: usize) -> bool {
    count * usize::try_from(percent(outlier)).unwrap_or(0) >= 100
}
