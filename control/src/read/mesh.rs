//! MeshConfig, wherever it stands: in an IstioOperator, in the ConfigMap `istio`, in a document of its own with or
//! without a kind (the file that istiod is given).

use serde::Deserialize;
use serde::de::IgnoredAny;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::document::{Document, Reader};
use super::finding::Findings;
use super::node::{Entry, Meaning, Node, Value};
use super::path::Path;
use super::shape::{self, Fitted, Rules};
use super::{not_honoured, validate, yaml};
use crate::resources::Object;
use crate::resources::istio_operator::IstioOperator;
use crate::resources::mesh_config::MeshConfig;

/// Where Istio is installed unless somebody says otherwise.
pub(super) const ROOT_NAMESPACE: &str = "istio-system";

/// Top-level keys that nothing but a MeshConfig has.
pub(super) const TELLING: &[&str] = &[
    "accessLogEncoding",
    "accessLogFile",
    "accessLogFormat",
    "connectTimeout",
    "defaultConfig",
    "defaultProviders",
    "discoverySelectors",
    "enableAutoMtls",
    "enablePrometheusMerge",
    "enableTracing",
    "extensionProviders",
    "inboundTrafficPolicy",
    "meshMTLS",
    "outboundTrafficPolicy",
    "pathNormalization",
    "proxyHttpPort",
    "rootNamespace",
    "trustDomain",
    "trustDomainAliases",
];

/// Whether a document without kind is a MeshConfig.
pub(super) fn is_bare(node: &Node) -> bool {
    let Value::Map(entries) = &node.value else { return false };
    let of_a_resource = ["kind", "apiVersion", "metadata", "spec"];
    !entries.iter().any(|entry| of_a_resource.contains(&&*entry.key))
        && entries.iter().any(|entry| TELLING.contains(&shape::camel_case(&entry.key).as_str()))
}

/// A MeshConfig with a kind, which Istio has no resource for but people write.
#[derive(Deserialize)]
struct Wrapped<S> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    #[serde(default)]
    metadata: ObjectMeta,
    spec: Option<S>,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
}

impl Reader {
    /// A document that is a MeshConfig itself.
    pub(super) fn bare_mesh(&mut self, node: &Node) {
        let mut findings = Findings::default();
        not_honoured::check("MeshConfig", node, &mut findings);
        let fitted = shape::fit_part(node, &Path::ROOT, Rules::ProtoJson, &mut findings);
        let document = Document {
            node,
            kind: "MeshConfig",
            name: "istio".to_owned(),
            namespace: ROOT_NAMESPACE.to_owned(),
            findings,
        };
        self.take_mesh(document, &Path::ROOT, ObjectMeta::default(), fitted);
    }

    /// A document of kind MeshConfig.
    pub(super) fn mesh_document(&mut self, mut document: Document<'_>) {
        let root = Path::ROOT;
        if let Some(spec) = document.node.key("spec") {
            not_honoured::check("MeshConfig", spec, &mut document.findings);
        }
        let Fitted { value, misfits } =
            shape::fit_part(document.node, &root, Rules::ProtoJson, &mut document.findings);
        let value: Option<Wrapped<MeshConfig>> = value;
        let (metadata, value) = value.map(|whole| (whole.metadata, whole.spec.unwrap_or_default())).unzip();
        let mesh = Fitted { value, misfits };
        self.take_mesh(document, &root.key("spec"), metadata.unwrap_or_default(), mesh);
    }

    /// An IstioOperator.
    pub(super) fn operator(&mut self, mut document: Document<'_>) {
        let root = Path::ROOT;
        let spec = root.key("spec");
        let Fitted { value, misfits } =
            shape::fit_part(document.node, &root, Rules::ProtoJson, &mut document.findings);
        let whole: Option<Wrapped<IstioOperator>> = value;
        let Some(whole) = whole else { return self.close(document) };
        let Some(mesh) = whole.spec.unwrap_or_default().mesh_config else { return self.close(document) };
        if let Some(node) = document.node.key("spec").and_then(|spec| spec.key("meshConfig")) {
            not_honoured::check_below("MeshConfig", node, &spec.key("meshConfig"), &mut document.findings);
        }
        let mesh = Fitted { value: Some(mesh), misfits };
        self.take_mesh(document, &spec.key("meshConfig"), whole.metadata, mesh);
    }

    /// The key `mesh` of the ConfigMap that istiod reads its settings from.
    pub(super) fn mesh_in_config_map(&mut self, document: &Document<'_>, text: &str) {
        if document.name != "istio" || document.namespace != ROOT_NAMESPACE {
            return;
        }
        let Some(entry) = document.node.key("data").and_then(|data| data.entry("mesh")) else { return };
        let Some(inner) = entry.value.text() else { return };
        for inner in yaml::documents(inner) {
            match inner {
                Ok(mut node) => {
                    let (lines, columns) = offset(entry, text);
                    node.shift(lines, columns);
                    self.bare_mesh(&node);
                }
                Err(error) => {
                    let (lines, columns) = offset(entry, text);
                    self.syntax_error(yaml::SyntaxError { at: error.at.shifted(lines, columns), ..error });
                }
            }
        }
    }

    fn take_mesh(
        &mut self,
        mut document: Document<'_>,
        at: &Path<'_>,
        metadata: ObjectMeta,
        mesh: Fitted<MeshConfig>,
    ) {
        let Fitted { value, misfits } = mesh;
        if let Some(mesh) = value {
            misfits.checked(&mut document.findings, |findings| {
                validate::mesh_config::check(&mesh, at, findings);
            });
            let source = self.source(document.node);
            if let Some(first) = &self.resources().mesh {
                let first = first.source.clone();
                document.findings.error(at, "the mesh's settings (MeshConfig) stand in more than one place");
                document.findings.hint(format!("the first is at {first}"));
            } else if self.is_good(&document) {
                let meta = self.meta(&document, metadata);
                self.resources().mesh = Some(Object { meta, spec: mesh, source });
            }
        }
        self.close(document);
    }
}

/// How far the text of a key's value stands from the file's first line and column.
fn offset(entry: &Entry, text: &str) -> (u32, u32) {
    let value = &entry.value;
    if !matches!(value.value, Value::Scalar(_, Meaning::Block)) {
        return (value.at.line.saturating_sub(1), value.at.column.saturating_sub(1));
    }
    // A block begins on the line after its key; its first line that says something is indented as it is.
    let below = text.lines().skip(entry.at.line as usize).find(|line| !line.trim().is_empty());
    let indent = below.map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
    (entry.at.line, u32::try_from(indent).unwrap_or(0))
}
