//! Things that are costly to make and are used by one after another: whoever is done with one puts it on the shelf, and the
//! next takes it while it still lies in the processor's cache. What nobody has asked for in a while is freed.

/// A shelf of one worker.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    /// The last one put there is taken first.
    things: Vec<T>,
    /// So many lie on it at most.
    most: usize,
    /// So many have lain there all the time since it was last tidied.
    unasked: usize,
}

impl<T> Shelf<T> {
    /// An empty one, for so many things at most.
    pub(super) const fn new(most: usize) -> Self {
        Self { things: Vec::new(), most, unasked: 0 }
    }

    /// Takes a thing, if there is one.
    pub(super) fn take(&mut self) -> Option<T> {
        let thing = self.things.pop();
        self.unasked = self.unasked.min(self.things.len());
        thing
    }

    /// Puts a thing back; where there is no room for it, it is handed back to be freed.
    pub(super) fn give(&mut self, thing: T) -> Option<T> {
        if self.things.len() < self.most {
            self.things.push(thing);
            None
        } else {
            Some(thing)
        }
    }

    /// Takes off what was not asked for since the last time, to be freed.
    pub(super) fn tidy(&mut self) -> Vec<T> {
        let off = self.things.drain(..self.unasked).collect();
        self.unasked = self.things.len();
        off
    }
}

#[cfg(test)]
mod tests;
