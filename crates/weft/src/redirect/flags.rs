//! The flags and variables of `istio-iptables`, by its names.

use super::apply::Tool;
use super::settings::{self, Dns, Groups, Mode, Settings, Wrong};
use super::unneeded::Unneeded;
use anyhow::Context;
use clap::ArgAction;
use std::net::SocketAddr;
use std::time::Duration;
use weft_proxy::bootstrap::span;

/// Where the probe's server would be if nothing turned its connections.
const PROBE_PORT: u16 = 15002;
/// Who is asked for names here.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// As many groups as one rule takes conditions, everywhere.
const MOST_GROUPS: usize = 64;
/// Variables that say the same as an argument's first, where that is not set.
const ALSO: [(&str, &str); 3] =
    [("redirect_dns", "REDIRECT_DNS"), ("drop_invalid", "DROP_INVALID"), ("dual_stack", "DUAL_STACK")];

/// `weft redirect`
#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(crate) struct Args {
    /// The proxy's port for outbound connections.
    #[arg(short = 'p', long, env = "ENVOY_PORT", default_value = "15001", value_name = "PORT")]
    envoy_port: String,
    /// The proxy's port for inbound connections.
    #[arg(short = 'z', long, env = "INBOUND_CAPTURE_PORT", default_value = "15006", value_name = "PORT")]
    inbound_capture_port: String,
    /// The tunnel's port (HBONE), which is never turned.
    #[arg(short = 'e', long, env = "INBOUND_TUNNEL_PORT", default_value = "15008", value_name = "PORT")]
    inbound_tunnel_port: String,
    /// Users whose connections are left alone: the proxy's [default: the user istio-proxy, or 1337].
    #[arg(short = 'u', long, env = "PROXY_UID", default_value = "", hide_default_value = true)]
    proxy_uid: String,
    /// Groups whose connections are left alone [default: as --proxy-uid].
    #[arg(short = 'g', long, env = "PROXY_GID", default_value = "", hide_default_value = true)]
    proxy_gid: String,
    /// REDIRECT, or TPROXY, which keeps the client's address.
    #[arg(short = 'm', long, env = "ISTIO_INBOUND_INTERCEPTION_MODE", default_value = "REDIRECT")]
    istio_inbound_interception_mode: String,
    /// Inbound ports to turn: a list, or * for all; empty turns none.
    #[arg(short = 'b', long, env = "ISTIO_INBOUND_PORTS", default_value = "", hide_default_value = true)]
    istio_inbound_ports: String,
    /// Of all inbound ports, those that are left alone.
    #[arg(
        short = 'd',
        long,
        env = "ISTIO_LOCAL_EXCLUDE_PORTS",
        default_value = "",
        hide_default_value = true
    )]
    istio_local_exclude_ports: String,
    /// Interfaces that are left alone in both directions.
    #[arg(
        short = 'c',
        long,
        env = "ISTIO_EXCLUDE_INTERFACES",
        default_value = "",
        hide_default_value = true
    )]
    istio_exclude_interfaces: String,
    /// Destinations to turn: a list of networks, or * for all; empty turns none.
    #[arg(short = 'i', long, env = "ISTIO_SERVICE_CIDR", default_value = "", hide_default_value = true)]
    istio_service_cidr: String,
    /// Of all destinations, those that are left alone.
    #[arg(
        short = 'x',
        long,
        env = "ISTIO_SERVICE_EXCLUDE_CIDR",
        default_value = "",
        hide_default_value = true
    )]
    istio_service_exclude_cidr: String,
    /// Outbound ports to turn, whatever the destination.
    #[arg(short = 'q', long, env = "ISTIO_OUTBOUND_PORTS", default_value = "", hide_default_value = true)]
    istio_outbound_ports: String,
    /// Outbound ports that are left alone.
    #[arg(
        short = 'o',
        long,
        env = "ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE",
        default_value = "",
        hide_default_value = true
    )]
    istio_local_outbound_ports_exclude: String,
    /// Of IPv4's loopback, what an app calls its own.
    #[arg(
        long,
        env = "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR",
        default_value = "127.0.0.1/32",
        value_name = "NETWORK"
    )]
    istio_outbound_ipv4_loopback_cidr: String,
    /// Interfaces of virtual machines, whose traffic counts as outbound.
    #[arg(
        short = 'k',
        long,
        alias = "reroute-virtual-interfaces",
        env = "KUBE_VIRT_INTERFACES",
        default_value = "",
        hide_default_value = true
    )]
    kube_virt_interfaces: String,
    /// The mark of TPROXY.
    #[arg(short = 't', long, env = "ISTIO_INBOUND_TPROXY_MARK", default_value = "1337")]
    istio_inbound_tproxy_mark: String,
    /// The routing table of TPROXY.
    #[arg(short = 'r', long, env = "ISTIO_INBOUND_TPROXY_ROUTE_TABLE", default_value = "133")]
    istio_inbound_tproxy_route_table: String,
    /// Groups whose connections are turned [default: * for all].
    #[arg(long, env = "ISTIO_OUTBOUND_OWNER_GROUPS", default_value = "*", hide_default_value = true)]
    istio_outbound_owner_groups: String,
    /// Of all groups, those that are left alone.
    #[arg(long, env = "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", default_value = "", hide_default_value = true)]
    istio_outbound_owner_groups_exclude: String,
    /// Turn DNS queries to the resolvers of /etc/resolv.conf to the proxy (15053).
    #[arg(long, env = "ISTIO_META_DNS_CAPTURE", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    redirect_dns: bool,
    /// With --redirect-dns: queries to any resolver.
    #[arg(long, env = "CAPTURE_ALL_DNS", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    capture_all_dns: bool,
    /// Drop packets that belong to no connection.
    #[arg(long, env = "INVALID_DROP", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    drop_invalid: bool,
    /// Show the rules, and apply nothing.
    #[arg(short = 'n', long, env = "DRY_RUN", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    pub(super) dry_run: bool,
    /// Only take the rules away.
    #[arg(long, alias = "cleanup", env = "CLEANUP_ONLY", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    pub(super) cleanup_only: bool,
    /// Apply nothing; with --run-validation, only see whether the rules that are there work.
    #[arg(long, env = "SKIP_RULE_APPLY", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    pub(super) skip_rule_apply: bool,
    /// Make connections through the rules, and take them away again if they do not work.
    #[arg(long, env = "RUN_VALIDATION", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = truth)]
    pub(super) run_validation: bool,
    /// The port that validation asks for.
    #[arg(long = "iptables-probe-port", env = "IPTABLES_PROBE_PORT", default_value_t = PROBE_PORT, value_name = "PORT")]
    pub(super) probe_port: u16,
    /// How long validation waits, such as 5s.
    #[arg(long, env = "PROBE_TIMEOUT", default_value = "5s", value_parser = span)]
    pub(super) probe_timeout: Duration,
    /// Use nftables; without iptables here that is done anyway, unless one of them is asked for.
    #[arg(long, env = "NATIVE_NFTABLES", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    native_nftables: bool,
    /// Which iptables: legacy or nft.
    #[arg(long, env = "FORCE_IPTABLES_BINARY", default_value = "", hide_default_value = true)]
    force_iptables_binary: String,
    /// The same as --force-iptables-binary=legacy.
    #[arg(long, env = "FORCE_LEGACY_IPTABLES", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    force_legacy_iptables: bool,
    /// The network namespace to do all this in, as a path.
    #[arg(
        long,
        env = "NETWORK_NAMESPACE",
        default_value = "",
        hide_default_value = true,
        value_name = "PATH"
    )]
    pub(super) network_namespace: String,
    /// For a plugin that runs where the machine's files are: not its lock of iptables is taken, but one of the network
    /// namespace, and its directory of users is not asked.
    #[arg(long, env = "CNI_MODE", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = truth)]
    pub(super) cni_mode: bool,
    #[command(flatten)]
    unneeded: Unneeded,
    /// Asks one address, for the validation of another process.
    #[arg(long, hide = true)]
    pub(super) probe: Option<SocketAddr>,
}

impl Args {
    /// The settings that these flags ask for.
    pub(super) fn settings(&self) -> anyhow::Result<Settings> {
        let users = settings::names("--proxy-uid", &self.proxy_uid)?;
        let users = if users.is_empty() { vec![proxy_user()] } else { users };
        let groups = settings::names("--proxy-gid", &self.proxy_gid)?;
        let groups = if groups.is_empty() { users.clone() } else { groups };
        let mark = settings::number("--istio-inbound-tproxy-mark", &self.istio_inbound_tproxy_mark)?;
        let table = &self.istio_inbound_tproxy_route_table;
        Ok(Settings {
            outbound_port: port("--envoy-port", &self.envoy_port)?,
            inbound_port: port("--inbound-capture-port", &self.inbound_capture_port)?,
            tunnel_port: port("--inbound-tunnel-port", &self.inbound_tunnel_port)?,
            users,
            groups,
            mode: mode(&self.istio_inbound_interception_mode)?,
            mark,
            route_table: settings::number("--istio-inbound-tproxy-route-table", table)?,
            inbound_ports: settings::all_or_ports("--istio-inbound-ports", &self.istio_inbound_ports)?,
            inbound_ports_excluded: settings::ports(
                "--istio-local-exclude-ports",
                &self.istio_local_exclude_ports,
            )?,
            outbound_networks: settings::all_or_networks("--istio-service-cidr", &self.istio_service_cidr)?,
            outbound_networks_excluded: settings::networks(
                "--istio-service-exclude-cidr",
                &self.istio_service_exclude_cidr,
            )?,
            loopback: settings::loopback(
                "--istio-outbound-ipv4-loopback-cidr",
                &self.istio_outbound_ipv4_loopback_cidr,
            )?,
            outbound_ports: settings::ports("--istio-outbound-ports", &self.istio_outbound_ports)?,
            outbound_ports_excluded: settings::ports(
                "--istio-local-outbound-ports-exclude",
                &self.istio_local_outbound_ports_exclude,
            )?,
            app_groups: self.app_groups()?,
            interfaces_excluded: settings::names(
                "--istio-exclude-interfaces",
                &self.istio_exclude_interfaces,
            )?,
            virtual_interfaces: settings::names("--kube-virt-interfaces", &self.kube_virt_interfaces)?,
            dns: self.dns()?,
            drop_invalid: self.drop_invalid,
        })
    }

    /// What is to write the rules, as far as anybody says.
    pub(super) fn tool(&self) -> Result<Tool, Wrong> {
        const BINARY: &str = "--force-iptables-binary";
        let forced = self.force_iptables_binary.trim();
        let named = match forced {
            "" => None,
            "legacy" | "iptables-legacy" => Some("iptables-legacy"),
            "nft" | "iptables-nft" => Some("iptables-nft"),
            "iptables" => Some("iptables"),
            other => return Err(Wrong::new(BINARY, other, "it must be legacy or nft")),
        };
        let legacy = self.force_legacy_iptables.then_some("iptables-legacy");
        match (self.native_nftables, legacy.or(named)) {
            (true, Some(_)) if legacy.is_some() => {
                Err(Wrong::new("--force-legacy-iptables", "true", "with --native-nftables it must be false"))
            }
            (false, Some(_)) if legacy.is_some() && named.is_some_and(|named| Some(named) != legacy) => {
                Err(Wrong::new(BINARY, forced, "with --force-legacy-iptables it must be legacy"))
            }
            (true, _) => Ok(Tool::Nft),
            (false, Some(name)) => Ok(Tool::Iptables(name)),
            (false, None) => Ok(Tool::Any),
        }
    }

    /// What is asked for and makes no difference here, in words.
    pub(super) fn remarks(&self, settings: &Settings) -> Vec<String> {
        let mut remarks = self.unneeded.remarks();
        if self.redirect_dns && settings.dns == Dns::None {
            remarks.push(format!(
                "no DNS query is turned: {RESOLV_CONF} names no server to whom they would go; with --capture-all-dns all are turned"
            ));
        }
        remarks
    }

    fn app_groups(&self) -> Result<Groups, Wrong> {
        const ONLY: &str = "--istio-outbound-owner-groups";
        let only = self.istio_outbound_owner_groups.trim();
        let but = settings::names(
            "--istio-outbound-owner-groups-exclude",
            &self.istio_outbound_owner_groups_exclude,
        )?;
        match (only, but) {
            ("*" | "", but) if but.is_empty() => Ok(Groups::All),
            ("*" | "", but) => Ok(Groups::AllBut(but)),
            (only, but) if but.is_empty() => match settings::names(ONLY, only)? {
                groups if groups.len() > MOST_GROUPS => {
                    Err(Wrong::new(ONLY, only, format!("more than {MOST_GROUPS} do not fit into a rule")))
                }
                groups => Ok(Groups::Only(groups)),
            },
            (only, _) => {
                Err(Wrong::new(ONLY, only, "with --istio-outbound-owner-groups-exclude it must be *"))
            }
        }
    }

    fn dns(&self) -> anyhow::Result<Dns> {
        Ok(match (self.redirect_dns, self.capture_all_dns) {
            (false, _) => Dns::None,
            (true, true) => Dns::All,
            (true, false) => {
                let text = std::fs::read_to_string(RESOLV_CONF).context(RESOLV_CONF)?;
                match settings::resolvers(&text) {
                    none if none.is_empty() => Dns::None,
                    resolvers => Dns::To(resolvers),
                }
            }
        })
    }
}

fn port(flag: &'static str, text: &str) -> Result<u16, Wrong> {
    match settings::ports(flag, text)?.as_slice() {
        [port] => Ok(*port),
        _ => Err(Wrong::new(flag, text, "it must be one port")),
    }
}

fn mode(text: &str) -> Result<Mode, Wrong> {
    match text {
        "" | "REDIRECT" => Ok(Mode::Redirect),
        "TPROXY" => Ok(Mode::Tproxy),
        other => Err(Wrong::new("--istio-inbound-interception-mode", other, "it must be REDIRECT or TPROXY")),
    }
}

/// The command with the variables that count: an empty one is not set, as Istio reads them, and another of the same meaning
/// stands in for it.
pub(crate) fn with_variables(command: clap::Command) -> clap::Command {
    let is_set = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    command.mut_args(|argument| {
        let Some(first) = argument.get_env() else { return argument };
        if is_set(first) {
            return argument;
        }
        let mut others = ALSO.iter().filter(|(id, _)| argument.get_id() == *id).map(|(_, name)| *name);
        let other = others.find(|name| is_set(name.as_ref()));
        argument.env(other)
    })
}

/// A truth as Go writes it.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("it must be true or false".to_owned()),
    }
}

/// The proxy's user where nobody names one: that of ENVOY_USER if there is one, else Istio's number.
fn proxy_user() -> String {
    let name = std::env::var("ENVOY_USER").unwrap_or_else(|_| "istio-proxy".to_owned());
    let known = nix::unistd::User::from_name(&name).ok().flatten();
    known.map_or_else(|| "1337".to_owned(), |user| user.uid.to_string())
}
