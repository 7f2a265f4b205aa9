use super::*;
use std::io::Write;

#[test]
fn whole_lines_are_read_once_and_an_emptied_log_from_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let mut log = Log { pod: "a".into(), path: path.clone(), read: 0 };
    assert!(log.new_lines().unwrap().is_empty(), "nobody has written yet");
    let mut file = File::options().append(true).create(true).open(&path).unwrap();
    file.write_all(b"one\ntwo\nthr").unwrap();
    assert_eq!(log.new_lines().unwrap(), ["one", "two"]);
    assert!(log.new_lines().unwrap().is_empty());
    file.write_all(b"ee\n\xff\n").unwrap();
    assert_eq!(log.new_lines().unwrap(), ["three", "\u{fffd}"]);
    file.set_len(0).unwrap();
    file.write_all(b"new\n").unwrap();
    assert_eq!(log.new_lines().unwrap(), ["new"]);
}
