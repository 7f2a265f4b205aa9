//! A child's tie to the process that started it: a pipe as its standard input, whose lines are what it is told.
//!
//! The kernel closes the other end when the parent is gone, however it went (`kill -9` included), so nothing
//! of a mesh outlives its `weft up`, without a signal from the kernel that `unsafe` code would have to ask for.

use nix::sys::signal::{Signal, raise};
use std::io::{BufRead, Read};
use std::time::Duration;
use tokio::sync::mpsc;

/// What a child is told, line by line.
pub(crate) type Words = mpsc::UnboundedReceiver<String>;

/// No line is longer; a longer one is cut.
const LONGEST: u64 = 64 * 1024;

/// How long a process may take to end on its own after its parent is gone.
const GRACE: Duration = Duration::from_secs(8);

/// Ends this process, first politely (SIGTERM), when standard input reaches its end; what comes before is heard.
pub(crate) fn stop_when_it_is_gone() -> Words {
    let (teller, words) = mpsc::unbounded_channel();
    let watch = move || {
        hear(std::io::stdin().lock(), &teller);
        // The process's own handler of SIGTERM closes what is open; without one this line is the end of it.
        let _ = raise_in_process(Signal::SIGTERM);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    };
    let thread = std::thread::Builder::new().name("parent-pipe".into()).stack_size(128 * 1024).spawn(watch);
    if let Err(error) = thread {
        crate::say::say!(
            "weft: cannot watch the parent process ({error}); stopping now rather than outliving it"
        );
        std::process::exit(1);
    }
    words
}

/// Blocks until `input` ends, and passes on its lines; where nobody listens they are thrown away.
fn hear(mut input: impl BufRead, teller: &mpsc::UnboundedSender<String>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {
                let _ = teller.send(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// To the process, not to this thread: `raise` would be taken by the caller's thread alone.
fn raise_in_process(signal: Signal) -> nix::Result<()> {
    nix::sys::signal::kill(nix::unistd::Pid::this(), signal).or_else(|_| raise(signal))
}

#[cfg(test)]
mod tests;
