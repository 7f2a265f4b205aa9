use super::*;

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_written_file_is_seen_once_and_reading_is_no_change() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let file = inner.join("a.yaml");
    std::fs::write(&file, "a").unwrap();
    let mut changes = Changes::of(&[directory.path().to_owned()]).unwrap();
    for text in ["b", "c", "d"] {
        std::fs::write(&file, text).unwrap();
    }
    tokio::time::timeout(LIMIT, changes.next()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "d");
    let nothing = tokio::time::timeout(2 * QUIET, changes.next()).await;
    assert!(nothing.is_err(), "the file was only read since");
}

#[tokio::test]
async fn a_file_that_is_replaced_stays_watched() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.yaml");
    std::fs::write(&file, "a").unwrap();
    let mut changes = Changes::of(std::slice::from_ref(&file)).unwrap();
    for text in ["b", "c"] {
        let new = directory.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &file).unwrap();
        tokio::time::timeout(LIMIT, changes.next()).await.unwrap();
    }
}
