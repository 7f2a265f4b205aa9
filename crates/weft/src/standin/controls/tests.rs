use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

#[test]
fn a_request_without_wishes_has_none() {
    assert_eq!(Controls::read(&HeaderMap::new()), Ok(Controls::default()));
}

#[test]
fn every_wish_is_read() {
    let controls = Controls::read(&headers(&[
        ("x-echo-status", "418"),
        ("x-echo-delay", "1.5s"),
        ("x-echo-size", "70000"),
        ("x-echo-fail-first", "2"),
        ("x-echo-key", "a"),
        ("x-echo-trailer", "grpc-status: 0"),
    ]))
    .unwrap();
    assert_eq!(controls.status, Some(StatusCode::IM_A_TEAPOT));
    assert_eq!(controls.delay, Duration::from_millis(1500));
    assert_eq!(controls.size, Some(70_000));
    assert_eq!(controls.fail_first, Some((2, "a".into())));
    assert_eq!(controls.trailers["grpc-status"], "0");
}

#[test]
fn what_is_out_of_bounds_or_no_number_is_refused_by_name() {
    for (name, value) in [
        ("x-echo-status", "101"),
        ("x-echo-status", "x"),
        ("x-echo-delay", "250"),
        ("x-echo-delay", "-1s"),
        ("x-echo-delay", "NaNs"),
        ("x-echo-delay", "3m"),
        ("x-echo-size", "99999999999"),
        ("x-echo-trailer", "no colon"),
    ] {
        let error = Controls::read(&headers(&[(name, value)])).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
    assert_eq!(Controls::read(&headers(&[("x-echo-fail-first", "1")])), Err(ControlError::NoKey));
}

#[test]
fn the_first_requests_of_a_key_fail_and_later_ones_do_not() {
    let failures = Failures::default();
    let verdicts: Vec<bool> = (0..4).map(|_| failures.fails(2, "a")).collect();
    assert_eq!(verdicts, [true, true, false, false]);
    assert!(failures.fails(1, "b"), "another key counts for itself");
    assert!(!failures.fails(0, "c"));
}

#[test]
fn keys_are_forgotten_rather_than_kept_without_bound() {
    let failures = Failures::default();
    for key in 0..MAX_KEYS + 5 {
        failures.fails(1, &key.to_string());
    }
    assert_eq!(failures.0.lock().counts.len(), MAX_KEYS);
    assert!(failures.fails(1, "0"), "the oldest key starts anew");
}
