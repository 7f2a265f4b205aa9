//! The life of one worker thread: make the state, run what comes, finish, report.

use std::any::Any;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::WorkerIndex;

/// Spawns one future onto the set given, on the worker's thread.
pub(super) type Job<W> = Box<dyn FnOnce(Rc<W>, &mut JoinSet<()>) + Send>;

/// What a worker is told.
pub(super) enum Message<W> {
    /// Waited for by a stop.
    Connection(Job<W>),
    /// Not waited for.
    Background(Job<W>),
    /// Finish until then.
    Stop(Instant),
}

/// How a worker ended.
#[derive(Debug)]
pub(super) struct Report {
    /// Connections cut at the deadline.
    pub(super) cut: usize,
}

/// The whole life of one worker; returns when it has stopped.
pub(super) fn run<W: 'static>(
    index: WorkerIndex,
    init: impl FnOnce() -> W,
    messages: UnboundedReceiver<Message<W>>,
    panics: Arc<AtomicU64>,
    started: &SyncSender<io::Result<()>>,
    reporter: oneshot::Sender<Report>,
) {
    let runtime = match build_runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever starts the workers waits for this; if not, there is nobody to tell.
            let _ = started.send(Err(error));
            return;
        }
    };
    let report = runtime.block_on(async {
        let state = Rc::new(init());
        let _ = started.send(Ok(()));
        let worker = Worker { index, state, connections: JoinSet::new(), background: JoinSet::new(), panics };
        // A task like its connections': whoever wakes the future that a runtime blocks on wakes the thread, by a system call,
        // though it be from the same thread.
        tokio::task::spawn_local(worker.live(messages)).await
    });
    let report = report.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    // Not waiting for blocking tasks (a name lookup may hang for many seconds).
    runtime.shutdown_background();
    let _ = reporter.send(report);
}

// A local runtime, not a `LocalSet` on a plain one: the same `spawn_local`, with one run queue in place of
// two nested ones.
fn build_runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

struct Worker<W> {
    index: WorkerIndex,
    state: Rc<W>,
    connections: JoinSet<()>,
    background: JoinSet<()>,
    panics: Arc<AtomicU64>,
}

impl<W: 'static> Worker<W> {
    async fn live(mut self, mut messages: UnboundedReceiver<Message<W>>) -> Report {
        let deadline = loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => if let Some(deadline) = self.take(message) { break deadline },
                    None => break Instant::now(),
                },
                Some(ended) = self.connections.join_next() => self.note(ended),
                Some(ended) = self.background.join_next() => self.note(ended),
            }
        };
        // From here on new work is refused; what was accepted before still runs.
        messages.close();
        while let Some(message) = messages.recv().await {
            self.take(message);
        }
        let cut = self.finish(deadline).await;
        Report { cut }
    }

    fn take(&mut self, message: Message<W>) -> Option<Instant> {
        match message {
            Message::Connection(job) => job(Rc::clone(&self.state), &mut self.connections),
            Message::Background(job) => job(Rc::clone(&self.state), &mut self.background),
            Message::Stop(deadline) => return Some(deadline),
        }
        None
    }

    async fn finish(&mut self, deadline: Instant) -> usize {
        while let Ok(Some(ended)) = tokio::time::timeout_at(deadline, self.connections.join_next()).await {
            self.note(ended);
        }
        let cut = self.connections.len();
        self.connections.shutdown().await;
        self.background.shutdown().await;
        cut
    }

    fn note(&self, ended: Result<(), JoinError>) {
        let Some(error) = ended.err().filter(JoinError::is_panic) else { return };
        let panic = error.into_panic();
        let total = self.panics.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::error!(
            worker = self.index.0,
            panic = words_of(panic.as_ref()),
            total,
            "a connection ended by a panic: a bug in the proxy; the other connections go on"
        );
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
