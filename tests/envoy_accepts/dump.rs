//! What an Envoy has in force, by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use weft_testkit::envoy::Envoy;

/// What an Envoy has in force, by name, and what it could not take.
pub(crate) struct Dump {
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) endpoints: BTreeSet<String>,
    pub(crate) listeners: BTreeSet<String>,
    pub(crate) routes: BTreeSet<String>,
    pub(crate) errors: Vec<String>,
    /// The resources themselves, as they are shown.
    pub(crate) shown: BTreeMap<(&'static str, String), Value>,
}

impl Dump {
    /// Asks an Envoy.
    pub(crate) fn of(envoy: &Envoy) -> Result<Self, String> {
        let text = envoy.admin("/config_dump?include_eds").map_err(|error| format!("admin: {error}"))?;
        let dump: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
        Ok(Self::read(&dump))
    }

    fn read(dump: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let all = |key: &str| -> Vec<Value> {
            list(&dump["configs"]).iter().flat_map(|config| list(&config[key])).collect()
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut errors = Vec::new();
        for key in [
            "dynamic_active_clusters",
            "dynamic_warming_clusters",
            "dynamic_listeners",
            "dynamic_route_configs",
            "dynamic_endpoint_configs",
        ] {
            let failed = all(key).into_iter().filter(|one| !one["error_state"].is_null());
            errors.extend(failed.map(|one| format!("{key}: {}", one["error_state"])));
        }
        let listeners = all("dynamic_listeners").into_iter().filter(|one| !one["active_state"].is_null());
        let mut shown = BTreeMap::new();
        for (key, place) in
            [("dynamic_active_clusters", "/cluster"), ("dynamic_listeners", "/active_state/listener")]
        {
            for resource in all(key).iter().filter_map(|one| one.pointer(place)) {
                let name = text(&resource["name"]).unwrap_or_default();
                shown.insert((key, name), resource.clone());
            }
        }
        Self {
            shown,
            clusters: all("dynamic_active_clusters")
                .iter()
                .filter_map(|one| text(&one["cluster"]["name"]))
                .collect(),
            endpoints: all("dynamic_endpoint_configs")
                .iter()
                .filter_map(|one| text(&one["endpoint_config"]["cluster_name"]))
                .collect(),
            listeners: listeners.filter_map(|one| text(&one["name"])).collect(),
            routes: all("dynamic_route_configs")
                .iter()
                .filter_map(|one| text(&one["route_config"]["name"]))
                .collect(),
            errors,
        }
    }
}
