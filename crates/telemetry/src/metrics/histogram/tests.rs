use super::*;

fn rendered(values: &[u64]) -> String {
    let histogram = Histogram::default();
    values.iter().for_each(|value| histogram.record_thousandths(*value));
    let mut text = String::new();
    histogram.render(&mut text, "h", "a=\"b\"");
    text
}

#[test]
fn buckets_are_cumulative_and_their_bounds_belong_to_them() {
    let text = rendered(&[0, 500, 501, 1_000, 7_000, u64::MAX / 4]);
    for line in [
        "h_bucket{a=\"b\",le=\"0.5\"} 2",
        "h_bucket{a=\"b\",le=\"1\"} 4",
        "h_bucket{a=\"b\",le=\"5\"} 4",
        "h_bucket{a=\"b\",le=\"10\"} 5",
        "h_bucket{a=\"b\",le=\"3600000\"} 5",
        "h_bucket{a=\"b\",le=\"+Inf\"} 6",
        "h_count{a=\"b\"} 6",
    ] {
        assert!(text.lines().any(|got| got == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn the_sum_keeps_its_decimals() {
    assert!(rendered(&[1_250, 1_000]).contains("h_sum{a=\"b\"} 2.25\n"));
    assert!(rendered(&[1_005]).contains("h_sum{a=\"b\"} 1.005\n"));
    assert!(rendered(&[]).contains("h_sum{a=\"b\"} 0\n"));
}

#[test]
fn odd_floats_do_not_panic() {
    let histogram = Histogram::default();
    for value in [f64::NAN, -1.0, f64::INFINITY, 0.25] {
        histogram.record(value);
    }
    assert_eq!(histogram.counts[0].load(Ordering::Relaxed), 3);
}
