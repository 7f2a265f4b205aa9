//! One `weft up`, from the files to the last process stopped: its start here, the time after in [`progress`] and
//! [`edit`], its end in [`end`].

mod account;
mod complaints;
mod edit;
mod end;
mod farewell;
mod hope;
mod outside;
mod pods;
mod progress;
mod start;
mod stays;

use super::Args;
use super::addresses::Base;
use super::again;
use super::plan::{self, Manifests, Plan, Pod};
use super::privileged;
use super::programs::{CONTROL_PORT, Mesh, STATUS_PORT, app_name, sidecar_name};
use super::ready::{self, Key, Progress};
use super::report::Report;
use super::tokens::{self, Tokens};
use crate::run_directory::{Account, RunDirectory, State};
use crate::supervisor::{Event, Supervisor};
use crate::watch::Changes;
use account::Ends;
use anyhow::Context;
use complaints::Complaints;
use hope::Hope;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant as Moment, sleep_until};
use tokio_util::sync::CancellationToken;
use weft_certs::Authority;
use weft_control::read::{Reading, Sources, read_sources};
use weft_control::resources::Resources;
use weft_runtime::signals::{Signal, Signals};

/// Files or arguments that cannot be used.
const UNUSABLE: u8 = 2;
/// How often pods that are not ready are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often the age of the tokens is looked at.
const RENEWAL_CHECK: Duration = Duration::from_secs(60);
/// A port that no process of a mesh uses: who has bound it at a control plane's address owns that base.
const CLAIM_PORT: u16 = 15011;

/// Runs the mesh until it is asked to stop, or its command has ended.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let started = Instant::now();
    let namespaces = pods::wanted(&args);
    let mut report = Report::new(!namespaces);
    // Before reading: what is written from here on is read again.
    let changes = Changes::of(&args.folders).context("cannot watch the folders")?;
    let files = Sources::gather(&args.folders);
    let reading = read_sources(&files);
    report.reading(&reading, &files);
    if reading.has_errors() {
        let count = reading.errors().count();
        let errors = if count == 1 { "one error".to_owned() } else { format!("{count} errors") };
        crate::say::say!("weft: {errors} in these files; nothing was started");
        return Ok(ExitCode::from(UNUSABLE));
    }
    let (base, _claim) = if namespaces {
        (Base::Namespaces(std::process::id()), None)
    } else {
        let claimed = claim().context("every part of 127/8 that weft uses is taken by another mesh")?;
        (claimed.0, Some(claimed.1))
    };
    let mut numbers = BTreeMap::new();
    let plan = match plan::plan(&Manifests::of(&reading.resources), base, &mut numbers, &args.only, &[]) {
        Ok(plan) => plan,
        Err(error) => {
            crate::say::say!("weft: {error}");
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    report.plan(&plan, args.verbose);
    report.in_force();
    if let Some(why) = misses(&args, &plan) {
        crate::say::say!("weft: {why}");
        return Ok(ExitCode::from(UNUSABLE));
    }
    if base.hub().is_none()
        && let Some(warning) = privileged::warning(&plan, privileged::floor())
    {
        report.once(&warning);
    }
    let weft = std::env::current_exe().context("cannot find the weft binary itself")?;
    if let Some(status) = end::foreseen(&args.command, &weft) {
        return Ok(status);
    }
    let mut up = Up::create(args, weft, plan, numbers, reading, report, started)?;
    up.keep_good(&files);
    drop(files);
    let outcome = up.live(changes, &mut signals).await;
    up.stop(&mut signals).await;
    outcome
}

/// The first base that no other mesh has, held for as long as the socket lives.
fn claim() -> Option<(Base, socket2::Socket)> {
    let mut held = None;
    let base = Base::probe(|base| {
        let bind = |port: u16| -> std::io::Result<socket2::Socket> {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
            socket.set_reuse_address(port == CONTROL_PORT)?;
            socket.bind(&std::net::SocketAddr::from((base.control(), port)).into())?;
            Ok(socket)
        };
        // Somebody else's server may stand at the control plane's port without being a mesh.
        held = bind(CONTROL_PORT).and_then(|_| bind(CLAIM_PORT)).ok();
        held.is_some()
    })?;
    Some((base, held?))
}

/// What an `--app` is for that does not run, in words.
fn misses(args: &Args, plan: &Plan) -> Option<String> {
    let is_for_nobody = |choice: &&super::AppChoice| !plan.pods.iter().any(|pod| choice.is_for(pod));
    let choice = args.apps.iter().find(is_for_nobody)?;
    let known: BTreeSet<&str> = plan.pods.iter().map(|pod| pod.workload.as_str()).collect();
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Some(format!("--app {}: no such service runs; there are {known}", choice.service))
}

/// A running mesh.
struct Up {
    args: Args,
    mesh: Mesh,
    run: Option<RunDirectory>,
    state: State,
    plan: Plan,
    /// What the files said when they were last without errors.
    resources: Resources,
    numbers: BTreeMap<Key, u32>,
    tokens: Tokens,
    supervisor: Supervisor,
    events: mpsc::UnboundedReceiver<Event>,
    report: Report,
    started: Instant,
    /// Process groups of the users' own programs.
    groups: BTreeMap<String, u32>,
    ready: BTreeSet<Key>,
    /// Whose processes end by themselves.
    ends: BTreeMap<Key, BTreeMap<&'static str, Ends>>,
    hope: Hope,
    /// What was written for other commands to tell.
    account: Account,
    /// The pods that the files ask for; those of the plan are there, and may be on their way to these.
    wanted: Vec<Pod>,
    /// Nothing is left to be done to get there.
    settled: bool,
    /// Whether the plan as it is was written.
    is_saved: bool,
    /// Pods of the plan that are to stop, once their callers know.
    leaving: BTreeSet<Key>,
    /// Their ends.
    farewells: JoinSet<Key>,
    /// Cancelled, they wait for nobody.
    hurry_farewells: CancellationToken,
    /// The control plane has listened once; sidecars are not started before.
    has_control: bool,
    tokens_written: SystemTime,
    command: Option<Child>,
    /// The namespaces of the pods, if they have any.
    network: Option<pods::Network>,
    /// Pods whose apps start once their sidecars take what the kernel hands over.
    waiting_apps: Vec<Pod>,
}

impl Up {
    fn create(
        args: Args,
        weft: PathBuf,
        plan: Plan,
        numbers: BTreeMap<Key, u32>,
        reading: Reading,
        report: Report,
        started: Instant,
    ) -> anyhow::Result<Self> {
        let run = pods::run_directory(plan.base)?;
        let given = reading.resources.mesh.as_ref().map(|mesh| mesh.spec.trust_domain.clone());
        let trust_domain =
            given.filter(|domain| !domain.is_empty()).unwrap_or_else(|| "cluster.local".to_owned());
        let folders = args.folders.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
        let state = State {
            pid: std::process::id(),
            started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            folders: folders.clone(),
            again: again::command(&args, &folders),
            control: match plan.base.hub() {
                Some(hub) => format!("{hub}@{}:{STATUS_PORT}", plan.base.control()),
                None => format!("{}:{STATUS_PORT}", plan.base.control()),
            },
            ready: false,
        };
        let prepared = (|| {
            let authority =
                Authority::load_or_create(&run.path().join("authority"), &trust_domain, SystemTime::now())?;
            run.write("root-cert.pem", authority.trust_bundle().as_bytes())?;
            let tokens = Tokens::create(&run)?;
            let servers = plan.base.hub().and_then(|_| outside::servers(&args.resolv_conf));
            for pod in plan.pods.iter() {
                tokens.write(&run, pod)?;
                pods::furnish(&run, &plan, pod, servers.is_some())?;
            }
            run.write("plan.json", &serde_json::to_vec(&plan)?)?;
            run.write("state.json", &serde_json::to_vec(&state)?)?;
            let network = pods::Network::create(&plan, &weft, servers)?;
            anyhow::Ok((tokens, network))
        })();
        let (tokens, network) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let _ = run.remove();
                return Err(error);
            }
        };
        let log = std::env::var(crate::log::VARIABLE).ok();
        let run_path = run.path().to_owned();
        let mesh = Mesh { weft, run: run_path, folders, trust_domain, log };
        let (supervisor, events) = Supervisor::new();
        Ok(Self {
            args,
            mesh,
            run: Some(run),
            state,
            wanted: plan.pods.clone(),
            settled: true,
            is_saved: true,
            leaving: BTreeSet::new(),
            farewells: JoinSet::new(),
            hurry_farewells: CancellationToken::new(),
            plan,
            resources: reading.resources,
            numbers,
            tokens,
            supervisor,
            events,
            report,
            started,
            groups: BTreeMap::new(),
            ready: BTreeSet::new(),
            ends: BTreeMap::new(),
            hope: Hope::default(),
            account: Account::default(),
            has_control: false,
            network,
            waiting_apps: Vec::new(),
            tokens_written: SystemTime::now(),
            command: None,
        })
    }

    /// Starts everything and attends to it until the end is asked for.
    async fn live(&mut self, mut changes: Changes, signals: &mut Signals) -> anyhow::Result<ExitCode> {
        self.supervisor.start(self.mesh.control(self.plan.base));
        for pod in self.plan.pods.clone() {
            self.start_stand_in(&pod)?;
        }
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut complaints = Complaints::default();
        let mut renewal = tokio::time::interval(RENEWAL_CHECK);
        let mut waiting: Vec<(Key, Progress)> = Vec::new();
        let given = self.args.ready_within.map(|seconds| Duration::from_secs(seconds.into()));
        let mut deadline = std::pin::pin!(tokio::time::sleep(given.unwrap_or_default()));
        loop {
            let is_ready = self.ready.len() == self.plan.pods.len();
            let complaint = complaints.next(!is_ready, Moment::now());
            tokio::select! {
                Some(event) = self.events.recv() => if let Some(why) = self.happened(&event) {
                    anyhow::bail!(why);
                },
                Some(Ok(key)) = self.farewells.join_next() => self.gone(&key),
                _ = look.tick(), if !is_ready || !self.settled || !self.is_saved => {
                    // A sidecar that finds no control plane waits before it tries again: it need not.
                    if !self.has_control && ready::control_is_up(&self.plan) {
                        self.has_control = true;
                        for pod in self.plan.pods.clone() {
                            self.start_own_app(&pod)?;
                            self.start_sidecar(&pod)?;
                        }
                    }
                    let started = self.start_waiting_apps().await;
                    self.or_say(started);
                    self.save_again();
                    let looked = self.look().await;
                    if let Some(looked) = self.or_say(looked) {
                        waiting = looked;
                    }
                    self.keep_account(&waiting);
                    if self.state.ready && self.command.is_none() && let Err(status) = self.start_command() {
                        return Ok(status);
                    }
                    self.roll_on();
                }
                () = &mut deadline, if given.is_some() && !self.state.ready => {
                    progress::complain(&waiting);
                    anyhow::bail!("the mesh is not ready within {} s", given.unwrap_or_default().as_secs());
                }
                () = sleep_until(complaint.unwrap_or_else(Moment::now)), if complaint.is_some() => {
                    progress::complain(&waiting);
                    complaints.said(Moment::now());
                }
                () = changes.next() => {
                    self.replan();
                    self.keep_account(&waiting);
                }
                _ = renewal.tick() => {
                    let renewed = self.renew_tokens();
                    self.or_say(renewed);
                }
                signal = signals.next() => match signal {
                    Signal::ReopenLogs => {}
                    Signal::Terminate => return Ok(ExitCode::SUCCESS),
                    Signal::Interrupt | Signal::InterruptAgain => {
                        return Ok(ExitCode::from(if self.args.command.is_empty() { 0 } else { signal.exit_code() }));
                    }
                },
                status = end::ended(&mut self.command) => return Ok(end::exit_code(status?)),
            }
        }
    }

    fn folder(&self, pod: &Pod) -> anyhow::Result<PathBuf> {
        let run = self.run.as_ref().context("the run directory is gone")?;
        Ok(run.pod(pod)?)
    }

    /// Attends to what happened to a process; says why the command that waits for the mesh waits in vain, if it does.
    fn happened(&mut self, event: &Event) -> Option<String> {
        self.report.event(event);
        match event {
            Event::Started { name, pid } => {
                self.groups.insert(name.clone(), *pid);
            }
            Event::Ended { name, .. } | Event::NotStarted { name, .. } => {
                self.groups.remove(name);
                let of = |pod: &&Pod| app_name(pod) == *name || sidecar_name(pod) == *name;
                let key = ready::key(self.plan.pods.iter().find(of)?);
                self.has_ended(&key, event);
                self.ready.remove(&key);
                // Of one that is about to go nothing was hoped for.
                let lost = if self.leaving.contains(&key) { None } else { self.hope.after(&key, event) };
                self.serves(&BTreeSet::from([key]), false);
                let waits = !self.state.ready && self.args.ready_within.is_none();
                let command = self.args.command.first().filter(|_| waits)?;
                return lost.map(|why| format!("{} is not run: {why}", command.display()));
            }
        }
        None
    }

    /// By the wall clock, which goes on while a laptop sleeps.
    fn renew_tokens(&mut self) -> anyhow::Result<()> {
        let age = self.tokens_written.elapsed().unwrap_or(Duration::MAX);
        let Some(run) = self.run.as_ref().filter(|_| age >= tokens::RENEWAL) else { return Ok(()) };
        self.plan.pods.iter().try_for_each(|pod| {
            self.tokens.write(run, pod)?;
            pods::hand_over(run, pod)
        })?;
        self.tokens_written = SystemTime::now();
        Ok(())
    }

    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        self.run.as_ref().map_or(Ok(()), |run| Ok(run.write(name, content)?))
    }
}
