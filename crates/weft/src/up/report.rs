//! What `weft up` says, on standard error: standard output belongs to the user's COMMAND.

mod example;
mod judges;

use super::plan::{Plan, Pod};
use super::programs::App;
use super::protocol::Protocol;
use super::services::Service;
use crate::run_directory::{self, Other};
use crate::supervisor::Event;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;
use weft_control::check;
use weft_control::read::{Diagnostic, Reading, Sources};

pub(crate) use judges::Judges;

/// Remembers what was said, so that an edit repeats no old warning.
#[derive(Debug)]
pub(crate) struct Report {
    said: BTreeSet<String>,
    /// The mesh is on loopback.
    loopback: bool,
    /// Why what the files say is refused, if it is.
    refused: Option<Refusal>,
    /// What the last reading was warned of.
    read: Vec<String>,
    /// The same of what is in force.
    warnings: Vec<String>,
}

/// Why an edit cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There are errors in files, which were told one by one.
    Files,
    /// No file is wrong by itself; what is wrong with all of them together.
    Plan(String),
}

impl Report {
    /// Of a mesh on loopback, or in network namespaces.
    pub(crate) fn new(loopback: bool) -> Self {
        Self { said: BTreeSet::new(), loopback, refused: None, read: Vec::new(), warnings: Vec::new() }
    }

    /// Says `line` unless it was said before.
    pub(crate) fn once(&mut self, line: &str) {
        if self.said.insert(line.to_owned()) {
            crate::say::say!("{line}");
        }
    }

    /// The diagnostics of a reading: all errors, and the warnings that are new.
    pub(crate) fn reading(&mut self, reading: &Reading, files: &Sources) {
        for error in reading.errors() {
            crate::say::say!("{error}");
        }
        let mut warnings = alike(reading.warnings());
        // What no single document is wrong about: names that lead nowhere, selectors that select nothing.
        let of_place = if self.loopback { check::check_loopback } else { check::check_interception };
        let mut found = check::found(reading, |world| [check::check(world), of_place(world)].concat());
        files.locate(&mut found);
        warnings.extend(alike(found.iter()));
        for (what, warning) in &warnings {
            // Where it stands may change with each edit.
            if self.said.insert(what.clone()) {
                crate::say::say!("{warning}");
            }
        }
        self.read = warnings.into_iter().map(|(_, warning)| warning).collect();
        if !reading.passed_over.is_empty() {
            let kinds: Vec<String> =
                reading.passed_over.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            self.once(&format!("weft: passed over, as no part of a mesh: {}", kinds.join(", ")));
        }
    }

    /// What was read last is what runs.
    pub(crate) fn in_force(&mut self) {
        self.warnings = std::mem::take(&mut self.read);
    }

    /// What was warned of in the files that are in force.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Why the last edit is refused, where no file by itself is wrong.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match &self.refused {
            Some(Refusal::Plan(why)) => Some(why),
            Some(Refusal::Files) | None => None,
        }
    }

    /// An edit that cannot be used.
    pub(crate) fn refused(&mut self, why: Refusal) {
        let because = match &why {
            Refusal::Files => String::new(),
            Refusal::Plan(why) => format!(": {why}"),
        };
        self.refused = Some(why);
        crate::say::say!("weft: this edit is refused; the mesh runs on as it was{because}");
    }

    /// The files say what runs: worth a word where they did not before.
    pub(crate) fn as_it_runs(&mut self) {
        self.in_force();
        if self.refused.take().is_some() {
            crate::say::say!("weft: the files say again what runs; nothing is refused any more");
        }
    }

    /// An edit that is taken, and what it does.
    pub(crate) fn taken(&mut self, change: &dyn std::fmt::Display) {
        self.in_force();
        self.refused = None;
        crate::say::say!("weft: edit read: {change}");
    }

    /// What the plan has to say.
    pub(crate) fn plan(&mut self, plan: &Plan, verbose: bool) {
        if plan.base.hub().is_none() {
            self.once(
            "weft: on loopback the processes of this machine are not kept apart: whoever reaches a pod's own localhost speaks as that pod",
            );
        }
        for note in &plan.notes {
            self.once(&format!("weft: {note}"));
        }
        for pod in &plan.pods {
            if !pod.sidecar {
                self.once(&format!(
                    "weft: {}/{} has no sidecar, as its manifest asks: nothing it receives is checked",
                    pod.namespace, pod.name
                ));
            }
            for rewritten in pod.rewritten.iter().filter(|_| verbose) {
                let (pod, variable) = (&pod.name, &rewritten.variable);
                self.once(&format!("weft: {pod}: {variable}={} is now {}", rewritten.from, rewritten.to));
            }
        }
    }

    /// What happened to a child.
    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::Started { .. } => {}
            Event::Ended { name, how, last_words, again_in } => {
                let again = again_in.as_secs_f32();
                crate::say::say!("weft: {name} {how}; it is started again in {again:.1} s");
                for line in last_words {
                    crate::say::say!("    {line}");
                }
                if name.starts_with("app ") && last_words.iter().any(|line| is_address_in_use(line)) {
                    crate::say::say!(
                        "    (weft gives each pod its own address: listen on $HOST:$PORT, not on 0.0.0.0)"
                    );
                }
            }
            Event::NotStarted { name, error, again_in } => {
                crate::say::say!(
                    "weft: {name} cannot be started: {error}; tried again in {:.1} s",
                    again_in.as_secs_f32()
                );
            }
        }
    }
}

/// Warnings, those that differ by their place in the files alone as one; each with what it says of whom, wherever that stands.
fn alike<'a>(warnings: impl Iterator<Item = &'a Diagnostic>) -> Vec<(String, String)> {
    let mut kinds: Vec<(String, &Diagnostic, usize)> = Vec::new();
    let mut places = HashMap::new();
    for warning in warnings {
        let field: String = warning.path.chars().filter(|c| !c.is_ascii_digit()).collect();
        // What is wrong with a file as a whole is said of each.
        let whole = if warning.line == 0 { &*warning.file } else { "" };
        let kind = format!("{whole} {field} {} {:?}", warning.message, warning.hint);
        let known = places.get(&kind).and_then(|place: &usize| kinds.get_mut(*place));
        if let Some((_, _, more)) = known {
            *more += 1;
        } else {
            places.insert(kind.clone(), kinds.len());
            kinds.push((kind, warning, 0));
        }
    }
    let said = |(kind, first, more): (String, &Diagnostic, usize)| {
        let more = if more == 0 { String::new() } else { format!(" (and {more} more of this kind)") };
        (format!("{} {:?} {kind}{more}", first.file, first.resource), format!("{first}{more}"))
    };
    kinds.into_iter().map(said).collect()
}

fn is_address_in_use(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.contains("in use") || line.contains("eaddrinuse")
}

/// A service of the summary: what is behind it, and what runs as it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    pods: usize,
    /// Those that callers name: of all services that its pods are behind, and its app's own where there is no service.
    ports: String,
    app: String,
}

/// The services (and workloads without one) of a plan, by namespace and name.
pub(crate) fn groups(plan: &Plan) -> BTreeMap<(String, String), Vec<&Pod>> {
    let mut groups: BTreeMap<_, Vec<&Pod>> = BTreeMap::new();
    for pod in &plan.pods {
        let name = pod.services.first().unwrap_or(&pod.workload);
        groups.entry((pod.namespace.clone(), name.clone())).or_default().push(pod);
    }
    groups
}

/// What a service is called here: by its namespace too where there is more than one.
pub(crate) fn name_of(plan: &Plan, namespace: &str, service: &str) -> String {
    let is_alone = plan.pods.iter().all(|pod| pod.namespace == namespace);
    if is_alone { service.to_owned() } else { format!("{namespace}/{service}") }
}

fn rows(plan: &Plan, services: &[Service], app: impl Fn(&Pod) -> App) -> Vec<Row> {
    let inside = services.iter().filter(|service| !service.outside);
    let inside: HashMap<(&str, &str), &Service> =
        inside.map(|service| ((&*service.namespace, &*service.name), service)).collect();
    let rows = groups(plan).into_iter().filter_map(|((namespace, name), pods)| {
        let first = pods.first()?;
        // Whoever is behind the one may be behind others, too, by which it has other ports.
        let names = each_once(pods.iter().flat_map(|pod| &pod.services));
        let behind: Vec<_> = names.iter().filter_map(|name| inside.get(&(&*namespace, &***name))).collect();
        let said = |number: u16, speaks: Protocol| format!("{number} {}", protocol(speaks));
        let ports = match behind.is_empty() {
            true => first.ports.iter().map(|port| said(port.number, port.protocol)).collect(),
            false => {
                let ports = behind.iter().flat_map(|service| &service.ports);
                each_once(ports.map(|port| said(port.number, port.protocol)))
            }
        };
        let name = name_of(plan, &namespace, &name);
        let app = match app(first) {
            App::StandIn => "stand-in".to_owned(),
            App::Command(command) => command,
        };
        Some(Row { name, pods: pods.len(), ports: ports.join(", "), app })
    });
    rows.collect()
}

fn each_once<T: PartialEq>(of: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for one in of {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// What a port speaks, in a word.
pub(crate) const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Grpc => "grpc",
        Protocol::Tcp => "tcp",
        Protocol::Tls => "tls",
        Protocol::Auto => "sniffed",
        Protocol::Udp => "udp (not carried)",
    }
}

/// How long a start took, where the mesh has its files, and which meshes run beside it.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) took: Duration,
    pub(crate) path: &'a Path,
    pub(crate) others: Vec<Other>,
}

/// The end of the start: what runs, how long it took, what to type next.
pub(crate) fn summary(
    plan: &Plan,
    services: &[Service],
    judges: &Judges,
    app: impl Fn(&Pod) -> App,
    start: &Start<'_>,
) -> String {
    let rows = rows(plan, services, app);
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["SERVICE", "PODS", "PORTS", "APP"]);
    if let Some(pods) = table.column_mut(1) {
        pods.set_cell_alignment(CellAlignment::Right);
    }
    for row in &rows {
        table.add_row([row.name.clone(), row.pods.to_string(), row.ports.clone(), row.app.clone()]);
    }
    let mut text = format!("{table}\n\n");
    let (count, pods) = (rows.len(), plan.pods.len());
    text.push_str(&format!(
        "mesh is ready in {:.1} s: {count} services, {pods} pods; its files are in {}\n",
        start.took.as_secs_f32(),
        start.path.display()
    ));
    if !start.others.is_empty() {
        let those = run_directory::those(&start.others);
        text.push_str(&format!("beside it {those}; `weft status` and its like take the newest\n"));
    }
    let call = example::of(plan, services, judges);
    let from = call.as_ref().map(|(from, _)| *from).or(plan.pods.first());
    text.push('\n');
    if let Some((from, url)) = &call {
        let from = name_of(plan, &from.namespace, &from.workload);
        text.push_str(&format!("    weft curl --from {from} {url}\n"));
    }
    text.push_str("    weft status\n");
    if let Some(from) = from {
        text.push_str(&format!("    weft logs {} -f\n", name_of(plan, &from.namespace, &from.workload)));
    }
    text.push_str("\nCtrl-C stops it.");
    text
}

#[cfg(test)]
mod tests;
