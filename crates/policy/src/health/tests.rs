use std::time::Duration;

use proptest::prelude::*;
use weft_model::health::Probe;

use super::*;

const fn check(unhealthy_threshold: u32, healthy_threshold: u32) -> HealthCheck {
    HealthCheck {
        probe: Probe::Tcp,
        interval: Duration::from_secs(5),
        jitter_percent: 0,
        timeout: Duration::from_secs(1),
        unhealthy_threshold,
        healthy_threshold,
    }
}

fn told(patient: &mut Patient, probes: &[Probed]) -> Vec<Option<Verdict>> {
    probes.iter().map(|probed| patient.note(&check(3, 2), *probed)).collect()
}

use Probed::{Degraded, Failed, Refused, Well};

#[test]
fn the_third_failure_in_a_row_takes_it_out_and_the_second_answer_brings_it_back() {
    let mut patient = Patient::default();
    assert_eq!(patient.verdict(), Verdict::Unknown, "and used");
    assert_eq!(told(&mut patient, &[Well]), [Some(Verdict::Well)]);
    assert_eq!(told(&mut patient, &[Failed, Failed, Well, Failed, Failed]), [None; 5], "an answer forgives");
    assert_eq!(told(&mut patient, &[Failed, Failed]), [Some(Verdict::Ill), None]);
    assert_eq!(told(&mut patient, &[Well, Failed, Well]), [None; 3]);
    assert_eq!(told(&mut patient, &[Well]), [Some(Verdict::Well)]);
}

#[test]
fn an_answer_that_says_no_needs_no_second_one() {
    let mut patient = Patient::known(Verdict::Well);
    assert_eq!(told(&mut patient, &[Refused]), [Some(Verdict::Ill)]);
}

#[test]
fn who_says_that_it_is_degraded_is_believed_at_once() {
    let mut patient = Patient::known(Verdict::Well);
    assert_eq!(
        told(&mut patient, &[Degraded, Degraded, Well]),
        [Some(Verdict::Degraded), None, Some(Verdict::Well)]
    );
    let mut patient = Patient::known(Verdict::Ill);
    assert_eq!(told(&mut patient, &[Degraded, Degraded]), [None, Some(Verdict::Degraded)]);
}

#[test]
fn of_one_that_was_never_well_failures_are_counted_too() {
    assert_eq!(told(&mut Patient::default(), &[Failed, Failed, Failed]), [None, None, Some(Verdict::Ill)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nobody_goes_out_before_his_failures_nor_comes_back_before_his_answers(
        unhealthy in 1u32..6, healthy in 1u32..6, probes in prop::collection::vec(0u8..3, 0..100),
    ) {
        let check = check(unhealthy, healthy);
        let mut patient = Patient::known(Verdict::Well);
        let (mut failures, mut answers) = (0, 0);
        for probe in probes {
            let probed = [Well, Degraded, Failed][usize::from(probe)];
            (failures, answers) = if probed == Failed { (failures + 1, 0) } else { (0, answers + 1) };
            let before = patient.verdict();
            patient.note(&check, probed);
            match (before, patient.verdict()) {
                (Verdict::Ill, Verdict::Ill) => prop_assert!(answers < healthy),
                (Verdict::Ill, _) => prop_assert_eq!(answers, healthy),
                (_, Verdict::Ill) => prop_assert_eq!(failures, unhealthy),
                _ => prop_assert!(failures < unhealthy),
            }
        }
    }
}
