use super::*;

/// A line in which nobody waits yet, and what it asks of all workers.
fn overheard() -> (Rc<Line>, watch::Receiver<()>) {
    let reclaim = Reclaim::default();
    let heard = reclaim.heard();
    (Rc::new(Line::new(reclaim)), heard)
}

/// Comes back; was it offered to all workers, or kept for this one's own line?
fn is_for_all(line: &Line, waiting: u32, heard: &mut watch::Receiver<()>) -> bool {
    line.came_back(waiting);
    let asked = heard.has_changed().unwrap();
    heard.mark_unchanged();
    asked
}

#[test]
fn of_eight_connections_that_come_back_one_is_for_whoever_has_waited_longest_anywhere() {
    let (line, mut heard) = overheard();
    let _waits = line.join();
    heard.mark_unchanged();
    let turns: Vec<bool> = (0..24).map(|_| is_for_all(&line, 2, &mut heard)).collect();
    for eight in turns.chunks(8) {
        assert_eq!(eight.iter().filter(|for_all| **for_all).count(), 1, "{turns:?}");
    }
}

#[test]
fn where_all_who_wait_are_here_none_is_closed_for_others() {
    let (line, mut heard) = overheard();
    let _wait = [line.join(), line.join()];
    heard.mark_unchanged();
    assert!(!(0..24).any(|_| is_for_all(&line, 2, &mut heard)));
}

#[test]
fn where_nobody_waits_here_each_is_for_those_who_wait_elsewhere() {
    let (line, mut heard) = overheard();
    drop(line.join());
    heard.mark_unchanged();
    assert!((0..8).all(|_| is_for_all(&line, 1, &mut heard)));
}

#[tokio::test]
async fn who_came_first_is_called_first_and_who_leaves_passes_the_call_on() {
    let line = Rc::new(Line::new(Reclaim::default()));
    let (first, second) = (line.join(), line.join());
    line.came_back(2);
    first.called().await;
    drop(first);
    second.called().await;
    drop(second);
    assert!(line.is_empty());
}

#[test]
fn who_is_not_the_first_asks_nobody_for_what_the_first_may_have_been_called_to() {
    let (line, mut heard) = overheard();
    let first = line.join();
    assert!(first.is_first && heard.has_changed().unwrap());
    heard.mark_unchanged();
    let second = line.join();
    assert!(!second.is_first && !heard.has_changed().unwrap());
    drop((first, second));
    assert!(line.join().is_first && heard.has_changed().unwrap());
}
