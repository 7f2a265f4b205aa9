//! Network namespaces: by name, as `ip netns` keeps them; to look and to connect from inside of one.
//!
//! [`network`] makes the namespaces of a mesh and takes them away; [`enter`] is the command that starts a pod's
//! processes in theirs.

pub(crate) mod enter;
mod inmates;
pub(crate) mod network;

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// Where `ip netns` keeps names.
const FOLDER: &str = "/run/netns";

/// The file that stands for the namespace `name`.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// What `look` sees from inside the namespace `name`. A thread of its own goes there, so that this one stays.
pub(crate) fn inside<T: Send>(name: &str, look: impl FnOnce() -> T + Send) -> io::Result<T> {
    let namespace = File::open(path(name))?;
    let went = std::thread::scope(|scope| {
        let there = scope.spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Ok::<T, io::Error>(look())
        });
        there.join()
    });
    went.unwrap_or_else(|_| Err(io::Error::other("the look into a namespace ended early")))
}

/// A connection made from inside the namespace `name`; it can be used everywhere.
pub(crate) fn connect(name: &str, address: SocketAddr) -> io::Result<TcpStream> {
    inside(name, || TcpStream::connect(address))?
}
