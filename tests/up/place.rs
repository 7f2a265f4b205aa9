//! Where a mesh runs: all of it on this machine's loopback, or each pod in a network namespace of its own. Apps are
//! reached and call in other ways; what the mesh promises is the same.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

/// Where the spy listens in the hub's namespace, where nobody else has this port.
const SPY: (&str, u16) = ("10.244.0.1", 7999);

/// Where a mesh runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Loopback,
    Namespaces,
}

impl Place {
    /// Whether a mesh can be had there; says in words what is skipped where not.
    pub(crate) fn is_here(self) -> bool {
        let has_ip = || Command::new("ip").arg("-V").output().is_ok();
        let here = self == Self::Loopback || (nix::unistd::geteuid().is_root() && has_ip());
        if !here {
            println!(
                "tour: skipped in network namespaces, which need root and iproute2; loopback's stands alone"
            );
        }
        here
    }

    /// What `weft up` is told besides the folder.
    pub(super) const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Loopback => &[],
            Self::Namespaces => &["--netns"],
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Namespaces => "namespaces",
        }
    }
}

/// The namespace of the bridge of the mesh of that `weft up`.
pub(super) fn hub(up: u32) -> String {
    format!("weft-up-{up}")
}

/// The namespaces of that mesh that are there.
pub(super) fn namespaces(up: u32) -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| *name == hub(up) || name.starts_with(&format!("{}-", hub(up)))).collect()
}

/// What `act` opens in the namespace `name` can be used everywhere.
fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
    let namespace = File::open(Path::new("/run/netns").join(name)).unwrap();
    let there = || {
        setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(there).join().unwrap())
}

/// A connection made from inside of a namespace.
pub(super) fn connect(namespace: &str, address: SocketAddr) -> TcpStream {
    inside(namespace, || TcpStream::connect(address).unwrap())
}

/// A port that pods can reach, whose connections nobody takes.
pub(super) fn silent(place: Place, up: u32) -> TcpListener {
    match place {
        Place::Loopback => TcpListener::bind("127.0.0.1:0").unwrap(),
        Place::Namespaces => inside(&hub(up), || TcpListener::bind((SPY.0, 0)).unwrap()),
    }
}

/// An endpoint that is the test itself, where pods reach it.
pub(super) struct Spy {
    pub(super) address: SocketAddr,
    listener: Option<TcpListener>,
}

impl Spy {
    /// On loopback it listens from the beginning, for its port is what is free.
    pub(super) fn at(place: Place) -> Self {
        match place {
            Place::Loopback => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                Self { address: listener.local_addr().unwrap(), listener: Some(listener) }
            }
            Place::Namespaces => Self {
                address: SocketAddr::from((SPY.0.parse::<std::net::Ipv4Addr>().unwrap(), SPY.1)),
                listener: None,
            },
        }
    }

    /// Beside the bridge of a mesh that is there now.
    pub(super) fn settle(&mut self, up: u32) {
        if self.listener.is_none() {
            self.listener = Some(inside(&hub(up), || TcpListener::bind(self.address).unwrap()));
        }
    }

    /// A call, if one has come.
    pub(super) fn accept(&self) -> Option<TcpStream> {
        let listener = self.listener.as_ref().unwrap();
        listener.set_nonblocking(true).unwrap();
        let stream = listener.accept().ok()?.0;
        stream.set_nonblocking(false).unwrap();
        Some(stream)
    }
}
