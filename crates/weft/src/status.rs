//! `weft status`: each proxy's configuration in force, its certificate, and what went through it.

mod files;
mod notes;

use crate::admin::{self, InForce, Sidecar, Traffic};
use crate::find;
use crate::output::{self, Output, span};
use crate::run_directory::{self, Other, Running, Waiting};
use crate::up::plan::Pod;
use notes::Notes;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// `weft status`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
CONFIG is a digest of all that the proxy has acknowledged: equal digests, equal configuration. SINCE: how long it has \
been in force. CERT: what remains of the certificate's life. REQUESTS: those that came to the pod and those that it made, \
without other sidecars' health checks that were let through (weft.dev/health-check). \
SUCCESS: the share of them that did not fail, by no answer or a 5xx; what was denied is an answer and no failure, so it is \
told apart. DENIED: those answered with 401 or 403 (gRPC's 16 or 7); `weft logs --denied` says by whom and why.

Lines with ! say what is not as it should be; those with - what is worth knowing.

Exit status: 0 if all is well; 1 if a proxy refused something or does not answer, an app does not run, the files have \
errors, or no mesh runs.")]
pub(crate) struct Args {
    /// A Deployment, a Service or one pod; all of them where none is named.
    workload: Option<String>,
    /// text: a table; json: all that is known.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Shows the state of the running mesh; fails where a part of it is not as it should be.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let running = Running::find()?;
    let pods = match &args.workload {
        Some(name) => find::pods(&running.plan, name)?,
        None => admin::all(&running.plan),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (control, sidecars) = runtime.block_on(async {
        tokio::join!(admin::control_plane(&running.state.control), admin::sidecars(&pods))
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let well = is_well(&control, &sidecars)
        && !waiting(&running, &pods).iter().any(|(_, waits)| waits.fails)
        && running.account.refused.is_none();
    match args.output {
        Output::Json => output::print_json(&as_json(&running, &control, &pods, &sidecars))?,
        Output::Text => {
            let others = run_directory::others(&run_directory::base(), &running.path);
            output::print(&as_text(&running, &others, &control, &pods, &sidecars, now))?;
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether all is as it should be.
fn is_well(control: &Result<Value, String>, sidecars: &Asked<'_>) -> bool {
    let serves = |sidecar: &Result<Sidecar, String>| sidecar.as_ref().is_ok_and(|one| problem(one).is_none());
    control.as_ref().is_ok_and(|status| !has_errors(status)) && sidecars.iter().all(|(_, one)| serves(one))
}

/// Whether the files say something that cannot be used, so that what is in force is not what they say.
fn has_errors(control: &Value) -> bool {
    control["files"]["in_use"] == false
}

/// Pods that are not ready.
fn waiting<'r>(running: &'r Running, pods: &[&'r Pod]) -> Vec<(&'r Pod, &'r Waiting)> {
    let of = |pod: &'r Pod| Some((pod, running.account.waiting_for(pod)?));
    pods.iter().copied().filter_map(of).collect()
}

type Asked<'a> = [(&'a Pod, Result<Sidecar, String>)];

fn as_json(running: &Running, control: &Result<Value, String>, pods: &[&Pod], sidecars: &Asked<'_>) -> Value {
    let of = |pod: &Pod| {
        let asked = sidecars.iter().find(|(other, _)| std::ptr::eq(*other, pod));
        match asked {
            None => json!({ "present": false }),
            Some((_, Ok(sidecar))) => json!({ "present": true, "answers": true, "status": sidecar }),
            Some((_, Err(error))) => json!({ "present": true, "answers": false, "error": error }),
        }
    };
    let pods: Vec<Value> = pods
        .iter()
        .map(|pod| {
            json!({
                "namespace": pod.namespace,
                "name": pod.name,
                "kind": pod.kind.name(),
                "workload": pod.workload,
                "services": pod.services,
                "address": pod.address,
                "six": pod.six,
                "localhost": pod.localhost,
                "netns": pod.netns,
                "ports": pod.ports,
                "tcp": pod.tcp,
                "not_ready": running.account.waiting_for(pod).map(|waits| &waits.why),
                "sidecar": of(pod),
            })
        })
        .collect();
    json!({
        "run": running.path,
        "state": running.state,
        "control_plane": match control {
            Ok(status) => json!({ "answers": true, "status": status }),
            Err(error) => json!({ "answers": false, "error": error }),
        },
        "warnings": running.account.warnings,
        "edit_refused": running.account.refused,
        "pods": pods,
    })
}

fn as_text(
    running: &Running,
    others: &[Other],
    control: &Result<Value, String>,
    pods: &[&Pod],
    sidecars: &Asked<'_>,
    now: u64,
) -> String {
    let mut table =
        output::table(["POD", "CONFIG", "SINCE", "CERT", "REQUESTS", "SUCCESS", "DENIED", "P50", "P99"]);
    let mut problems = Vec::new();
    let mut notes = Notes::new(&running.plan);
    let one_namespace = running
        .plan
        .pods
        .iter()
        .all(|pod| running.plan.pods.first().is_some_and(|first| first.namespace == pod.namespace));
    // Whatever is the same in every line is left out: the table is to fit a terminal.
    let name_of =
        |pod: &Pod| if one_namespace { pod.name.clone() } else { format!("{}/{}", pod.namespace, pod.name) };
    for pod in pods {
        let name = name_of(pod);
        let asked = sidecars.iter().find(|(other, _)| std::ptr::eq(*other, *pod));
        match asked {
            None => {
                table.add_row([name.as_str(), "no sidecar", "", "", "", "", "", "", ""]);
            }
            Some((_, Err(error))) => {
                table.add_row([name.as_str(), "no answer", "", "", "", "", "", "", ""]);
                problems.push(format!("{name}: {error}"));
            }
            Some((_, Ok(sidecar))) => {
                notes.add(&name, sidecar);
                problems.extend(problem(sidecar).map(|problem| format!("{name}: {problem}")));
                table.add_row(row(name, sidecar, now));
            }
        }
    }
    if let Err(error) = control {
        problems.push(format!("control plane: {error}; proxies go on with what they have"));
    }
    let (failing, starting): (Vec<_>, Vec<_>) =
        waiting(running, pods).into_iter().partition(|(_, waits)| waits.fails);
    problems.extend(failing.iter().map(|(pod, waits)| format!("{}: {}", name_of(pod), waits.why)));
    if let Ok(status) = control
        && has_errors(status)
    {
        problems.push(files::errors(status));
    }
    if let Some(why) = &running.account.refused {
        problems.push(format!("the last edit is refused; what the files said before is in force: {why}"));
    }
    let uptime = span(now.saturating_sub(running.state.started));
    let (of, path) = (running.state.of(), running.path.display());
    let mut text = format!("{table}\n\nmesh of {of}, up for {uptime}, its files in {path}");
    if !others.is_empty() {
        text.push_str(&format!("\nbeside it {}", run_directory::those(others)));
    }
    let starting =
        starting.iter().map(|(pod, waits)| format!("{} is not ready: {}", name_of(pod), waits.why));
    for note in starting.chain(notes.lines()).chain(files::warnings(&running.account.warnings)) {
        text.push_str(&format!("\n- {note}"));
    }
    for problem in problems {
        text.push_str(&format!("\n! {problem}"));
    }
    text
}

fn row(name: String, sidecar: &Sidecar, now: u64) -> [String; 9] {
    let traffic = &sidecar.traffic;
    let since = sidecar.configuration.values().map(|of_type| of_type.since).max();
    let in_force = since.filter(|since| *since > 0).map(|since| span(now.saturating_sub(since)));
    let percent = |rate: f64| format!("{:.2} %", rate * 100.0);
    let milliseconds = |ms: f64| format!("{ms:.1} ms");
    [
        name,
        configuration(sidecar),
        in_force.unwrap_or_default(),
        sidecar
            .certificate
            .as_ref()
            .map_or("none".to_owned(), |certificate| span(certificate.remaining_seconds)),
        traffic.requests.to_string(),
        traffic.success_rate.map(percent).unwrap_or_default(),
        denied(traffic),
        traffic.p50_ms.map(milliseconds).unwrap_or_default(),
        traffic.p99_ms.map(milliseconds).unwrap_or_default(),
    ]
}

/// How many requests were denied, and whether that is all of them; nothing where none was.
fn denied(traffic: &Traffic) -> String {
    match traffic.denied {
        0 => String::new(),
        all if all == traffic.requests => format!("{all}, all"),
        some => some.to_string(),
    }
}

/// The version in force in a word: a digest over all types, or what is wrong with it.
fn configuration(sidecar: &Sidecar) -> String {
    let refused = sidecar.configuration.values().filter(|of_type| of_type.refused.is_some()).count();
    if refused > 0 {
        return format!("{refused} refused");
    }
    if sidecar.configuration.is_empty() {
        return "none".to_owned();
    }
    let digest = sidecar.configuration.values().map(digest).fold(0_u64, |all, one| all.rotate_left(7) ^ one);
    format!("{:08x} acked", digest >> 32)
}

fn digest(of_type: &InForce) -> u64 {
    u64::from_str_radix(&of_type.digest, 16).unwrap_or_default()
}

/// What is not as it should be with a sidecar.
fn problem(sidecar: &Sidecar) -> Option<String> {
    let refused = sidecar.configuration.iter().find_map(|(name, of_type)| {
        of_type.refused.as_ref().map(|reason| format!("refused the last {name}: {reason}"))
    });
    let listener =
        || sidecar.listeners_failed.iter().next().map(|(name, reason)| format!("listener {name}: {reason}"));
    let lost = || {
        let error =
            sidecar.control_plane.last_error.clone().unwrap_or_else(|| "no connection yet".to_owned());
        (!sidecar.control_plane.connected).then(|| format!("no control plane: {error}"))
    };
    let waits = || sidecar.waiting_for.clone().map(|reason| format!("not ready: {reason}"));
    refused.or_else(listener).or_else(waits).or_else(lost)
}

#[cfg(test)]
mod tests;
