//! Whose connections the kernel turns to a sidecar, and who has to call the sidecar's own ports.

use super::Pod;
use crate::up::addresses::Block;
use crate::up::proxy::Proxy;
use weft_control::resources::mesh_config::InterceptionMode;

impl Pod {
    /// Whether the kernel turns its connections to its sidecar.
    pub(crate) fn is_turned(&self) -> bool {
        turned(self.sidecar, self.netns.is_some(), &self.proxy)
    }

    /// Whether it has a sidecar to which nobody turns anything: its app listens on the pod's localhost, and finds HTTP by
    /// a proxy and TCP by addresses.
    pub(crate) fn is_bound(&self) -> bool {
        self.sidecar && !self.is_turned()
    }
}

/// The same of a pod that is not there yet.
pub(super) fn will_be_bound(sidecar: bool, block: Block, proxy: &Proxy) -> bool {
    sidecar && !turned(sidecar, block.is_own(), proxy)
}

/// Nothing is turned on loopback, nor where it is not wanted.
fn turned(sidecar: bool, own_network: bool, proxy: &Proxy) -> bool {
    sidecar && own_network && proxy.mode != InterceptionMode::None
}
