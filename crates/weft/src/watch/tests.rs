use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// A folder with a file in it, and who watches.
struct Watched {
    directory: tempfile::TempDir,
    changes: Changes,
}

impl Watched {
    /// Watches `yaml` of a folder that `prepare` has filled.
    fn of(prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        let changes = Changes::of(&[directory.path().join("yaml")]).unwrap();
        Self { directory, changes }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn sees_a_change(&mut self) {
        tokio::time::timeout(LIMIT, self.changes.next()).await.unwrap();
    }

    async fn sees_nothing(&mut self) {
        let seen = tokio::time::timeout(pause::LONGEST, self.changes.next()).await;
        assert!(seen.is_err(), "nothing changed");
    }
}

/// `yaml/a.yaml` and `yaml/inner/b.yaml`.
fn plain(room: &Path) {
    fs::create_dir_all(room.join("yaml/inner")).unwrap();
    fs::write(room.join("yaml/a.yaml"), "a").unwrap();
    fs::write(room.join("yaml/inner/b.yaml"), "b").unwrap();
}

#[tokio::test]
async fn a_written_file_is_seen_once_and_reading_is_no_change() {
    let mut watched = Watched::of(plain);
    let file = watched.at("yaml/inner/b.yaml");
    for text in ["b", "c", "d"] {
        fs::write(&file, text).unwrap();
    }
    watched.sees_a_change().await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "d");
    watched.sees_nothing().await;
}

#[tokio::test]
async fn every_editors_way_of_saving_is_one_change() {
    type Save = fn(&Path);
    let ways: [(&str, Save); 6] = [
        ("in place", |file| fs::write(file, "new").unwrap()),
        ("a new file over the old one", |file| {
            fs::write(file.with_file_name(".a.yaml.tmp"), "new").unwrap();
            fs::rename(file.with_file_name(".a.yaml.tmp"), file).unwrap();
        }),
        ("vim: a trial, the old file aside, a new one, the old one gone", |file| {
            fs::write(file.with_file_name("4913"), "").unwrap();
            fs::remove_file(file.with_file_name("4913")).unwrap();
            fs::rename(file, file.with_file_name("a.yaml~")).unwrap();
            fs::write(file, "new").unwrap();
            fs::remove_file(file.with_file_name("a.yaml~")).unwrap();
        }),
        ("removed and written anew", |file| {
            fs::remove_file(file).unwrap();
            fs::write(file, "new").unwrap();
        }),
        ("emptied and written", |file| {
            let open = fs::OpenOptions::new().write(true).truncate(true).open(file).unwrap();
            std::io::Write::write_all(&mut &open, b"new").unwrap();
        }),
        ("a link to it", |file| {
            fs::write(file.with_file_name(".real"), "new").unwrap();
            fs::remove_file(file).unwrap();
            symlink(".real", file).unwrap();
        }),
    ];
    for (way, save) in ways {
        let mut watched = Watched::of(plain);
        let file = watched.at("yaml/a.yaml");
        save(&file);
        watched.sees_a_change().await;
        assert_eq!(fs::read_to_string(&file).unwrap(), "new", "{way}");
        watched.sees_nothing().await;
        fs::write(&file, "again").unwrap();
        watched.sees_a_change().await;
    }
}

#[tokio::test]
async fn an_editors_hidden_files_are_no_change() {
    let mut watched = Watched::of(plain);
    fs::write(watched.at("yaml/.a.yaml.swp"), "b0VIM").unwrap();
    fs::write(watched.at("yaml/.#a.yaml"), "").unwrap();
    fs::write(watched.at("beside.yaml"), "not in the folder").unwrap();
    watched.sees_nothing().await;
}

#[tokio::test]
async fn a_file_is_watched_where_it_lies_and_where_links_to_it_are_turned() {
    let mut watched = Watched::of(|room| {
        plain(room);
        fs::create_dir(room.join("far")).unwrap();
        fs::write(room.join("far/one.yaml"), "1").unwrap();
        fs::write(room.join("far/two.yaml"), "2").unwrap();
        symlink("../far/one.yaml", room.join("yaml/linked.yaml")).unwrap();
    });
    fs::write(watched.at("far/one.yaml"), "1!").unwrap();
    watched.sees_a_change().await;
    fs::write(watched.at("far/two.yaml"), "nobody reads it").unwrap();
    watched.sees_nothing().await;
    symlink("../far/two.yaml", watched.at("yaml/.new")).unwrap();
    fs::rename(watched.at("yaml/.new"), watched.at("yaml/linked.yaml")).unwrap();
    watched.sees_a_change().await;
    fs::write(watched.at("far/two.yaml"), "2!").unwrap();
    watched.sees_a_change().await;
    fs::write(watched.at("far/one.yaml"), "nobody reads it now").unwrap();
    watched.sees_nothing().await;
}

#[tokio::test]
async fn a_folder_behind_a_link_is_watched_and_so_is_the_link() {
    let mut watched = Watched::of(|room| {
        for release in ["release-1", "release-2"] {
            fs::create_dir_all(room.join(release).join("deep")).unwrap();
            fs::write(room.join(release).join("deep/a.yaml"), release).unwrap();
        }
        symlink("release-1", room.join("current")).unwrap();
        symlink("current", room.join("yaml")).unwrap();
    });
    fs::write(watched.at("release-1/deep/a.yaml"), "edited").unwrap();
    watched.sees_a_change().await;
    symlink("release-2", watched.at("next")).unwrap();
    fs::rename(watched.at("next"), watched.at("current")).unwrap();
    watched.sees_a_change().await;
    fs::write(watched.at("release-2/deep/new.yaml"), "new").unwrap();
    watched.sees_a_change().await;
}

#[tokio::test]
async fn a_mounted_config_map_is_swapped_as_a_whole_again_and_again() {
    let release = |room: &Path, name: &str| {
        fs::create_dir(room.join(name)).unwrap();
        fs::write(room.join(name).join("mesh.yaml"), name).unwrap();
    };
    let mut watched = Watched::of(|room| {
        let mount = room.join("yaml");
        fs::create_dir(&mount).unwrap();
        release(&mount, "..1");
        symlink("..1", mount.join("..data")).unwrap();
        symlink("..data/mesh.yaml", mount.join("mesh.yaml")).unwrap();
    });
    for (old, new) in [("..1", "..2"), ("..2", "..3")] {
        let mount = watched.at("yaml");
        release(&mount, new);
        symlink(new, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        fs::remove_dir_all(mount.join(old)).unwrap();
        watched.sees_a_change().await;
        assert_eq!(fs::read_to_string(mount.join("mesh.yaml")).unwrap(), new);
    }
}

#[tokio::test]
async fn folders_come_go_and_come_again() {
    let mut watched = Watched::of(plain);
    fs::create_dir_all(watched.at("yaml/new/deep")).unwrap();
    fs::write(watched.at("yaml/new/deep/c.yaml"), "c").unwrap();
    watched.sees_a_change().await;
    fs::write(watched.at("yaml/new/deep/c.yaml"), "edited").unwrap();
    watched.sees_a_change().await;
    fs::remove_dir_all(watched.at("yaml")).unwrap();
    watched.sees_a_change().await;
    plain(watched.directory.path());
    watched.sees_a_change().await;
    fs::write(watched.at("yaml/inner/b.yaml"), "edited").unwrap();
    watched.sees_a_change().await;
}
