//! Flags of `istio-iptables` that make no difference here: each is taken, and what somebody might miss is said in words.

use super::flags::truth;
use clap::ArgAction;

/// Flags about what is always so here, or about how Istio's own program goes about it.
#[derive(Debug, clap::Args)]
pub(super) struct Unneeded {
    /// Rules of IPv6 are always written where this machine has it.
    #[arg(long, hide = true, env = "ISTIO_DUAL_STACK", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = truth)]
    dual_stack: Option<bool>,
    /// Rules of ours that are there already are always replaced.
    #[arg(long, hide = true, env = "RECONCILE", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = truth)]
    reconcile: Option<bool>,
    /// As --reconcile.
    #[arg(long, hide = true, env = "FORCE_APPLY", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = truth)]
    force_apply: Option<bool>,
    /// --dry-run always shows what iptables-restore reads.
    #[arg(short = 'f', long, hide = true, env = "RESTORE_FORMAT", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = truth)]
    restore_format: Option<bool>,
    /// Rules that write a log of what they see, of older releases of Istio.
    #[arg(long, hide = true, env = "IPTABLES_TRACE_LOGGING", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = truth)]
    iptables_trace_logging: Option<bool>,
    /// A namespace is entered without another program's help.
    #[arg(long = "host-nsenter-exec", hide = true, env = "HOST_NSENTER_EXEC", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = truth)]
    host_nsenter_exec: Option<bool>,
    /// How loud Istio's own program is, as its template says; what is said here is a line or two.
    #[arg(long = "log_output_level", hide = true, value_name = "LEVEL")]
    log_output_level: Option<String>,
    /// Whether Istio's own program writes JSON, as its template says.
    #[arg(long = "log_as_json", hide = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = truth)]
    log_as_json: Option<bool>,
    /// Which parts of Istio's own program say where they speak from.
    #[arg(long = "log_caller", hide = true, value_name = "SCOPES")]
    log_caller: Option<String>,
    /// When Istio's own program says how it came there.
    #[arg(long = "log_stacktrace_level", hide = true, value_name = "LEVEL")]
    log_stacktrace_level: Option<String>,
    /// How loud one of its libraries is.
    #[arg(long = "vklog", hide = true, value_name = "LEVEL")]
    vklog: Option<String>,
    /// Where to it writes.
    #[arg(long = "log_target", hide = true, value_name = "PATH")]
    log_target: Vec<String>,
    /// A file that it writes to, too.
    #[arg(long = "log_rotate", hide = true, value_name = "PATH")]
    log_rotate: Option<String>,
    /// When that file is begun anew.
    #[arg(long = "log_rotate_max_age", hide = true, value_name = "DAYS")]
    log_rotate_max_age: Option<String>,
    /// The same, by its size.
    #[arg(long = "log_rotate_max_size", hide = true, value_name = "MEGABYTES")]
    log_rotate_max_size: Option<String>,
    /// How many of them are kept.
    #[arg(long = "log_rotate_max_backups", hide = true, value_name = "COUNT")]
    log_rotate_max_backups: Option<String>,
}

impl Unneeded {
    /// What somebody who gave these flags might wait for in vain.
    pub(super) fn remarks(&self) -> Vec<String> {
        let elsewhere = self.log_rotate.is_some() || self.log_target.iter().any(|at| at != "stderr");
        let remarks = [
            (
                self.dual_stack == Some(false),
                "--dual-stack=false: rules of IPv6 are written all the same where this machine has it, or connections would go around the proxy",
            ),
            (
                self.reconcile == Some(false),
                "--reconcile=false: rules of ours that are there already are replaced all the same",
            ),
            (
                self.restore_format == Some(false),
                "--restore-format=false: --dry-run shows what iptables-restore reads all the same",
            ),
            (
                self.iptables_trace_logging == Some(true),
                "--iptables-trace-logging: no rule writes a log; `xtables-monitor --trace` or `nft monitor trace` show what a packet meets",
            ),
            (
                elsewhere,
                "--log_target, --log_rotate: what is to be said is said on standard error, and in no file",
            ),
        ];
        remarks.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, words)| words.to_owned()).collect()
    }
}
