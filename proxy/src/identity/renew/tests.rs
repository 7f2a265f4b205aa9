use super::*;

#[test]
fn a_day_is_renewed_around_its_noon() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let day = Duration::from_secs(86_400);
    let delay = |now, chance| renewal_delay(start, start + day, now, chance);
    assert_eq!(delay(start, 0.0), day.mul_f64(0.45));
    assert_eq!(delay(start, 1.0), day.mul_f64(0.55));
    assert_eq!(delay(start + day, 0.5), Duration::ZERO);
}
