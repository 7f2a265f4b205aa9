//! `weft redirect`: the kernel hands a pod's connections to its proxy.
//!
//! Takes the flags and variables of `istio-iptables`, so that an init container written for that runs it unchanged.
//! [`settings`] reads them, [`chains`] makes Istio's rules of them, [`iptables`] and [`nft`] write these down: all pure.
//! [`apply`] puts them in force as a whole or not at all, and [`verify`] then makes connections through them.

mod apply;
pub(crate) mod chains;
mod elsewhere;
mod flags;
pub(crate) mod iptables;
mod markers;
pub(crate) mod nft;
mod programs;
mod routes;
pub(crate) mod rules;
pub(crate) mod settings;
mod undo;
mod unneeded;
mod verify;

use apply::{BackEnd, Tool};
pub(crate) use flags::{Args, with_variables};
use rules::{Family, Rule};
use settings::Settings;
use std::process::ExitCode;

/// What `istio-iptables` answers with when its rules do not work; who runs init containers may look for it.
const NOT_VALID: u8 = 126;

/// Applies the rules, shows them or takes them away.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(address) = args.probe {
        verify::ask(address, args.probe_timeout)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.cni_mode || !args.network_namespace.is_empty() {
        return elsewhere::run(&args.network_namespace, args.cni_mode);
    }
    let (settings, tool) = (args.settings()?, args.tool()?);
    for remark in args.remarks(&settings) {
        crate::say::say!("weft redirect: {remark}");
    }
    if args.dry_run {
        return show(&settings, tool);
    }
    if args.cleanup_only {
        apply::check_capability()?;
        apply::cleanup(&settings)?;
        return Ok(ExitCode::SUCCESS);
    }
    let validate = |families: &[Family]| match args.run_validation {
        true => verify::verify(&settings, families, args.probe_port, args.probe_timeout),
        false => Ok(()),
    };
    if args.skip_rule_apply {
        return match validate(&apply::families_in_force()) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Ok(not_valid(&error, &[])),
        };
    }
    apply::check_capability()?;
    let undo = apply::apply(&settings, tool)?;
    crate::say::say!("weft redirect: the rules are in force ({})", undo.back_end());
    if let Err(error) = validate(undo.families()) {
        let code = not_valid(&error, &undo.foreign());
        if let Err(error) = undo.undo() {
            crate::say::say!("weft redirect: what was there before could not be put back: {error}");
        }
        return Ok(code);
    }
    let first: Vec<String> = undo.foreign().into_iter().filter(|rule| is_of_what_comes(rule)).collect();
    if args.run_validation && !settings.inbound_ports.is_nothing() && !first.is_empty() {
        crate::say::say!(
            "weft redirect: rules of others see first what comes in, which cannot be tried from here:"
        );
        first.iter().for_each(|rule| crate::say::say!("    {rule}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a rule or chain of others meets what comes in where ours do.
fn is_of_what_comes(rule: &str) -> bool {
    rule.contains("-A PREROUTING ") || rule.contains("hook prerouting")
}

fn not_valid(error: &anyhow::Error, foreign: &[String]) -> ExitCode {
    crate::say::say!("weft redirect: the rules do not work: {error:#}");
    if !foreign.is_empty() {
        crate::say::say!("weft redirect: rules of others that may be in the way:");
        foreign.iter().for_each(|rule| crate::say::say!("    {rule}"));
    }
    ExitCode::from(NOT_VALID)
}

fn show(settings: &Settings, tool: Tool) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let of = |family| (family, chains::rules(settings, family));
    let families: Vec<(Family, Vec<Rule>)> = Family::BOTH.into_iter().map(of).collect();
    let mut text = String::new();
    if apply::is_nft(tool) {
        text = nft::script(&families);
    } else {
        for (family, rules) in &families {
            text.push_str(match family {
                Family::V4 => "# iptables-restore --noflush\n",
                Family::V6 => "# ip6tables-restore --noflush\n",
            });
            text.push_str(&iptables::script(rules, *family, &iptables::Saved::default()));
        }
    }
    for command in routes::commands(settings, &Family::BOTH) {
        text.push_str(&format!("# ip {}\n", command.join(" ")));
    }
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

impl std::fmt::Display for BackEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Iptables { name } => f.write_str(name),
            Self::Nft => f.write_str("nft"),
        }
    }
}

#[cfg(test)]
mod tests;
