//! One `weft up`, from the files to the last process stopped.

use super::Args;
use super::addresses::Base;
use super::plan::{self, Manifests, Plan, Pod};
use super::programs::{App, CONTROL_PORT, Mesh, RESERVED, STATUS_PORT, app_name, sidecar_name};
use super::ready::{self, Key, Progress};
use super::report::{self, Report};
use super::sockets::Listening;
use super::tokens::{self, Tokens};
use crate::run_directory::{self, RunDirectory, State};
use crate::supervisor::{Event, Supervisor};
use crate::watch::Changes;
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::process::Child;
use tokio::sync::mpsc;
use weft_certs::Authority;
use weft_control::read::{Reading, read};
use weft_control::resources::Resources;
use weft_runtime::signals::{Signal, Signals};

/// Files that cannot be used.
const BAD_FILES: u8 = 2;
/// How often pods that are not ready are looked at.
const LOOK: Duration = Duration::from_millis(60);
/// After this long, and as often, the user is told what is waited for.
const COMPLAINT: Duration = Duration::from_secs(10);
/// From SIGTERM to SIGKILL, for the user's command.
const COMMAND_GRACE: Duration = Duration::from_secs(3);
/// From the moment that a pod leaves the plan to its SIGTERM: proxies stop calling it within this time.
const FAREWELL: Duration = Duration::from_millis(500);
/// A port that no process of a mesh uses: who has bound it at a control plane's address owns that base.
const CLAIM_PORT: u16 = 15011;

/// Runs the mesh until it is asked to stop, or its command has ended.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let started = Instant::now();
    let mut report = Report::default();
    // Before reading: what is written from here on is read again.
    let changes = Changes::of(&args.folders).context("cannot watch the folders")?;
    let reading = read(&args.folders);
    report.reading(&reading);
    if reading.has_errors() {
        crate::say::say!("weft: {} errors in these files; nothing was started", reading.errors().count());
        return Ok(ExitCode::from(BAD_FILES));
    }
    let (base, _claim) = claim().context("every part of 127/8 that weft uses is taken by another mesh")?;
    let mut numbers = BTreeMap::new();
    let plan = match plan::plan(&Manifests::of(&reading.resources), base, &mut numbers, &args.only) {
        Ok(plan) => plan,
        Err(error) => {
            crate::say::say!("weft: {error}");
            return Ok(ExitCode::from(BAD_FILES));
        }
    };
    report.plan(&plan, args.verbose);
    check_apps(&args, &plan)?;
    let mut up = Up::create(args, plan, numbers, reading, report, started)?;
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

fn check_apps(args: &Args, plan: &Plan) -> anyhow::Result<()> {
    for choice in &args.apps {
        let mut pods = plan.pods.iter().filter(|pod| choice.is_for(pod));
        if pods.next().is_none() {
            let known: BTreeSet<&str> = plan.pods.iter().map(|pod| pod.workload.as_str()).collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            anyhow::bail!("--app {}: no such service runs; there are {known}", choice.service);
        }
    }
    Ok(())
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
    command: Option<Child>,
}

impl Up {
    fn create(
        args: Args,
        plan: Plan,
        numbers: BTreeMap<Key, u32>,
        reading: Reading,
        report: Report,
        started: Instant,
    ) -> anyhow::Result<Self> {
        let run = RunDirectory::create(&run_directory::base())?;
        let given = reading.resources.mesh.as_ref().map(|mesh| mesh.spec.trust_domain.clone());
        let trust_domain =
            given.filter(|domain| !domain.is_empty()).unwrap_or_else(|| "cluster.local".to_owned());
        let folders = args.folders.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
        let state = State {
            pid: std::process::id(),
            started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            folders: folders.clone(),
            control: format!("{}:{STATUS_PORT}", plan.base.control()),
            ready: false,
        };
        let prepared = (|| {
            let authority =
                Authority::load_or_create(&run.path().join("authority"), &trust_domain, SystemTime::now())?;
            run.write("root-cert.pem", authority.trust_bundle().as_bytes())?;
            let tokens = Tokens::create(&run)?;
            for pod in plan.pods.iter() {
                tokens.write(&run, pod)?;
            }
            run.write("plan.json", &serde_json::to_vec(&plan)?)?;
            run.write("state.json", &serde_json::to_vec(&state)?)?;
            let weft = std::env::current_exe().context("cannot find the weft binary itself")?;
            anyhow::Ok((tokens, weft))
        })();
        let (tokens, weft) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let _ = run.remove();
                return Err(error);
            }
        };
        let log = std::env::var(crate::log::VARIABLE).ok();
        let mesh = Mesh { weft, run: run.path().to_owned(), folders, trust_domain, log };
        let (supervisor, events) = Supervisor::new();
        Ok(Self {
            args,
            mesh,
            run: Some(run),
            state,
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
            command: None,
        })
    }

    /// Starts everything and attends to it until the end is asked for.
    async fn live(&mut self, mut changes: Changes, signals: &mut Signals) -> anyhow::Result<ExitCode> {
        self.supervisor.start(self.mesh.control());
        for pod in self.plan.pods.clone() {
            self.start_app(&pod)?;
        }
        let mut sidecars = self.plan.pods.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut complaint = tokio::time::interval_at(tokio::time::Instant::now() + COMPLAINT, COMPLAINT);
        let mut renewal =
            tokio::time::interval_at(tokio::time::Instant::now() + tokens::RENEWAL, tokens::RENEWAL);
        let mut waiting: Vec<(Key, Progress)> = Vec::new();
        loop {
            let is_ready = self.ready.len() == self.plan.pods.len();
            tokio::select! {
                Some(event) = self.events.recv() => self.happened(&event)?,
                _ = look.tick(), if !is_ready => {
                    // A sidecar that finds no control plane waits before it tries again: it need not.
                    if !sidecars.is_empty() && ready::control_is_up(&self.plan) {
                        for pod in std::mem::take(&mut sidecars) {
                            self.start_sidecar(&pod)?;
                        }
                    }
                    waiting = self.look().await?;
                }
                _ = complaint.tick(), if !is_ready => complain(&waiting),
                () = changes.next() => self.replan().await?,
                _ = renewal.tick() => self.renew_tokens()?,
                signal = signals.next() => match signal {
                    Signal::ReopenLogs => {}
                    Signal::Terminate => return Ok(ExitCode::SUCCESS),
                    Signal::Interrupt | Signal::InterruptAgain => {
                        return Ok(ExitCode::from(if self.args.command.is_empty() { 0 } else { signal.exit_code() }));
                    }
                },
                status = ended(&mut self.command) => return Ok(exit_code(status?)),
            }
        }
    }

    fn folder(&self, pod: &Pod) -> anyhow::Result<std::path::PathBuf> {
        let run = self.run.as_ref().context("the run directory is gone")?;
        Ok(run.pod(pod)?)
    }

    fn start_app(&mut self, pod: &Pod) -> anyhow::Result<()> {
        for port in pod.ports.iter().filter(|port| pod.sidecar && RESERVED.contains(&port.number)) {
            self.report.once(&format!(
                "weft: {}/{}: its port {} is its sidecar's here; the app will not get it",
                pod.namespace, pod.name, port.number
            ));
        }
        let program = self.mesh.app(pod, &self.args.app(pod), &self.folder(pod)?);
        self.supervisor.start(program);
        Ok(())
    }

    fn start_sidecar(&mut self, pod: &Pod) -> anyhow::Result<()> {
        if pod.sidecar {
            let program = self.mesh.sidecar(&self.plan, pod, &self.folder(pod)?);
            self.supervisor.start(program);
        }
        Ok(())
    }

    fn happened(&mut self, event: &Event) -> anyhow::Result<()> {
        self.report.event(event);
        match event {
            Event::Started { name, pid } => {
                self.groups.insert(name.clone(), *pid);
            }
            Event::Ended { name, .. } | Event::NotStarted { name, .. } => {
                self.groups.remove(name);
                let of = |pod: &&Pod| app_name(pod) == *name || sidecar_name(pod) == *name;
                if let Some(pod) = self.plan.pods.iter().find(of) {
                    let key = ready::key(pod);
                    self.ready.remove(&key);
                    return self.serves(&BTreeSet::from([key]), false);
                }
            }
        }
        Ok(())
    }

    /// Lets the control plane know that pods take requests, or do not. Before the mesh was ready once, all of them
    /// count as ready: what starts is waited for, not left out.
    fn serves(&mut self, pods: &BTreeSet<Key>, ready: bool) -> anyhow::Result<()> {
        if !self.state.ready {
            return Ok(());
        }
        let changed =
            self.plan.pods.iter_mut().filter(|pod| pod.ready != ready && pods.contains(&ready::key(pod)));
        let changed = changed.map(|pod| pod.ready = ready).count();
        if changed == 0 { Ok(()) } else { self.write("plan.json", &serde_json::to_vec(&self.plan)?) }
    }

    /// Sees who became ready since the last look; says so, service by service.
    async fn look(&mut self) -> anyhow::Result<Vec<(Key, Progress)>> {
        let looked = ready::look(&self.plan, &self.ready).await?;
        let before = self.ready.clone();
        self.ready
            .extend(looked.iter().filter(|(_, how)| *how == Progress::Ready).map(|(key, _)| key.clone()));
        let new: BTreeSet<Key> = self.ready.difference(&before).cloned().collect();
        self.serves(&new, true)?;
        self.warn_of_open_apps()?;
        for ((_, service), pods) in report::groups(&self.plan) {
            let all = |set: &BTreeSet<Key>| pods.iter().all(|pod| set.contains(&ready::key(pod)));
            if all(&self.ready) && !all(&before) {
                let count = if pods.len() == 1 { String::new() } else { format!(" ({} pods)", pods.len()) };
                crate::say::say!(
                    "  {service}{count} is ready after {:.1} s",
                    self.started.elapsed().as_secs_f32()
                );
            }
        }
        if self.ready.len() == self.plan.pods.len() && !self.state.ready {
            self.became_ready()?;
        }
        Ok(looked)
    }

    fn became_ready(&mut self) -> anyhow::Result<()> {
        self.state.ready = true;
        self.write("state.json", &serde_json::to_vec(&self.state)?)?;
        let app = |pod: &Pod| self.args.app(pod);
        crate::say::say!("\n{}", report::summary(&self.plan, app, self.started.elapsed()));
        if let [program, arguments @ ..] = self.args.command.as_slice() {
            let path = with_own_folder(&self.mesh.weft);
            let child = tokio::process::Command::new(program)
                .args(arguments)
                .env(run_directory::VARIABLE, &self.mesh.run)
                .env("PATH", path)
                .spawn();
            self.command = Some(child.with_context(|| format!("cannot start {}", program.display()))?);
        }
        Ok(())
    }

    /// An app on 0.0.0.0 can be reached around its sidecar: nothing here can prevent that, so it is said.
    fn warn_of_open_apps(&mut self) -> anyhow::Result<()> {
        let own = |pod: &&Pod| pod.sidecar && self.args.app(pod) != App::StandIn;
        let listening = Listening::now()?;
        let mut warnings = Vec::new();
        for pod in self.plan.pods.iter().filter(own) {
            let Some(group) = self.groups.get(&app_name(pod)) else { continue };
            for port in listening.everywhere(*group) {
                warnings.push(format!(
                    "weft: warning: the app of {}/{} listens on 0.0.0.0:{port}: whoever reaches this machine reaches it around its sidecar, without mTLS and without policy; let it listen on $HOST:$PORT",
                    pod.namespace, pod.name
                ));
            }
        }
        warnings.iter().for_each(|warning| self.report.once(warning));
        Ok(())
    }

    /// Reads the files again; pods come, go and are replaced as a rollout would, or nothing changes at all.
    async fn replan(&mut self) -> anyhow::Result<()> {
        let reading = read(&self.args.folders);
        self.report.reading(&reading);
        if reading.has_errors() {
            crate::say::say!("weft: this edit is refused; the mesh runs on as it was");
            return Ok(());
        }
        if reading.resources == self.resources {
            return Ok(());
        }
        let manifests = Manifests::of(&reading.resources);
        let mut numbers = self.numbers.clone();
        let mut plan = match plan::plan(&manifests, self.plan.base, &mut numbers, &self.args.only) {
            Ok(plan) => plan,
            Err(error) => {
                crate::say::say!("weft: this edit is refused; the mesh runs on as it was: {error}");
                return Ok(());
            }
        };
        for pod in &mut plan.pods {
            let old = self.plan.pods.iter().find(|old| ready::key(old) == ready::key(pod));
            pod.ready = match old {
                Some(old) if old.template == pod.template => old.ready,
                // What comes to a running mesh takes requests once it can.
                _ => !self.state.ready,
            };
        }
        self.report.plan(&plan, self.args.verbose);
        self.resources = reading.resources;
        if plan == self.plan {
            crate::say::say!("weft: edit read: the same pods; the control plane tells the proxies");
            return Ok(());
        }
        let before: BTreeMap<Key, String> =
            self.plan.pods.iter().map(|pod| (ready::key(pod), pod.template.clone())).collect();
        let same = |pod: &&Pod| before.get(&ready::key(pod)) == Some(&pod.template);
        let kept: BTreeSet<Key> = plan.pods.iter().filter(same).map(ready::key).collect();
        let goes: Vec<Pod> =
            self.plan.pods.iter().filter(|pod| !kept.contains(&ready::key(pod))).cloned().collect();
        let comes: Vec<Pod> =
            plan.pods.iter().filter(|pod| !kept.contains(&ready::key(pod))).cloned().collect();
        if !goes.is_empty() || !comes.is_empty() {
            let names = |pods: &[Pod]| pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>().join(", ");
            crate::say::say!("weft: edit read: stops [{}], starts [{}]", names(&goes), names(&comes));
        }
        (self.plan, self.numbers) = (plan, numbers);
        self.write("plan.json", &serde_json::to_vec(&self.plan)?)?;
        if !goes.is_empty() {
            // Those who call them learn first.
            tokio::time::sleep(FAREWELL).await;
        }
        self.stop_pods(&goes).await;
        for pod in comes {
            self.tokens.write(self.run.as_ref().context("the run directory is gone")?, &pod)?;
            self.start_app(&pod)?;
            self.start_sidecar(&pod)?;
        }
        Ok(())
    }

    async fn stop_pods(&mut self, pods: &[Pod]) {
        // The control plane has taken them out already; the app ends before its sidecar.
        for names in [pods.iter().map(app_name).collect::<Vec<_>>(), pods.iter().map(sidecar_name).collect()]
        {
            self.supervisor.stop(&names).await;
        }
        for pod in pods {
            self.ready.remove(&ready::key(pod));
        }
    }

    fn renew_tokens(&self) -> anyhow::Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        self.plan.pods.iter().try_for_each(|pod| Ok(self.tokens.write(run, pod)?))
    }

    fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<()> {
        self.run.as_ref().map_or(Ok(()), |run| Ok(run.write(name, content)?))
    }

    /// Apps, then sidecars, then the control plane; a second Ctrl-C takes the patience away.
    async fn stop(&mut self, signals: &mut Signals) {
        if let Some(command) = &mut self.command
            && command.try_wait().is_ok_and(|status| status.is_none())
        {
            end_command(command).await;
        }
        crate::say::say!("weft: stopping");
        let hurry = self.supervisor.hurrier();
        let groups: [fn(&str) -> bool; 3] =
            [|name| name.starts_with("app "), |name| name.starts_with("sidecar "), |_| true];
        let stopping = async {
            for group in groups {
                let names = self.supervisor.names(group);
                self.supervisor.stop(&names).await;
            }
        };
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = &mut stopping => break,
                signal = signals.next() => if matches!(signal, Signal::Interrupt | Signal::InterruptAgain) {
                    hurry.cancel();
                },
            }
        }
        if let Some(run) = self.run.take()
            && let Err(error) = run.remove()
        {
            crate::say::say!("weft: {error}");
        }
    }
}

/// SIGTERM to the user's command, and SIGKILL where it does not follow.
async fn end_command(command: &mut Child) {
    if let Some(pid) = command.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
    if tokio::time::timeout(COMMAND_GRACE, command.wait()).await.is_err() {
        let _ = command.start_kill();
        let _ = command.wait().await;
    }
}

fn complain(waiting: &[(Key, Progress)]) {
    const MOST: usize = 8;
    let lines: Vec<String> =
        waiting.iter().filter_map(|(key, progress)| ready::waiting_for(key, progress)).collect();
    if lines.is_empty() {
        crate::say::say!(
            "weft: still waiting for the control plane; its log: control.log in the run directory"
        );
    }
    for line in lines.iter().take(MOST) {
        crate::say::say!("weft: still waiting for {line}");
    }
    if lines.len() > MOST {
        crate::say::say!("weft: ... and for {} more pods", lines.len() - MOST);
    }
}

/// The end of the user's command; never, while there is none.
async fn ended(command: &mut Option<Child>) -> std::io::Result<std::process::ExitStatus> {
    match command {
        Some(command) => command.wait().await,
        None => std::future::pending().await,
    }
}

fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// `PATH` with the folder of this binary in front, so that the command finds the same weft.
fn with_own_folder(weft: &std::path::Path) -> std::ffi::OsString {
    let mut folders: Vec<_> = weft.parent().map(Into::into).into_iter().collect();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    std::env::join_paths(folders).unwrap_or_else(|_| std::env::var_os("PATH").unwrap_or_default())
}
