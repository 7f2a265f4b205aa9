use super::*;
use std::os::unix::fs::symlink;

/// A folder whose own path has no links, and what is in it.
struct Room {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Room {
    fn new(files: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let room = Self { _directory: directory, path };
        for file in files {
            fs::create_dir_all(room.at(file).parent().unwrap()).unwrap();
            fs::write(room.at(file), "").unwrap();
        }
        room
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What matters of each folder in the room, by the folder's name: `*` for all, else names.
    fn watched(&self, paths: &[&str]) -> Vec<(String, String)> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| self.at(path)).collect();
        let inside = folders(&paths).into_iter().filter_map(|(folder, concern)| {
            let name = folder.strip_prefix(&self.path).ok()?.to_str()?.to_owned();
            let names = concern.names.iter().map(|name| name.to_string_lossy().into_owned());
            let all = concern.all.then(|| "*".to_owned());
            Some((name, all.into_iter().chain(names).collect::<Vec<_>>().join(" ")))
        });
        inside.collect()
    }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(folder, names)| ((*folder).to_owned(), (*names).to_owned())).collect()
}

#[test]
fn a_folder_matters_with_all_below_and_a_file_alone() {
    let room = Room::new(&["a/b/c.yaml", "a/.git/config", "d/e.yaml", "d/f.yaml"]);
    let seen = room.watched(&["a", "d/e.yaml"]);
    assert_eq!(seen, pairs(&[("", "a"), ("a", "*"), ("a/b", "*"), ("d", "e.yaml")]));
}

#[test]
fn each_link_on_the_way_matters_and_what_it_leads_to() {
    let room = Room::new(&["real/file.yaml", "far/sub/x.yaml", "yaml/own.yaml"]);
    symlink("../real/file.yaml", room.at("yaml/linked.yaml")).unwrap();
    symlink(room.at("far"), room.at("hop")).unwrap();
    symlink("../hop", room.at("yaml/more")).unwrap();
    let seen = room.watched(&["yaml"]);
    let expected = [
        ("", "far hop yaml"),
        ("far", "*"),
        ("far/sub", "*"),
        ("real", "file.yaml"),
        ("yaml", "* linked.yaml more"),
    ];
    assert_eq!(seen, pairs(&expected));
}

#[test]
fn a_mounted_config_map_is_followed_through_its_hidden_link() {
    let room = Room::new(&["mount/..2026_1/mesh.yaml"]);
    symlink("..2026_1", room.at("mount/..data")).unwrap();
    symlink("..data/mesh.yaml", room.at("mount/mesh.yaml")).unwrap();
    let seen = room.watched(&["mount"]);
    assert_eq!(seen[1..], pairs(&[("mount", "* ..data mesh.yaml"), ("mount/..2026_1", "mesh.yaml")]));
    assert_eq!(room.watched(&["mount/mesh.yaml"])[0].1, "..data mesh.yaml");
}

#[test]
fn what_is_not_there_yet_is_waited_for_by_its_first_missing_name() {
    let room = Room::new(&["a/b.yaml"]);
    assert_eq!(room.watched(&["a/none/deep/x.yaml"]), pairs(&[("a", "none")]));
    symlink("nowhere", room.at("a/dangling.yaml")).unwrap();
    assert_eq!(room.watched(&["a"])[1].1, "* dangling.yaml nowhere");
}

#[test]
fn links_in_a_circle_end() {
    let room = Room::new(&["a/b.yaml"]);
    symlink("loop", room.at("loop")).unwrap();
    symlink("..", room.at("a/up")).unwrap();
    assert_eq!(room.watched(&["loop"]), pairs(&[("", "loop")]));
    assert_eq!(room.watched(&["a"]), pairs(&[("", "* a loop"), ("a", "* up")]));
}

#[test]
fn hidden_names_matter_only_on_the_way_and_an_editors_own_are_not_read() {
    let mut concern = Concern { all: true, names: BTreeSet::from(["..data".into()]) };
    for (name, has, reads) in [
        ("a.yaml", true, true),
        ("A.YML", true, true),
        (".a.yaml.swp", false, false),
        ("..data", true, true),
        ("a.yaml~", true, false),
        ("4913", true, false),
        ("sub", true, false),
    ] {
        assert_eq!((concern.has(name.as_ref()), concern.reads(name.as_ref())), (has, reads), "{name}");
    }
    concern.join(Concern { all: false, names: BTreeSet::from([".hidden".into()]) });
    assert!(concern.has(".hidden".as_ref()) && concern.all);
}
