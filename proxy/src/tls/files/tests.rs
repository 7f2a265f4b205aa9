use super::*;

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("weft-files-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Puts a file in the place of another, as Kubernetes does: so that it is another even within a clock's tick.
    fn write(&self, name: &str, text: &str) -> String {
        let (new, path) = (self.0.join("new"), self.0.join(name));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["api.test".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn a_changed_pair_is_read_again_and_a_broken_one_leaves_the_last_good_in_force() {
    let folder = Folder::new("identity");
    let (first, second) = (pair(), pair());
    let (chain, key) = (folder.write("chain.pem", &first.0), folder.write("key.pem", &first.1));
    let files = Files::default();
    let held = files.identity(&chain, &key);
    let leaf = || held.current().unwrap().cert[0].clone();
    let of_first = leaf();
    files.look();
    assert_eq!(leaf(), of_first);
    folder.write("chain.pem", &second.0);
    files.look();
    assert_eq!(leaf(), of_first, "a chain whose key has not come yet is no pair");
    folder.write("key.pem", &second.1);
    files.look();
    assert_ne!(leaf(), of_first);
    let of_second = leaf();
    folder.write("chain.pem", "nonsense");
    files.look();
    std::fs::remove_file(&key).unwrap();
    files.look();
    assert_eq!(leaf(), of_second);
}

#[test]
fn what_is_not_there_yet_is_read_when_it_comes() {
    let folder = Folder::new("roots");
    let path = folder.0.join("ca.pem").display().to_string();
    let files = Files::default();
    let held = files.roots(&path);
    assert!(held.current().unwrap_err().contains("ca.pem"));
    folder.write("ca.pem", &pair().0);
    files.look();
    assert_eq!(held.current().unwrap().count(), 1);
}

#[test]
fn what_nobody_holds_is_looked_at_no_more() {
    let files = Files::default();
    drop(files.roots("/nowhere.pem"));
    files.look();
    assert!(files.roots.lock().unwrap().is_empty());
}

#[test]
fn who_asks_for_the_same_file_shares_what_was_read() {
    let folder = Folder::new("shared");
    let path = folder.write("ca.pem", &pair().0);
    let files = Files::default();
    let first = files.roots(&path);
    assert!(Arc::ptr_eq(&first, &files.roots(&path)));
    folder.write("ca.pem", "nonsense");
    assert_eq!(files.roots(&path).current().unwrap().count(), 1, "what was good stays in force");
}
