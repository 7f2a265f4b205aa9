//! The plan's breakers: with which failure they open, who serves meanwhile, and when they close.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Missed;
use crate::endpoint::{Endpoint, State};
use crate::load::ask;
use crate::mesh::{self, Net};
use crate::proxy::{Kind, Proxy};

/// How exactly an endpoint has to come back.
const TOLERANCE: Duration = Duration::from_millis(200);
/// How long it may take until the other version serves.
const FAILOVER: Duration = Duration::from_secs(1);
/// One request after the other, so long apart.
const EVERY: Duration = Duration::from_millis(5);

/// One of them.
#[derive(Debug)]
pub(crate) struct Breaker {
    pub(crate) name: &'static str,
    rules: &'static str,
    failures: u64,
    base: Duration,
}

pub(crate) const BREAKERS: &[Breaker] = &[
    Breaker {
        name: "banking-connector: 3 failures, 10 s",
        rules: "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: app, namespace: bench}\n\
                spec: {host: app, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, \
                outlierDetection: {consecutive5xxErrors: 3, interval: 5s, baseEjectionTime: 10s, maxEjectionPercent: 80}}}\n",
        failures: 3,
        base: Duration::from_secs(10),
    },
    Breaker {
        name: "predictive-analytics: 5 failures, 30 s",
        rules: "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: app, namespace: bench}\n\
                spec:\n  host: app\n  trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, interval: 5s, \
                baseEjectionTime: 30s, maxEjectionPercent: 50}}\n  subsets:\n  - name: v0\n    labels: {app: app}\n    \
                trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, localityLbSetting: {failoverPriority: [\"version=v0\"]}}}\n\
                ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: app, namespace: bench}\n\
                spec: {hosts: [app], http: [{route: [{destination: {host: app, subset: v0}}]}]}\n",
        failures: 5,
        base: Duration::from_secs(30),
    },
];

impl Breaker {
    /// What of it was to be reached and was not.
    pub(crate) fn missed(&self, tripped: &Tripped) -> Missed {
        let Self { name, failures, base, .. } = self;
        let mut missed = Missed::new();
        if tripped.failures != *failures {
            missed.push(format!("{name}: open after {} failures", tripped.failures));
        }
        if tripped.closed < *base || tripped.closed > *base + TOLERANCE {
            missed.push(format!("{name}: closed after {:?}, not {base:?} + {TOLERANCE:?}", tripped.closed));
        }
        if tripped.failover > FAILOVER {
            missed.push(format!("{name}: another served after {:?}, not {FAILOVER:?}", tripped.failover));
        }
        missed
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Tripped {
    /// So many failures were let through.
    failures: u64,
    /// From the last of them to the first answer of another.
    failover: Duration,
    /// From the last of them to the first request that the endpoint saw again.
    closed: Duration,
}

/// The columns.
pub(crate) fn titles() -> String {
    format!(
        "{:44} {:5} {:>9} {:>13} {:>10}",
        "breaker, two replicas", "proxy", "failures", "failover ms", "closed at"
    )
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failover, closed) = (self.failover.as_secs_f64() * 1e3, self.closed.as_secs_f64());
        write!(f, "{:>9} {failover:>13.1} {closed:>8.3} s", self.failures)
    }
}

/// All of them before both proxies, at the same time: they do next to nothing but wait.
pub(crate) async fn trip_all() -> anyhow::Result<Vec<(&'static Breaker, Kind, Tripped)>> {
    let mut tripping = JoinSet::new();
    for (number, breaker) in BREAKERS.iter().enumerate() {
        for kind in [Kind::Weft, Kind::Envoy] {
            tripping.spawn(async move { Ok((number, kind, trip(breaker, kind, number).await?)) });
        }
    }
    let mut all = tripping.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    all.sort_by_key(|(number, kind, _)| (*number, *kind == Kind::Envoy));
    Ok(all.into_iter().map(|(number, kind, tripped)| (&BREAKERS[number], kind, tripped)).collect())
}

async fn trip(of: &Breaker, kind: Kind, number: usize) -> anyhow::Result<Tripped> {
    let net = Net::of(kind, 100 + u8::try_from(number)?);
    let (sick, well) = (Endpoint::serve(net.endpoint(0)).await?, Endpoint::serve(net.endpoint(1)).await?);
    let proxy = Proxy::start(kind, net, mesh::world(net, 2, of.rules)?).await?;
    let mut client: Option<TcpStream> = None;
    while sick.seen() == 0 {
        ask(net.proxy(), &mut client).await?;
    }
    sick.becomes(State::Failing);
    let before = sick.seen();
    let mut last = Instant::now();
    while sick.seen() - before < of.failures {
        last = Instant::now();
        ask(net.proxy(), &mut client).await?;
    }
    sick.becomes(State::Well);
    let (others, mut failover) = (well.seen(), None);
    let mut seen = sick.seen();
    let deadline = Instant::now() + of.base * 3;
    let closed = loop {
        anyhow::ensure!(Instant::now() < deadline, "{}: it never closes before {kind:?}", of.name);
        ask(net.proxy(), &mut client).await?;
        if failover.is_none() && well.seen() > others {
            failover = Some(last.elapsed());
        }
        // What comes before the other was asked once was let through by an open breaker.
        let now = sick.seen();
        if now > seen {
            if failover.is_some() {
                break sick.last() - last;
            }
            seen = now;
        }
        tokio::time::sleep(EVERY).await;
    };
    proxy.forget();
    Ok(Tripped { failures: seen - before, failover: failover.unwrap_or_default(), closed })
}
