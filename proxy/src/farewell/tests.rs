use super::*;

const TABLE: &str =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 00000000:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1337        0 2 1 0 100 0 0 10 0
   2: 0200F40A:3A99 0300F40A:D431 01 00000000:00000000 00:00000000 00000000  1337        0 3 1 0 20 4 30 10 -1
";

#[test]
fn who_listens_is_read_from_the_kernels_table_and_who_is_only_connected_does_not() {
    assert_eq!(listening(TABLE).collect::<Vec<_>>(), [8080, 15001]);
}

#[test]
fn it_stays_for_its_least_time_then_for_whoever_is_there_and_never_beyond_its_most() {
    let second = Duration::from_secs;
    let span = Span { least: second(5), most: second(25) };
    let goes_on = |span: Span, after: u64, is_seen: bool| span.goes_on(second(after), || is_seen);
    assert!(goes_on(span, 0, false) && goes_on(span, 4, false));
    assert!(!goes_on(span, 5, false) && goes_on(span, 5, true));
    assert!(goes_on(span, 24, true) && !goes_on(span, 25, true));
    // Whoever gives less time than that means it.
    let short = Span { most: second(1), ..span };
    assert!(goes_on(short, 0, false) && !goes_on(short, 1, true));
    // Without a least time there is nothing to stay for where nobody is.
    assert!(!goes_on(Span { least: Duration::ZERO, ..span }, 0, false));
}
