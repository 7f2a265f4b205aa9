//! IstioOperator: what `istioctl install` is given. A mesh cares for its `meshConfig` alone.

use super::mesh_config::MeshConfig;
use serde::de::IgnoredAny;

message! {
    /// An installation.
    pub struct IstioOperator {
        pub profile: String,
        pub install_package_path: String,
        pub hub: String,
        pub tag: Option<IgnoredAny>,
        pub namespace: String,
        pub revision: String,
        pub resource_suffix: String,
        pub compatibility_version: String,
        pub default_revision: Option<bool>,
        pub mesh_config: Option<MeshConfig>,
        pub components: Option<IgnoredAny>,
        pub addon_components: Option<IgnoredAny>,
        pub values: Option<IgnoredAny>,
        pub unvalidated_values: Option<IgnoredAny>,
    }
}
