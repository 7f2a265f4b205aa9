//! Service accounts that pods run as and nobody has written down.

use k8s_openapi::api::core::v1::PodSpec;

use super::Checked;
use crate::resources::Object;

/// The account that Kubernetes makes in every namespace.
const DEFAULT: &str = "default";

impl Checked<'_> {
    /// A cluster makes no pod whose account it does not have, so that what runs here runs nowhere else.
    pub(super) fn service_accounts(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.pods {
            self.service_account("Pod", object, Some(&object.spec), "spec");
        }
        for object in &resources.deployments {
            self.service_account("Deployment", object, object.spec.template.spec.as_ref(), TEMPLATE);
        }
        for object in &resources.stateful_sets {
            self.service_account("StatefulSet", object, object.spec.template.spec.as_ref(), TEMPLATE);
        }
        for object in &resources.daemon_sets {
            self.service_account("DaemonSet", object, object.spec.template.spec.as_ref(), TEMPLATE);
        }
    }

    fn service_account<S>(&mut self, kind: &str, object: &Object<S>, pod: Option<&PodSpec>, at: &str) {
        let fields = pod.map(|pod| {
            [("serviceAccountName", &pod.service_account_name), ("serviceAccount", &pod.service_account)]
        });
        let named = fields.into_iter().flatten().find_map(|(field, name)| Some((field, name.as_deref()?)));
        let Some((field, name)) = named.filter(|(_, name)| !matches!(*name, "" | DEFAULT)) else { return };
        let namespace = object.meta.namespace.as_str();
        let accounts = &self.world.resources.service_accounts;
        if accounts.iter().any(|known| known.meta.namespace == namespace && known.meta.name == name) {
            return;
        }
        let here = accounts.iter().filter(|known| known.meta.namespace == namespace);
        let near = crate::read::nearest(name, here.map(|known| known.meta.name.as_str()));
        let elsewhere = accounts.iter().find(|known| known.meta.name == name);
        let hint = match (near, elsewhere) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, Some(known)) => format!("namespace {} has one of that name", known.meta.namespace),
            (None, None) => "write a ServiceAccount of that name beside it".to_owned(),
        };
        let message =
            format!("there is no ServiceAccount {namespace}/{name}: a cluster makes no pod that runs as it");
        self.warn(kind, object, format!("{at}.{field}"), message, Some(hint));
    }
}

const TEMPLATE: &str = "spec.template.spec";
