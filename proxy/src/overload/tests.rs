use super::*;

#[test]
fn it_closes_at_ninety_percent_and_opens_again_at_eighty() {
    let overload = Overload::new(1000);
    for (used, full) in
        [(0, false), (900, false), (901, true), (850, true), (801, true), (800, false), (900, false)]
    {
        overload.note(used);
        assert_eq!(overload.is_full(), full, "{used}");
    }
}

#[test]
fn work_is_refused_with_words_as_long_as_there_is_too_little() {
    let overload = Overload::new(u64::MAX);
    assert_eq!(overload.refuses(0), None);
    overload.set_limit(1);
    assert!(resident().is_none() || overload.refuses(1).unwrap().contains("takes no new work"));
    overload.set_limit(u64::MAX);
    assert_eq!(overload.refuses(1), None);
}
