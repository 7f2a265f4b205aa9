//! What the process tells people who run it, as a test hears it.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::fmt::MakeWriter;

/// What this process says in its log.
#[derive(Clone)]
pub(super) struct Events(Arc<Mutex<Vec<u8>>>);

impl Events {
    /// A process has one log, whoever asks for it first.
    pub(super) fn hear() -> Self {
        static ONLY: OnceLock<Events> = OnceLock::new();
        let start = || {
            let events = Self(Arc::default());
            let log = tracing_subscriber::fmt().with_writer(events.clone()).with_ansi(false).finish();
            tracing::subscriber::set_global_default(log).unwrap();
            events
        };
        ONLY.get_or_init(start).clone()
    }

    /// Is there a line with all of these words?
    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.count(words) > 0
    }

    /// How many there are.
    pub(super) fn count(&self, words: &[&str]) -> usize {
        let said = self.0.lock().unwrap();
        let said = String::from_utf8_lossy(&said);
        said.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Events {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
