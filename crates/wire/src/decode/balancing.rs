//! How endpoints are picked: the classic fields, or a load balancing policy as an extension.

use weft_model::cluster::{Balancing, LbPolicy, SlowStart};

use super::at::{At, Decoded, unpack};
use super::value::{duration, extension, finite, percent};
use crate::pb::{cluster, core, lb, types};

/// Envoy's own sizes, where none is given.
const RING: u64 = 1024;
const TABLE: u64 = 65537;
pub(crate) const CHOICES: u32 = 2;

pub(super) fn balancing(
    at: &At<'_>,
    policy: i32,
    config: Option<cluster::cluster::LbConfig>,
    common: Option<cluster::cluster::CommonLbConfig>,
    extensions: Option<cluster::LoadBalancingPolicy>,
) -> Decoded<Balancing> {
    use cluster::cluster::LbPolicy as Is;
    let mut balancing = Balancing::default();
    if let Some(common) = common {
        self::common(&at.field("common_lb_config"), common, &mut balancing)?;
    }
    if let Some(extensions) = extensions {
        by_extension(&at.field("load_balancing_policy"), extensions, &mut balancing)?;
        return Ok(balancing);
    }
    balancing.policy = match Is::try_from(policy) {
        Ok(Is::RoundRobin | Is::LoadBalancingPolicyConfig) => LbPolicy::RoundRobin,
        Ok(Is::LeastRequest) => LbPolicy::LeastRequest { choices: CHOICES },
        Ok(Is::RingHash) => LbPolicy::RingHash { minimum_ring_size: RING },
        Ok(Is::Random) => LbPolicy::Random,
        Ok(Is::Maglev) => LbPolicy::Maglev { table_size: TABLE },
        Ok(Is::ClusterProvided) => LbPolicy::ClusterProvided,
        Err(_) => return Err(at.field("lb_policy").fault(format!("{policy} is no balancing policy"))),
    };
    if let Some(config) = config {
        classic(at, config, &mut balancing)?;
    }
    Ok(balancing)
}

fn common(at: &At<'_>, value: cluster::cluster::CommonLbConfig, balancing: &mut Balancing) -> Decoded<()> {
    use cluster::cluster::common_lb_config::LocalityConfigSpecifier as Locality;
    unpack!(at, value, cluster::cluster::CommonLbConfig {
        healthy_panic_threshold, locality_config_specifier
    } else { update_merge_window, ignore_new_hosts_until_first_hc, close_connections_on_host_set_change, consistent_hashing_lb_config, override_host_status });
    let threshold =
        healthy_panic_threshold.map(|threshold| percent(at, "healthy_panic_threshold", threshold.value));
    balancing.panic_threshold = threshold.transpose()?;
    match locality_config_specifier {
        Some(Locality::LocalityWeightedLbConfig(_)) => balancing.locality_weighted = true,
        Some(Locality::ZoneAwareLbConfig(_)) => at.field("zone_aware_lb_config").note("it has no effect"),
        None => {}
    }
    Ok(())
}

/// The configuration of a policy; one for another policy than the chosen has no effect, as in Envoy.
fn classic(at: &At<'_>, value: cluster::cluster::LbConfig, balancing: &mut Balancing) -> Decoded<()> {
    use cluster::cluster::LbConfig as Is;
    match (value, &mut balancing.policy) {
        (Is::LeastRequestLbConfig(value), LbPolicy::LeastRequest { choices }) => {
            let at = at.field("least_request_lb_config");
            unpack!(at, value, cluster::cluster::LeastRequestLbConfig {
                choice_count, slow_start_config
            } else { active_request_bias });
            *choices = self::choices(&at, choice_count.map(|value| value.value))?;
            balancing.slow_start = slow_start_config.map(|value| slow_start(&at, value)).transpose()?;
        }
        (Is::RoundRobinLbConfig(value), LbPolicy::RoundRobin) => {
            let at = at.field("round_robin_lb_config");
            balancing.slow_start = value.slow_start_config.map(|value| slow_start(&at, value)).transpose()?;
        }
        (Is::RingHashLbConfig(value), LbPolicy::RingHash { minimum_ring_size }) => {
            let at = at.field("ring_hash_lb_config");
            at.left("hash_function", &value.hash_function);
            at.left("maximum_ring_size", &value.maximum_ring_size);
            *minimum_ring_size = value.minimum_ring_size.map_or(RING, |value| value.value);
        }
        (Is::MaglevLbConfig(value), LbPolicy::Maglev { table_size }) => {
            *table_size = value.table_size.map_or(TABLE, |value| value.value);
        }
        (Is::LeastRequestLbConfig(_), _) => {
            at.field("least_request_lb_config").note("another policy is chosen")
        }
        (Is::RoundRobinLbConfig(_), _) => at.field("round_robin_lb_config").note("another policy is chosen"),
        (Is::RingHashLbConfig(_), _) => at.field("ring_hash_lb_config").note("another policy is chosen"),
        (Is::MaglevLbConfig(_), _) => at.field("maglev_lb_config").note("another policy is chosen"),
        (Is::OriginalDstLbConfig(_), _) => {
            at.field("original_dst_lb_config").note("connections go to their original destination");
        }
    }
    Ok(())
}

fn choices(at: &At<'_>, value: Option<u32>) -> Decoded<u32> {
    match value {
        Some(0 | 1) => Err(at.field("choice_count").fault("there must be 2 to choose from")),
        Some(choices) => Ok(choices),
        None => Ok(CHOICES),
    }
}

fn slow_start(at: &At<'_>, value: cluster::cluster::SlowStartConfig) -> Decoded<SlowStart> {
    slow_start_parts(at, value.slow_start_window, value.aggression, value.min_weight_percent)
}

fn slow_start_parts(
    at: &At<'_>,
    window: Option<crate::pb::Duration>,
    aggression: Option<core::RuntimeDouble>,
    min_weight: Option<types::Percent>,
) -> Decoded<SlowStart> {
    let at = at.field("slow_start_config");
    if let Some(aggression) = &aggression {
        at.field("aggression").left("runtime_key", &aggression.runtime_key);
    }
    Ok(SlowStart {
        window: duration(&at, "slow_start_window", window)?.unwrap_or_default(),
        aggression: finite(&at, "aggression", aggression.map_or(1.0, |value| value.default_value))?,
        min_weight_percent: percent(&at, "min_weight_percent", min_weight.map_or(10.0, |value| value.value))?,
    })
}

/// The first policy that is known here.
fn by_extension(at: &At<'_>, value: cluster::LoadBalancingPolicy, balancing: &mut Balancing) -> Decoded<()> {
    for (n, policy) in value.policies.into_iter().enumerate() {
        let at = at.item("policies", n);
        let at = at.field("typed_extension_config");
        let config = policy.typed_extension_config.and_then(|extension| extension.typed_config);
        let config = config.as_ref();
        if let Some(value) = extension::<lb::least_request::v3::LeastRequest>(&at, config)? {
            let choices = choices(&at, value.choice_count.map(|value| value.value))?;
            balancing.policy = LbPolicy::LeastRequest { choices };
            balancing.slow_start = value.slow_start_config.map(|value| extended(&at, value)).transpose()?;
            locality(value.locality_lb_config, balancing);
        } else if let Some(value) = extension::<lb::round_robin::v3::RoundRobin>(&at, config)? {
            balancing.policy = LbPolicy::RoundRobin;
            balancing.slow_start = value.slow_start_config.map(|value| extended(&at, value)).transpose()?;
            locality(value.locality_lb_config, balancing);
        } else if let Some(value) = extension::<lb::random::v3::Random>(&at, config)? {
            balancing.policy = LbPolicy::Random;
            locality(value.locality_lb_config, balancing);
        } else if let Some(value) = extension::<lb::ring_hash::v3::RingHash>(&at, config)? {
            let minimum_ring_size = value.minimum_ring_size.map_or(RING, |value| value.value);
            balancing.policy = LbPolicy::RingHash { minimum_ring_size };
            balancing.locality_weighted |= value.locality_weighted_lb_config.is_some();
        } else if let Some(value) = extension::<lb::maglev::v3::Maglev>(&at, config)? {
            let table_size = value.table_size.map_or(TABLE, |value| value.value);
            balancing.policy = LbPolicy::Maglev { table_size };
            balancing.locality_weighted |= value.locality_weighted_lb_config.is_some();
        } else if extension::<lb::cluster_provided::v3::ClusterProvided>(&at, config)?.is_some() {
            balancing.policy = LbPolicy::ClusterProvided;
        } else {
            at.note("this balancing policy is not known: the next one counts, or round robin");
            continue;
        }
        return Ok(());
    }
    Ok(())
}

fn extended(at: &At<'_>, value: lb::common::v3::SlowStartConfig) -> Decoded<SlowStart> {
    slow_start_parts(at, value.slow_start_window, value.aggression, value.min_weight_percent)
}

fn locality(value: Option<lb::common::v3::LocalityLbConfig>, balancing: &mut Balancing) {
    use lb::common::v3::locality_lb_config::LocalityConfigSpecifier as Is;
    let specifier = value.and_then(|value| value.locality_config_specifier);
    balancing.locality_weighted |= matches!(specifier, Some(Is::LocalityWeightedLbConfig(_)));
}
