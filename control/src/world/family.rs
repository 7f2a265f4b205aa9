//! The families of IP addresses, as a cluster of both has them.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::ServiceSpec;

/// A family of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Those that a Service asks for, or has addresses of, in its order. One that wants both where there are two
    /// (`ipFamilyPolicy`) is given both; none: those that its cluster gives first.
    pub fn of_service(spec: &ServiceSpec) -> Vec<Self> {
        let named = |name: &String| match name.as_str() {
            "IPv4" => Some(Self::V4),
            "IPv6" => Some(Self::V6),
            _ => None,
        };
        let asked = spec.ip_families.iter().flatten().filter_map(named);
        let own = spec.cluster_ip.iter().chain(spec.cluster_ips.iter().flatten());
        let own = own.filter_map(|address| address.parse().ok()).map(Self::of);
        let both = matches!(spec.ip_family_policy.as_deref(), Some("PreferDualStack" | "RequireDualStack"));
        let rest = both.then_some([Self::V4, Self::V6]).into_iter().flatten();
        let mut families = Vec::new();
        for family in asked.chain(own).chain(rest) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }
}

#[cfg(test)]
mod tests;
