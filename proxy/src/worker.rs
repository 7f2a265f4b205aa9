//! What one worker thread has for itself, and what all of them share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use foldhash::{HashMap, HashMapExt as _};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use weft_model::table::ClusterId;
use weft_policy::balance;
use weft_runtime::live::{Live, LiveCache};
use weft_runtime::workers::WorkerIndex;

use crate::allocator::{self, Rest};
use crate::bootstrap::Bootstrap;
use crate::connection::habit::Habits;
use crate::connection::silence::Silences;
use crate::http::mirror::Copies;
use crate::http::watch::Running;
use crate::observe::Observer;
use crate::overload::Overload;
use crate::snapshot::{Current, Snapshot};
use crate::tls::secrets::{CachedSvid, Secrets};
use crate::upstream::dial::Dials;
use crate::upstream::line::{Line, Reclaim};
use crate::upstream::names::Names;
use crate::upstream::pool::{PoolKey, Pools};
use crate::upstream::spare::Spare;
use crate::upstream::unspoken::Unspoken;

/// Idle upstream connections are looked over this often.
const SWEEP: Duration = Duration::from_secs(5);

/// So many are closed in one go.
const CLOSED_AT_ONCE: usize = 64;

/// So long after a connection became idle it is watched: most are used again before that.
const WATCH: Duration = Duration::from_millis(500);

/// Envoy's default for an idle upstream connection.
const IDLE: Duration = Duration::from_secs(3600);

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// How the process was started.
    pub bootstrap: Bootstrap,
    /// Certificate and trust bundle.
    pub secrets: Secrets,
    /// The configuration in force.
    pub live: Live<Snapshot>,
    /// Who counts and writes down.
    pub observer: crate::observe::Shared,
    /// Asks workers to give up what others need.
    pub reclaim: Reclaim,
    /// Who speaks first where.
    pub habits: Habits,
    /// Callers that say nothing while that is heard.
    pub silences: Silences,
    /// Connections that were made to hear that.
    pub unspoken: Unspoken,
    /// Whether new work is taken.
    pub overload: Overload,
}

impl Shared {
    /// Without any configuration yet.
    pub fn new(bootstrap: Bootstrap, secrets: Secrets) -> Self {
        Self {
            secrets,
            live: Live::new(Snapshot::default()),
            reclaim: Default::default(),
            habits: Default::default(),
            silences: Default::default(),
            unspoken: Default::default(),
            overload: Default::default(),
            observer: crate::observe::Shared::new(&bootstrap),
            bootstrap,
        }
    }
}

/// One worker's own things: never sent anywhere, so never locked.
pub struct Worker {
    /// What all share.
    pub shared: Arc<Shared>,
    /// Which of the workers it is, from 0.
    pub index: usize,
    snapshot: RefCell<(LiveCache<Snapshot>, Rc<Current>)>,
    /// Our own certificate.
    pub svid: RefCell<CachedSvid>,
    /// Idle connections.
    pub pools: RefCell<Pools>,
    /// Connections that are being made and will be shared.
    pub dials: Dials,
    /// Chance.
    pub rng: RefCell<SmallRng>,
    lines: RefCell<HashMap<ClusterId, Rc<Line>>>,
    /// Turns of round-robin, by cluster.
    pub turns: RefCell<HashMap<ClusterId, balance::Turn>>,
    /// Copies of requests that are on their way.
    pub copies: Copies,
    /// Who counts and writes down.
    pub observer: Observer,
    /// Names outside the mesh.
    pub names: Names,
    /// Exchanges that are judged again when the configuration changes.
    pub running: Running,
    connections: Cell<u64>,
    /// What was taken since this worker looked how much memory is in use.
    work: Cell<u32>,
}

impl Worker {
    /// A worker of `shared`.
    pub fn new(shared: Arc<Shared>, WorkerIndex(index): WorkerIndex) -> Self {
        Self {
            index,
            snapshot: RefCell::new((shared.live.cached(), Rc::new(Current::new(shared.live.load())))),
            svid: RefCell::new(shared.secrets.cached_svid()),
            pools: RefCell::default(),
            dials: Dials::default(),
            rng: RefCell::new(SmallRng::from_rng(&mut rand::rng())),
            lines: RefCell::default(),
            turns: RefCell::default(),
            copies: Copies::default(),
            observer: Observer::new(&shared.observer),
            names: Names::default(),
            running: Running::default(),
            connections: Cell::new(0),
            work: Cell::new(0),
            shared,
        }
    }

    /// The configuration of this moment.
    pub fn snapshot(&self) -> Rc<Current> {
        let (newest, known) = &mut *self.snapshot.borrow_mut();
        let newest = newest.load();
        if !Arc::ptr_eq(newest, known) {
            *known = Rc::new(Current::new(newest.clone()));
        }
        known.clone()
    }

    /// Why a new request, connection or copy is not taken, if it is not: the process uses too much memory.
    pub fn overloaded(&self, now: Instant) -> Option<String> {
        self.takes_work(now);
        let why = self.shared.overload.refusal()?;
        let help = "Requests, connections and copies refused because the proxy itself used too much memory";
        self.shared.observer.metrics.counter("weft_overload_refused_total", help, &[]).increment(1);
        Some(why)
    }

    /// Memory may grow by one more piece of work from here on.
    pub fn takes_work(&self, now: Instant) {
        let mut since = self.work.get();
        self.shared.overload.count(&mut since, now);
        self.work.set(since);
    }

    /// Those who wait for a connection to a cluster.
    pub fn line(&self, cluster: ClusterId) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        let line = lines.entry(cluster);
        line.or_insert_with(|| Rc::new(Line::new(self.shared.reclaim.clone()))).clone()
    }

    /// A number for a connection, for people who read logs.
    pub fn next_connection(&self) -> u64 {
        self.connections.set(self.connections.get() + 1);
        self.connections.get()
    }

    /// Looks over idle connections, and tells what runs of changes, for as long as the worker lives.
    pub async fn housekeeping(self: Rc<Self>) {
        tokio::join!(
            kept_up(&self, "sweep", Self::sweep),
            kept_up(&self, "watch_idle", Self::watch_idle),
            kept_up(&self, "follow", Self::follow),
            kept_up(&self, "yield_idle", Self::yield_idle),
        );
    }

    /// Tells running exchanges of each new configuration.
    async fn follow(&self) {
        let mut changes = self.shared.live.changes();
        while changes.changed().await {
            // A worker that has nothing to do would keep the old one alive.
            drop(self.snapshot());
            self.pools.borrow_mut().give_up_surplus();
            self.running.changed();
        }
    }

    /// Gives up idle connections to clusters that may have no more of them, for those who wait on other workers.
    async fn yield_idle(&self) {
        let mut asked = self.shared.reclaim.heard();
        while asked.changed().await.is_ok() {
            self.pools.borrow_mut().give_up_wanted();
        }
    }

    /// Notices at once when a server closes an idle connection, and gives up those that it would close soon.
    async fn watch_idle(&self) {
        let news = self.pools.borrow().news();
        // When those that came since are looked at, and when the next is overdue.
        let (mut look, mut due) = (None, None);
        loop {
            let next: Option<Instant> = [look, due].into_iter().flatten().min();
            let pause = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            let before = due;
            let watched = poll_fn(|cx| {
                let now = Instant::now();
                let all = look.is_some_and(|look| look <= now);
                if all {
                    look = None;
                }
                due = self.pools.borrow_mut().watch(cx, all, now);
                if due == before && !all { Poll::Pending } else { Poll::Ready(()) }
            });
            tokio::select! {
                biased;
                () = news.notified() => look = Some(Instant::now() + WATCH),
                () = watched => {}
                () = pause => {}
            }
        }
    }

    async fn sweep(&self) {
        let mut tick = tokio::time::interval(SWEEP);
        let mut rest = Rest::default();
        loop {
            tick.tick().await;
            crate::http::tidy();
            // What was never asked to carry anything has nothing to look over.
            let shed = if self.pools.borrow().is_empty() && self.turns.borrow().is_empty() {
                0
            } else {
                self.sweep_pools().await
            };
            if rest.is_due(self.work.get(), shed) {
                allocator::give_back();
            }
        }
    }

    /// Looks over idle connections; says how many were given up.
    async fn sweep_pools(&self) -> usize {
        let (shed, others) = self.shed(&self.snapshot());
        let count = shed.len() + others;
        for (nth, spare) in shed.into_iter().enumerate() {
            if nth % CLOSED_AT_ONCE == CLOSED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            drop(spare);
        }
        count
    }

    /// Takes out the idle connections that are given up: HTTP/1.1's, and how many of HTTP/2.
    #[expect(clippy::vec_box, reason = "they are handed on as they lie")]
    fn shed(&self, snapshot: &Snapshot) -> (Vec<Box<Spare>>, usize) {
        let mut limits: HashMap<PoolKey, Duration> = HashMap::new();
        let mut bases: HashMap<u64, Duration> = HashMap::new();
        for view in snapshot.clusters() {
            let limit = view.cluster.settings.http.idle_timeout.filter(|t| !t.is_zero()).unwrap_or(IDLE);
            limits.extend(view.endpoints.iter().map(|e| (e.pool, limit)));
            bases.insert(view.pool_base, limit);
        }
        self.turns.borrow_mut().retain(|id, _| snapshot.cluster(*id).is_some());
        self.lines.borrow_mut().retain(|id, _| snapshot.cluster(*id).is_some());
        let mut pools = self.pools.borrow_mut();
        let (_, before) = pools.count();
        let shed =
            pools.sweep(Instant::now(), |key| limits.get(&key).or_else(|| bases.get(&key.id)).copied());
        let (_, after) = pools.count();
        (shed, before - after)
    }
}

/// After a panic, which is a bug of ours, work that nobody else does is begun anew after so long.
const ANEW: Duration = Duration::from_secs(1);

/// Runs a worker's own work as a task, again and again if it panics: connections go on without it, and would go on for ever.
async fn kept_up(worker: &Rc<Worker>, what: &str, work: impl AsyncFn(&Worker) + Copy + 'static) {
    loop {
        let worker = worker.clone();
        let task = tokio::task::spawn_local(async move { work(&worker).await });
        let Err(ended) = task.await else { return };
        if !ended.is_panic() {
            return;
        }
        tracing::error!(what, "a worker's own work ended by a panic, and begins anew; please report it");
        tokio::time::sleep(ANEW).await;
    }
}
