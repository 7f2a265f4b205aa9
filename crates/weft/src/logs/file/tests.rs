use super::*;
use std::io::Write;

fn lines(log: &mut LogFile) -> Vec<String> {
    let mut lines = Vec::new();
    log.new_lines(|line| {
        lines.push(line.to_owned());
        Ok(())
    })
    .unwrap();
    lines
}

#[test]
fn whole_lines_are_read_once_and_an_emptied_log_from_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let mut log = LogFile::new(path.clone());
    assert!(lines(&mut log).is_empty(), "nobody has written yet");
    let mut file = File::options().append(true).create(true).open(&path).unwrap();
    file.write_all(b"one\ntwo\nthr").unwrap();
    assert_eq!(lines(&mut log), ["one", "two"]);
    assert!(lines(&mut log).is_empty());
    file.write_all(b"ee\n\xff\n").unwrap();
    assert_eq!(lines(&mut log), ["three", "\u{fffd}"]);
    file.set_len(0).unwrap();
    file.write_all(b"new\n").unwrap();
    assert_eq!(lines(&mut log), ["new"]);
}
