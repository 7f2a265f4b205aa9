//! Why one request went as it did, by what the sidecars write down of it from the moment that it is made.

use super::file::LogFile;
use super::line;
use super::names::Names;
use super::request::Join;
use super::{Of, open};
use crate::admin;
use crate::run_directory::Running;
use crate::up::plan::Pod;
use std::time::{Duration, Instant};

/// So long the caller's own sidecar may take to write of it.
const PATIENCE: Duration = Duration::from_millis(500);

const PAUSE: Duration = Duration::from_millis(10);

/// The access logs of a mesh, as far as they are written from now on.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    pods: Vec<&'a Pod>,
    names: Names,
    logs: Vec<(String, LogFile)>,
}

impl<'a> Told<'a> {
    /// Begins before the request is sent.
    pub(crate) fn from_now(running: &'a Running) -> Self {
        let pods: Vec<&Pod> = running.plan.pods.iter().filter(|pod| pod.sidecar).collect();
        let names = Names::of(&running.plan);
        let mut logs = open(running, &pods, Of::Access, |pod| names.pod(pod));
        logs.iter_mut().for_each(|(_, log)| log.skip_to_end());
        Self { pods, names, logs }
    }

    /// Why the request that `caller` made under this `x-request-id` was answered with an error; `None` where no sidecar
    /// wrote of it, or only in a format of the user's own.
    pub(crate) async fn why(mut self, caller: &Pod, id: &str) -> Option<String> {
        let has_sidecar = caller.sidecar;
        let caller = self.names.pod(caller);
        let mut join = Join::new(self.names);
        let waits_until = Instant::now() + PATIENCE;
        loop {
            admin::flush_logs(&self.pods).await;
            for (pod, log) in &mut self.logs {
                let take = |line: &str| {
                    if line.contains(id) {
                        join.add(pod, line);
                    }
                    Ok(())
                };
                log.new_lines(take).ok()?;
            }
            // A sidecar writes of a request when it is over, which is later than its client has the answer.
            let has_sidecar_too = |pod: &str| self.logs.iter().any(|(of, _)| of == pod);
            let is_whole = join.requests().filter(|request| request.caller == caller).any(|request| {
                let Some(at_caller) = &request.at_caller else { return false };
                let says_all = !at_caller.entry.came_from_upstream() || !has_sidecar_too(&request.callee);
                says_all || request.at_callee.is_some()
            });
            if is_whole || !has_sidecar || Instant::now() >= waits_until {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        // The calls that it led to may have its name, too, and tries of it that the caller's sidecar gave up.
        let made = join.take_but(0).into_iter().filter(|request| request.caller == caller);
        line::why_an_error(&made.min_by_key(|request| request.at_caller.is_none())?)
    }
}
