use super::*;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: NAME, namespace: shop}\nspec: {ports: [{port: 80}]}\n";

fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (yaml, run) = (directory.path().join("yaml"), directory.path().join("run"));
    std::fs::create_dir(&yaml).unwrap();
    std::fs::create_dir(&run).unwrap();
    std::fs::write(run.join("plan.json"), serde_json::to_vec(&Plan::default()).unwrap()).unwrap();
    std::fs::write(yaml.join("a.yaml"), SERVICE.replace("NAME", "a")).unwrap();
    (directory, yaml, run)
}

fn services(world: &World) -> usize {
    world.services.len()
}

#[tokio::test]
async fn an_edit_makes_a_new_world_and_a_bad_one_none() {
    let (_directory, yaml, run) = folder();
    let mut files = Files::open(std::slice::from_ref(&yaml), &run).unwrap();
    assert_eq!(services(&files.world().unwrap()), 1);
    std::fs::write(yaml.join("b.yaml"), "kind: [").unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(800), files.next()).await.is_err());
    let last = files.last_reading().lock().clone();
    assert!(!last.in_use && !last.diagnostics.is_empty());
    assert_eq!(services(&files.world().unwrap()), 1, "what was read before is in use");
    std::fs::write(yaml.join("b.yaml"), SERVICE.replace("NAME", "b")).unwrap();
    let world = tokio::time::timeout(LIMIT, files.next()).await.unwrap();
    assert_eq!(services(&world), 2);
    assert!(files.last_reading().lock().in_use);
}

#[tokio::test]
async fn files_that_are_bad_from_the_start_make_no_world_rather_than_half_of_one() {
    let (_directory, yaml, run) = folder();
    std::fs::write(yaml.join("b.yaml"), "kind: [").unwrap();
    let mut files = Files::open(std::slice::from_ref(&yaml), &run).unwrap();
    assert!(files.world().is_none());
    std::fs::remove_file(yaml.join("b.yaml")).unwrap();
    assert_eq!(services(&tokio::time::timeout(LIMIT, files.next()).await.unwrap()), 1);
}

#[tokio::test]
async fn beside_bad_files_the_world_is_what_was_kept_of_them() {
    let (_directory, yaml, run) = folder();
    let kept = Sources::gather(std::slice::from_ref(&yaml));
    std::fs::write(run.join(run_directory::LAST_GOOD), serde_json::to_vec(&kept).unwrap()).unwrap();
    std::fs::write(yaml.join("b.yaml"), "kind: [").unwrap();
    let files = Files::open(std::slice::from_ref(&yaml), &run).unwrap();
    assert_eq!(services(&files.world().unwrap()), 1);
    let last = files.last_reading().lock().clone();
    assert!(last.kept && !last.in_use);
}
