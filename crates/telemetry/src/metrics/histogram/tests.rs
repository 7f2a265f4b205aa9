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
fn histograms_are_added_up() {
    let (one, other) = (Histogram::default(), Histogram::default());
    one.record_thousandths(250);
    other.record_thousandths(250);
    other.record_thousandths(7_000);
    one.add(&other);
    let mut text = String::new();
    one.render(&mut text, "h", "a=\"b\"");
    assert!(text.contains("le=\"0.5\"} 2\n") && text.contains("le=\"10\"} 3\n"), "{text}");
    assert!(text.contains("h_sum{a=\"b\"} 7.5\n"), "{text}");
    assert_eq!(one.count(), 3);
}
