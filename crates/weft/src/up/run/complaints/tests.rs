use super::*;

#[test]
fn who_is_waited_for_is_said_once_in_a_while_however_long_nobody_was() {
    let (mut complaints, start) = (Complaints::default(), Instant::now());
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    assert_eq!(complaints.next(true, at(0)), Some(at(10)));
    assert_eq!(complaints.next(true, at(7)), Some(at(10)));
    complaints.said(at(10));
    assert_eq!(complaints.next(true, at(11)), Some(at(20)));
    assert_eq!(complaints.next(false, at(12)), None);
    // An hour later somebody is gone: that alone counts.
    assert_eq!(complaints.next(true, at(3600)), Some(at(3610)));
    complaints.said(at(3610));
    assert_eq!(complaints.next(true, at(3611)), Some(at(3620)));
}
