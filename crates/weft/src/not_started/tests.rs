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

#[test]
fn that_a_program_is_not_there_is_known_before_it_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    std::fs::create_dir(place("closed")).unwrap();
    std::fs::create_dir(place("open")).unwrap();
    std::fs::write(place("closed/tool"), "").unwrap();
    let path = std::env::join_paths([place("nosuch"), place("closed"), place("open")]).unwrap();
    let code = |program: &OsStr| foreseen(program, &path).map(|error| of(program, &error, &path).0);
    let (tool, tool_path) = (OsStr::new("tool"), place("open/tool"));
    assert_eq!(code(OsStr::new("nosuch")), Some(NOT_FOUND));
    assert_eq!(code(OsStr::new("")), Some(NOT_FOUND));
    assert_eq!(code(tool), Some(NOT_RUNNABLE));
    assert_eq!(code(tool_path.as_os_str()), Some(NOT_FOUND));
    assert_eq!(code(place("open").as_os_str()), Some(NOT_RUNNABLE));
    // Further back in PATH there may be one that can be run.
    std::fs::write(&tool_path, "").unwrap();
    std::fs::set_permissions(&tool_path, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((code(tool), code(tool_path.as_os_str())), (None, None));
}
