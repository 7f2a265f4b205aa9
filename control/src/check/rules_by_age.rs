//! DestinationRules in the order in which they are heard: of those that are one, the oldest holds.

use crate::resources::Object;
use crate::resources::destination_rule::{DestinationRule, Subset};
use crate::world::destination_rules::MergedRule;
use crate::world::mesh::Mesh;

/// Every DestinationRule and what it says of its host, the oldest first.
pub(super) struct RulesByAge<'r>(Vec<(&'r Object<DestinationRule>, MergedRule)>);

/// One of them.
pub(super) struct Aged<'r, 's> {
    pub(super) object: &'r Object<DestinationRule>,
    pub(super) rule: &'s MergedRule,
    before: &'s [(&'r Object<DestinationRule>, MergedRule)],
}

impl<'r> RulesByAge<'r> {
    pub(super) fn new(rules: &'r [Object<DestinationRule>], mesh: &Mesh) -> Self {
        let mut read: Vec<_> = rules.iter().map(|object| (object, MergedRule::new(object, mesh))).collect();
        read.sort_by_key(|(object, _)| object.meta.age);
        Self(read)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Aged<'r, '_>> {
        self.0.iter().enumerate().map(|(place, (object, rule))| Aged {
            object,
            rule,
            before: &self.0[..place],
        })
    }
}

impl<'r, 's> Aged<'r, 's> {
    /// Those that are one with it and older.
    pub(super) fn older(&self) -> impl Iterator<Item = (&'r Object<DestinationRule>, &'s MergedRule)> {
        self.before
            .iter()
            .filter(|(_, older)| older.is_one_with(self.rule))
            .map(|(object, rule)| (*object, rule))
    }

    /// The one for all callers that has no policy and takes the one of this, which is for some callers alone.
    pub(super) fn widened_by(&self) -> Option<&'r Object<DestinationRule>> {
        if self.rule.selector.is_empty() || self.rule.traffic_policy.is_none() {
            return None;
        }
        let for_all = |older: &MergedRule| older.selector.is_empty() && older.is_put_with(self.rule);
        let (first, everybody) = self.before.iter().find(|(_, older)| for_all(older))?;
        // It may have one by now, of whoever came before.
        let mut given = self.before.iter().filter(|(_, older)| everybody.is_put_with(older));
        given.all(|(_, older)| older.traffic_policy.is_none()).then_some(*first)
    }

    /// The one that takes the subset `name` away from it, and what it says of that.
    pub(super) fn older_with_subset(&self, name: &str) -> Option<(&'r Object<DestinationRule>, &'s Subset)> {
        self.older().find_map(|(object, rule)| Some((object, rule.subset(name)?)))
    }
}
