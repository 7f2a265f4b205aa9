//! Addresses and networks.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::read::finding::Findings;
use crate::read::node::short;
use crate::read::path::Path;

/// An address, or a network such as 10.0.0.0/8.
pub(super) fn network(text: &str) -> Result<(), String> {
    if is_address(text) || text.parse::<IpNet>().is_ok() {
        return Ok(());
    }
    Err(format!("{} is neither an IP address nor a network such as 10.0.0.0/8", short(text)))
}

/// Checks a list of addresses and networks.
pub(super) fn networks(list: &[String], at: &Path<'_>, into: &mut Findings) {
    for (index, text) in list.iter().enumerate() {
        match network(text) {
            Err(why) => into.error(&at.index(index), why),
            Ok(()) => {
                if let Ok(net) = text.parse::<IpNet>()
                    && net.trunc() != net
                {
                    into.warning(
                        &at.index(index),
                        format!("{text} has bits beyond its prefix: it means {}", net.trunc()),
                    );
                }
            }
        }
    }
}

/// An address of version 4 or 6.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}
