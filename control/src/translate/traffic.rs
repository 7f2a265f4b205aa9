//! Which traffic policy holds for one port and subset of a service: the subset's over the rule's, and a port's instead
//! of both, without inheriting from them.

use crate::resources::destination_rule::{
    ClientTls, ConnectionPool, HashCookie, LoadBalancer, OutlierDetection, RetryBudget, TrafficPolicy,
};
use crate::world::destination_rules::MergedRule;

/// What holds for one port and subset.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Traffic<'a> {
    pub(crate) load_balancer: Option<&'a LoadBalancer>,
    pub(crate) pool: Option<&'a ConnectionPool>,
    pub(crate) outlier: Option<&'a OutlierDetection>,
    pub(crate) tls: Option<&'a ClientTls>,
    pub(crate) retry_budget: Option<&'a RetryBudget>,
}

impl<'a> Traffic<'a> {
    /// By `rule`, for `port` and `subset` (empty: the service as a whole).
    pub(crate) fn of(rule: Option<&'a MergedRule>, subset: &str, port: u16) -> Self {
        let Some(rule) = rule else { return Self::default() };
        let whole = Self::default().over(rule.traffic_policy.as_ref(), port);
        match rule.subset(subset) {
            Some(subset) => whole.over(subset.traffic_policy.as_ref(), port),
            None => whole,
        }
    }

    fn over(self, policy: Option<&'a TrafficPolicy>, port: u16) -> Self {
        let Some(policy) = policy else { return self };
        let of_port = policy
            .port_level_settings
            .iter()
            .find(|settings| settings.port.as_ref().is_some_and(|known| known.number == u32::from(port)));
        if let Some(own) = of_port {
            return Self {
                load_balancer: own.load_balancer.as_ref(),
                pool: own.connection_pool.as_ref(),
                outlier: own.outlier_detection.as_ref(),
                tls: own.tls.as_ref(),
                retry_budget: policy.retry_budget.as_ref().or(self.retry_budget),
            };
        }
        Self {
            load_balancer: policy.load_balancer.as_ref().or(self.load_balancer),
            pool: policy.connection_pool.as_ref().or(self.pool),
            outlier: policy.outlier_detection.as_ref().or(self.outlier),
            tls: policy.tls.as_ref().or(self.tls),
            retry_budget: policy.retry_budget.as_ref().or(self.retry_budget),
        }
    }

    /// What consistent hashing goes by; nothing where requests are spread otherwise.
    pub(crate) fn hash(&self) -> Vec<weft_model::route::HashPolicy> {
        use weft_model::route::{HashKey, HashPolicy};
        let Some(hash) = self.load_balancer.and_then(|balancer| balancer.consistent_hash.as_ref()) else {
            return Vec::new();
        };
        let key = if let Some(name) = &hash.http_header_name {
            HashKey::Header(name.to_ascii_lowercase())
        } else if let Some(HashCookie { name, path, ttl, attributes }) = &hash.http_cookie {
            let said = attributes.iter().map(|of| (of.name.clone(), of.value.clone()));
            HashKey::Cookie {
                name: name.clone(),
                ttl: ttl.map(|span| span.0),
                path: path.clone(),
                attributes: said.collect(),
            }
        } else if hash.use_source_ip == Some(true) {
            HashKey::SourceIp
        } else if let Some(name) = &hash.http_query_parameter_name {
            HashKey::Query(name.clone())
        } else {
            return Vec::new();
        };
        vec![HashPolicy { key, terminal: false }]
    }
}
