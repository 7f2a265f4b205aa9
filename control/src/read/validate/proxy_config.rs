//! ProxyConfig.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::proxy_config::ProxyConfig;

/// Checks a ProxyConfig.
pub(in crate::read) fn check(config: &ProxyConfig, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    super::policy_target::check(config.selector.as_ref(), None, &[], &spec, into);
    if let Some(threads) = config.concurrency {
        super::share::not_negative(threads, &spec.key("concurrency"), into);
    }
}
