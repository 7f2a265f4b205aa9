use super::*;

#[test]
fn durations_are_written_as_in_go() {
    for (text, nanos) in [
        ("0", 0),
        ("0s", 0),
        ("1.5s", 1_500_000_000),
        ("100ms", 100_000_000),
        ("1h30m", 5_400_000_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("2us3ns", 2_003),
        ("15m", 900_000_000_000),
        ("+1s", 1_000_000_000),
        ("0.000000001s", 1),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
}

#[test]
fn what_is_not_a_duration_is_refused_in_words() {
    for text in ["", "5", "s", "1 s", "1x", "1.2.3s", "1s2", ".s", "-1s", "1e3s", "999999999h", "１s"] {
        let error = parse(text).unwrap_err();
        assert!(error.contains("duration"), "{text}: {error}");
    }
    let long = "9".repeat(70) + "s";
    assert!(parse(&long).is_err());
    assert!(parse(&("9".repeat(40) + "s")).is_err());
}
