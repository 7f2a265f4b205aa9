use super::*;
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster::EdsClusterConfig};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;

#[test]
fn a_cluster_with_a_service_name_asks_for_its_endpoints_under_that() {
    let mut cluster = Cluster { name: "c".into(), ..Default::default() };
    assert_eq!(endpoints_of_cluster(&cluster.encode_to_vec()), None);
    cluster.eds_cluster_config = Some(EdsClusterConfig::default());
    assert_eq!(endpoints_of_cluster(&cluster.encode_to_vec()).as_deref(), Some("c"));
    cluster.eds_cluster_config = Some(EdsClusterConfig { service_name: "s".into(), ..Default::default() });
    assert_eq!(endpoints_of_cluster(&cluster.encode_to_vec()).as_deref(), Some("s"));
}

#[test]
fn a_name_is_read_from_its_field_and_garbage_is_an_error() {
    let endpoints = ClusterLoadAssignment { cluster_name: "e".into(), ..Default::default() };
    assert_eq!(name(crate::type_url::ENDPOINTS, &endpoints.encode_to_vec()).unwrap(), "e");
    assert!(name(crate::type_url::ENDPOINTS, &[0x0a, 0xff]).is_err());
    assert_eq!(name(crate::type_url::NAME_TABLE, &[0x0a, 0xff]).unwrap(), "");
}
