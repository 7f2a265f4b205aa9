//! Where in a document a value stands: `spec.http[0].route[1].destination.host`.
//!
//! Paths are linked along the call stack, so walking a good document allocates nothing; only a finding copies its path.

use std::fmt;

/// One step down from a mapping or a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'p> {
    /// The document itself.
    Root,
    /// The value of a key.
    Key(&'p str),
    /// An element of a list.
    Index(usize),
}

/// The way from the document to one value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
    /// The names that the mapping here knows; empty where any name goes. They tell where a misplaced field belongs.
    pub(crate) fields: &'static [&'static str],
}

impl<'p> Path<'p> {
    /// The document itself.
    pub(crate) const ROOT: Path<'static> = Path { parent: None, step: Step::Root, fields: &[] };

    /// The value of `key` in the mapping here.
    pub(crate) fn key<'c>(&'c self, key: &'c str) -> Path<'c>
    where
        'p: 'c,
    {
        Path { parent: Some(self), step: Step::Key(key), fields: &[] }
    }

    /// The element `index` of the list here.
    pub(crate) fn index<'c>(&'c self, index: usize) -> Path<'c>
    where
        'p: 'c,
    {
        Path { parent: Some(self), step: Step::Index(index), fields: &[] }
    }

    /// The same place, with the names that its mapping knows.
    pub(crate) fn knowing(self, fields: &'static [&'static str]) -> Self {
        Self { fields, ..self }
    }

    /// The mapping that holds this value.
    pub(crate) fn parent(&self) -> Option<&'p Self> {
        self.parent
    }

    /// The steps from the document down.
    pub(crate) fn trail(&self) -> Trail {
        let mut steps = Vec::new();
        let mut here = Some(self);
        while let Some(path) = here {
            match path.step {
                Step::Root => {}
                Step::Key(key) => steps.push(Hop::Key(key.to_owned())),
                Step::Index(index) => steps.push(Hop::Index(index)),
            }
            here = path.parent;
        }
        steps.reverse();
        Trail(steps)
    }
}

/// One step of a [`Trail`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hop {
    /// The value of a key.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// A path that outlives the walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trail(pub(crate) Vec<Hop>);

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, hop) in self.0.iter().enumerate() {
            match hop {
                Hop::Index(index) => write!(f, "[{index}]")?,
                // A key with dots of its own would read as several.
                Hop::Key(key) if key.is_empty() || key.contains(['.', '[', ' ']) => write!(f, "[{key:?}]")?,
                Hop::Key(key) if place == 0 => f.write_str(key)?,
                Hop::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}
