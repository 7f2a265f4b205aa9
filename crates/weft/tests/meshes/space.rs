//! A network namespace of a test's own.
#![allow(dead_code, reason = "not each of those who have one needs all of it")]

use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace, gone when it is dropped.
pub(crate) struct Space(pub(crate) String);

impl Space {
    /// None, and why is said, where this user may make none.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wefttest-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.as_ref().is_ok_and(|made| made.status.success()) {
            eprintln!("skipped: network namespaces need root and iproute2 here: {made:?}");
            return None;
        }
        let space = Self(name);
        space.does("ip link set lo up");
        Some(space)
    }

    /// One with a way out, to an end that nobody listens at.
    pub(crate) fn with_a_way_out() -> Option<Self> {
        let space = Self::new()?;
        for line in [
            "ip link add out type veth peer name beyond",
            "ip addr add 10.9.0.2/24 dev out",
            "ip link set out up",
            "ip link set beyond up",
            "ip route add default via 10.9.0.1",
        ] {
            space.does(line);
        }
        Some(space)
    }

    /// A command that runs in it.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).args(words);
        command
    }

    /// What a command says in it.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("ip can be run")
    }

    /// Runs a command that has to succeed.
    pub(crate) fn does(&self, line: &str) {
        let output = self.run(&line.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{line}: {output:?}");
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// A program that is stopped when it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
