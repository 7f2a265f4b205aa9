//! Rules of interception as plain data, for one address family; how a back end writes them is the back end's matter.

use ipnet::IpNet;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

/// The tables that interception needs, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// Marks, for TPROXY.
    Mangle,
    /// Where connections are turned.
    Nat,
    /// Connection tracking zones, for DNS.
    Raw,
}

/// Chains: two of the kernel's, the rest Istio's, by the names under which its users look for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Chain {
    Prerouting,
    Output,
    IstioInbound,
    IstioRedirect,
    IstioInRedirect,
    IstioOutput,
    IstioOutputDns,
    IstioDivert,
    IstioTproxy,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    /// It came in by this interface.
    In(String),
    /// It leaves by this interface.
    Out(String),
    Tcp,
    Udp,
    Source(IpNet),
    Destination(IpNet),
    NotDestination(IpNet),
    Port(u16),
    /// Its port is none of these.
    NotPorts(Vec<u16>),
    SourcePort(u16),
    Owner(Owner),
    NotOwner(Owner),
    Mark(u32),
    NotMark(u32),
    ConnectionMark(u32),
    /// It belongs to a connection that stands.
    Established,
    /// It belongs to no connection and begins none.
    Invalid,
}

/// Whose process sent it, by number or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    User(String),
    Group(String),
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Return,
    Accept,
    Drop,
    Jump(Chain),
    /// To this port of the machine itself.
    Redirect(u16),
    /// To a transparent socket at this port, under this mark; to nobody if there is none.
    Tproxy {
        port: u16,
        mark: u32,
    },
    SetMark(u32),
    /// The packet's mark becomes the connection's.
    SaveMark,
    /// The connection's mark becomes the packet's.
    RestoreMark,
    /// The connection is tracked apart from those of other zones.
    Zone(u16),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) table: Table,
    pub(crate) chain: Chain,
    pub(crate) when: Vec<When>,
    pub(crate) then: Then,
}

impl Family {
    /// Both, in the order in which they are written.
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Whether `network` is of it.
    pub(crate) const fn has(self, network: &IpNet) -> bool {
        matches!((self, network), (Self::V4, IpNet::V4(_)) | (Self::V6, IpNet::V6(_)))
    }
}

impl Table {
    /// As the kernel names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Raw => "raw",
        }
    }

    /// All.
    pub(crate) const ALL: [Self; 3] = [Self::Mangle, Self::Nat, Self::Raw];
}

impl Chain {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Output => "OUTPUT",
            Self::IstioInbound => "ISTIO_INBOUND",
            Self::IstioRedirect => "ISTIO_REDIRECT",
            Self::IstioInRedirect => "ISTIO_IN_REDIRECT",
            Self::IstioOutput => "ISTIO_OUTPUT",
            Self::IstioOutputDns => "ISTIO_OUTPUT_DNS",
            Self::IstioDivert => "ISTIO_DIVERT",
            Self::IstioTproxy => "ISTIO_TPROXY",
        }
    }

    /// Whether it is one of the kernel's, in which others may have rules too.
    pub(crate) const fn is_shared(self) -> bool {
        matches!(self, Self::Prerouting | Self::Output)
    }
}

/// Whether a chain of this name is one that interception makes.
pub(crate) fn is_own_chain(name: &str) -> bool {
    name.starts_with("ISTIO_")
}

/// The tables that `rules` use, and of each its chains in the order of their first rule, shared ones first.
pub(crate) fn by_table(rules: &[Rule]) -> Vec<(Table, Vec<Chain>)> {
    let mut tables: Vec<(Table, Vec<Chain>)> = Vec::new();
    for table in Table::ALL {
        let mut chains: Vec<Chain> = Vec::new();
        for rule in rules.iter().filter(|rule| rule.table == table) {
            let target = match rule.then {
                Then::Jump(target) => Some(target),
                _ => None,
            };
            for chain in [Some(rule.chain), target].into_iter().flatten() {
                if !chains.contains(&chain) {
                    chains.push(chain);
                }
            }
        }
        chains.sort_by_key(|chain| !chain.is_shared());
        if !chains.is_empty() {
            tables.push((table, chains));
        }
    }
    tables
}
