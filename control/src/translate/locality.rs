//! Which endpoints a proxy prefers by where they stand: priorities and weights of localities, as istiod gives them.
//!
//! Shares that a rule distributes come before anything else. Failover makes priorities, and only where failures are
//! noticed: with outlierDetection, or where the Service itself asks for what is close (`trafficDistribution`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use weft_model::endpoint::{Endpoint, Locality, LocalityEndpoints};

use super::Proxy;
use super::traffic::Traffic;
use crate::resources::destination_rule::{Failover, LocalityBalancing};
use crate::world::service::{Distribution, Service};
use crate::world::topology::{NETWORK, NODE, REGION, SUB_ZONE, ZONE};
use crate::world::workload::Workload;

type Labels = BTreeMap<String, String>;

/// How the endpoints of one service are preferred.
pub(super) struct Preference<'a> {
    setting: Cow<'a, LocalityBalancing>,
    /// Failures are noticed, or what is close is asked for all the same.
    fails_over: bool,
}

/// An endpoint, with what it may be preferred by.
pub(super) struct Candidate<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) workload: Arc<Workload>,
    /// The cluster that it is in.
    pub(super) cluster: &'a str,
}

impl<'a> Preference<'a> {
    /// The rule's say, else the Service's, else the mesh's; `None` where all endpoints are alike.
    pub(super) fn of(proxy: &'a Proxy<'_>, service: &Service, traffic: &Traffic<'a>) -> Option<Self> {
        let detects = traffic.outlier.is_some();
        let of_rule = traffic.load_balancer.and_then(|balancer| balancer.locality_lb_setting.as_ref());
        if let Some(setting) = of_rule {
            let setting = Cow::Borrowed(setting);
            return enabled(&setting).then_some(Self { setting, fails_over: detects });
        }
        let close: &[&str] = match service.distribution {
            Distribution::Any => &[],
            Distribution::SameZone => &[NETWORK, REGION, ZONE],
            Distribution::SameNode => &[NETWORK, REGION, ZONE, SUB_ZONE, NODE],
        };
        if !close.is_empty() {
            let failover_priority = close.iter().map(|label| (*label).to_owned()).collect();
            let setting = LocalityBalancing { failover_priority, ..LocalityBalancing::default() };
            return Some(Self { setting: Cow::Owned(setting), fails_over: true });
        }
        let of_mesh = proxy.world.mesh.config.locality_lb_setting.as_ref();
        let setting = of_mesh.map_or(Cow::Owned(LocalityBalancing::default()), Cow::Borrowed);
        enabled(&setting).then_some(Self { setting, fails_over: detects })
    }

    /// Whether the weights of localities count (`locality_weighted_lb_config`).
    pub(super) fn is_weighted(&self) -> bool {
        let fails_over = !self.setting.failover.is_empty() || !self.setting.failover_priority.is_empty();
        !self.setting.distribute.is_empty() || (self.fails_over && fails_over)
    }

    /// The endpoints of each locality, as a proxy of these labels at `from` prefers them. `by_labels`: what their labels
    /// say counts too; Envoy's DNS clusters have but localities.
    pub(super) fn apply(
        &self,
        localities: BTreeMap<Locality, Vec<Candidate<'_>>>,
        from: &Locality,
        labels: &Labels,
        by_labels: bool,
    ) -> Vec<LocalityEndpoints> {
        if !self.setting.distribute.is_empty() {
            let mut plain = plain(localities);
            self.distribute(&mut plain, from);
            return plain;
        }
        if !self.fails_over {
            return plain(localities);
        }
        let wanted = &self.setting.failover_priority;
        if wanted.is_empty() {
            let mut plain = plain(localities);
            fail_over(&mut plain, from, &self.setting.failover);
            return plain;
        }
        if !by_labels {
            return plain(localities);
        }
        let mut preferred = by_priority(localities, labels, wanted);
        if !self.setting.failover.is_empty() {
            fail_over(&mut preferred, from, &self.setting.failover);
        }
        preferred
    }

    /// Shares by the first rule for where the proxy stands; localities that it does not name get nothing.
    fn distribute(&self, localities: &mut [LocalityEndpoints], from: &Locality) {
        let Some(rule) = self.setting.distribute.iter().find(|rule| matches(from, &rule.from)) else {
            return;
        };
        // The most exact name first, so that `r1/*` has what `r1/z1` does not.
        let mut shares: Vec<(&String, &u32)> = rule.to.iter().collect();
        shares.sort_by_key(|(name, _)| (name.matches('*').count(), usize::MAX - name.matches('/').count()));
        let mut named = vec![false; localities.len()];
        for (name, share) in shares {
            let own: Vec<usize> = (0..localities.len())
                .filter(|at| !named[*at] && matches(&localities[*at].locality, name))
                .collect();
            let sum: u64 = own.iter().map(|at| u64::from(localities[*at].weight.unwrap_or(1))).sum();
            for at in own {
                named[at] = true;
                let weight = u64::from(localities[at].weight.unwrap_or(1)) * u64::from(*share);
                localities[at].weight = u32::try_from(weight.div_ceil(sum.max(1))).ok();
            }
        }
        for (of, _) in localities.iter_mut().zip(&named).filter(|(_, named)| !**named) {
            of.endpoints.clear();
        }
    }
}

fn enabled(setting: &LocalityBalancing) -> bool {
    setting.enabled != Some(false)
}

/// Everybody of a locality alike, each as heavy as its endpoints together.
pub(super) fn plain(localities: BTreeMap<Locality, Vec<Candidate<'_>>>) -> Vec<LocalityEndpoints> {
    let of = localities.into_iter().map(|(locality, candidates)| group(locality, 0, candidates));
    of.collect()
}

fn group(locality: Locality, priority: u32, candidates: Vec<Candidate<'_>>) -> LocalityEndpoints {
    let endpoints: Vec<Endpoint> = candidates.into_iter().map(|candidate| candidate.endpoint).collect();
    let weight = Some(endpoints.iter().map(|endpoint| endpoint.weight).fold(0, u32::saturating_add));
    LocalityEndpoints { locality, weight, priority, endpoints }
}

/// `region/zone/subzone`, of which each may be `*`, and what is not written is anything.
fn matches(locality: &Locality, rule: &str) -> bool {
    let mut parts = rule.split('/');
    let region = parts.next().unwrap_or_default();
    let mut rest = |own: &str| match parts.next() {
        None | Some("" | "*") => true,
        Some(other) => other == own,
    };
    (region == "*" || region == locality.region) && rest(&locality.zone) && rest(&locality.sub_zone)
}

/// The same place, the same zone, the same region, anywhere else; of the elsewhere first where a region fails over to.
fn fail_over(localities: &mut [LocalityEndpoints], from: &Locality, failover: &[Failover]) {
    for of in &mut *localities {
        let to = &of.locality;
        let mut distance =
            match (to.region == from.region, to.zone == from.zone, to.sub_zone == from.sub_zone) {
                (true, true, true) => 0,
                (true, true, false) => 1,
                (true, false, _) => 2,
                (false, ..) => 3,
            };
        if distance == 3
            && let Some(rule) = failover.iter().find(|rule| rule.from == from.region)
            && rule.to != to.region
        {
            distance = 4;
        }
        of.priority = of.priority * 5 + distance;
    }
    close_gaps(localities);
}

/// Of the labels in order, the more agree before the first that does not, the better.
fn by_priority(
    localities: BTreeMap<Locality, Vec<Candidate<'_>>>,
    own: &Labels,
    wanted: &[String],
) -> Vec<LocalityEndpoints> {
    let mut groups = Vec::new();
    for (locality, candidates) in localities {
        let mut by_priority: BTreeMap<usize, Vec<Candidate<'_>>> = BTreeMap::new();
        for candidate in candidates {
            let differs = |label: &String| {
                // `label=value` asks for that value rather than the proxy's own.
                let (name, value) = match label.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (label.as_str(), own.get(label).map(String::as_str)),
                };
                let theirs = candidate.workload.label(name, candidate.cluster);
                value.unwrap_or_default() != theirs.unwrap_or_default()
            };
            let priority = wanted.iter().position(differs).map_or(0, |at| wanted.len() - at);
            by_priority.entry(priority).or_default().push(candidate);
        }
        groups.extend(by_priority.into_iter().map(|(priority, candidates)| {
            group(locality.clone(), u32::try_from(priority).unwrap_or(u32::MAX), candidates)
        }));
    }
    close_gaps(&mut groups);
    groups
}

/// Priorities from 0 on, none left out.
fn close_gaps(localities: &mut [LocalityEndpoints]) {
    let mut known: Vec<u32> = localities.iter().map(|of| of.priority).collect();
    known.sort_unstable();
    known.dedup();
    for of in localities {
        of.priority = u32::try_from(known.partition_point(|other| *other < of.priority)).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests;
