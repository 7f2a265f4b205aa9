//! Settings to rules: Istio's, in Istio's order. Pure.

use super::rules::{Chain, Family, Owner, Rule, Table, Then, When};
use super::settings::{Dns, Groups, Mode, Settings, Which};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The DNS proxy.
const DNS_PROXY: u16 = 15053;
const DNS: u16 = 53;
/// Queries of the proxy itself to the resolvers are tracked apart from those of the app to the same resolvers.
const OWN_ZONE: u16 = 1;
const APP_ZONE: u16 = 2;

/// All rules of `settings` for one family.
pub(crate) fn rules(settings: &Settings, family: Family) -> Vec<Rule> {
    let mut chains = Chains { settings, family, rules: Vec::new() };
    chains.interfaces();
    chains.inbound();
    chains.outbound();
    if settings.mode == Mode::Tproxy {
        chains.marks();
    }
    chains.zones();
    chains.rules
}

/// What of `settings` stands in the kernel's own chains, in whichever mode: by these, what was written there at another
/// time is known again.
pub(crate) fn known(settings: &Settings, family: Family) -> Vec<Rule> {
    let modes = [Mode::Redirect, Mode::Tproxy].into_iter();
    let of_both = modes.flat_map(|mode| rules(&Settings { mode, ..settings.clone() }, family));
    of_both.filter(|rule| rule.chain.is_shared()).collect()
}

/// The mark of what the proxy sends to its own pod: it has to be intercepted once more, as inbound.
pub(crate) const fn outbound_mark(settings: &Settings) -> u32 {
    settings.mark + 1
}

struct Chains<'a> {
    settings: &'a Settings,
    family: Family,
    rules: Vec<Rule>,
}

impl Chains<'_> {
    fn add(&mut self, table: Table, chain: Chain, when: impl IntoIterator<Item = When>, then: Then) {
        self.rules.push(Rule { table, chain, when: when.into_iter().collect(), then });
    }

    fn nat(&mut self, chain: Chain, when: impl IntoIterator<Item = When>, then: Then) {
        self.add(Table::Nat, chain, when, then);
    }

    fn mangle(&mut self, chain: Chain, when: impl IntoIterator<Item = When>, then: Then) {
        self.add(Table::Mangle, chain, when, then);
    }

    /// The address that the proxy calls its own app from.
    fn inside(&self) -> IpNet {
        match self.family {
            Family::V4 => IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6)).into(),
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)).into(),
        }
    }

    fn localhost(&self) -> IpNet {
        match self.family {
            Family::V4 => self.settings.loopback.into(),
            Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST).into(),
        }
    }

    fn of_family<'n>(&self, networks: &'n [IpNet]) -> impl Iterator<Item = IpNet> + use<'n> {
        let family = self.family;
        networks.iter().copied().filter(move |network| family.has(network))
    }

    fn owners(&self) -> Vec<Owner> {
        let users = self.settings.users.iter().cloned().map(Owner::User);
        users.chain(self.settings.groups.iter().cloned().map(Owner::Group)).collect()
    }

    /// What comes first: interfaces that are left alone, and those of virtual machines.
    fn interfaces(&mut self) {
        let settings = self.settings;
        for name in &settings.virtual_interfaces {
            let from = || When::In(name.clone());
            match &settings.outbound_networks {
                Which::All => self.nat(Chain::Prerouting, [from()], Then::Jump(Chain::IstioRedirect)),
                Which::Only(networks) => {
                    for network in self.of_family(networks) {
                        let to = When::Destination(network);
                        self.nat(Chain::Prerouting, [from(), to], Then::Jump(Chain::IstioRedirect));
                    }
                }
            }
        }
        for name in &settings.virtual_interfaces {
            self.nat(Chain::Prerouting, [When::In(name.clone())], Then::Return);
        }
        let tables: &[Table] =
            if settings.mode == Mode::Tproxy { &[Table::Mangle, Table::Nat] } else { &[Table::Nat] };
        for name in &settings.interfaces_excluded {
            for table in tables {
                self.add(*table, Chain::Prerouting, [When::In(name.clone())], Then::Return);
                self.add(*table, Chain::Output, [When::Out(name.clone())], Then::Return);
            }
        }
        if settings.drop_invalid {
            self.mangle(Chain::Prerouting, [When::Invalid], Then::Drop);
        }
    }

    fn inbound(&mut self) {
        let settings = self.settings;
        let (outbound, inbound) = (settings.outbound_port, settings.inbound_port);
        self.nat(Chain::IstioInbound, [When::Tcp, When::Port(settings.tunnel_port)], Then::Return);
        self.nat(Chain::IstioRedirect, [When::Tcp], Then::Redirect(outbound));
        self.nat(Chain::IstioInRedirect, [When::Tcp], Then::Redirect(inbound));
        if settings.inbound_ports.is_nothing() {
            return;
        }
        let table = match settings.mode {
            Mode::Redirect => Table::Nat,
            Mode::Tproxy => {
                self.tproxy();
                Table::Mangle
            }
        };
        self.add(table, Chain::Prerouting, [When::Tcp], Then::Jump(Chain::IstioInbound));
        match &settings.inbound_ports {
            Which::All => {
                for port in &settings.inbound_ports_excluded {
                    self.add(table, Chain::IstioInbound, [When::Tcp, When::Port(*port)], Then::Return);
                }
                self.turn_inbound(&[When::Tcp]);
            }
            Which::Only(ports) => {
                for port in ports {
                    self.turn_inbound(&[When::Tcp, When::Port(*port)]);
                }
            }
        }
    }

    fn turn_inbound(&mut self, when: &[When]) {
        let when = || when.iter().cloned();
        match self.settings.mode {
            Mode::Redirect => self.nat(Chain::IstioInbound, when(), Then::Jump(Chain::IstioInRedirect)),
            Mode::Tproxy => {
                let established = when().chain([When::Established]);
                self.mangle(Chain::IstioInbound, established, Then::Jump(Chain::IstioDivert));
                self.mangle(Chain::IstioInbound, when(), Then::Jump(Chain::IstioTproxy));
            }
        }
    }

    /// The chains of TPROXY, and what never comes to them: what the proxy sends to its app, what it calls the app from,
    /// and what the app sends to itself.
    fn tproxy(&mut self) {
        let Settings { mark, inbound_port: port, .. } = *self.settings;
        let lo = || When::In("lo".into());
        self.mangle(Chain::IstioDivert, [], Then::SetMark(mark));
        self.mangle(Chain::IstioDivert, [], Then::Accept);
        let away = When::NotDestination(self.localhost());
        self.mangle(Chain::IstioTproxy, [away, When::Tcp], Then::Tproxy { port, mark });
        let inside = When::Source(self.inside());
        let foreign = When::NotMark(outbound_mark(self.settings));
        self.mangle(Chain::IstioInbound, [When::Tcp, When::Mark(mark)], Then::Return);
        self.mangle(Chain::IstioInbound, [When::Tcp, inside, lo()], Then::Return);
        self.mangle(Chain::IstioInbound, [When::Tcp, lo(), foreign], Then::Return);
    }

    fn outbound(&mut self) {
        let settings = self.settings;
        let lo = || When::Out("lo".into());
        let dns = settings.dns != Dns::None;
        self.nat(Chain::Output, [], Then::Jump(Chain::IstioOutput));
        for port in &settings.outbound_ports_excluded {
            for transport in [When::Tcp, When::Udp] {
                self.nat(Chain::IstioOutput, [transport, When::Port(*port)], Then::Return);
            }
        }
        self.nat(Chain::IstioOutput, [lo(), When::Source(self.inside())], Then::Return);
        let loopback_included = matches!(&settings.outbound_networks, Which::Only(networks)
            if networks.iter().any(|network| network.addr().is_loopback()));
        for owner in self.owners() {
            let tunnel = settings.tunnel_port;
            // A query of the proxy to a resolver of the pod's own is no call of the app to itself.
            let ports = if dns && matches!(owner, Owner::User(_)) { vec![DNS, tunnel] } else { vec![tunnel] };
            let away = When::NotDestination(self.localhost());
            let own = When::Owner(owner.clone());
            let to_itself = [lo(), away, When::Tcp, When::NotPorts(ports), own.clone()];
            self.nat(Chain::IstioOutput, to_itself, Then::Jump(Chain::IstioInRedirect));
            let others = When::NotOwner(owner);
            if loopback_included {
                // Asked for by name, so it is not left alone.
            } else if dns {
                let no_query = [lo(), When::Tcp, When::NotPorts(vec![DNS]), others];
                self.nat(Chain::IstioOutput, no_query, Then::Return);
            } else {
                self.nat(Chain::IstioOutput, [lo(), others], Then::Return);
            }
            self.nat(Chain::IstioOutput, [own], Then::Return);
        }
        self.groups();
        if dns {
            self.dns();
        }
        self.nat(Chain::IstioOutput, [When::Destination(self.localhost())], Then::Return);
        for network in self.of_family(&settings.outbound_networks_excluded) {
            self.nat(Chain::IstioOutput, [When::Destination(network)], Then::Return);
        }
        for port in &settings.outbound_ports {
            let to_port = [When::Tcp, When::Port(*port)];
            self.nat(Chain::IstioOutput, to_port, Then::Jump(Chain::IstioRedirect));
        }
        match &settings.outbound_networks {
            Which::All => self.nat(Chain::IstioOutput, [], Then::Jump(Chain::IstioRedirect)),
            Which::Only(networks) => {
                for network in self.of_family(networks) {
                    let there = [When::Destination(network)];
                    self.nat(Chain::IstioOutput, there, Then::Jump(Chain::IstioRedirect));
                }
            }
        }
    }

    fn groups(&mut self) {
        match &self.settings.app_groups {
            Groups::All => {}
            Groups::Only(groups) => {
                let none = groups.iter().map(|group| When::NotOwner(Owner::Group(group.clone())));
                self.nat(Chain::IstioOutput, none, Then::Return);
            }
            Groups::AllBut(groups) => {
                for group in groups {
                    let one = When::Owner(Owner::Group(group.clone()));
                    self.nat(Chain::IstioOutput, [one], Then::Return);
                }
            }
        }
    }

    /// The resolvers whose queries are turned: each as a condition, or one condition that is always met.
    fn resolvers(&self, to: fn(IpNet) -> When) -> Vec<Option<When>> {
        match &self.settings.dns {
            Dns::None => Vec::new(),
            Dns::All => vec![None],
            Dns::To(resolvers) => {
                let networks: Vec<IpNet> = resolvers.iter().copied().map(IpNet::from).collect();
                self.of_family(&networks).map(|network| Some(to(network))).collect()
            }
        }
    }

    fn dns(&mut self) {
        self.nat(Chain::IstioOutput, [], Then::Jump(Chain::IstioOutputDns));
        for owner in self.owners() {
            let own = [When::Udp, When::Port(DNS), When::Owner(owner)];
            self.nat(Chain::IstioOutputDns, own, Then::Return);
        }
        for transport in [When::Tcp, When::Udp] {
            for resolver in self.resolvers(When::Destination) {
                let query = [Some(transport.clone()), Some(When::Port(DNS)), resolver];
                self.nat(Chain::IstioOutputDns, query.into_iter().flatten(), Then::Redirect(DNS_PROXY));
            }
        }
    }

    /// Without zones an answer to the proxy could be taken for one to the app, which asked from the same port.
    fn zones(&mut self) {
        if self.settings.dns == Dns::None {
            return;
        }
        self.add(Table::Raw, Chain::Output, [], Then::Jump(Chain::IstioOutputDns));
        for owner in self.owners() {
            let own = || When::Owner(owner.clone());
            let asks = [When::Udp, When::Port(DNS), own()];
            self.add(Table::Raw, Chain::IstioOutputDns, asks, Then::Zone(OWN_ZONE));
            let answers = [When::Udp, When::SourcePort(DNS_PROXY), own()];
            self.add(Table::Raw, Chain::IstioOutputDns, answers, Then::Zone(APP_ZONE));
        }
        for resolver in self.resolvers(When::Destination) {
            let query = [Some(When::Udp), Some(When::Port(DNS)), resolver];
            let query = query.into_iter().flatten();
            self.add(Table::Raw, Chain::IstioOutputDns, query, Then::Zone(APP_ZONE));
        }
        let answers = self.resolvers(When::Source);
        if !answers.is_empty() {
            self.add(Table::Raw, Chain::Prerouting, [], Then::Jump(Chain::IstioInbound));
        }
        for resolver in answers {
            let answer = [Some(When::Udp), Some(When::SourcePort(DNS)), resolver];
            self.add(Table::Raw, Chain::IstioInbound, answer.into_iter().flatten(), Then::Zone(OWN_ZONE));
        }
    }

    /// TPROXY's marks on the way out.
    fn marks(&mut self) {
        let mark = self.settings.mark;
        let lo = || When::Out("lo".into());
        self.mangle(Chain::Prerouting, [When::Tcp, When::Mark(mark)], Then::SaveMark);
        self.mangle(Chain::Output, [When::Tcp, lo(), When::Mark(mark)], Then::Return);
        for owner in self.owners() {
            let away = When::NotDestination(self.localhost());
            let to_itself = [away, When::Tcp, lo(), When::Owner(owner)];
            self.mangle(Chain::Output, to_itself, Then::SetMark(outbound_mark(self.settings)));
        }
        self.mangle(Chain::Output, [When::Tcp, When::ConnectionMark(mark)], Then::RestoreMark);
    }
}
