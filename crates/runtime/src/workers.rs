//! Worker threads: each is one current_thread runtime of its own, and a connection lives on one of them to its last byte.
//!
//! A worker has its own state `W` (pools, caches), made on its thread and never sent anywhere, so it may be
//! full of `Rc` and `RefCell`. A connection is handed over as a `Send` closure that builds the `!Send` future
//! over there, and goes to the worker with the fewest active connections at that moment: two busy HTTP/2
//! peers must not share a core by chance, unless two workers take them in at the same moment.
//!
//! A panic in a connection's future ends that connection only. Every connection is a task in the worker's
//! [`JoinSet`](tokio::task::JoinSet); tokio catches the unwinding at the task's edge, the worker finds it in
//! the join result, logs it and counts it in [`WorkersHandle::panics`]. That needs `panic = "unwind"`, which
//! all our profiles have.

mod load;
mod worker;

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;

use load::Load;
use worker::{Message, Report};

/// Time beyond the deadline of a stop for workers to drop what they aborted.
const GRACE: Duration = Duration::from_secs(1);

/// Which worker, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerIndex(pub usize);

/// Why workers could not start or take work.
#[derive(Debug, thiserror::Error)]
pub enum WorkersError {
    /// No thread or no runtime.
    #[error(
        "worker {index} could not start: {source}; look at the process's limits on threads and open files (`ulimit -u -n`)"
    )]
    Start {
        /// Which one.
        index: usize,
        /// What the system said.
        source: std::io::Error,
    },
    /// The closure that makes a worker's state panicked.
    #[error("worker {0} panicked while it set up its state; the panic's message is in the log above")]
    Init(usize),
    /// The workers are stopping, or this one is gone.
    #[error("the workers are stopping and take no new work")]
    Stopping,
}

/// The worker threads; whoever owns this decides when they stop. Dropping it stops them at once.
#[derive(Debug)]
pub struct Workers<W: 'static> {
    handle: WorkersHandle<W>,
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    join: JoinHandle<()>,
    report: oneshot::Receiver<Report>,
}

/// Makes the future that is a connection, on the worker where that will live.
type Begin<W> = Box<dyn FnOnce(Rc<W>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Hands work to the workers; cheap to clone, usable from any thread.
#[derive(Debug)]
pub struct WorkersHandle<W: 'static> {
    shared: Arc<Shared<W>>,
}

#[derive(Debug)]
struct Shared<W: 'static> {
    // Unbounded, yet small: a queued job is a connection that was accepted, so the limits on those and on
    // open files bound it.
    senders: Vec<UnboundedSender<Message<W>>>,
    load: Load,
    panics: Arc<AtomicU64>,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stopped {
    /// Connections that were still open at the deadline and were cut.
    pub cut: usize,
    /// Workers that did not answer: something on them blocks or never yields. Their threads were left behind.
    pub stuck: usize,
}

/// How many workers fit this process: [`std::thread::available_parallelism`], which on Linux respects both
/// the affinity mask and the CPU quota of the cgroup (v1 and v2, rounded down, at least one).
pub fn worker_count() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl<W: 'static> Workers<W> {
    /// Starts `count` threads called `name-0`, `name-1`...; each makes its state by `init`, on its own
    /// runtime. Blocks until all of them have.
    pub fn start<F>(count: NonZeroUsize, name: &str, init: F) -> Result<Self, WorkersError>
    where
        F: Fn(WorkerIndex) -> W + Send + Sync + 'static,
    {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..count.get()).map(|_| mpsc::unbounded_channel()).unzip();
        let panics = Arc::new(AtomicU64::new(0));
        let shared = Arc::new(Shared { senders, load: Load::new(count), panics: Arc::clone(&panics) });
        // From here on an early return drops `workers`, which stops the threads that did start.
        let mut workers = Self { handle: WorkersHandle { shared }, threads: Vec::new() };
        let init = Arc::new(init);
        let mut starting = Vec::new();
        for (index, receiver) in receivers.into_iter().enumerate() {
            let (started, has_started) = std::sync::mpsc::sync_channel(1);
            let (reporter, report) = oneshot::channel();
            let (init, panics) = (Arc::clone(&init), Arc::clone(&panics));
            let run = move || {
                let worker = WorkerIndex(index);
                worker::run(worker, move || init(worker), receiver, panics, &started, reporter);
            };
            let join = std::thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(run)
                .map_err(|source| WorkersError::Start { index, source })?;
            workers.threads.push(Thread { join, report });
            starting.push(has_started);
        }
        for (index, has_started) in starting.into_iter().enumerate() {
            match has_started.recv() {
                Ok(Ok(())) => {}
                Ok(Err(source)) => return Err(WorkersError::Start { index, source }),
                Err(_) => return Err(WorkersError::Init(index)),
            }
        }
        Ok(workers)
    }

    /// The end that hands out work.
    pub fn handle(&self) -> WorkersHandle<W> {
        self.handle.clone()
    }

    /// Takes no new work, waits for the connections at most `patience`, cuts the rest, ends the threads.
    /// Connections hear of it by their own means (a [`DrainWatch`](crate::DrainWatch)); this only waits.
    pub async fn stop(mut self, patience: Duration) -> Stopped {
        let deadline = Instant::now() + patience;
        self.handle.send_stop(deadline);
        let mut stopped = Stopped::default();
        for thread in std::mem::take(&mut self.threads) {
            match tokio::time::timeout_at(deadline + GRACE, thread.report).await {
                Ok(Ok(report)) => {
                    stopped.cut += report.cut;
                    // It has nothing left to do but return.
                    let _ = thread.join.join();
                }
                // The thread itself panicked: nothing of it is left.
                Ok(Err(_)) => {}
                Err(_) => stopped.stuck += 1,
            }
        }
        stopped
    }
}

impl<W: 'static> Drop for Workers<W> {
    fn drop(&mut self) {
        self.handle.send_stop(Instant::now());
    }
}

impl<W: 'static> WorkersHandle<W> {
    /// Hands one connection to the worker with the fewest active ones; where several have as few, and `near` is one of them, to
    /// that: who accepts needs to wake nobody to serve what it took. `job` runs there and makes the future
    /// that is the connection; it counts as active from now until that future ends, however it ends.
    pub fn assign<J, C>(&self, near: WorkerIndex, job: J) -> Result<WorkerIndex, WorkersError>
    where
        J: FnOnce(Rc<W>) -> C + Send + 'static,
        C: Future<Output = ()> + 'static,
    {
        let (index, active) = self.shared.load.least(near.0);
        // Boxed, so that a task which lives for long is not as large as what it was begun with.
        let job: Begin<W> = Box::new(move |worker| Box::pin(job(worker)));
        let job = move |worker: Rc<W>, tasks: &mut tokio::task::JoinSet<()>| {
            tasks.spawn_local(async move {
                let _active = active;
                // Built inside the task, so that a panic of the closure is caught like one of the future.
                job(worker).await;
            });
        };
        self.send(index, Message::Connection(Box::new(job)))
    }

    /// Runs something beside the connections on one given worker: not counted as active, not waited for by a
    /// stop.
    pub fn run_on<J, C>(&self, index: WorkerIndex, job: J) -> Result<WorkerIndex, WorkersError>
    where
        J: FnOnce(Rc<W>) -> C + Send + 'static,
        C: Future<Output = ()> + 'static,
    {
        let job = move |worker: Rc<W>, tasks: &mut tokio::task::JoinSet<()>| {
            tasks.spawn_local(async move { job(worker).await });
        };
        self.send(index.0, Message::Background(Box::new(job)))
    }

    /// Runs something beside the connections on every worker, as [`run_on`](Self::run_on) does.
    pub fn run_on_each<J, C>(&self, job: J) -> Result<(), WorkersError>
    where
        J: FnOnce(Rc<W>) -> C + Clone + Send + 'static,
        C: Future<Output = ()> + 'static,
    {
        for index in 0..self.shared.senders.len() {
            self.run_on(WorkerIndex(index), job.clone())?;
        }
        Ok(())
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.shared.senders.len()
    }

    /// Active connections, worker by worker.
    pub fn active(&self) -> Vec<usize> {
        self.shared.load.active()
    }

    /// How many connections ended by a panic since the start.
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    fn send(&self, index: usize, message: Message<W>) -> Result<WorkerIndex, WorkersError> {
        let sender = self.shared.senders.get(index).ok_or(WorkersError::Stopping)?;
        sender.send(message).map_err(|_| WorkersError::Stopping)?;
        Ok(WorkerIndex(index))
    }

    fn send_stop(&self, deadline: Instant) {
        for sender in &self.shared.senders {
            // A worker that is gone already has stopped.
            let _ = sender.send(Message::Stop(deadline));
        }
    }
}

impl<W: 'static> Clone for WorkersHandle<W> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[cfg(test)]
mod tests;
