//! Two where one is in force: what the younger of them says and nobody hears.

use std::collections::BTreeMap;

use super::Checked;
use super::rules_by_age::RulesByAge;
use super::selectors::written;
use crate::resources::Object;
use crate::resources::destination_rule::DestinationRule;
use crate::resources::sidecar::Sidecar;

impl Checked<'_> {
    pub(super) fn doubled(&mut self, rules: &RulesByAge<'_>) {
        self.sidecars(&self.world.resources.sidecars);
        self.rules_of_one_host(rules);
    }

    /// A workload has one Sidecar: the oldest that selects it, else the oldest that selects all.
    fn sidecars(&mut self, sidecars: &[Object<Sidecar>]) {
        let labels = |object: &Object<Sidecar>| -> BTreeMap<String, String> {
            object.spec.workload_selector.as_ref().map(|selector| selector.labels.clone()).unwrap_or_default()
        };
        for object in sidecars {
            let own = labels(object);
            let before = sidecars.iter().filter(|other| {
                other.meta.namespace == object.meta.namespace
                    && other.meta.age < object.meta.age
                    && labels(other) == own
            });
            let Some(first) = before.min_by_key(|other| other.meta.age) else { continue };
            let whose = if own.is_empty() {
                format!("all workloads of namespace {}", object.meta.namespace)
            } else {
                format!("workloads with {}", written(&own))
            };
            let message = format!(
                "{whose} have an older Sidecar, {} ({}): this one is ignored",
                first.meta.name, first.source
            );
            let hint = "put both into one, or select other workloads with workloadSelector";
            self.warn("Sidecar", object, "spec".to_owned(), message, Some(hint.to_owned()));
        }
    }

    /// DestinationRules of one host are put together; of what several of them say, the oldest holds.
    fn rules_of_one_host(&mut self, rules: &RulesByAge<'_>) {
        for aged in rules.iter() {
            let (object, rule) = (aged.object, aged.rule);
            let said = rule.traffic_policy.as_ref().and_then(|own| {
                let (first, older) = aged.older().find(|(_, older)| older.traffic_policy.is_some())?;
                (older.traffic_policy.as_ref() != Some(own)).then_some(first)
            });
            if let Some(first) = said {
                self.unheard(object, first, "spec.trafficPolicy".to_owned(), &rule.host, "a trafficPolicy");
            }
            if let Some(first) = aged.widened_by() {
                let message = format!(
                    "this is for callers with {}, but an older DestinationRule of {}, {} ({}), is for all and has no trafficPolicy: as in Istio it takes this one",
                    written(&rule.selector),
                    rule.host,
                    first.meta.name,
                    first.source
                );
                let hint = format!("give {} a trafficPolicy of its own", first.meta.name);
                self.warn("DestinationRule", object, "spec.trafficPolicy".to_owned(), message, Some(hint));
            }
            for (place, subset) in rule.subsets.iter().enumerate() {
                let said = aged.older_with_subset(&subset.name);
                if let Some((first, _)) = said.filter(|(_, older)| *older != subset) {
                    let what = format!("a subset {:?}", subset.name);
                    self.unheard(object, first, format!("spec.subsets[{place}]"), &rule.host, &what);
                }
            }
        }
    }

    fn unheard(
        &mut self,
        object: &Object<DestinationRule>,
        first: &Object<DestinationRule>,
        path: String,
        host: &str,
        what: &str,
    ) {
        let (name, source) = (&first.meta.name, &first.source);
        let message =
            format!("{host} has {what} in an older DestinationRule, {name} ({source}): this one is ignored");
        let hint = Some("put them into one DestinationRule".to_owned());
        self.warn("DestinationRule", object, path, message, hint);
    }
}
