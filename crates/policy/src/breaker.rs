//! Circuit breakers: how much of a cluster may be under way at once. A refusal says which limit, its value and the load.
//!
//! A [`Count`] is shared by all workers and exact: whoever enters has been counted, and no more are in than may be. So are
//! [`Lanes`], for what comes and goes with every request. The semantics are those of
//! `envoy.config.cluster.v3.CircuitBreakers.Thresholds`.

mod lanes;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use weft_model::cluster::{CircuitBreakers, RetryBudget};

pub use lanes::Lanes;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Connections to all endpoints of the cluster.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Requests in flight.
    Requests,
    /// Retries in flight.
    Retries,
    /// Retries in flight, as a share of the requests.
    RetryBudget,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", said(*.resource, *.limit, *.load))]
pub struct Full {
    /// Of what.
    pub resource: Resource,
    /// So many may be.
    pub limit: u32,
    /// So many are.
    pub load: u32,
}

fn said(resource: Resource, limit: u32, load: u32) -> String {
    let (what, field) = match resource {
        Resource::Connections => ("connections are open", "connectionPool.tcp.maxConnections"),
        Resource::Pending => {
            ("requests wait for a connection", "connectionPool.http.http1MaxPendingRequests")
        }
        Resource::Requests => ("requests are in flight", "connectionPool.http.http2MaxRequests"),
        Resource::Retries => ("retries are under way", "connectionPool.http.maxRetries"),
        Resource::RetryBudget => ("retries are under way", "retryBudget"),
    };
    format!("{load} {what}, and no more than {limit} may ({field})")
}

/// The limits of one cluster, with Envoy's defaults for what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Connections.
    pub connections: u32,
    /// Requests that wait for a connection.
    pub pending: u32,
    /// Requests in flight.
    pub requests: u32,
    retries: u32,
    budget: Option<RetryBudget>,
}

impl Limits {
    /// As the cluster's settings have it.
    pub fn new(of: &CircuitBreakers) -> Self {
        Self {
            connections: of.max_connections.unwrap_or(1024),
            pending: of.max_pending_requests.unwrap_or(1024),
            requests: of.max_requests.unwrap_or(1024),
            retries: of.max_retries.unwrap_or(3),
            budget: of.retry_budget,
        }
    }

    /// So many retries may be under way while so many requests are (those that wait for a connection among them), and by
    /// which rule: a budget takes the place of the fixed number.
    pub fn retries(&self, requests: u32) -> (Resource, u32) {
        let Some(budget) = self.budget else { return (Resource::Retries, self.retries) };
        let share = f64::from(requests) * budget.budget_percent.clamp(0.0, 100.0) / 100.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
        let share = share as u32;
        (Resource::RetryBudget, share.max(budget.min_retry_concurrency))
    }
}

/// How many are in, and how often somebody was refused. All workers write it: beside what is read it belongs in a
/// [`weft_model::padded::Padded`].
#[derive(Debug, Default)]
pub struct Count {
    inside: AtomicU32,
    refused: AtomicU64,
}

impl Count {
    /// One more, unless `limit` are in already.
    ///
    /// # Errors
    /// The load at that moment.
    pub fn enter(&self, resource: Resource, limit: u32) -> Result<(), Full> {
        self.try_enter(limit).map_err(|load| {
            self.note_refusal();
            Full { resource, limit, load }
        })
    }

    /// One more, for somebody who will wait and is not refused.
    ///
    /// # Errors
    /// The load at that moment.
    pub fn try_enter(&self, limit: u32) -> Result<(), u32> {
        let one_more = |inside: u32| (inside < limit).then(|| inside.saturating_add(1));
        self.inside.fetch_update(SeqCst, SeqCst, one_more).map(|_| ())
    }

    /// One more, whatever the limit.
    pub fn enter_beyond(&self) {
        self.inside.fetch_add(1, SeqCst);
    }

    /// One less.
    pub fn leave(&self) {
        self.inside.fetch_sub(1, SeqCst);
    }

    /// So many are in.
    pub fn inside(&self) -> u32 {
        self.inside.load(Relaxed)
    }

    /// Somebody could not come in at once.
    pub fn note_refusal(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// So often somebody was refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
