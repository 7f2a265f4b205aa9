use std::time::Duration;

use nix::sys::signal::{Signal as Unix, raise};

use super::*;

// One test: signals belong to the whole process, and the tests of a file may share one.
#[tokio::test]
async fn signals_come_one_by_one_and_the_second_interrupt_is_impatient() {
    let mut signals = Signals::listen().unwrap();
    for (sent, heard) in [
        (Unix::SIGUSR1, Signal::ReopenLogs),
        (Unix::SIGTERM, Signal::Terminate),
        (Unix::SIGINT, Signal::Interrupt),
        (Unix::SIGINT, Signal::InterruptAgain),
        (Unix::SIGINT, Signal::InterruptAgain),
    ] {
        raise(sent).unwrap();
        let signal = tokio::time::timeout(Duration::from_secs(20), signals.next()).await.unwrap();
        assert_eq!(signal, heard);
    }
}

#[test]
fn exit_codes_are_those_of_a_shell() {
    assert_eq!(Signal::Terminate.exit_code(), 143);
    assert_eq!(Signal::Interrupt.exit_code(), 130);
}
