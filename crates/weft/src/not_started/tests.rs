use super::*;

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

#[test]
fn a_program_that_is_nowhere_is_not_found_whatever_folders_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().as_os_str();
    let missing = of(OsStr::new("nosuch"), &io::ErrorKind::NotFound.into(), path);
    assert_eq!(missing, (NOT_FOUND, "not found in PATH".to_owned()));
    assert_eq!(of(OsStr::new("nosuch"), &denied(), path), missing);
    assert_eq!(of(OsStr::new("./nosuch"), &io::ErrorKind::NotFound.into(), path).0, NOT_FOUND);
}

#[test]
fn a_program_that_may_not_be_run_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there"), "").unwrap();
    let path = folder.path().as_os_str();
    assert_eq!(of(OsStr::new("there"), &denied(), path).0, NOT_RUNNABLE);
    assert_eq!(of(OsStr::new("/etc/there"), &denied(), path).0, NOT_RUNNABLE);
}
