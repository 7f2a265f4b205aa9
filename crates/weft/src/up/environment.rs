//! A pod's environment as Kubernetes would make it: service variables, `envFrom`, `env`, `valueFrom`, `$(NAME)`.
//!
//! Pure. What is missing (a Secret that is not among the files) leaves its variable out and is told.

use super::expand::expand;
use super::protocol::Protocol;
use super::quantity;
use super::services::Service;
use k8s_openapi::api::core::v1 as core;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// ConfigMaps and Secrets, by namespace and name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) config_maps: BTreeMap<(String, String), BTreeMap<String, String>>,
    pub(crate) secrets: BTreeMap<(String, String), BTreeMap<String, String>>,
}

/// What the downward API can tell about one pod.
#[derive(Debug, Clone, Default)]
pub(crate) struct Downward {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) node: String,
    pub(crate) address: String,
    /// The same, and those of other families.
    pub(crate) addresses: Vec<String>,
    pub(crate) node_address: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// Variables in the order in which they were defined, and what could not be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) missing: Vec<String>,
}

impl Environment {
    /// Sets a variable; one of that name is replaced.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    /// The value of a variable.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Adds what `container` of the pod defines, on top of what is there.
    pub(crate) fn add_container(&mut self, container: &core::Container, settings: &Settings, pod: &Downward) {
        for source in container.env_from.iter().flatten() {
            self.add_all(source, settings, pod);
        }
        for variable in container.env.iter().flatten() {
            let value = match (&variable.value, &variable.value_from) {
                (_, Some(source)) => match resolve(source, container, settings, pod) {
                    Ok(Some(value)) => value,
                    Ok(None) => continue,
                    Err(reason) => {
                        self.missing.push(format!("{}: {reason}", variable.name));
                        continue;
                    }
                },
                (Some(text), None) => expand(text, |name| self.value(name)),
                (None, None) => String::new(),
            };
            self.set(&variable.name, value);
        }
    }

    fn add_all(&mut self, source: &core::EnvFromSource, settings: &Settings, pod: &Downward) {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let (kind, name, optional, found) = if let Some(map) = &source.config_map_ref {
            let key = (pod.namespace.clone(), map.name.clone());
            ("ConfigMap", &map.name, map.optional, settings.config_maps.get(&key))
        } else if let Some(secret) = &source.secret_ref {
            let key = (pod.namespace.clone(), secret.name.clone());
            ("Secret", &secret.name, secret.optional, settings.secrets.get(&key))
        } else {
            return;
        };
        match found {
            Some(values) => {
                for (key, value) in values {
                    let name = format!("{prefix}{key}");
                    if is_variable_name(&name) {
                        self.set(&name, value.clone());
                    }
                }
            }
            None if optional == Some(true) => {}
            None => self.missing.push(format!("envFrom: no {kind} {name:?} in namespace {}", pod.namespace)),
        }
    }
}

/// Kubernetes' variables for each service of the pod's namespace, as far as the pod can reach it: a TCP service
/// at its address of this pod, an HTTP service by its name, which the HTTP proxy understands.
pub(crate) fn service_variables(
    services: &[Service],
    namespace: &str,
    address: impl Fn(&Service) -> Option<IpAddr>,
) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let own = services.iter().filter(|service| {
        service.namespace == namespace && !service.headless && !service.outside && !service.ports.is_empty()
    });
    for service in own {
        let prefix = service.name.to_ascii_uppercase().replace(['-', '.'], "_");
        let address = address(service);
        let host = address.map_or_else(|| service.host(), |address| address.to_string());
        let in_url = match address {
            Some(IpAddr::V6(six)) => format!("[{six}]"),
            _ => host.clone(),
        };
        variables.push((format!("{prefix}_SERVICE_HOST"), host.clone()));
        for (nth, port) in service.ports.iter().enumerate() {
            let number = port.number;
            if nth == 0 {
                variables.push((format!("{prefix}_SERVICE_PORT"), number.to_string()));
                variables.push((format!("{prefix}_PORT"), format!("tcp://{in_url}:{number}")));
            }
            if let Some(name) = &port.name {
                let name = name.to_ascii_uppercase().replace('-', "_");
                variables.push((format!("{prefix}_SERVICE_PORT_{name}"), number.to_string()));
            }
            let transport = if port.protocol == Protocol::Udp { "udp" } else { "tcp" };
            let link = format!("{prefix}_PORT_{number}_{}", transport.to_ascii_uppercase());
            variables.push((link.clone(), format!("{transport}://{in_url}:{number}")));
            variables.push((format!("{link}_PROTO"), transport.to_owned()));
            variables.push((format!("{link}_PORT"), number.to_string()));
            variables.push((format!("{link}_ADDR"), host.clone()));
        }
    }
    variables
}

/// `Ok(None)`: absent, and marked as optional.
fn resolve(
    source: &core::EnvVarSource,
    container: &core::Container,
    settings: &Settings,
    pod: &Downward,
) -> Result<Option<String>, String> {
    let pick = |kind: &str,
                all: &BTreeMap<(String, String), BTreeMap<String, String>>,
                name: &str,
                key: &str,
                optional: Option<bool>| {
        let value = all.get(&(pod.namespace.clone(), name.to_owned())).and_then(|values| values.get(key));
        match (value, optional) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(true)) => Ok(None),
            (None, _) => Err(format!("no {kind} {name:?} with key {key:?} in namespace {}", pod.namespace)),
        }
    };
    if let Some(map) = &source.config_map_key_ref {
        pick("ConfigMap", &settings.config_maps, &map.name, &map.key, map.optional)
    } else if let Some(secret) = &source.secret_key_ref {
        pick("Secret", &settings.secrets, &secret.name, &secret.key, secret.optional)
    } else if let Some(field) = &source.field_ref {
        pod.field(&field.field_path).map(Some)
    } else if let Some(resource) = &source.resource_field_ref {
        let divisor = resource.divisor.as_ref().map_or("", |divisor| divisor.0.as_str());
        resource_field(container, &resource.resource, divisor).map(Some)
    } else {
        Err("valueFrom names no source that is known here".to_owned())
    }
}

impl Downward {
    fn field(&self, path: &str) -> Result<String, String> {
        let entry = |all: &BTreeMap<String, String>, rest: &str| {
            let key = rest.strip_prefix("['").and_then(|rest| rest.strip_suffix("']"));
            key.map(|key| all.get(key).cloned().unwrap_or_default())
        };
        let value = match path {
            "metadata.name" => Some(self.name.clone()),
            "metadata.namespace" => Some(self.namespace.clone()),
            "metadata.uid" => Some(self.uid()),
            "spec.nodeName" => Some(self.node.clone()),
            "spec.serviceAccountName" => Some(self.service_account.clone()),
            "status.podIP" => Some(self.address.clone()),
            "status.podIPs" => Some(self.addresses.join(",")),
            "status.hostIP" | "status.hostIPs" => Some(self.node_address.clone()),
            _ => None,
        };
        value
            .or_else(|| path.strip_prefix("metadata.labels").and_then(|rest| entry(&self.labels, rest)))
            .or_else(|| {
                path.strip_prefix("metadata.annotations").and_then(|rest| entry(&self.annotations, rest))
            })
            .ok_or_else(|| format!("fieldPath {path:?} is none that a variable can take"))
    }

    /// A UUID's shape, the same for the same pod.
    fn uid(&self) -> String {
        let seed = format!("{}/{}", self.namespace, self.name);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, seed.as_bytes());
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
    }
}

/// What a container may use; where nothing is said, what this machine has.
fn resource_field(container: &core::Container, resource: &str, divisor: &str) -> Result<String, String> {
    let given = container.resources.as_ref().and_then(|resources| {
        let limits = resources.limits.as_ref();
        let (of, name) = match resource.split_once('.')? {
            ("limits", name) => (limits, name),
            ("requests", name) => (resources.requests.as_ref().or(limits), name),
            _ => return None,
        };
        Some(of?.get(name)?.0.clone())
    });
    let quantity = given.or_else(|| match resource {
        "limits.cpu" | "requests.cpu" => std::thread::available_parallelism().ok().map(|n| n.to_string()),
        _ => None,
    });
    let quantity = quantity.ok_or_else(|| format!("the container sets no {resource}"))?;
    let value = quantity::in_units(&quantity, divisor);
    value.map(|value| value.to_string()).ok_or_else(|| format!("{resource}: {quantity:?} is no quantity"))
}

/// What `envFrom` takes over: keys that no shell could name are passed over, as in a cluster.
fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('=') && name.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
