use super::*;
use crate::up::plan::Plan;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1000);

fn state(started: u64) -> State {
    State {
        pid: 1,
        started,
        folders: vec!["x".into()],
        again: "weft up /x --netns".into(),
        control: "127.63.0.1:15014".into(),
        ready: true,
    }
}

fn filled(base: &Path, started: u64) -> RunDirectory {
    let run = RunDirectory::create(base).unwrap();
    run.write("state.json", &serde_json::to_vec(&state(started)).unwrap()).unwrap();
    run.write("plan.json", &serde_json::to_vec(&Plan::default()).unwrap()).unwrap();
    run
}

#[test]
fn a_running_mesh_is_found_and_one_that_ended_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("weft");
    assert!(matches!(Running::newest(&base, NOW), Err(RunError::NoneRuns)));
    let run = filled(&base, 7);
    let found = Running::newest(&base, NOW).unwrap();
    assert_eq!((found.state, found.path), (state(7), run.path().to_owned()));
    run.remove().unwrap();
    assert!(matches!(Running::newest(&base, NOW), Err(RunError::NoneRuns)));
    assert_eq!(std::fs::read_dir(&base).unwrap().count(), 0);
}

#[test]
fn what_a_dead_mesh_left_is_removed_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("weft");
    let dead = filled(&base, 1);
    let left = base.join("up-0");
    std::fs::rename(dead.path(), &left).unwrap();
    drop(dead);
    let said = Running::newest(&base, NOW).unwrap_err().to_string();
    assert!(said.starts_with("the mesh of x died without saying goodbye"), "nobody holds its lock: {said}");
    assert!(
        said.contains("(process 1, started 16 min ago)")
            && said.contains("`weft up /x --netns` starts it again"),
        "{said}"
    );
    let _next = filled(&base, 2);
    assert!(!left.exists());
}

#[test]
fn the_folder_is_its_owners_alone_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("weft");
    let run = filled(&base, 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&base), mode(run.path()), mode(&run.path().join("state.json"))), (0o700, 0o700, 0o600));
    let open = directory.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(RunDirectory::create(&open), Err(RunError::Foreign { .. })));
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&base, &link).unwrap();
    assert!(matches!(RunDirectory::create(&link), Err(RunError::Foreign { .. })));
}

#[test]
fn of_a_dead_mesh_and_one_that_lives_the_living_is_meant() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("weft");
    let older = filled(&base, 1);
    let left = base.join("up-0");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("lock"), "").unwrap();
    std::fs::write(left.join("state.json"), serde_json::to_vec(&state(9)).unwrap()).unwrap();
    assert_eq!(Running::newest(&base, NOW).unwrap().path, older.path());
    older.remove().unwrap();
    assert!(matches!(Running::newest(&base, NOW), Err(RunError::Died { .. })));
    // A folder that is being taken away has lost its lock before its state, or the other way round.
    std::fs::remove_file(left.join("lock")).unwrap();
    assert!(matches!(Running::newest(&base, NOW), Err(RunError::NoneRuns)));
}

#[test]
fn the_meshes_beside_one_are_told_with_what_names_them() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("weft");
    let own = filled(&base, 1);
    let elsewhere = directory.path().join("elsewhere");
    let other = filled(&elsewhere, 2);
    let link = base.join("link");
    std::os::unix::fs::symlink(other.path(), &link).unwrap();
    let told = |path: &Path| running::those(&running::others(&base, path));
    assert_eq!(told(own.path()), format!("one runs: that of x (WEFT_RUN={})", link.display()));
    assert!(told(other.path()).contains(&format!("WEFT_RUN={})", own.path().display())), "not itself");
    let none = base.join("none");
    assert!(told(&none).starts_with("2 run: that of x (WEFT_RUN="), "the newest first: {}", told(&none));
    let path = none.clone();
    let said = RunError::NotThere { path, others: running::others(&base, &none) }.to_string();
    assert!(said.contains("is not the folder of a running mesh; 2 run: "), "{said}");
    own.remove().unwrap();
    other.remove().unwrap();
    assert_eq!(told(&none), "no mesh runs here");
}
