//! Memory that a busy worker had freed and that jemalloc keeps for it goes back to the system when the worker comes to rest.
//!
//! By itself jemalloc gives pages back some seconds after they were freed, but it looks at them only when it is asked for
//! memory, which nobody does in a process that has nothing to do. It serves what is written in C as well (TLS's own memory): the C
//! library's allocator would hold a heap of its own for each worker, which nothing gives back.

use tikv_jemalloc_ctl::{Access as _, AsName as _, Error};

/// A worker that took up fewer requests and connections than this from one look to the next is at rest.
const FEW: u32 = 50;

/// When to give memory back: once a worker is at rest after it was not, and when more was freed since.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    work: u32,
    was_busy: bool,
}

impl Rest {
    /// `work` counts what was taken up so far; `freed`: so many connections were given up since the last look.
    pub(crate) fn is_due(&mut self, work: u32, freed: usize) -> bool {
        let done = work.wrapping_sub(std::mem::replace(&mut self.work, work));
        self.was_busy |= done > 0 || freed > 0;
        let rests = done < FEW;
        rests && std::mem::take(&mut self.was_busy)
    }
}

/// Gives back what jemalloc keeps for this thread. Where another allocator serves the process there is nothing.
pub(crate) fn give_back() {
    if let Err(error) = purge() {
        tracing::debug!(%error, "freed memory stays with the allocator");
    }
}

/// What this thread keeps for itself goes back to the arena, so that nothing small holds a page that is else empty; pages that may
/// be kept for no time at all are given back at once.
fn purge() -> Result<(), Error> {
    let cache = "thread.tcache.enabled\0".name();
    cache.write(false)?;
    cache.write(true)?;
    let arena: u32 = "thread.arena\0".name().read()?;
    let decay = format!("arena.{arena}.dirty_decay_ms\0");
    let usual: isize = decay.name().read()?;
    decay.name().write(0_isize)?;
    decay.name().write(usual)
}

#[cfg(test)]
mod tests;
