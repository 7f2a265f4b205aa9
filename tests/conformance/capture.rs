//! The recorded responses of istiod, taken apart into resources.

use std::path::Path;
use std::sync::LazyLock;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use prost::Message;

/// One recorded resource.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    /// `istio/ingress.lds.pb`.
    pub(crate) file: String,
    /// `lds`, `rds`, `cds`, `eds`.
    pub(crate) kind: &'static str,
    pub(crate) type_url: String,
    pub(crate) value: Vec<u8>,
}

impl Resource {
    /// Whether these letters stand anywhere in it.
    pub(crate) fn holds(&self, text: &str) -> bool {
        self.value.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// All of both flavours.
pub(crate) fn resources() -> Vec<Resource> {
    static ALL: LazyLock<Vec<Resource>> = LazyLock::new(read);
    ALL.clone()
}

fn read() -> Vec<Resource> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/captured");
    let mut resources = Vec::new();
    for flavour in ["istio", "stock"] {
        for entry in std::fs::read_dir(root.join(flavour)).unwrap() {
            let path = entry.unwrap().path();
            let file = format!("{flavour}/{}", path.file_name().unwrap().to_string_lossy());
            let Some(kind) =
                ["lds", "rds", "cds", "eds"].into_iter().find(|kind| file.ends_with(&format!("{kind}.pb")))
            else {
                continue;
            };
            let response = DiscoveryResponse::decode(std::fs::read(&path).unwrap().as_slice()).unwrap();
            for any in response.resources {
                resources.push(Resource {
                    file: file.clone(),
                    kind,
                    type_url: any.type_url,
                    value: any.value,
                });
            }
        }
    }
    assert!(!resources.is_empty(), "no captures in {}", root.display());
    resources.sort_by(|a, b| a.file.cmp(&b.file));
    resources
}
