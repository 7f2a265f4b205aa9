//! Checks of values: what the type alone cannot say and Istio's and Kubernetes' own admission refuses. One file a kind,
//! and one for each sort of value that several kinds have.

pub(super) mod authorization_policy;
pub(super) mod config_map;
pub(super) mod destination_rule;
pub(super) mod gateway;
mod host;
pub(super) mod mesh_config;
pub(super) mod names;
mod network;
pub(super) mod peer_authentication;
mod policy_target;
mod port;
pub(super) mod proxy_annotation;
pub(super) mod proxy_config;
mod quantity;
mod regex;
pub(super) mod request_authentication;
pub(super) mod service;
pub(super) mod service_entry;
mod share;
pub(super) mod sidecar;
pub(super) mod sidecar_annotation;
pub(super) mod telemetry;
mod time;
mod tls_files;
pub(super) mod virtual_service;
pub(super) mod workload;
pub(super) mod workload_entry;
