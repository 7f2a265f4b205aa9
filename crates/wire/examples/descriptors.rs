//! Makes `descriptors/`: what the resources of xDS look like and which fields are secrets, for `weft_wire::json`.
//!
//!     cargo run -p weft-wire --example descriptors
//!
//! Envoy's part comes with the sources of `envoy-types`, Istio's few from `proto/`. Kept is what a proxy can be sent:
//! the four resources, secrets, and every extension that one of them may hold; left out are comments and annotations.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::{Compression, GzBuilder};
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FileDescriptorProto, FileDescriptorSet, MessageOptions,
};

/// Files that are kept with everything they refer to.
const ROOTS: [&str; 12] = [
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/extensions/",
    "google/protobuf/any.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/wrappers.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
];

/// Of Istio's: what stands in a resource.
const ISTIO: [&str; 6] = [
    "istio/alpn.proto",
    "istio/metadata_exchange.proto",
    "istio/peer_metadata.proto",
    "istio/stats.proto",
    "udpa/typed_struct.proto",
    "xds/typed_struct.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let envoy = std::fs::read(envoy_types()?.join("src/generated/types.bin"))?;
    let secrets = secrets(&DescriptorPool::decode(&*envoy)?);
    let envoy = FileDescriptorSet::decode(&*envoy)?;
    let istio = protox::compile(ISTIO.map(|proto| home.join("proto").join(proto)), [home.join("proto")])?;
    let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    let mut wanted: Vec<String> = Vec::new();
    for file in envoy.file {
        if ROOTS.iter().any(|root| file.name().starts_with(root)) {
            wanted.push(file.name().to_owned());
        }
        files.insert(file.name().to_owned(), file);
    }
    for file in istio.file {
        wanted.push(file.name().to_owned());
        files.entry(file.name().to_owned()).or_insert(file);
    }
    let homes = homes(&files);
    let kept = with_what_they_need(&files, &homes, wanted);
    let kept = kept.into_iter().map(|name| bare(files[&name].clone(), &homes));
    let set = FileDescriptorSet { file: kept.collect() };
    let bytes = set.encode_to_vec();
    let path = home.join("descriptors/resources.bin.gz");
    // No time and no name within, so that the same descriptors are the same file.
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
    packed.write_all(&bytes)?;
    let packed = packed.finish()?;
    println!("{} files, {} bytes, {} packed", set.file.len(), bytes.len(), packed.len());
    std::fs::write(path, packed)?;
    let secrets: String = secrets.iter().map(|field| format!("{field}\n")).collect();
    std::fs::write(home.join("descriptors/secrets.txt"), secrets)?;
    Ok(())
}

/// Where cargo has the sources of `envoy-types`.
fn envoy_types() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let told = Command::new(env!("CARGO")).args(["metadata", "--format-version", "1"]).output()?;
    let told: serde_json::Value = serde_json::from_slice(&told.stdout)?;
    let packages = told["packages"].as_array().ok_or("cargo metadata told of no packages")?;
    let manifest =
        packages.iter().find(|p| p["name"] == "envoy-types").and_then(|p| p["manifest_path"].as_str());
    let manifest = Path::new(manifest.ok_or("nothing depends on envoy-types")?);
    Ok(manifest.parent().ok_or("a manifest without a folder")?.to_owned())
}

/// Which file states a type, by its full name with the leading dot.
fn homes(files: &BTreeMap<String, FileDescriptorProto>) -> BTreeMap<String, String> {
    fn within(message: &DescriptorProto, scope: &str, file: &str, homes: &mut BTreeMap<String, String>) {
        let name = format!("{scope}.{}", message.name());
        message.nested_type.iter().for_each(|inner| within(inner, &name, file, homes));
        for inner in &message.enum_type {
            homes.insert(format!("{name}.{}", inner.name()), file.to_owned());
        }
        homes.insert(name, file.to_owned());
    }
    let mut homes = BTreeMap::new();
    for (name, file) in files {
        let scope = format!(".{}", file.package());
        file.message_type.iter().for_each(|message| within(message, &scope, name, &mut homes));
        for inner in &file.enum_type {
            homes.insert(format!("{scope}.{}", inner.name()), name.clone());
        }
    }
    homes
}

/// The files that state the types of `file`'s fields.
fn needs(file: &FileDescriptorProto, homes: &BTreeMap<String, String>) -> BTreeSet<String> {
    fn within(message: &DescriptorProto, homes: &BTreeMap<String, String>, needs: &mut BTreeSet<String>) {
        needs.extend(message.field.iter().filter_map(|field| homes.get(field.type_name())).cloned());
        message.nested_type.iter().for_each(|inner| within(inner, homes, needs));
    }
    let mut all = BTreeSet::new();
    file.message_type.iter().for_each(|message| within(message, homes, &mut all));
    all.remove(file.name());
    all
}

fn with_what_they_need(
    files: &BTreeMap<String, FileDescriptorProto>,
    homes: &BTreeMap<String, String>,
    mut wanted: Vec<String>,
) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if let Some(file) = files.get(&name)
            && kept.insert(name)
        {
            wanted.extend(needs(file, homes));
        }
    }
    kept
}

/// The full names of the fields that are annotated as sensitive.
fn secrets(pool: &DescriptorPool) -> BTreeSet<String> {
    let Some(sensitive) = pool.get_extension_by_name("udpa.annotations.sensitive") else {
        return BTreeSet::new();
    };
    let fields = pool.all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
    let marked = fields.filter(|field| field.options().get_extension(&sensitive).as_bool() == Some(true));
    marked.map(|field| field.full_name().to_owned()).collect()
}

/// Without comments, services, annotations, and the files that only those need.
fn bare(mut file: FileDescriptorProto, homes: &BTreeMap<String, String>) -> FileDescriptorProto {
    file.dependency = needs(&file, homes).into_iter().collect();
    file.public_dependency.clear();
    file.weak_dependency.clear();
    file.options = None;
    file.source_code_info = None;
    file.service.clear();
    file.extension.clear();
    file.message_type.iter_mut().for_each(bare_message);
    file.enum_type.iter_mut().for_each(bare_enum);
    file
}

fn bare_message(message: &mut DescriptorProto) {
    let entry = message.options.as_ref().and_then(|options| options.map_entry);
    message.options =
        entry.map(|entry| MessageOptions { map_entry: Some(entry), ..MessageOptions::default() });
    message.reserved_name.clear();
    message.reserved_range.clear();
    message.extension.clear();
    for field in &mut message.field {
        field.options = None;
        field.json_name = None;
    }
    message.oneof_decl.iter_mut().for_each(|choice| choice.options = None);
    message.nested_type.iter_mut().for_each(bare_message);
    message.enum_type.iter_mut().for_each(bare_enum);
}

fn bare_enum(one: &mut EnumDescriptorProto) {
    let alias = one.options.as_ref().and_then(|options| options.allow_alias);
    one.options = alias.map(|alias| EnumOptions { allow_alias: Some(alias), ..EnumOptions::default() });
    one.reserved_name.clear();
    one.reserved_range.clear();
    one.value.iter_mut().for_each(|value| value.options = None);
}
