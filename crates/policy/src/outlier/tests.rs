use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

type Sut = Ejections<u8>;

const LOST: Outcome = Outcome::LocalOrigin;
const WELL: Outcome = Outcome::Answered(200);

fn failed(status: u16) -> Outcome {
    Outcome::Answered(status)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// As Istio's control planes write the plan's breaker for banking-connector: 3 failures, 10 s, 80 %.
fn banking() -> Settings {
    Settings::new(&OutlierDetection {
        consecutive_5xx: Some(3),
        enforcing_consecutive_5xx: Some(100),
        interval: Some(seconds(1)),
        base_ejection_time: Some(seconds(10)),
        max_ejection_percent: Some(80),
        enforcing_success_rate: Some(0),
        ..OutlierDetection::default()
    })
}

struct Cluster {
    settings: Settings,
    streaks: Vec<Streaks>,
    endpoints: Vec<u8>,
    ejections: Sut,
    start: Instant,
}

impl Cluster {
    fn of(count: u8, settings: Settings) -> Self {
        Self {
            settings,
            streaks: (0..count).map(|_| Streaks::default()).collect(),
            endpoints: (0..count).collect(),
            ejections: Sut::default(),
            start: Instant::now(),
        }
    }

    fn at(&self, second: u64) -> Instant {
        self.start + seconds(second)
    }

    fn after(&mut self, endpoint: u8, outcome: Outcome, second: u64) -> Option<Verdict> {
        let cause = self.streaks[usize::from(endpoint)].note(&self.settings, outcome)?;
        let now = self.at(second);
        Some(self.ejections.judge(&self.settings, &endpoint, cause, self.endpoints.iter(), 0, now))
    }

    fn eject(&mut self, endpoint: u8, second: u64) -> Verdict {
        let cause = Cause::Consecutive5xx(3);
        let now = self.at(second);
        self.ejections.judge(&self.settings, &endpoint, cause, self.endpoints.iter(), 0, now)
    }

    fn is_out(&mut self, endpoint: u8, second: u64) -> bool {
        let now = self.at(second);
        self.ejections.readmit(&endpoint, now);
        self.ejections.until(&endpoint).is_some()
    }
}

fn length(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Eject { length, .. } => length.as_secs(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_third_failure_in_a_row_ejects_for_ten_seconds() {
    let mut cluster = Cluster::of(5, banking());
    assert_eq!(cluster.after(0, failed(500), 0), None);
    assert_eq!(cluster.after(0, failed(503), 1), None);
    let until = cluster.at(12);
    assert_eq!(cluster.after(0, LOST, 2), Some(Verdict::Eject { until, length: seconds(10), times: 1 }));
    assert!(cluster.is_out(0, 11) && !cluster.is_out(0, 12));
}

#[test]
fn a_success_forgives_what_came_before_and_another_endpoints_failures_are_its_own() {
    let mut cluster = Cluster::of(5, banking());
    for (endpoint, outcome) in [(0, LOST), (0, LOST), (0, WELL), (0, LOST), (1, LOST), (0, LOST), (1, LOST)] {
        assert_eq!(cluster.after(endpoint, outcome, 0), None);
    }
}

#[test]
fn what_is_no_5xx_is_no_failure() {
    let mut cluster = Cluster::of(5, banking());
    for status in [200, 301, 400, 404, 429, 499] {
        for _ in 0..9 {
            assert_eq!(cluster.after(0, failed(status), 0), None, "{status}");
        }
    }
}

#[test]
fn four_of_five_may_be_out_but_not_the_fifth() {
    let mut cluster = Cluster::of(5, banking());
    for endpoint in 0..4 {
        assert_eq!(length(cluster.eject(endpoint, 0)), 10);
    }
    assert_eq!(cluster.eject(4, 0), Verdict::Spare { out: 4, total: 5 });
}

#[test]
fn eighty_percent_of_one_and_the_default_tenth_of_five_eject_nobody() {
    assert_eq!(Cluster::of(1, banking()).eject(0, 0), Verdict::Spare { out: 0, total: 1 });
    let tenth = Settings { max_ejected_percent: 10, ..banking() };
    assert_eq!(Cluster::of(5, tenth).eject(0, 0), Verdict::Spare { out: 0, total: 5 });
    assert_eq!(length(Cluster::of(10, tenth).eject(0, 0)), 10);
    let all = Settings { max_ejected_percent: 100, ..banking() };
    assert_eq!(length(Cluster::of(1, all).eject(0, 0)), 10);
}

#[test]
fn each_further_ejection_lasts_longer_and_each_well_interval_takes_one_off() {
    let mut cluster = Cluster::of(5, banking());
    assert_eq!(length(cluster.eject(0, 0)), 10);
    assert!(!cluster.is_out(0, 10));
    assert_eq!(length(cluster.eject(0, 10)), 20, "at once again");
    assert!(cluster.is_out(0, 29) && !cluster.is_out(0, 30));
    assert_eq!(length(cluster.eject(0, 31)), 20, "one interval of a second was well");
    assert!(!cluster.is_out(0, 51));
    assert_eq!(length(cluster.eject(0, 60)), 10, "all is forgiven");
}

#[test]
fn no_ejection_is_longer_than_the_longest() {
    let settings = Settings { max_ejection: seconds(25), ..banking() };
    let mut cluster = Cluster::of(5, settings);
    let mut now = 0;
    for wanted in [10, 20, 25, 25, 25] {
        assert_eq!(length(cluster.eject(0, now)), wanted);
        now += wanted;
        assert!(!cluster.is_out(0, now));
    }
}

#[test]
fn what_is_out_already_is_not_ejected_twice_and_counts_as_out_once() {
    let mut cluster = Cluster::of(5, banking());
    cluster.eject(0, 0);
    assert_eq!(cluster.eject(0, 5), Verdict::Keep);
    assert_eq!(cluster.ejections.out(), 1);
    assert!(!cluster.is_out(0, 10), "the second verdict prolongs nothing");
}

#[test]
fn gateway_errors_have_a_streak_of_their_own_that_other_5xx_end() {
    let settings = Settings {
        consecutive_5xx: None,
        consecutive_gateway_failure: NonZeroU32::new(2),
        enforcing: Enforcing { gateway: 100, ..banking().enforcing },
        ..banking()
    };
    let mut cluster = Cluster::of(5, settings);
    for outcome in [failed(502), failed(500), failed(503), failed(501)] {
        assert_eq!(cluster.after(0, outcome, 0), None);
    }
    assert_eq!(cluster.after(0, failed(504), 0), None);
    assert!(
        matches!(cluster.after(0, LOST, 0), Some(Verdict::Eject { .. })),
        "no answer is a gateway's error"
    );
}

#[test]
fn failures_of_our_own_making_may_be_counted_apart() {
    let settings = Settings {
        split_local_origin: true,
        consecutive_local_origin_failure: NonZeroU32::new(2),
        ..banking()
    };
    let mut cluster = Cluster::of(5, settings);
    for outcome in [failed(500), LOST, failed(500), LOST] {
        assert_eq!(
            cluster.after(0, outcome, 0),
            None,
            "neither streak is long enough, and an answer is an answer"
        );
    }
    assert!(matches!(cluster.after(0, LOST, 0), Some(Verdict::Eject { .. })));
}

#[test]
fn verdicts_are_carried_out_by_their_percentage_of_chance() {
    let settings =
        Settings { enforcing: Enforcing { consecutive_5xx: 30, ..banking().enforcing }, ..banking() };
    for draw in 0..100 {
        let mut ejections = Sut::default();
        let all = [0, 1, 2, 3, 4];
        let verdict =
            ejections.judge(&settings, &0, Cause::Consecutive5xx(3), all.iter(), draw, Instant::now());
        assert_eq!(verdict == Verdict::Waived, draw >= 30);
    }
}

#[test]
fn one_that_left_the_cluster_does_not_count_as_out_and_still_comes_back() {
    let mut cluster = Cluster::of(5, banking());
    cluster.eject(0, 0);
    cluster.endpoints = vec![1, 2];
    assert_eq!(length(cluster.eject(1, 1)), 10, "80 % of two is one, and nobody of these two is out");
    assert!(!cluster.is_out(0, 10));
}

#[test]
fn one_that_left_while_it_was_in_is_forgotten() {
    let mut cluster = Cluster::of(5, banking());
    cluster.eject(0, 0);
    assert!(!cluster.is_out(0, 10));
    cluster.endpoints = vec![1, 2, 3, 4];
    cluster.eject(1, 10);
    cluster.endpoints = vec![0, 1, 2, 3, 4];
    assert_eq!(length(cluster.eject(0, 10)), 10);
}

#[test]
fn only_who_lags_far_behind_enough_others_is_a_laggard() {
    let rate = |failures| Rate { requests: 100, failures };
    assert_eq!(laggards(&[rate(50), rate(0), rate(0), rate(0), rate(0)]), [0]);
    assert!(laggards(&[rate(50), rate(0), rate(0), rate(0)]).is_empty(), "four are no crowd");
    assert!(laggards(&[rate(90); 9]).is_empty(), "all are alike");
    let few = Rate { requests: 99, failures: 99 };
    assert!(laggards(&[few, rate(0), rate(0), rate(0), rate(0), rate(0)]).is_empty(), "too few requests");
}

#[test]
fn left_out_settings_are_envoys() {
    let settings = Settings::new(&OutlierDetection::default());
    assert_eq!(settings.consecutive_5xx, NonZeroU32::new(5));
    assert_eq!((settings.base_ejection, settings.max_ejection), (seconds(30), seconds(300)));
    assert_eq!((settings.max_ejected_percent, settings.enforcing.gateway), (10, 0));
    let never = Settings::new(&OutlierDetection { consecutive_5xx: Some(0), ..OutlierDetection::default() });
    assert_eq!(never.consecutive_5xx, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// However failures and moments fall, no more are out than may be, and none for longer than it may.
    #[test]
    fn no_more_are_out_than_may_be_and_each_comes_back_in_time(
        count in 1_u8..12,
        percent in 0_u32..=100,
        base in 1_u64..20,
        longest in 1_u64..60,
        steps in prop::collection::vec((0_u8..12, 0_u64..8, any::<bool>()), 1..120),
    ) {
        let settings = Settings {
            max_ejected_percent: percent,
            base_ejection: seconds(base),
            max_ejection: seconds(longest.max(base)),
            ..banking()
        };
        let mut cluster = Cluster::of(count, settings);
        let (mut now, mut due) = (0, vec![None; usize::from(count)]);
        for (endpoint, pause, fails) in steps {
            let endpoint = endpoint % count;
            now += pause;
            for other in 0..count {
                let out = cluster.is_out(other, now);
                let owed: Option<u64> = due[usize::from(other)];
                prop_assert_eq!(out, owed.is_some_and(|until| now < until));
            }
            if let Some(Verdict::Eject { length, .. }) =
                cluster.after(endpoint, if fails { LOST } else { WELL }, now)
            {
                prop_assert!(length >= seconds(base) && length <= settings.max_ejection);
                due[usize::from(endpoint)] = Some(now + length.as_secs());
            }
            prop_assert!(cluster.ejections.out() * 100 <= usize::from(count) * percent as usize);
        }
    }

    /// Each ejection lasts as many times the first's length as there were before it and are not forgiven: one for each
    /// interval that was well since.
    #[test]
    fn an_ejection_lasts_as_its_history_says(
        base in 1_u64..10, longest in 10_u64..100, interval in 1_u64..6,
        well in prop::collection::vec(0_u64..20, 1..40),
    ) {
        let settings = Settings {
            interval: seconds(interval),
            base_ejection: seconds(base),
            max_ejection: seconds(longest),
            ..banking()
        };
        let mut cluster = Cluster::of(5, settings);
        let (mut now, mut times) = (0, 0_u64);
        for well in well {
            now += well;
            times = times.saturating_sub(well / interval);
            if base * times < longest + base {
                times += 1;
            }
            let lasted = (base * times).min(longest);
            prop_assert_eq!(length(cluster.eject(0, now)), lasted);
            now += lasted;
            prop_assert!(cluster.is_out(0, now - 1) && !cluster.is_out(0, now));
        }
    }

    /// A streak is what a plain count of the last outcomes says.
    #[test]
    fn an_endpoint_is_judged_exactly_when_its_last_failures_are_enough(
        limit in 1_u32..6,
        outcomes in prop::collection::vec(prop_oneof![
            Just(WELL), Just(LOST), Just(failed(500)), Just(failed(503)), Just(failed(404))], 1..60),
    ) {
        let settings = Settings {
            consecutive_5xx: NonZeroU32::new(limit),
            consecutive_gateway_failure: None,
            ..banking()
        };
        let (streaks, mut count) = (Streaks::default(), 0);
        for outcome in outcomes {
            count = if outcome.is_failure() { count + 1 } else { 0 };
            let judged = streaks.note(&settings, outcome);
            prop_assert_eq!(judged.is_some(), count == limit);
            if count == limit {
                count = 0;
            }
        }
    }
}
