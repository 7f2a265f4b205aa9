use super::*;

fn parse(line: &str) -> Result<Plan, String> {
    Plan::parse(line.split(' ').map(str::to_owned))
}

#[test]
fn six_words_make_a_plan() {
    let plan = parse("127.0.0.1:80 server 1000 5 16 786").unwrap();
    assert_eq!(plan.request, "GET / HTTP/1.1\r\nHost: server\r\n\r\n");
    assert_eq!((plan.requests(), plan.connections, plan.body, plan.fresh), (5000, 16, 786, 0));
    assert_eq!(parse("127.0.0.1:80 server 1000 5 16 786 8").unwrap().fresh, 8);
}

#[test]
fn a_word_that_is_wrong_or_missing_is_named() {
    for (line, reason) in [
        ("127.0.0.1:80 server 1000 5 16", "BODY is missing"),
        ("localhost server 1000 5 16 786", "ADDRESS:PORT \"localhost\" is none"),
        ("127.0.0.1:80 a\r\nb 1000 5 16 786", "HOST \"a\\r\\nb\" is none"),
        ("127.0.0.1:80 server 0 5 16 786", "RATE is 1 to 1000000"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn requests_are_due_at_equal_distances_and_end() {
    let start = Instant::now() + Duration::from_secs(60);
    let tickets = parse("127.0.0.1:80 server 4 1 1 0").unwrap().tickets(start);
    let due: Vec<_> = std::iter::from_fn(|| tickets.next()).map(|t| (t.due - start).as_millis()).collect();
    assert_eq!(due, [0, 250, 500, 750]);
}

#[test]
fn nobody_asks_on_when_time_is_up() {
    let past = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    assert_eq!(parse("127.0.0.1:80 server 1000 5 1 0").unwrap().tickets(past).next(), None);
}
