//! Compiles the few messages that `envoy-types` lacks; pure Rust, no `protoc` on the machine.

use std::path::Path;

const ROOT: &str = "proto";

const PROTOS: [&str; 8] = [
    "istio/alpn.proto",
    "istio/ca.proto",
    "istio/metadata_exchange.proto",
    "istio/nds.proto",
    "istio/peer_metadata.proto",
    "istio/stats.proto",
    "udpa/typed_struct.proto",
    "xds/typed_struct.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(PROTOS.map(|proto| Path::new(ROOT).join(proto)), [ROOT])?;
    let mut config = prost_build::Config::new();
    config.enable_type_names().type_name_domain(["."], "type.googleapis.com");
    // One `Struct` and one `Duration` in the whole program: envoy-types' own. Without `compile_well_known_types`
    // prost would map the same names a second time and refuse. Maps are sorted, so equal messages have equal bytes.
    tonic_prost_build::configure()
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::envoy_types::pb::google::protobuf")
        .btree_map(".")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
