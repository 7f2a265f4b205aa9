//! One trial: settings, a fault, and what came of it.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Missed;
use crate::endpoint::{Endpoint, State};
use crate::load::{Outcome, load};
use crate::log::Why;
use crate::mesh::{self, Net};
use crate::proxy::{Kind, Proxy};

const RATE: u32 = 1000;
const ENDPOINTS: u8 = 5;
/// That of outlier detection in all trials.
const INTERVAL: Duration = Duration::from_secs(1);

/// The settings of one.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    rules: &'static str,
    fault: Fault,
    goals: &'static [Goal],
}

/// What weft has to reach.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// No more requests fail than before Envoy, but for those that must: they came before there were failures enough.
    NoMoreFail,
    /// No request fails.
    NoneFails,
    /// Nothing goes to the endpoint any more after one interval.
    Off,
    /// What goes upstream stays below so many times what comes.
    Below(f64),
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// One endpoint, after a second and a half.
    One(State),
    /// All, from the beginning.
    All(State),
}

macro_rules! outliers {
    () => {
        concat!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: app, namespace: bench}\nspec:\n  host: app\n",
            "  trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 50}}\n---\n",
        )
    };
}

macro_rules! route {
    ($settings:literal) => {
        concat!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: app, namespace: bench}\nspec:\n  hosts: [app]\n",
            "  http: [{route: [{destination: {host: app}}], ",
            $settings,
            "}]\n"
        )
    };
}

macro_rules! storm {
    ($rule:literal) => {
        concat!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: app, namespace: bench}\n",
            "spec: {host: app, trafficPolicy: {",
            $rule,
            "}}\n---\n",
            route!("retries: {attempts: 3, retryOn: \"503\"}")
        )
    };
}

pub(crate) const TRIALS: &[Trial] = &[
    Trial {
        name: "one of 5 killed, no retries",
        rules: concat!(outliers!(), route!("retries: {attempts: 0}")),
        fault: Fault::One(State::Killed),
        goals: &[Goal::NoMoreFail, Goal::Off],
    },
    Trial {
        name: "one of 5 killed, default retries",
        rules: outliers!(),
        fault: Fault::One(State::Killed),
        goals: &[Goal::NoneFails, Goal::Off],
    },
    Trial {
        name: "one of 5 says 503, no retries",
        rules: concat!(outliers!(), route!("retries: {attempts: 0}")),
        fault: Fault::One(State::Failing),
        goals: &[Goal::NoMoreFail, Goal::Off],
    },
    Trial {
        name: "one of 5 says nothing, timeout 250 ms",
        rules: concat!(outliers!(), route!("timeout: 250ms")),
        fault: Fault::One(State::Dumb),
        goals: &[Goal::Off],
    },
    Trial {
        name: "all say 503, 3 attempts, a budget of 20 %",
        rules: storm!("retryBudget: {percent: 20, minRetryConcurrency: 3}"),
        fault: Fault::All(State::Failing),
        goals: &[Goal::Below(1.25)],
    },
    Trial {
        name: "all say 503, 3 attempts, no budget",
        rules: storm!("connectionPool: {http: {maxRetries: 1000000}}"),
        fault: Fault::All(State::Failing),
        goals: &[],
    },
];

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcomes {
    load: Outcome,
    why: Why,
    upstream: u64,
    /// Since the fault.
    ejected: Option<Duration>,
    /// So many failed as no outlier detection could have helped.
    inevitable: u64,
    /// Rounds in which nothing was.
    unejected: u32,
    last_failure: Option<Duration>,
    /// Of a killed one: when a connection to it failed last.
    last_there: Option<Duration>,
}

impl Outcomes {
    /// Two rounds together: what failed in both, and the later of two moments.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.load.asked += other.load.asked;
        self.load.failed.extend(other.load.failed);
        self.load.took.extend(other.load.took);
        self.load.took.sort_unstable();
        Self {
            upstream: self.upstream + other.upstream,
            ejected: self.ejected.max(other.ejected),
            inevitable: self.inevitable + other.inevitable,
            unejected: self.unejected + other.unejected,
            last_failure: self.last_failure.max(other.last_failure),
            last_there: self.last_there.max(other.last_there),
            why: self.why.and(other.why),
            load: self.load,
        }
    }

    /// Why requests failed, in weft's words.
    pub(crate) fn why(&self) -> Vec<String> {
        self.why.lines()
    }

    /// Why it cannot be said that traffic was off the endpoint within one interval.
    fn kept_on(&self) -> Option<String> {
        if self.unejected > 0 {
            return Some(format!("in {} rounds nothing was ejected", self.unejected));
        }
        let late = |what, at: Option<Duration>| {
            let at = at.filter(|at| *at > INTERVAL)?;
            Some(format!("it was {what} after {at:?}, not {INTERVAL:?}"))
        };
        late("ejected", self.ejected).or_else(|| late("asked last", self.last_there))
    }

    /// So many failed that need not have.
    fn beyond(&self) -> u64 {
        (self.load.failed.len() as u64).saturating_sub(self.inevitable)
    }

    /// How much more went upstream than came.
    fn ratio(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let ratio = self.upstream as f64 / self.load.asked.max(1) as f64;
        ratio
    }
}

impl Trial {
    /// What of it was to be reached and was not.
    pub(crate) fn missed(&self, weft: &Outcomes, envoy: &Outcomes) -> Missed {
        let (name, failed) = (self.name, weft.load.failed.len());
        let (own, theirs) = (weft.beyond(), envoy.beyond());
        let missed = |goal: &Goal| match goal {
            Goal::NoMoreFail => (own > theirs).then(|| {
                let need = failed as u64 - own;
                format!("{own} failed beside {need} that had to, {theirs} before Envoy")
            }),
            Goal::NoneFails => (failed > 0).then(|| format!("{failed} failed")),
            Goal::Off => weft.kept_on(),
            Goal::Below(most) => (weft.ratio() >= *most)
                .then(|| format!("upstream/asked {:.3}, not below {most}", weft.ratio())),
        };
        self.goals.iter().filter_map(missed).map(|what| format!("{name}: {what}")).collect()
    }
}

/// The columns.
pub(crate) fn titles() -> String {
    format!(
        "{:44} {:5} {:>6} {:>6} {:>13} {:>10} {:>11} {:>9} {:>7} {:>7}",
        "trial",
        "proxy",
        "asked",
        "failed",
        "upstream/asked",
        "ejected at",
        "last failed",
        "last there",
        "p50 ms",
        "p99 ms"
    )
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |moment: Option<Duration>| {
            moment.map_or("-".to_owned(), |at| format!("{:.2} s", at.as_secs_f64()))
        };
        let ms = |share| format!("{:.1}", self.load.percentile(share).as_secs_f64() * 1e3);
        let ratio = self.ratio();
        write!(
            f,
            "{:>6} {:>6} {ratio:>14.3} {:>10} {:>11} {:>9} {:>7} {:>7}",
            self.load.asked,
            self.load.failed.len(),
            at(self.ejected),
            at(self.last_failure),
            at(self.last_there),
            ms(0.5),
            ms(0.99)
        )
    }
}

/// Runs one before one proxy.
pub(crate) async fn trial(of: &Trial, kind: Kind, number: u8, length: Duration) -> anyhow::Result<Outcomes> {
    let net = Net::of(kind, number);
    let mut endpoints = Vec::new();
    for number in 0..ENDPOINTS {
        endpoints.push(Endpoint::serve(net.endpoint(number)).await?);
    }
    let proxy = Proxy::start(kind, net, mesh::world(net, ENDPOINTS, of.rules)?).await?;
    // Connections stand, and whoever is new at it is so no more.
    load(net.proxy(), RATE / 2, Duration::from_secs(1)).await;
    let before: u64 = endpoints.iter().map(Endpoint::seen).sum();
    let (sick, state, when) = match of.fault {
        Fault::One(state) => (&endpoints[..1], state, Duration::from_millis(1500)),
        Fault::All(state) => (&endpoints[..], state, Duration::ZERO),
    };
    let loading = tokio::spawn(load(net.proxy(), RATE, length));
    tokio::time::sleep(when).await;
    let fault = Instant::now();
    sick.iter().for_each(|endpoint| endpoint.becomes(state));
    let one = matches!(of.fault, Fault::One(_));
    let (mut ejected, mut refused) = (None, (0, None));
    while !loading.is_finished() {
        if one {
            let count = |statistic| tokio::task::block_in_place(|| proxy.count(statistic));
            if ejected.is_none() && count("outlier_detection_ejections_active")? > 0 {
                ejected = Some(fault.elapsed());
            }
            let failed = count("upstream_cx_connect_fail")?;
            if failed > refused.0 {
                refused = (failed, Some(fault.elapsed()));
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let load = loading.await?;
    // That all fail where all endpoints do is no news.
    let why = if one && !load.failed.is_empty() { proxy.why()? } else { Why::default() };
    if why.lines().is_empty() {
        proxy.forget();
    }
    let since = |moment: Instant| moment.checked_duration_since(fault);
    Ok(Outcomes {
        upstream: endpoints.iter().map(Endpoint::seen).sum::<u64>() - before,
        inevitable: if one { sick[0].inevitable() } else { 0 },
        unejected: u32::from(ejected.is_none()),
        ejected,
        last_failure: load.failed.last().copied().filter(|_| one).and_then(since),
        last_there: if state == State::Killed {
            refused.1
        } else {
            one.then(|| sick[0].last()).and_then(since)
        },
        why,
        load,
    })
}
