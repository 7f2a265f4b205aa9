//! Names of hosts outside the mesh, resolved for one worker: kept as long as their answers count, asked for once at a time,
//! and the last good answer used a while longer where there is no new one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use tokio::sync::watch;

/// A name must be resolved by then.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// An answer counts no shorter and no longer than this, whatever its TTL says.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// Where no new answer comes, the last good one is used so long after its time.
const KEPT: Duration = Duration::from_secs(300);

/// After a failure nobody asks again for so long.
const AGAIN: Duration = Duration::from_secs(2);

/// So many names are remembered.
const MOST: usize = 1024;

/// What one worker knows.
#[derive(Debug, Clone, Default)]
pub struct Names(Rc<RefCell<Known>>);

/// What is known of names; time comes in from outside.
#[derive(Debug, Default)]
struct Known {
    names: HashMap<String, Name>,
    resolver: Option<TokioResolver>,
}

#[derive(Debug, Default)]
struct Name {
    good: Option<(IpAddr, Instant)>,
    failed: Option<(String, Instant)>,
    asked: Option<watch::Receiver<()>>,
}

/// What is to be done about a name.
#[derive(Debug)]
enum Next {
    /// This is it.
    Take(IpAddr),
    /// It does not resolve.
    Fail(String),
    /// Somebody asks already.
    Wait(watch::Receiver<()>),
    /// To be asked for, by whoever got this.
    Ask(watch::Sender<()>),
}

impl Known {
    /// Decides; who is told to ask has to say what came of it by [`Known::answered`].
    fn next(&mut self, name: &str, now: Instant) -> Next {
        if !self.names.contains_key(name) && self.names.len() >= MOST && !self.forget(now) {
            return Next::Fail(format!("{MOST} other names are being resolved"));
        }
        let known = self.names.entry(name.to_owned()).or_default();
        if let Some((address, until)) = known.good
            && now < until
        {
            return Next::Take(address);
        }
        if let Some((why, at)) = &known.failed
            && now < *at + AGAIN
        {
            return known.last_good(now).map_or_else(|| Next::Fail(why.clone()), Next::Take);
        }
        // Whoever asks may have been dropped.
        if let Some(asked) = known.asked.as_ref().filter(|asked| asked.has_changed().is_ok()) {
            return Next::Wait(asked.clone());
        }
        let (tell, asked) = watch::channel(());
        known.asked = Some(asked);
        Next::Ask(tell)
    }

    fn answered(&mut self, name: &str, answer: Result<(IpAddr, Duration), String>, now: Instant) {
        let known = self.names.entry(name.to_owned()).or_default();
        known.asked = None;
        match answer {
            Ok((address, ttl)) => {
                known.good = Some((address, now + ttl.clamp(SHORTEST, LONGEST)));
                known.failed = None;
            }
            Err(why) => known.failed = Some((why, now)),
        }
    }

    /// Makes room for one more: what counts no more goes, or else what counts shortest. Was there any?
    fn forget(&mut self, now: Instant) -> bool {
        self.names.retain(|_, name| name.asked.is_some() || name.last_good(now).is_some());
        if self.names.len() < MOST {
            return true;
        }
        let idle = self.names.iter().filter(|(_, name)| name.asked.is_none());
        let first =
            idle.min_by_key(|(_, name)| name.good.map(|(_, until)| until)).map(|(name, _)| name.clone());
        first.is_some_and(|name| self.names.remove(&name).is_some())
    }
}

impl Name {
    fn last_good(&self, now: Instant) -> Option<IpAddr> {
        self.good.filter(|(_, until)| now < *until + KEPT).map(|(address, _)| address)
    }
}

impl Names {
    /// The address of a host; one that is an address already is itself.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn address(&self, name: &str) -> Result<IpAddr, String> {
        if let Ok(address) = name.parse() {
            return Ok(address);
        }
        let name = name.to_ascii_lowercase();
        loop {
            let next = self.0.borrow_mut().next(&name, Instant::now());
            let mut asked = match next {
                Next::Take(address) => return Ok(address),
                Next::Fail(why) => return Err(why),
                Next::Wait(asked) => asked,
                Next::Ask(tell) => {
                    let asked = tell.subscribe();
                    // A task of its own: others wait for the same answer, whatever becomes of this request.
                    tokio::task::spawn_local(self.clone().ask(name.clone(), tell));
                    asked
                }
            };
            // Its end is what is waited for.
            let _ = asked.changed().await;
        }
    }

    async fn ask(self, name: String, tell: watch::Sender<()>) {
        let resolver = self.resolver();
        let looked = tokio::time::timeout(PATIENCE, look_up(resolver, &name)).await;
        let answer = looked.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        self.0.borrow_mut().answered(&name, answer, Instant::now());
        drop(tell);
    }

    fn resolver(&self) -> Option<TokioResolver> {
        let mut known = self.0.borrow_mut();
        if known.resolver.is_none() {
            known.resolver = crate::config::resolve::resolver().ok();
        }
        known.resolver.clone()
    }
}

/// Asks the system's name servers; without any to be read of, the system itself, which tells no TTL.
async fn look_up(resolver: Option<TokioResolver>, name: &str) -> Result<(IpAddr, Duration), String> {
    let (found, ttl): (Vec<IpAddr>, _) = match resolver {
        Some(resolver) => {
            let looked = resolver.lookup_ip(name).await.map_err(|e| crate::config::resolve::why(&e))?;
            (looked.iter().collect(), looked.valid_until().saturating_duration_since(Instant::now()))
        }
        None => {
            let looked = tokio::net::lookup_host((name, 0)).await.map_err(|e| e.to_string())?;
            (looked.map(|address| address.ip()).collect(), SHORTEST)
        }
    };
    let first = found.iter().find(|ip| ip.is_ipv4()).or(found.first());
    first.map(|ip| (*ip, ttl)).ok_or_else(|| "it resolves to nothing".to_owned())
}

#[cfg(test)]
mod tests;
