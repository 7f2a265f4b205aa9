//! What clients notice when endpoints fail, and when breakers open and close: before weft and before Envoy under the same
//! YAML, with what has to be reached beside each figure. Ends with a failure where one of them is missed.

mod breaker;
mod endpoint;
mod load;
mod log;
mod mesh;
mod proxy;
mod trial;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use breaker::BREAKERS;
use proxy::Kind;
use trial::{Outcomes, TRIALS, trial};

/// What was to be reached and was not.
type Missed = Vec<String>;

/// How long each load is, and how many of each there are.
fn asked() -> anyhow::Result<(Duration, u8)> {
    let (mut secs, mut rounds) = (5, 3);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = words.next().and_then(|word| word.parse::<u8>().ok());
        match (word.as_str(), number) {
            ("--secs", Some(number)) => secs = number.clamp(3, 60),
            ("--rounds", Some(number)) => rounds = number.clamp(1, 9),
            _ => anyhow::bail!(
                "usage: bench/resilience/run [--secs N] [--rounds N]: from 3 to 60 s, from 1 to 9 rounds"
            ),
        }
    }
    Ok((Duration::from_secs(secs.into()), rounds))
}

fn main() -> anyhow::Result<ExitCode> {
    let (length, rounds) = asked()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut missed = Missed::new();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", trial::titles())?;
    for (number, settings) in (1..).zip(TRIALS) {
        let mut both: [Option<Outcomes>; 2] = [None, None];
        for round in 0..rounds {
            for (kind, all) in [Kind::Weft, Kind::Envoy].into_iter().zip(&mut both) {
                let one = runtime.block_on(trial(settings, kind, 10 * round + number, length))?;
                *all = Some(match all.take() {
                    Some(before) => before.and(one),
                    None => one,
                });
            }
        }
        let [Some(weft), Some(envoy)] = both else { continue };
        for (kind, result) in [(Kind::Weft, &weft), (Kind::Envoy, &envoy)] {
            writeln!(out, "{:44} {kind:5?} {result}", settings.name)?;
        }
        for line in weft.why() {
            writeln!(out, "  weft: {line}")?;
        }
        missed.extend(settings.missed(&weft, &envoy));
    }
    writeln!(out, "\n{}", breaker::titles())?;
    for (settings, kind, tripped) in runtime.block_on(breaker::trip_all())? {
        writeln!(out, "{:44} {kind:5?} {tripped}", settings.name)?;
        if kind == Kind::Weft {
            missed.extend(settings.missed(&tripped));
        }
    }
    writeln!(out, "\n{} trials, {} breakers; goals missed: {}", TRIALS.len(), BREAKERS.len(), missed.len())?;
    for what in &missed {
        writeln!(out, "missed: {what}")?;
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
