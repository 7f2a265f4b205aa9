//! `weft logs`: each request of the mesh as one line, told from what both its sidecars wrote down; and the logs of
//! sidecars and apps as they are.

mod entry;
mod file;
mod filter;
mod line;
mod names;
mod request;
#[cfg(test)]
mod sample;
mod told;
mod whom;

use crate::find;
use crate::output::{self, Output};
use crate::run_directory::{Running, pod_folder};
use crate::up::plan::Pod;
use file::LogFile;
use filter::{Filter, Since};
use line::Lines;
use names::Names;
use request::{Join, Request};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use time::OffsetDateTime;
use whom::Whom;

pub(crate) use told::Told;

/// `weft logs`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
    weft logs                          every request of the mesh, oldest first
    weft logs cart --denied -f         calls to or from cart that a policy refuses, as they come
    weft logs cart --failed --since 5m
    weft logs cart --of app -n 20      the last words of the app itself

A line is: the time (UTC), caller -> callee, request, status, duration as the caller saw it, and the reason.")]
pub(crate) struct Args {
    /// A Deployment, a Service or one pod, as caller or callee; all of them where none is named.
    workload: Option<String>,
    /// Only what a policy refused.
    #[arg(long)]
    denied: bool,
    /// Only what failed: no answer, a 5xx, or a gRPC status that means as much. With --denied: both.
    #[arg(long)]
    failed: bool,
    /// Only what began since: 30s, 5m, 2h ago, or a moment in RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Go on with what is written from now on, until the mesh stops.
    #[arg(short, long)]
    follow: bool,
    /// Which log: the requests, the sidecar's own, the app's output.
    #[arg(long, value_enum, default_value_t)]
    of: Of,
    /// Only the last so many requests; of a sidecar's own log or an app's: lines of each pod.
    #[arg(short = 'n', long = "tail", value_name = "COUNT", value_parser = count)]
    tail: Option<usize>,
    /// text: for people; json: all that each sidecar wrote, one object a line.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The logs of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Of {
    #[default]
    Access,
    Sidecar,
    App,
}

impl Of {
    const fn file(self) -> &'static str {
        match self {
            Self::Access => "access.log",
            Self::Sidecar => "sidecar.log",
            Self::App => "app.log",
        }
    }
}

/// What `-n` takes.
fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "it is how many to show, a whole number such as 20".to_owned())
}

/// How often followed files are looked at. A request's two accounts are on disk within this of each other.
const LOOK: Duration = Duration::from_millis(150);
/// As many requests are kept in memory; older ones are left out, and that is said.
const MOST: usize = 100_000;

/// Prints the logs; with -f until the mesh is gone.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let running = Running::find()?;
    if args.of == Of::Access {
        return requests(args, &running);
    }
    let pods: Vec<&Pod> = match &args.workload {
        Some(name) => find::pods(&running.plan, name)?,
        None => running.plan.pods.iter().collect(),
    };
    if args.denied || args.failed || args.since.is_some() {
        anyhow::bail!("--denied, --failed and --since are for the log of requests (--of access)");
    }
    plain(args, &running, &pods)
}

/// The logs of sidecars or apps, line by line.
fn plain(args: &Args, running: &Running, pods: &[&Pod]) -> anyhow::Result<ExitCode> {
    let several = pods.len() > 1;
    let show = |pod: &str, line: &str| match args.output {
        Output::Text if several => output::print(&format!("{pod}  {line}")),
        Output::Text => output::print(line),
        Output::Json => {
            // A line in JSON stays what it is.
            let entry = serde_json::from_str(line).unwrap_or_else(|_| serde_json::Value::from(line));
            output::print(&json!({ "pod": pod, "entry": entry }).to_string())
        }
    };
    let name = |pod: &Pod| format!("{}/{}", pod.namespace, pod.name);
    let mut logs = open(running, pods, args.of, name);
    for (pod, log) in &mut logs {
        let mut last = VecDeque::new();
        log.new_lines(|line| match args.tail {
            None => show(pod, line),
            Some(count) => {
                last.push_back(line.to_owned());
                if last.len() > count {
                    last.pop_front();
                }
                Ok(())
            }
        })?;
        last.iter().try_for_each(|line| show(pod, line))?;
    }
    while args.follow && running.path.exists() {
        std::thread::sleep(LOOK);
        for (pod, log) in &mut logs {
            log.new_lines(|line| show(pod, line))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn open(running: &Running, pods: &[&Pod], of: Of, name: impl Fn(&Pod) -> String) -> Vec<(String, LogFile)> {
    let log = |pod: &&Pod| (name(pod), LogFile::new(pod_folder(&running.path, pod).join(of.file())));
    pods.iter().map(log).collect()
}

/// Waits until what the sidecars have answered is in their logs: they write them in batches.
fn written_down(pods: &[&Pod]) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(crate::admin::flush_logs(pods));
    Ok(())
}

/// The access logs. All of them are read, whoever was asked for: why a call was refused, the other end's knows.
fn requests(args: &Args, running: &Running) -> anyhow::Result<ExitCode> {
    let names = Names::of(&running.plan);
    let all: Vec<&Pod> = running.plan.pods.iter().filter(|pod| pod.sidecar).collect();
    let mut logs = open(running, &all, Of::Access, |pod| names.pod(pod));
    let meant = args.workload.as_ref().map(|name| find::meant(&running.plan, name)).transpose()?;
    let whom = meant.map(|meant| Whom {
        pods: meant.pods.into_iter().map(|pod| names.pod(pod)).collect(),
        all: running.plan.pods.iter().map(|pod| names.pod(pod)).collect(),
        services: meant.services,
    });
    let filter = Filter {
        whom,
        denied: args.denied,
        failed: args.failed,
        since: args.since.map(|since| since.moment(OffsetDateTime::now_utc())),
    };
    let colour =
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let full = all.iter().map(|pod| (names.pod(pod), format!("{}/{}", pod.namespace, pod.name))).collect();
    let mut printer = Printer { output: args.output, lines: Lines::new(colour), filter, full, odd: 0 };
    let mut join = Join::new(names);
    let mut forgotten = 0;
    written_down(&all)?;
    for (pod, log) in &mut logs {
        log.new_lines(|line| {
            printer.take(&mut join, pod, line)?;
            if join.len() > 2 * MOST {
                forgotten += join.take_but(MOST).len();
            }
            Ok(())
        })?;
    }
    if forgotten > 0 {
        let path = running.path.join("pods");
        crate::say::say!("weft: {forgotten} older requests are left out; {} has them", path.display());
    }
    let mut shown = join.take_but(0);
    shown.retain(|request| printer.filter.takes(request));
    let skip = args.tail.map_or(0, |tail| shown.len().saturating_sub(tail));
    printer.print(shown.get(skip..).unwrap_or_default())?;
    if printer.odd > 0 {
        crate::say::say!(
            "weft: {} lines are in a format of your own (accessLogFormat), in which --denied, --failed and --since cannot look; they are left out",
            printer.odd
        );
    }
    let mut waited = 0;
    while args.follow && running.path.exists() {
        std::thread::sleep(LOOK);
        for (pod, log) in &mut logs {
            log.new_lines(|line| printer.take(&mut join, pod, line))?;
        }
        let mut settled = join.take_settled(&mut waited);
        settled.retain(|request| printer.filter.takes(request));
        printer.print(&settled)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows requests as they were asked for.
struct Printer {
    output: Output,
    lines: Lines,
    filter: Filter,
    /// Pods' names with their namespaces, for programs.
    full: BTreeMap<String, String>,
    /// Lines that cannot be looked into.
    odd: usize,
}

impl Printer {
    /// A line of an access log; one in the user's own format is shown at once, as it is.
    fn take(&mut self, join: &mut Join, pod: &str, line: &str) -> std::io::Result<()> {
        if join.add(pod, line) || !self.filter.is_of(pod) {
            return Ok(());
        }
        if self.filter.looks_inside() {
            self.odd += 1;
            return Ok(());
        }
        match self.output {
            Output::Text => output::print(&format!("{pod}  {}", line::printable(line))),
            Output::Json => self.as_json(pod, line),
        }
    }

    fn as_json(&self, pod: &str, line: &str) -> std::io::Result<()> {
        let entry = serde_json::from_str(line).unwrap_or_else(|_| serde_json::Value::from(line));
        let pod = self.full.get(pod).map_or(pod, String::as_str);
        output::print(&json!({ "pod": pod, "entry": entry }).to_string())
    }

    fn print(&mut self, requests: &[Request]) -> std::io::Result<()> {
        self.lines.make_room(requests);
        for request in requests {
            match self.output {
                Output::Text => output::print(&self.lines.line(request))?,
                // What its own sidecar wrote, as it was written.
                Output::Json => self
                    .filter
                    .accounts(request)
                    .into_iter()
                    .try_for_each(|account| self.as_json(&account.owner, &account.line))?,
            }
        }
        Ok(())
    }
}
