use super::*;
use std::ffi::OsStr;

/// Longer than any of these tests needs on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

fn shell(directory: &Path, name: &str, script: &str) -> Program {
    Program {
        name: name.to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        environment: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
        output: directory.join(format!("{name}.out")),
        errors: directory.join(format!("{name}.log")),
        grace: Duration::from_secs(5),
    }
}

async fn next(events: &mut mpsc::UnboundedReceiver<Event>) -> Event {
    tokio::time::timeout(LIMIT, events.recv()).await.unwrap().unwrap()
}

/// Waits until no process of the group is left.
async fn gone(group: u32) {
    let group = Pid::from_raw(i32::try_from(group).unwrap());
    let deadline = Instant::now() + LIMIT;
    while killpg(group, None) != Err(Errno::ESRCH) {
        assert!(Instant::now() < deadline, "process group {group} lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn appears(path: &Path, text: &str) {
    let deadline = Instant::now() + LIMIT;
    while !std::fs::read_to_string(path).is_ok_and(|content| content.contains(text)) {
        assert!(Instant::now() < deadline, "{} never said {text:?}", path.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_crashed_child_is_named_with_its_last_words_and_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut supervisor, mut events) = Supervisor::new();
    supervisor.start(shell(directory.path(), "crasher", "echo no config >&2; exit 3"));
    assert!(matches!(next(&mut events).await, Event::Started { .. }));
    let Event::Ended { name, how, last_words, again_in } = next(&mut events).await else {
        unreachable!("started once, it ends")
    };
    assert_eq!((name.as_str(), last_words), ("crasher", vec!["no config".to_owned()]));
    assert!(how.starts_with("ended with status 3"), "{how}");
    assert!(again_in >= RESTART.base / 2);
    assert!(matches!(next(&mut events).await, Event::Started { .. }));
    supervisor.stop(&["crasher".into()]).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut supervisor, mut events) = Supervisor::new();
    let program = Program { program: "/nowhere/app".into(), ..shell(directory.path(), "absent", "") };
    supervisor.start(program);
    for _ in 0..2 {
        let event = next(&mut events).await;
        assert!(matches!(&event, Event::NotStarted { name, .. } if name == "absent"), "{event:?}");
    }
    supervisor.stop(&["absent".into()]).await;
}

#[tokio::test]
async fn what_the_kernel_does_not_take_of_an_environment_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for (count, size, told) in [
        (
            1,
            200 << 10,
            "its environment variable LARGE_0 has 201 KiB, and the kernel hands no program more than 128 KiB in one",
        ),
        (100, 127 << 10, "its environment and its arguments have "),
    ] {
        let (mut supervisor, mut events) = Supervisor::new();
        let mut program = shell(directory.path(), "large", "true");
        program
            .environment
            .extend((0..count).map(|n| (format!("LARGE_{n}").into(), "x".repeat(size).into())));
        supervisor.start(program);
        let event = next(&mut events).await;
        let Event::NotStarted { error, .. } = &event else {
            unreachable!("the kernel refuses it: {event:?}")
        };
        assert!(error.to_string().starts_with(told), "{error}");
        supervisor.stop(&["large".into()]).await;
    }
}

#[tokio::test]
async fn a_child_has_its_own_environment_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let (mut supervisor, _events) = Supervisor::new();
    let mut program = shell(directory.path(), "env", "env; echo done; exec sleep 60");
    program.environment.push(("ONLY".into(), "this".into()));
    let output = program.output.clone();
    supervisor.start(program);
    appears(&output, "done").await;
    let seen = std::fs::read_to_string(&output).unwrap();
    assert!(seen.contains("ONLY=this"));
    assert!(!seen.contains("CARGO_"), "the test's own environment leaked: {seen}");
    supervisor.stop(&["env".into()]).await;
}

#[tokio::test]
async fn stopping_ends_the_child_and_what_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let (mut supervisor, mut events) = Supervisor::new();
    let script = "trap 'echo asked; exit 0' TERM; sleep 300 & echo ready; wait";
    let program = shell(directory.path(), "parent", script);
    let output = program.output.clone();
    supervisor.start(program);
    let Event::Started { pid, .. } = next(&mut events).await else { unreachable!("it starts") };
    appears(&output, "ready").await;
    supervisor.stop(&["parent".into()]).await;
    appears(&output, "asked").await;
    gone(pid).await;
}

#[tokio::test]
async fn who_ignores_the_request_is_killed_and_in_a_hurry_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (mut supervisor, mut events) = Supervisor::new();
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut program = shell(directory.path(), "stubborn", stubborn);
    program.grace = Duration::from_millis(50);
    let output = program.output.clone();
    supervisor.start(program);
    let Event::Started { pid, .. } = next(&mut events).await else { unreachable!("it starts") };
    appears(&output, "ready").await;
    supervisor.stop(&["stubborn".into()]).await;
    gone(pid).await;

    let program = Program { grace: LIMIT * 100, ..shell(directory.path(), "again", stubborn) };
    let output = program.output.clone();
    supervisor.start(program);
    appears(&output, "ready").await;
    supervisor.hurrier().cancel();
    tokio::time::timeout(LIMIT, supervisor.stop(&["again".into()])).await.unwrap();
}

#[tokio::test]
async fn logs_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (mut supervisor, _events) = Supervisor::new();
    let program = shell(directory.path(), "writer", "echo hello; exec sleep 60");
    let output = program.output.clone();
    supervisor.start(program);
    appears(&output, "hello").await;
    assert_eq!(std::fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(output.extension(), Some(OsStr::new("out")));
    supervisor.stop(&["writer".into()]).await;
}

#[tokio::test]
async fn a_renewed_child_is_told_and_its_successor_is_what_it_became() {
    let directory = tempfile::tempdir().unwrap();
    let (mut supervisor, mut events) = Supervisor::new();
    let program = shell(directory.path(), "child", "read line; echo heard $line; exit 1");
    let output = program.output.clone();
    supervisor.start(program);
    assert!(matches!(next(&mut events).await, Event::Started { .. }));
    let after = shell(directory.path(), "child", "echo after; exec sleep 60");
    supervisor.renew(after, "this and that".to_owned());
    appears(&output, "heard this and that").await;
    appears(&output, "after").await;
    supervisor.stop(&["child".into()]).await;
    supervisor.renew(shell(directory.path(), "nobody", "exit"), "nothing".to_owned());
}

#[test]
fn last_words_are_those_of_the_last_run() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    std::fs::write(&log, "old\nnew\n\nnewer\n").unwrap();
    assert_eq!(last_words(&log, 0).unwrap(), ["old", "new", "newer"]);
    assert_eq!(last_words(&log, 4).unwrap(), ["new", "newer"]);
    assert_eq!(last_words(&log, 15).unwrap(), [""; 0]);
    assert_eq!(last_words(&log, 1000).unwrap(), ["old", "new", "newer"], "it was emptied meanwhile");
    std::fs::write(&log, "x".repeat(5000) + "\nend\n").unwrap();
    assert_eq!(last_words(&log, 0).unwrap().last().unwrap(), "end");
}
