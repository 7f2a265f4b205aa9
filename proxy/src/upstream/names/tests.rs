use super::*;

const HOST: &str = "api.example.com";
const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));
const MINUTE: Duration = Duration::from_secs(60);

fn resolved(known: &mut Known, name: &str, ttl: Duration, now: Instant) {
    assert!(matches!(known.next(name, now), Next::Ask(_)));
    known.answered(name, Ok((IP, ttl)), now);
}

#[test]
fn an_answer_counts_for_its_time_and_is_then_asked_for_again() {
    let (mut known, t) = (Known::default(), Instant::now());
    resolved(&mut known, HOST, MINUTE, t);
    assert!(matches!(known.next(HOST, t + MINUTE / 2), Next::Take(IP)));
    assert!(matches!(known.next(HOST, t + MINUTE), Next::Ask(_)));
    // No time at all would be one question a request.
    resolved(&mut known, "other", Duration::ZERO, t);
    assert!(matches!(known.next("other", t + SHORTEST / 2), Next::Take(IP)));
    resolved(&mut known, "for-ever", 100 * LONGEST, t);
    assert!(matches!(known.next("for-ever", t + LONGEST), Next::Ask(_)));
}

#[test]
fn one_asks_and_the_others_wait_for_the_same_answer() {
    let (mut known, t) = (Known::default(), Instant::now());
    let Next::Ask(tell) = known.next(HOST, t) else { panic!("nobody asks") };
    assert!(matches!(known.next(HOST, t), Next::Wait(_)));
    assert!(matches!(known.next("other", t), Next::Ask(_)));
    drop(tell);
    assert!(matches!(known.next(HOST, t), Next::Ask(_)), "who asked is gone without an answer");
}

#[test]
fn the_last_good_answer_is_used_while_no_other_comes_but_not_for_ever() {
    let (mut known, t) = (Known::default(), Instant::now());
    resolved(&mut known, HOST, MINUTE, t);
    let later = t + MINUTE + KEPT / 2;
    assert!(matches!(known.next(HOST, later), Next::Ask(_)));
    known.answered(HOST, Err("no name server".into()), later);
    assert!(matches!(known.next(HOST, later), Next::Take(IP)));
    assert!(matches!(known.next(HOST, later + AGAIN), Next::Ask(_)), "it is tried again");
    let too_late = t + MINUTE + KEPT;
    known.answered(HOST, Err("no name server".into()), too_late);
    assert!(matches!(known.next(HOST, too_late), Next::Fail(why) if why == "no name server"));
}

#[test]
fn so_many_names_are_remembered_and_what_counts_shortest_makes_room() {
    let (mut known, t) = (Known::default(), Instant::now());
    for n in 0..MOST {
        resolved(&mut known, &format!("host-{n}"), MINUTE + Duration::from_millis(n as u64), t);
    }
    resolved(&mut known, HOST, MINUTE, t);
    assert_eq!(known.names.len(), MOST);
    assert!(!known.names.contains_key("host-0") && known.names.contains_key("host-1"));

    let mut known = Known::default();
    let asking: Vec<Next> = (0..MOST).map(|n| known.next(&format!("host-{n}"), t)).collect();
    assert!(matches!(known.next(HOST, t), Next::Fail(_)), "what is being asked for is not forgotten");
    drop(asking);
}

#[tokio::test]
async fn an_address_is_itself_and_a_name_of_the_hosts_file_is_found_by_all_who_ask() {
    let names = Names::default();
    assert_eq!(names.address("203.0.113.7").await, Ok(IP));
    let asking = async { tokio::join!(names.address("localhost"), names.address("LOCALHOST")) };
    let (one, other) = tokio::task::LocalSet::new().run_until(asking).await;
    assert!(one.as_ref().is_ok_and(IpAddr::is_loopback), "{one:?}");
    assert_eq!(one, other);
}
