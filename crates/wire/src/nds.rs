//! The name table, both ways.

use std::collections::BTreeMap;

use prost::Message;
use weft_model::names::{NameTable, NamedHost};

use crate::encode::Any;
use crate::istio::{NAME_TABLE, nds};

/// Why a name table is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameTableError {
    /// The bytes are something else.
    #[error("no name table: {0}; is the control plane's `istio.networking.nds.v1` the known one?")]
    Bytes(#[from] prost::DecodeError),
    /// An address that is none.
    #[error("the name table has {ip:?} as an address of {host}, which is no IP address")]
    Address {
        /// Of which host.
        host: String,
        /// What stands there.
        ip: String,
    },
}

/// Reads a name table from the value of its `Any`. Names are compared without case, so they come in lower case.
///
/// # Errors
/// If the bytes are no name table, or one of its addresses is none.
pub fn decode(bytes: &[u8]) -> Result<NameTable, NameTableError> {
    let table = nds::NameTable::decode(bytes)?;
    let mut hosts: BTreeMap<String, NamedHost> = BTreeMap::new();
    for (host, info) in table.table {
        let ips = info
            .ips
            .iter()
            .map(|ip| ip.parse().map_err(|_| NameTableError::Address { host: host.clone(), ip: ip.clone() }));
        let ips = ips.collect::<Result<_, _>>()?;
        let named =
            NamedHost { ips, registry: info.registry, short_name: info.shortname, namespace: info.namespace };
        hosts.insert(host.to_ascii_lowercase(), named);
    }
    Ok(NameTable { hosts })
}

/// A name table, packed.
pub fn encode(table: &NameTable) -> Any {
    let infos = table.hosts.iter().map(|(host, named)| {
        let info = nds::name_table::NameInfo {
            ips: named.ips.iter().map(ToString::to_string).collect(),
            registry: named.registry.clone(),
            shortname: named.short_name.clone(),
            namespace: named.namespace.clone(),
        };
        (host.clone(), info)
    });
    let table = nds::NameTable { table: infos.collect(), name_info: None };
    Any { type_url: NAME_TABLE.to_owned(), value: table.encode_to_vec() }
}

#[cfg(test)]
mod tests;
