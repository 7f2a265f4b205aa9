//! Outlier detection that can never act: a share of so few endpoints that it is less than one, no failure that counts, nobody
//! to be left alone, or so few left that all are used again.

use std::collections::BTreeMap;

use super::Checked;
use super::backed::Backed;
use crate::resources::Object;
use crate::resources::destination_rule::{DestinationRule, LoadBalancer, OutlierDetection, SimpleBalancer};
use crate::world::service::{Resolution, Service};
use crate::world::topology::KUBERNETES;
use crate::world::workload::selects;

const KIND: &str = "DestinationRule";

/// Envoy's default, where `maxEjectionPercent` says nothing.
const DEFAULT_PERCENT: i32 = 10;

/// Envoy's default, where `consecutive5xxErrors` says nothing.
const DEFAULT_5XX: u32 = 5;

/// A locality's endpoints are taken to carry so much more than their share, in percent: while they can carry all, nobody
/// panics.
const OVERPROVISIONING: usize = 140;

/// Outlier detection as it is written in one place of a rule.
struct Written<'a> {
    /// The policy that holds it.
    at: String,
    outlier: &'a OutlierDetection,
    balancer: Option<&'a LoadBalancer>,
}

/// Everywhere in the rule itself: for all of the service, and for each of its ports.
fn of_service(spec: &DestinationRule) -> Vec<Written<'_>> {
    let Some(policy) = &spec.traffic_policy else { return Vec::new() };
    let of_ports = policy.port_level_settings.iter().enumerate().map(|(place, port)| {
        let at = format!("spec.trafficPolicy.portLevelSettings[{place}]");
        (at, port.outlier_detection.as_ref(), port.load_balancer.as_ref())
    });
    let whole =
        ("spec.trafficPolicy".to_owned(), policy.outlier_detection.as_ref(), policy.load_balancer.as_ref());
    let all = std::iter::once(whole).chain(of_ports);
    all.filter_map(|(at, outlier, balancer)| Some(Written { at, outlier: outlier?, balancer })).collect()
}

/// Whose failures are counted.
#[derive(Clone, Copy)]
struct Whose<'a> {
    name: &'a str,
    /// How many there are; `None`: only their DNS knows.
    endpoints: Option<usize>,
    /// They stand in several localities, one of which may take over for another.
    apart: bool,
}

impl Checked<'_> {
    /// The rule's own outlier detection, each port's, and what of them holds for subsets.
    pub(super) fn outliers(&mut self, object: &Object<DestinationRule>, backed: &Backed<'_>) {
        let (spec, service) = (&object.spec, backed.service);
        let passes = |balancer: Option<&LoadBalancer>| {
            service.resolution == Resolution::Passthrough
                || balancer.and_then(|balancer| balancer.simple) == Some(SimpleBalancer::Passthrough)
        };
        let whole = self.whose(&spec.host, backed, &BTreeMap::new());
        for Written { at, outlier, balancer } in of_service(spec) {
            self.outlier(object, outlier, &at, whole, passes(balancer));
        }
        let policy = spec.traffic_policy.as_ref();
        let of_rule = policy.and_then(|policy| policy.outlier_detection.as_ref());
        let balancer = policy.and_then(|policy| policy.load_balancer.as_ref());
        for (place, subset) in spec.subsets.iter().enumerate() {
            let own = subset.traffic_policy.as_ref();
            let passes = passes(own.and_then(|own| own.load_balancer.as_ref()).or(balancer));
            let own = own.and_then(|policy| policy.outlier_detection.as_ref());
            // What is wrong with the rule for all of the service was said above.
            let inherited = of_rule.filter(|outlier| !passes && counts(outlier) && whole.loses_one(outlier));
            let name = format!("subset {}", subset.name);
            let whose = self.whose(&name, backed, &subset.labels);
            // That a subset is empty is told elsewhere.
            if whose.endpoints == Some(0) {
                continue;
            }
            if let Some(own) = own {
                let at = format!("spec.subsets[{place}].trafficPolicy");
                self.outlier(object, own, &at, whose, passes);
            } else if let Some(inherited) = inherited {
                self.too_few(object, inherited, "spec.trafficPolicy.outlierDetection", whose);
            }
        }
    }

    /// Where connections are intercepted, the caller of a headless service has chosen a pod before its proxy hears of it.
    pub(super) fn headless_outliers(&mut self) {
        let world = self.world;
        for object in &world.resources.destination_rules {
            let Some(service) = self.service_of(object).filter(|service| service.headless) else { continue };
            let of_subsets = object.spec.subsets.iter().enumerate().filter(|(_, subset)| {
                subset.traffic_policy.as_ref().is_some_and(|policy| policy.outlier_detection.is_some())
            });
            let of_subsets = of_subsets.map(|(place, _)| format!("spec.subsets[{place}].trafficPolicy"));
            let all = of_service(&object.spec).into_iter().map(|written| written.at).chain(of_subsets);
            let message = format!(
                "{} is headless: where connections are intercepted its callers choose the pod themselves, and nobody is ever ejected",
                service.host
            );
            for at in all.collect::<Vec<_>>() {
                let hint = Some("a Service with an address of its own has it".to_owned());
                self.warn(KIND, object, format!("{at}.outlierDetection"), message.clone(), hint);
            }
        }
    }

    fn service_of(&self, object: &Object<DestinationRule>) -> Option<std::sync::Arc<Service>> {
        let host = crate::world::host::full(&object.spec.host, &object.meta.namespace);
        self.world.services.iter().find(|service| service.host == host).cloned()
    }

    fn outlier(
        &mut self,
        object: &Object<DestinationRule>,
        outlier: &OutlierDetection,
        at: &str,
        whose: Whose<'_>,
        passes: bool,
    ) {
        let at = format!("{at}.outlierDetection");
        if passes {
            let message = "connections go wherever their client was going: nobody is ever ejected".to_owned();
            let hint = Some("another balancer than PASSTHROUGH, another resolution than NONE".to_owned());
            return self.warn(KIND, object, at, message, hint);
        }
        if !counts(outlier) {
            let message = "no number of failures is set: nobody is ever ejected".to_owned();
            let hint = Some("consecutive5xxErrors or consecutiveGatewayErrors above 0".to_owned());
            return self.warn(KIND, object, at, message, hint);
        }
        if let Some((gateway, any)) = outpaced(outlier) {
            let message = format!(
                "gateway errors are 5xx, and {any} of these in a row eject: that it takes {gateway} has no effect"
            );
            let hint = Some(format!("less than {any}, or consecutive5xxErrors: 0"));
            self.warn(KIND, object, format!("{at}.consecutiveGatewayErrors"), message, hint);
        }
        self.too_few(object, outlier, &at, whose);
    }

    /// That none of so few may be out, or is left alone.
    fn too_few(
        &mut self,
        object: &Object<DestinationRule>,
        outlier: &OutlierDetection,
        at: &str,
        whose: Whose<'_>,
    ) {
        let Some(count) = whose.endpoints.filter(|count| *count > 0) else { return };
        let (name, s) = (whose.name, if count == 1 { "" } else { "s" });
        if !can_eject(outlier, count) {
            let (percent, enough) = (percent(outlier), 100_usize.div_ceil(count));
            let message = format!(
                "{percent} % of the {count} endpoint{s} of {name} is less than one: none is ever ejected"
            );
            let hint = Some(format!("{enough} % may eject one of {count}"));
            self.warn(KIND, object, format!("{at}.maxEjectionPercent"), message, hint);
        } else if !whose.apart && panics(outlier, count) {
            let (least, left) = (outlier.min_health_percent, 100 * (count - 1) / count);
            let message = format!(
                "with one of the {count} endpoint{s} of {name} ejected less than {least} % are well, and then all are used: it is asked on"
            );
            let hint = Some(format!("{left} % or less lets one of {count} be left alone"));
            self.warn(KIND, object, format!("{at}.minHealthPercent"), message, hint);
        }
    }

    fn whose<'n>(&self, name: &'n str, backed: &Backed<'_>, labels: &BTreeMap<String, String>) -> Whose<'n> {
        let Backed { service, behind } = backed;
        let running = service.endpoints.iter().map(|endpoint| &*endpoint.workload);
        let mut places = behind
            .iter()
            .copied()
            .chain(running)
            .filter(|workload| workload.is_of(labels, KUBERNETES))
            .map(|workload| &workload.locality);
        let first = places.next();
        let apart = places.any(|place| Some(place) != first);
        Whose { name, endpoints: self.expected(service, labels), apart }
    }

    /// How many endpoints with these labels the service has: as many as run, or as its workloads ask for. `None`: only its
    /// DNS knows.
    fn expected(&self, service: &Service, labels: &BTreeMap<String, String>) -> Option<usize> {
        match service.resolution {
            Resolution::Static => {}
            // However many addresses a name has, it is one endpoint.
            Resolution::DnsRoundRobin => return Some(1),
            Resolution::Dns | Resolution::Passthrough => return None,
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

impl Whose<'_> {
    /// One of them may be out, as far as is known.
    fn loses_one(&self, outlier: &OutlierDetection) -> bool {
        self.endpoints
            .is_none_or(|count| can_eject(outlier, count) && (self.apart || !panics(outlier, count.max(1))))
    }
}

/// At least one of so many may be out.
fn can_eject(outlier: &OutlierDetection, count: usize) -> bool {
    count * usize::try_from(percent(outlier)).unwrap_or(0) >= 100
}

/// The numbers of gateway errors and of 5xx in a row, where the second is reached no later than the first.
fn outpaced(outlier: &OutlierDetection) -> Option<(u32, u32)> {
    let gateway = outlier.consecutive_gateway_errors.filter(|n| *n > 0)?;
    let any = outlier.consecutive_5xx_errors.unwrap_or(DEFAULT_5XX);
    (any > 0 && gateway >= any).then_some((gateway, any))
}

/// With one of so many out, too few are left: then all are used (Envoy's panic), him among them.
fn panics(outlier: &OutlierDetection, count: usize) -> bool {
    let left = count - 1;
    let can_carry = OVERPROVISIONING * left / count;
    let least = usize::try_from(outlier.min_health_percent).unwrap_or(0);
    can_carry < 100 && 100 * left < least * count
}
