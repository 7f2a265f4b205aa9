//! Takes documents for what they say they are.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::Metadata;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::diagnostic::Severity;
use super::finding::Findings;
use super::header::{self, TypeMeta};
use super::kind::{self, Found, Handling, Kind};
use super::node::{Node, Position, short};
use super::path::Path;
use super::report::label;
use super::shape::{self, Fitted, Rules};
use super::stranger::Folders;
use super::{Reading, boolean_key, emptied, encoding, json, kustomize, mesh, not_honoured, validate, yaml};
use crate::resources::{Age, Job, Meta, Object, Resources, SecretData, Source};

/// Gathers what documents say.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) reading: Reading,
    /// Where each resource was written, by kind, namespace and name.
    seen: HashMap<(&'static str, String, String), Source>,
    pub(super) file: Arc<str>,
    /// The folder that was given, if the file at hand was found in one; and all of these so far.
    pub(super) folder: Option<Arc<str>>,
    pub(super) folders: Folders,
    /// The document at hand is not as it was meant: it is looked at for what else is wrong with it, and not kept.
    is_broken: bool,
    /// What is wrong with the document at hand is its values alone, and it is among the doubted.
    pub(super) is_doubted: bool,
    order: u32,
}

/// A document of a known kind with its name.
pub(super) struct Document<'n> {
    pub(super) node: &'n Node,
    pub(super) kind: &'static str,
    /// Empty where none can be read, which is an error among the findings.
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) findings: Findings,
}

/// An Istio resource as a whole.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<S> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    /// That there is none is said of the name, which is wanted first.
    metadata: Option<ObjectMeta>,
    spec: Option<S>,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
}

/// A file's text as it is read: without a mark of its encoding, and JSON as YAML.
pub(super) fn plain<'t>(name: &str, text: &'t str) -> Cow<'t, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if is_json(name) { json::as_yaml(text) } else { text.into() }
}

/// The documents of a file, of its plain text.
pub(super) fn documents(name: &str, plain: &str) -> Vec<Result<Node, yaml::SyntaxError>> {
    if is_json(name) { yaml::json_documents(plain) } else { yaml::documents(plain) }
}

fn is_json(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".json")
}

impl Reader {
    /// What was read.
    pub(super) fn finish(self) -> Reading {
        self.reading
    }

    /// Reads one file.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) {
        self.file = Arc::from(name);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => plain(name, text),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let mut lines = before.split(|byte| *byte == b'\n');
                let line = u32::try_from(lines.clone().count()).unwrap_or(u32::MAX);
                let column =
                    lines.next_back().map_or(0, |line| String::from_utf8_lossy(line).chars().count());
                let at =
                    Position { line, column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1) };
                let hint = encoding::hint(bytes, error.valid_up_to());
                self.report(None, at, Severity::Error, String::new(), "this is not UTF-8".to_owned(), hint);
                return;
            }
        };
        let text = &*text;
        let documents = documents(name, text);
        if self.passes_over(&documents) {
            return;
        }
        for document in documents {
            match document {
                Ok(node) => self.document(&node, text),
                Err(mut error) => {
                    let rest = error.rest.take();
                    self.syntax_error(error);
                    if let Some(rest) = rest {
                        self.is_broken = true;
                        self.document(&rest, text);
                        self.is_broken = false;
                    }
                }
            }
        }
    }

    fn document(&mut self, node: &Node, text: &str) {
        if mesh::is_bare(node) {
            self.bare_mesh(node);
            return;
        }
        if kustomize::is_one(&self.file, node) {
            self.kustomization(node);
            return;
        }
        let mut findings = Findings::default();
        let Some(types) = header::type_meta(node, &mut findings) else {
            self.conclude(node, None, findings);
            return;
        };
        if let Some(items) = node.key("items").and_then(Node::list)
            && types.kind.ends_with("List")
        {
            self.items(&types, items, text);
            return;
        }
        match kind::find(&types.group, &types.version, &types.kind) {
            Found::Known(known) => self.known(node, known, findings, text),
            Found::Version(known) => {
                let at = Path::ROOT;
                let message =
                    format!("{} is not a version of {} that is served", types.api_version(), known.name);
                findings.error(&at.key("apiVersion"), message);
                findings.hint(format!("write {}", served(known)));
                self.known(&taken_for(known, node), known, findings, text);
            }
            Found::NoSuchKind(near) => {
                let at = Path::ROOT;
                findings.error(
                    &at.key("kind"),
                    format!("{} has no kind {}", types.api_version(), short(&types.kind)),
                );
                if let Some(near) = near {
                    findings.hint(format!("did you mean {} ({})?", near.name, served(near)));
                    self.known(&taken_for(near, node), near, findings, text);
                } else {
                    self.conclude(node, None, findings);
                }
            }
            Found::Foreign(near) => {
                let at = Path::ROOT;
                let message =
                    format!("unknown kind {} of {}: passed over", short(&types.kind), types.api_version());
                findings.warning(&at.key("kind"), message);
                if let Some(near) = near {
                    findings.hint(format!("did you mean {} ({})?", near.name, served(near)));
                }
                self.conclude(node, None, findings);
            }
        }
    }

    /// The resources of a List.
    fn items(&mut self, list: &TypeMeta, items: &[Node], text: &str) {
        for item in items {
            if list.kind == "List" || item.key("kind").is_some() {
                self.document(item, text);
                continue;
            }
            // Items of a typed list need not repeat what they are.
            let kind = list.kind.strip_suffix("List").unwrap_or(&list.kind);
            let mut item = item.clone();
            item.set("apiVersion", &list.api_version());
            item.set("kind", kind);
            self.document(&item, text);
        }
    }

    /// Reads a document as one of a known kind; with errors in `findings` it is taken for one, to find what else is wrong.
    fn known(&mut self, node: &Node, known: &'static kind::Known, mut findings: Findings, text: &str) {
        let namespaced = !matches!(known.handling, Handling::Read(Kind::Namespace | Kind::Node));
        let kind = match known.handling {
            Handling::Read(kind) => kind,
            Handling::PassOver | Handling::Warn(_) if findings.has_errors() => {
                return self.conclude(node, None, findings);
            }
            Handling::PassOver => {
                if matches!(known.name, "Job" | "CronJob") && !has_owner(node) {
                    self.job(node, known.name);
                }
                return self.pass_over(known.name);
            }
            Handling::Warn(_) if has_owner(node) => return self.pass_over(known.name),
            Handling::Warn(why) => {
                let (name, namespace) = header::name(node, namespaced, &mut findings);
                let at = Path::ROOT;
                findings.warning(&at.key("kind"), why);
                return self.conclude(node, label(known.name, &namespace, &name), findings);
            }
        };
        // A controller makes its pods from what it is given; a cluster's listing has both.
        if kind == Kind::Pod && has_owner(node) && !findings.has_errors() {
            return self.pass_over(known.name);
        }
        // Neither lives in a cluster, so neither needs a name.
        let (name, namespace) = match kind {
            Kind::MeshConfig | Kind::IstioOperator if node.key("metadata").is_none() => {
                ("istio".to_owned(), mesh::ROOT_NAMESPACE.to_owned())
            }
            _ => header::name(node, namespaced, &mut findings),
        };
        // A name that becomes part of a host name is one label of it.
        if matches!(kind, Kind::Service | Kind::Namespace) && name.contains('.') {
            let at = Path::ROOT;
            findings.error(&at.key("metadata").key("name"), format!("a {}'s name has no dots", known.name));
        }
        not_honoured::check(known.name, node, &mut findings);
        emptied::check(known.name, node, &mut findings);
        boolean_key::check(node, &mut findings);
        let document = Document { node, kind: known.name, name, namespace, findings };
        if kind == Kind::ConfigMap {
            self.mesh_in_config_map(&document, text);
        }
        self.read(kind, document);
    }

    fn read(&mut self, kind: Kind, document: Document<'_>) {
        match kind {
            Kind::Namespace => {
                self.kubernetes(document, |_: Namespace| Some(()), |_, _| {}, |r| &mut r.namespaces)
            }
            Kind::Node => self.kubernetes(document, |_: k8s::Node| Some(()), |_, _| {}, |r| &mut r.nodes),
            Kind::ServiceAccount => {
                self.kubernetes(
                    document,
                    |_: ServiceAccount| Some(()),
                    |_, _| {},
                    |r| &mut r.service_accounts,
                );
            }
            Kind::Pod => self.kubernetes(document, |o: Pod| o.spec, validate::workload::pod, |r| &mut r.pods),
            Kind::Deployment => {
                self.kubernetes(
                    document,
                    |o: Deployment| o.spec,
                    validate::workload::deployment,
                    |r| &mut r.deployments,
                );
            }
            Kind::StatefulSet => self.kubernetes(
                document,
                |o: StatefulSet| o.spec,
                validate::workload::stateful_set,
                |r| &mut r.stateful_sets,
            ),
            Kind::DaemonSet => {
                self.kubernetes(
                    document,
                    |o: DaemonSet| o.spec,
                    validate::workload::daemon_set,
                    |r| &mut r.daemon_sets,
                );
            }
            Kind::Service => {
                self.kubernetes(document, |o: Service| o.spec, validate::service::check, |r| &mut r.services);
            }
            Kind::ConfigMap => self.kubernetes(
                document,
                |o: ConfigMap| Some(o.data.unwrap_or_default()),
                validate::config_map::check,
                |r| &mut r.config_maps,
            ),
            Kind::Secret => {
                self.kubernetes(document, |o: Secret| Some(secret_data(o)), |_, _| {}, |r| &mut r.secrets)
            }
            Kind::VirtualService => {
                self.istio(document, validate::virtual_service::check, |r| &mut r.virtual_services);
            }
            Kind::DestinationRule => {
                self.istio(document, validate::destination_rule::check, |r| &mut r.destination_rules);
            }
            Kind::ServiceEntry => {
                self.istio(document, validate::service_entry::check, |r| &mut r.service_entries)
            }
            Kind::WorkloadEntry => {
                self.istio(document, validate::workload_entry::check, |r| &mut r.workload_entries)
            }
            Kind::WorkloadGroup => {
                self.istio(document, validate::workload_entry::group, |r| &mut r.workload_groups)
            }
            Kind::Sidecar => self.istio(document, validate::sidecar::check, |r| &mut r.sidecars),
            Kind::Gateway => self.istio(document, validate::gateway::check, |r| &mut r.gateways),
            Kind::ProxyConfig => {
                self.istio(document, validate::proxy_config::check, |r| &mut r.proxy_configs)
            }
            Kind::PeerAuthentication => {
                self.istio(document, validate::peer_authentication::check, |r| &mut r.peer_authentications);
            }
            Kind::AuthorizationPolicy => {
                self.istio(document, validate::authorization_policy::check, |r| {
                    &mut r.authorization_policies
                });
            }
            Kind::RequestAuthentication => {
                self.istio(document, validate::request_authentication::check, |r| {
                    &mut r.request_authentications
                });
            }
            Kind::Telemetry => self.istio(document, validate::telemetry::check, |r| &mut r.telemetries),
            Kind::IstioOperator => self.operator(document),
            Kind::MeshConfig => self.mesh_document(document),
        }
    }

    fn kubernetes<T, S>(
        &mut self,
        mut document: Document<'_>,
        spec: fn(T) -> Option<S>,
        check: fn(&S, &mut Findings),
        list: fn(&mut Resources) -> &mut Vec<Object<S>>,
    ) where
        T: DeserializeOwned + Metadata<Ty = ObjectMeta>,
    {
        let Fitted { value, misfits } =
            shape::fit_part(document.node, &Path::ROOT, Rules::Kubernetes, &mut document.findings);
        let value = value.map(|whole: T| (whole.metadata().clone(), spec(whole)));
        self.store(document, Fitted { value, misfits }, check, list);
    }

    fn istio<S: DeserializeOwned + Default>(
        &mut self,
        mut document: Document<'_>,
        check: fn(&S, &mut Findings),
        list: fn(&mut Resources) -> &mut Vec<Object<S>>,
    ) {
        let Fitted { value, misfits } =
            shape::fit_part(document.node, &Path::ROOT, Rules::Istio, &mut document.findings);
        let value = value.map(|whole: Envelope<S>| {
            (whole.metadata.unwrap_or_default(), Some(whole.spec.unwrap_or_default()))
        });
        self.store(document, Fitted { value, misfits }, check, list);
    }

    /// Checks what fitted, so that one reading tells of both: what does not fit and what no value may be. Kept is what
    /// has no error.
    fn store<S>(
        &mut self,
        mut document: Document<'_>,
        fitted: Fitted<(ObjectMeta, Option<S>)>,
        check: fn(&S, &mut Findings),
        list: fn(&mut Resources) -> &mut Vec<Object<S>>,
    ) {
        let mut object = None;
        let fits = self.is_good(&document);
        if let Some((metadata, spec)) = fitted.value {
            let annotations = metadata.annotations.clone().unwrap_or_default();
            fitted.misfits.checked(&mut document.findings, |findings| {
                validate::names::labels(&metadata, findings);
                validate::names::annotations(document.kind, &annotations, &Path::ROOT, findings);
                if document.kind == "Pod"
                    && let Some(labels) = &metadata.labels
                {
                    let root = Path::ROOT;
                    let at = root.key("metadata");
                    validate::sidecar_annotation::inject(labels, &at.key("labels"), findings);
                }
                match &spec {
                    None => findings.error(&Path::ROOT, "`spec` is missing"),
                    Some(spec) => check(spec, findings),
                }
            });
            object = spec.map(|spec| (metadata, spec));
        }
        if self.is_duplicate(&mut document) {
            object = None;
        }
        if let Some((metadata, spec)) = object
            && fits
        {
            let meta = self.meta(&document, metadata);
            let source = self.source(document.node);
            self.is_doubted = !self.is_good(&document);
            let reading = &mut self.reading;
            let kept = if self.is_doubted { &mut reading.doubted } else { &mut reading.resources };
            list(kept).push(Object { meta, spec, source });
        }
        self.close(document);
        self.is_doubted = false;
    }

    /// Whether a document can be kept.
    pub(super) fn is_good(&self, document: &Document<'_>) -> bool {
        !self.is_broken && !document.findings.has_errors()
    }

    /// The whole metadata of a document.
    pub(super) fn meta(&mut self, document: &Document<'_>, metadata: ObjectMeta) -> Meta {
        self.order = self.order.saturating_add(1);
        let created = metadata.creation_timestamp.map_or(i64::MAX, |time| time.0.as_second());
        Meta {
            name: document.name.clone(),
            namespace: document.namespace.clone(),
            labels: metadata.labels.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
            age: Age { created, order: self.order },
        }
    }

    /// Where a document stands.
    pub(super) fn source(&self, node: &Node) -> Source {
        Source { file: self.file.clone(), line: node.at.line }
    }

    /// The resources read so far.
    pub(super) fn resources(&mut self) -> &mut Resources {
        &mut self.reading.resources
    }

    fn is_duplicate(&mut self, document: &mut Document<'_>) -> bool {
        // One without a name is wrong by that already.
        if document.name.is_empty() {
            return false;
        }
        let source = self.source(document.node);
        let key = (document.kind, document.namespace.clone(), document.name.clone());
        match self.seen.entry(key) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(source);
                false
            }
            std::collections::hash_map::Entry::Occupied(taken) => {
                let at = Path::ROOT;
                let metadata = at.key("metadata");
                let message = format!("this {} is written down a second time", document.kind);
                document.findings.error(&metadata.key("name"), message);
                document.findings.hint(format!("the first is at {}", taken.get()));
                true
            }
        }
    }

    /// Notes down the name of a Job, whatever else is wrong with it.
    fn job(&mut self, node: &Node, kind: &str) {
        let mut findings = Findings::default();
        let (name, namespace) = header::name(node, true, &mut findings);
        if !findings.has_errors() {
            self.resources().jobs.push(Job { kind: kind.to_owned(), name, namespace });
        }
    }

    /// Counts what does not concern a mesh.
    pub(super) fn pass_over(&mut self, kind: &str) {
        *self.reading.passed_over.entry(kind.to_owned()).or_default() += 1;
    }
}

/// Where a kind is served.
fn served(known: &kind::Known) -> String {
    known.served().collect::<Vec<_>>().join(" or ")
}

/// A document as one of a kind that it does not quite say it is.
fn taken_for(known: &kind::Known, node: &Node) -> Node {
    let mut node = node.clone();
    node.set("apiVersion", &known.served().next().unwrap_or_default());
    node.set("kind", known.name);
    node
}

/// What somebody else's controller made speaks for itself no more than once.
fn has_owner(node: &Node) -> bool {
    let owners = node.key("metadata").and_then(|metadata| metadata.key("ownerReferences"));
    owners.and_then(Node::list).is_some_and(|owners| !owners.is_empty())
}

fn secret_data(secret: Secret) -> SecretData {
    let mut data: BTreeMap<String, Vec<u8>> =
        secret.data.unwrap_or_default().into_iter().map(|(key, bytes)| (key, bytes.0)).collect();
    data.extend(
        secret.string_data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes())),
    );
    SecretData(data)
}
