use std::fs;
use std::os::unix::fs::FileTypeExt;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn line(lane: &LogLane, text: &str) {
    lane.write(|buffer| buffer.extend_from_slice(format!("{text}\n").as_bytes()));
}

#[test]
fn lines_of_all_lanes_arrive_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let file = LogFile::open(&path).unwrap();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let lane = file.lane();
            std::thread::spawn(move || (0..1000).for_each(|i| line(&lane, &format!("{worker} {i}"))))
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert!(file.flush(PATIENCE));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((text.lines().count(), file.dropped()), (4000, 0));
    let of_two: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("2 ")).collect();
    assert_eq!(of_two, (0..1000).map(|i| i.to_string()).collect::<Vec<_>>(), "a lane keeps its order");
}

#[test]
fn lines_are_written_without_being_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let file = LogFile::open(&path).unwrap();
    let lane = file.lane();
    for round in 1..=3 {
        line(&lane, "x");
        let deadline = std::time::Instant::now() + PATIENCE;
        while fs::read_to_string(&path).unwrap().lines().count() < round {
            assert!(std::time::Instant::now() < deadline, "line {round} was never written");
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_waits_is_written_when_the_last_hand_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let file = LogFile::open(&path).unwrap();
    let lane = file.lane();
    drop(file);
    line(&lane, "last words");
    drop(lane);
    assert_eq!(fs::read_to_string(&path).unwrap(), "last words\n");
}

#[test]
fn a_moved_file_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let files = LogFiles::new();
    let lane = files.open(&path).unwrap().lane();
    line(&lane, "old");
    assert!(files.flush(PATIENCE));
    fs::rename(&path, &moved).unwrap();
    files.reopen();
    line(&lane, "new");
    assert!(files.flush(PATIENCE));
    assert_eq!(fs::read_to_string(&moved).unwrap(), "old\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
}

#[test]
fn one_path_is_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let files = LogFiles::new();
    let (one, other) =
        (files.open(&folder.path().join("a")).unwrap(), files.open(&folder.path().join("a")).unwrap());
    assert!(Arc::ptr_eq(&one.shared, &other.shared));
}

#[test]
fn a_path_nobody_logs_to_any_more_is_closed_and_its_losses_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let files = LogFiles::new();
    let full = files.open(Path::new("/dev/full")).unwrap();
    line(&full.lane(), "lost");
    assert!(files.flush(PATIENCE));
    drop(full);
    let _other = files.open(&folder.path().join("a")).unwrap();
    assert_eq!((files.dropped(), files.known.lock().open.len()), (1, 1));
    let again = files.open(Path::new("/dev/full")).unwrap();
    assert_eq!((again.dropped(), files.dropped()), (0, 1));
}

#[test]
fn a_reader_that_does_not_read_costs_lines_but_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    // Opened for both directions, so that opening for writing does not wait; nobody reads.
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let file = LogFile::open(&path).unwrap();
    let lane = file.lane();
    let text = "x".repeat(1023);
    let lines = 4 * MAX_WAITING / 1024;
    (0..lines).for_each(|_| line(&lane, &text));
    assert!(file.dropped() >= (lines / 4) as u64, "{} of {lines} were dropped", file.dropped());
    assert!(!file.flush(Duration::ZERO));
}

#[test]
fn a_full_disk_is_counted() {
    let file = LogFile::open(Path::new("/dev/full")).unwrap();
    let lane = file.lane();
    line(&lane, "one");
    line(&lane, "two");
    assert!(file.flush(PATIENCE));
    assert_eq!(file.dropped(), 2);
}

#[test]
fn a_path_that_cannot_be_opened_is_named() {
    let error = LogFile::open(Path::new("/nowhere/access.log")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/access.log") && error.contains("/dev/stdout"), "{error}");
}

#[test]
fn lanes_without_a_worker_are_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = LogFile::open(&folder.path().join("a")).unwrap();
    for _ in 0..10 {
        line(&file.lane(), "x");
    }
    assert!(file.flush(PATIENCE) && file.flush(PATIENCE));
    assert_eq!(file.shared.lanes.lock().len(), 0);
}

#[test]
fn standard_output_is_our_own() {
    assert!(LogFile::open(Path::new("/dev/stdout")).unwrap().flush(PATIENCE));
    assert!(LogFile::open(Path::new("/dev/stderr")).unwrap().flush(PATIENCE));
}
