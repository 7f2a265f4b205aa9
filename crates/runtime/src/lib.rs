//! What a long-running process of the mesh stands on: worker threads, published snapshots, draining, signals,
//! readiness, backoff, listening sockets and open files.
//!
//! Nothing here knows HTTP, TLS or xDS. Every part is usable alone and from any runtime or thread.

pub mod accept;
pub mod backoff;
pub mod descriptors;
pub mod drain;
pub mod holder;
pub mod listen;
pub mod live;
pub mod readiness;
pub mod signals;
pub mod workers;

pub use accept::Acceptor;
pub use backoff::{Backoff, BackoffSettings};
pub use drain::{Drain, DrainGuard, DrainWatch, Drained};
pub use listen::{ListenError, ListenSettings, listen};
pub use live::{Changes, Live, LiveCache};
pub use readiness::{Condition, Readiness, ReadinessState};
pub use signals::{Signal, Signals};
pub use workers::{Stopped, WorkerIndex, Workers, WorkersError, WorkersHandle, worker_count};
