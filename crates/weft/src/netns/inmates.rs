//! Processes in network namespaces that are taken away. Whoever left its process group, as a daemon does, would live on in a
//! network that nobody can reach any more.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A process that is killed is gone within this time, unless the kernel holds it.
const LIMIT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// What tells a namespace from all others.
type Identity = (u64, u64);

/// Ends every process in the namespaces of these names, those that start others meanwhile included.
pub(super) fn end(names: &[String]) {
    let own = identity(Path::new("/proc/self/ns/net"));
    let all = names.iter().filter_map(|name| identity(&super::path(name)));
    // A name for the machine's own network is none that a mesh made.
    let spaces: BTreeSet<Identity> = all.filter(|space| Some(*space) != own).collect();
    if spaces.is_empty() {
        return;
    }
    let deadline = Instant::now() + LIMIT;
    loop {
        let inmates = of(&spaces);
        if inmates.is_empty() || Instant::now() >= deadline {
            return;
        }
        for process in inmates {
            let _ = kill(process, Signal::SIGKILL);
        }
        std::thread::sleep(LOOK);
    }
}

/// The processes in these namespaces.
fn of(spaces: &BTreeSet<Identity>) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_in = |number: &i32| {
        identity(Path::new(&format!("/proc/{number}/ns/net"))).is_some_and(|space| spaces.contains(&space))
    };
    numbers.filter(is_in).map(Pid::from_raw).collect()
}

fn identity(namespace: &Path) -> Option<Identity> {
    std::fs::metadata(namespace).ok().map(|file| (file.dev(), file.ino()))
}
