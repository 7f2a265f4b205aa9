//! A child's tie to the process that started it: a pipe as its standard input.
//!
//! The kernel closes the other end when the parent is gone, however it went (`kill -9` included), so nothing
//! of a mesh outlives its `weft up`, without a signal from the kernel that `unsafe` code would have to ask for.

use nix::sys::signal::{Signal, raise};
use std::io::Read;
use std::time::Duration;

/// How long a process may take to end on its own after its parent is gone.
const GRACE: Duration = Duration::from_secs(8);

/// Ends this process, first politely (SIGTERM), when standard input reaches its end.
pub(crate) fn stop_when_it_is_gone() {
    let watch = || {
        wait_for_end_of_input();
        // The process's own handler of SIGTERM closes what is open; without one this line is the end of it.
        let _ = raise_in_process(Signal::SIGTERM);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    };
    let thread = std::thread::Builder::new().name("parent-pipe".into()).stack_size(64 * 1024).spawn(watch);
    if let Err(error) = thread {
        crate::say::say!(
            "weft: cannot watch the parent process ({error}); stopping now rather than outliving it"
        );
        std::process::exit(1);
    }
}

/// Blocks until standard input ends; what comes before the end is thrown away.
fn wait_for_end_of_input() {
    let mut input = std::io::stdin().lock();
    let mut scratch = [0_u8; 64];
    loop {
        match input.read(&mut scratch) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// To the process, not to this thread: `raise` would be taken by the caller's thread alone.
fn raise_in_process(signal: Signal) -> nix::Result<()> {
    nix::sys::signal::kill(nix::unistd::Pid::this(), signal).or_else(|_| raise(signal))
}
