use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_drain_without_work_is_clean_at_once() {
    assert_eq!(Drain::new().finish(Duration::ZERO).await, Drained::Clean);
}

#[tokio::test]
async fn a_drain_waits_for_the_last_guard() {
    let drain = Drain::new();
    let watch = drain.watch();
    let guards = [watch.guard(), watch.guard(), watch.clone().guard()];
    assert!(!watch.is_draining());
    let work = tokio::spawn(async move {
        watch.draining().await;
        drop(guards);
    });
    assert_eq!(drain.finish(PATIENCE).await, Drained::Clean);
    work.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_tells_how_much_is_left() {
    let drain = Drain::new();
    let watch = drain.watch();
    let _guards = (watch.guard(), watch.guard());
    assert_eq!(drain.finish(Duration::from_secs(5)).await, Drained::Left(2));
    assert!(watch.is_draining());
}

#[tokio::test]
async fn guards_of_other_threads_and_runtimes_are_waited_for() {
    let drain = Drain::new();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let watch = drain.watch();
            let guard = watch.guard();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(watch.draining());
                drop(guard);
            })
        })
        .collect();
    assert_eq!(drain.active(), 4);
    assert_eq!(drain.finish(PATIENCE).await, Drained::Clean);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_forgotten_drain_starts_by_itself() {
    let watch = Drain::new().watch();
    watch.draining().await;
    assert!(watch.is_draining());
}
