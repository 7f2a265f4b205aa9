//! A scene: one service, its settings, its apps, and what a client does there.

use std::pin::Pin;

use crate::mesh::{BYTES, NAMESPACE};
use crate::proxy::Place;

/// What was seen of something, before one proxy.
pub(crate) type Line = (String, String);

/// Plays a scene before one proxy.
pub(crate) type Play = fn(Place) -> Pin<Box<dyn Future<Output = Vec<Line>> + Send>>;

/// One service, and what is tried with it.
pub(crate) struct Scene {
    /// The service's name, too.
    pub(crate) name: &'static str,
    /// Labels of each of its pods.
    pub(crate) apps: &'static [&'static [(&'static str, &'static str)]],
    /// Apps that nobody listens for.
    pub(crate) gone: &'static [usize],
    /// Spec of its VirtualService, in flow style or indented by two; empty: none.
    pub(crate) routes: &'static str,
    /// Spec of its DestinationRule, besides the host.
    pub(crate) rule: &'static str,
    /// Annotations of the VirtualService.
    pub(crate) annotations: &'static str,
    /// It has a port whose connections are only passed on.
    pub(crate) bytes: bool,
    /// `weft.dev/health-check` of the Service; empty: none.
    pub(crate) checks: &'static str,
    pub(crate) play: Play,
    /// What differs and is documented, and where.
    pub(crate) differs: &'static [(&'static str, &'static str)],
}

/// A scene that has next to nothing.
pub(crate) const fn scene(name: &'static str, play: Play) -> Scene {
    Scene {
        name,
        apps: &[&[]],
        gone: &[],
        routes: "",
        rule: "",
        annotations: "",
        bytes: false,
        checks: "",
        play,
        differs: &[],
    }
}

impl Scene {
    pub(crate) fn service(&self) -> String {
        let Self { name, bytes, checks, .. } = self;
        let bytes =
            if *bytes { format!(", {{name: tcp, port: {BYTES}, targetPort: 8080}}") } else { String::new() };
        let annotations =
            if checks.is_empty() { String::new() } else { format!("weft.dev/health-check: \"{checks}\"") };
        format!(
            "\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{{annotations}}}}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}, \
             {{name: grpc, port: 90, targetPort: 8080}}{bytes}]}}\n"
        )
    }

    pub(crate) fn yaml(&self) -> String {
        let Self { name, routes, rule, annotations, .. } = self;
        let meta =
            format!("metadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{{annotations}}}}}");
        let mut yaml = String::new();
        let to_itself = format!("route: [{{destination: {{host: {name}}}}}]");
        if !routes.is_empty() {
            yaml.push_str(&format!(
                "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n{meta}\n\
                 spec:\n  hosts: [{name}]\n  http:\n{}\n",
                routes.replace("TO-ITSELF", &to_itself)
            ));
        }
        if !rule.is_empty() {
            yaml.push_str(&format!(
                "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
                 metadata: {{name: {name}, namespace: {NAMESPACE}}}\nspec:\n  host: {name}\n{rule}\n"
            ));
        }
        yaml
    }
}

/// One line.
pub(crate) fn line(what: impl Into<String>, seen: impl ToString) -> Line {
    (what.into(), seen.to_string())
}
