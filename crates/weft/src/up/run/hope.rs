//! Whether a mesh that a command waits for can still become ready. A pod whose process ends again and again, and that is
//! not ready in between, is not waited for: nobody may be there to see why the command does not run.

use crate::supervisor::Event;
use crate::up::ready::Key;
use std::collections::BTreeMap;

/// As often a process may end: with the pauses between its starts that is some twenty seconds, in which a program may well
/// wait for another by ending.
const MOST: u32 = 8;

/// How often processes ended, of pods that were not ready since.
#[derive(Debug, Default)]
pub(super) struct Hope(BTreeMap<Key, BTreeMap<String, u32>>);

impl Hope {
    /// What is to be said where no hope is left for that pod after one more end.
    pub(super) fn after(&mut self, key: &Key, event: &Event) -> Option<String> {
        let (name, words) = match event {
            Event::Ended { name, last_words, .. } => (name, last_words.clone()),
            Event::NotStarted { name, error, .. } => {
                (name, vec![format!("it could not be started: {error}")])
            }
            Event::Started { .. } => return None,
        };
        let times = self.0.entry(key.clone()).or_default().entry(name.clone()).or_default();
        *times += 1;
        let lost = *times >= MOST;
        let words: String = words.iter().map(|line| format!("\n    {line}")).collect();
        lost.then(|| {
            format!("{name} has ended {times} times, and its pod was not ready in between (--ready-within SECONDS waits as long as that){words}")
        })
    }

    /// That pod is ready, or is no more: what ends under its name from now on begins anew.
    pub(super) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn end(of: &str) -> Event {
        let last_words = vec!["no database".to_owned()];
        Event::Ended { name: of.to_owned(), how: String::new(), last_words, again_in: Duration::ZERO }
    }

    #[test]
    fn what_ended_eight_times_and_was_not_ready_in_between_is_not_waited_for() {
        let key = ("shop".to_owned(), "sick-1".to_owned());
        let mut hope = Hope::default();
        for _ in 1..MOST {
            assert_eq!(hope.after(&key, &end("app shop/sick-1")), None);
            assert_eq!(hope.after(&key, &end("sidecar shop/sick-1")), None);
        }
        let lost = hope.after(&key, &end("app shop/sick-1")).unwrap();
        assert!(
            lost.starts_with("app shop/sick-1 has ended 8 times, and its pod was not ready in between"),
            "{lost}"
        );
        assert!(lost.ends_with("\n    no database"), "{lost}");
        hope.forget(&key);
        assert_eq!(hope.after(&key, &end("app shop/sick-1")), None);
    }

    #[test]
    fn who_could_not_even_be_started_is_told_so() {
        let (key, name) = (("shop".to_owned(), "sick-1".to_owned()), "app shop/sick-1".to_owned());
        let error = std::io::Error::other("no memory");
        let event = Event::NotStarted { name, error, again_in: Duration::ZERO };
        let mut hope = Hope::default();
        let lost = (0..MOST).find_map(|_| hope.after(&key, &event)).unwrap();
        assert!(lost.ends_with("\n    it could not be started: no memory"), "{lost}");
    }
}
