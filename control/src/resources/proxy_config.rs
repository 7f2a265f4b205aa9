//! ProxyConfig: settings of some workloads' proxies, read when they start.

use std::collections::BTreeMap;

use super::selector::Selector;

message! {
    /// Settings of some workloads' proxies.
    pub struct ProxyConfig {
        pub selector: Option<Selector>,
        pub concurrency: Option<i32>,
        pub environment_variables: BTreeMap<String, String>,
        pub image: Option<ProxyImage>,
    }

    /// Which image runs as the proxy.
    pub struct ProxyImage {
        pub image_type: String,
    }
}
