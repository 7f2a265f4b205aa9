use super::*;

fn of(micros: impl IntoIterator<Item = u64>) -> Summary {
    let mut summary = Summary::default();
    micros.into_iter().for_each(|each| summary.answered(Duration::from_micros(each)));
    summary
}

#[test]
fn percentiles_are_by_nearest_rank_over_all_connections() {
    let all = Summary::expecting(100).merge(of(51..=100)).merge(of(1..=50));
    assert!(all.is_clean());
    let json = all.to_json();
    for part in ["\"p50\":50.0", "\"p90\":90.0", "\"p99\":99.0", "\"p999\":100.0", "\"max\":100.0"] {
        assert!(json.contains(part), "{part} in {json}");
    }
}

#[test]
fn one_error_or_one_missing_answer_is_not_clean() {
    assert!(!Summary::expecting(3).merge(of([1, 2])).is_clean());
    let mut failed = of([1, 2]);
    failed.failed("answered \"HTTP/1.1 503\"");
    let all = Summary::expecting(2).merge(failed);
    assert!(!all.is_clean());
    assert!(all.to_json().contains(r#""first_error":"answered \"HTTP/1.1 503\"""#), "{}", all.to_json());
}

#[test]
fn nothing_at_all_is_still_json() {
    assert!(Summary::expecting(1).to_json().contains("\"answered\":0"));
}
