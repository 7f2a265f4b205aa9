//! What the outside asks of the process: stop, stop now, reopen the logs.

use std::io;

use tokio::signal::unix::{self, SignalKind};

/// One request from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, or SIGHUP (the terminal is gone): finish what is in flight, then end.
    Terminate,
    /// The first SIGINT (Ctrl-C): the same, asked by a person.
    Interrupt,
    /// SIGINT again: the person does not want to wait any longer.
    InterruptAgain,
    /// SIGUSR1: log files were moved, open them anew.
    ReopenLogs,
}

impl Signal {
    /// The status a shell would report for a process ended by this signal.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Terminate => 128 + 15,
            Self::Interrupt | Self::InterruptAgain => 128 + 2,
            Self::ReopenLogs => 0,
        }
    }
}

/// The signals of this process, in the order in which they come. From its creation on, none of them ends the
/// process by itself.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    hang_up: unix::Signal,
    interrupt: unix::Signal,
    reopen: unix::Signal,
    interrupted: bool,
}

impl Signals {
    /// Takes the signals over; must be called on a runtime with I/O enabled.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            hang_up: unix::signal(SignalKind::hangup())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            reopen: unix::signal(SignalKind::user_defined1())?,
            interrupted: false,
        })
    }

    /// The next signal; safe to drop half-way in a `select!`.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {
                if std::mem::replace(&mut self.interrupted, true) { Signal::InterruptAgain } else { Signal::Interrupt }
            }
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.hang_up.recv() => Signal::Terminate,
            _ = self.reopen.recv() => Signal::ReopenLogs,
        }
    }
}

#[cfg(test)]
mod tests;
