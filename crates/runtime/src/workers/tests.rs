use std::cell::Cell;
use std::sync::mpsc::channel;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

const FIRST: WorkerIndex = WorkerIndex(0);

fn count(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

fn start(n: usize) -> Workers<Cell<usize>> {
    Workers::start(count(n), "test", |index| Cell::new(index.0)).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the condition comes true in time");
}

#[tokio::test]
async fn connections_spread_evenly_and_see_their_own_worker_s_state() {
    let workers = start(3);
    let handle = workers.handle();
    let (seen, all_seen) = channel();
    let (hold, held) = tokio::sync::watch::channel(());
    for _ in 0..9 {
        let (seen, mut held) = (seen.clone(), held.clone());
        let assigned = handle.assign(FIRST, move |state| async move {
            let not_send = Rc::clone(&state);
            let thread = std::thread::current().name().map(String::from);
            seen.send((not_send.get(), thread.unwrap())).unwrap();
            let _ = held.changed().await;
        });
        assert!(assigned.unwrap().0 < 3);
    }
    assert_eq!(handle.active(), [3, 3, 3]);
    for _ in 0..9 {
        let (state, thread) = all_seen.recv_timeout(PATIENCE).unwrap();
        assert_eq!(thread, format!("test-{state}"));
    }
    drop(hold);
    until(|| handle.active() == [0, 0, 0]).await;
}

#[tokio::test]
async fn of_workers_that_have_as_few_the_one_that_accepts_serves() {
    let workers = start(3);
    let assign = |near| workers.handle().assign(WorkerIndex(near), |_| std::future::pending()).unwrap().0;
    assert_eq!([assign(2), assign(1), assign(1), assign(1)], [2, 1, 0, 1]);
}

#[tokio::test]
async fn a_new_connection_goes_where_one_has_ended() {
    let workers = start(2);
    let handle = workers.handle();
    let (end_one, one) = tokio::sync::oneshot::channel::<()>();
    let first = handle.assign(FIRST, |_| async { drop(one.await) }).unwrap();
    let second = handle.assign(FIRST, |_| std::future::pending()).unwrap();
    assert_ne!(first, second);
    end_one.send(()).unwrap();
    until(|| handle.active().iter().sum::<usize>() == 1).await;
    assert_eq!(handle.assign(FIRST, |_| std::future::pending()).unwrap(), first);
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_is_counted() {
    let workers = start(1);
    let handle = workers.handle();
    handle.assign(FIRST, |_| async { panic!("a bug in the future") }).unwrap();
    handle.assign(FIRST, |_| -> std::future::Ready<()> { panic!("a bug in the closure: {}", 1) }).unwrap();
    until(|| handle.panics() == 2).await;
    assert_eq!(handle.active(), [0]);
    let (done, is_done) = channel();
    handle.assign(FIRST, move |_| async move { done.send(()).unwrap() }).unwrap();
    is_done.recv_timeout(PATIENCE).unwrap();
}

#[tokio::test]
async fn a_stop_waits_for_what_runs_and_refuses_what_comes() {
    let workers = start(2);
    let handle = workers.handle();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    handle.assign(FIRST, |_| async { drop(ended.await) }).unwrap();
    handle.run_on_each(|_| std::future::pending()).unwrap();
    let stop = tokio::spawn(workers.stop(PATIENCE));
    until(|| matches!(handle.assign(FIRST, |_| async {}), Err(WorkersError::Stopping))).await;
    assert!(!stop.is_finished());
    end.send(()).unwrap();
    assert_eq!(stop.await.unwrap(), Stopped { cut: 0, stuck: 0 });
    assert_eq!(handle.active(), [0, 0]);
}

#[tokio::test]
async fn the_deadline_cuts_connections_and_drops_what_they_hold() {
    let workers = start(2);
    let handle = workers.handle();
    let held = Arc::new(());
    for _ in 0..4 {
        let held = Arc::clone(&held);
        handle
            .assign(FIRST, move |_| async move {
                let _held = held;
                std::future::pending().await
            })
            .unwrap();
    }
    assert_eq!(workers.stop(Duration::ZERO).await, Stopped { cut: 4, stuck: 0 });
    assert_eq!((Arc::strong_count(&held), handle.active()), (1, vec![0, 0]));
}

#[test]
fn dropping_the_workers_ends_their_connections() {
    let workers = start(1);
    let held = Arc::new(());
    let inner = Arc::clone(&held);
    let (gone, is_gone) = channel::<()>();
    workers
        .handle()
        .assign(FIRST, move |_| async move {
            let _held = (inner, gone);
            std::future::pending().await
        })
        .unwrap();
    drop(workers);
    assert!(is_gone.recv_timeout(PATIENCE).is_err());
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_worker_that_cannot_set_up_its_state_is_named() {
    let started = Workers::start(count(2), "test", |index| assert_ne!(index.0, 1, "no pool"));
    assert!(matches!(started, Err(WorkersError::Init(1))));
}

#[tokio::test]
async fn state_is_made_on_the_worker_s_runtime() {
    let workers = Workers::start(count(1), "test", |_| {
        let (sent, heard) = tokio::sync::oneshot::channel();
        tokio::task::spawn_local(async move { sent.send(*Rc::new(7)) });
        Cell::new(Some(heard))
    })
    .unwrap();
    let (done, is_done) = channel();
    workers
        .handle()
        .assign(FIRST, move |state| async move { done.send(state.take().unwrap().await.unwrap()).unwrap() })
        .unwrap();
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(7));
}

#[tokio::test]
async fn a_worker_that_blocks_is_left_behind_and_counted() {
    let workers = start(2);
    let (release, released) = channel::<()>();
    let (blocking, is_blocking) = channel();
    workers
        .handle()
        .assign(FIRST, move |_| async move {
            blocking.send(()).unwrap();
            let _ = released.recv();
        })
        .unwrap();
    is_blocking.recv_timeout(PATIENCE).unwrap();
    assert_eq!(workers.stop(Duration::ZERO).await, Stopped { cut: 0, stuck: 1 });
    drop(release);
}

#[tokio::test]
async fn a_connection_may_spawn_tasks_beside_it_on_its_worker() {
    let workers = start(1);
    let (done, is_done) = channel();
    let job = move |state: Rc<Cell<usize>>| async move {
        let beside = Rc::clone(&state);
        tokio::task::spawn_local(async move { beside.set(7) }).await.unwrap();
        done.send(state.get()).unwrap();
    };
    workers.handle().assign(FIRST, job).unwrap();
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(7));
}
