//! CUSTOM: somebody else is asked about what the rules match.

use std::collections::BTreeMap;

use weft_model::http::ExtAuthz;
use weft_model::rbac::{self, Rbac, RbacFilter};

use super::{Context, Gate, Layer, is_dry_run, tree};
use crate::resources::Object;
use crate::resources::authorization_policy::AuthorizationPolicy;
use crate::resources::mesh_config::ExtensionProvider;

/// An external authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// The cluster that is asked.
    pub cluster: String,
    /// Over gRPC; only then can it be asked about connections.
    pub grpc: bool,
}

/// The authorizer that the mesh calls `name`, if its service exists: `known` says which hosts do.
#[must_use]
pub fn authorizer(
    providers: &[ExtensionProvider],
    name: &str,
    known: &dyn Fn(&str) -> bool,
) -> Option<Authorizer> {
    let provider = providers.iter().find(|provider| provider.name == name)?;
    let (service, port, grpc) = match (&provider.envoy_ext_authz_grpc, &provider.envoy_ext_authz_http) {
        (Some(grpc), _) => (&grpc.service, grpc.port, true),
        (None, Some(http)) => (&http.service, http.port, false),
        (None, None) => return None,
    };
    // `namespace/host` says only where the host is to be looked for.
    let host = service.split_once('/').map_or(service.as_str(), |(_, host)| host).to_ascii_lowercase();
    let is_port = u16::try_from(port).is_ok_and(|port| port != 0);
    (is_port && known(&host)).then(|| Authorizer { cluster: format!("outbound|{port}||{host}"), grpc })
}

/// For each provider the shadow rules that pick what it is asked about, and the question. Where there is nobody to ask,
/// what the rules match is denied. A dry run is left out: its answer would count.
pub(super) fn gates(
    policies: &[&Object<AuthorizationPolicy>],
    layer: Layer,
    context: &Context<'_>,
) -> Vec<Gate> {
    let mut by_provider: BTreeMap<&str, Vec<&Object<AuthorizationPolicy>>> = BTreeMap::new();
    for policy in policies.iter().filter(|policy| !is_dry_run(policy)) {
        let provider = policy.spec.provider.as_ref().map_or("", |provider| provider.name.as_str());
        by_provider.entry(provider).or_default().push(policy);
    }
    let mut gates = Vec::new();
    for (provider, policies) in by_provider {
        let prefix = format!("istio-ext-authz-{provider}-");
        let rules = tree(&policies, rbac::Action::Deny, layer, &context.trust, &prefix);
        match (context.authorizer)(provider) {
            None => {
                gates.push(Gate::Rbac(RbacFilter { rules: Some(denied(rules)), ..RbacFilter::default() }))
            }
            // An authorizer that speaks HTTP cannot be asked about connections. Istio lets them pass; on a port whose
            // protocol is sniffed the client would then choose not to be asked. Here they are denied.
            Some(Authorizer { grpc: false, .. }) if layer == Layer::Tcp => {
                gates.push(Gate::Rbac(RbacFilter { rules: Some(denied(rules)), ..RbacFilter::default() }));
            }
            Some(Authorizer { cluster, grpc }) => {
                gates.push(Gate::Rbac(RbacFilter {
                    shadow_rules: Some(rules),
                    shadow_rules_stat_prefix: "istio_ext_authz_".to_owned(),
                    ..RbacFilter::default()
                }));
                gates.push(Gate::ExtAuthz(ExtAuthz { provider: prefix, cluster, grpc }));
            }
        }
    }
    gates
}

fn denied(rules: Rbac) -> Rbac {
    let named = rules.policies.into_iter();
    let policies =
        named.map(|(name, policy)| (format!("{name}-deny-due-to-bad-CUSTOM-action"), policy)).collect();
    Rbac { action: rbac::Action::Deny, policies }
}
