//! Where a decoder stands in a resource: the path that errors and notes name.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::hash::BuildHasher;

use super::{DecodeError, NotHonoured};

/// A place in a resource. It borrows the place above it, so that nothing is written out before somebody asks.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
    notes: &'a RefCell<Vec<NotHonoured>>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Top,
    Field(&'a str),
    Item(&'a str, usize),
    Key(&'a str, &'a str),
}

/// Why a resource is refused, and where in it.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    why: String,
}

/// What decoders give.
pub(super) type Decoded<T> = Result<T, Fault>;

impl Fault {
    pub(super) fn of(self, kind: &'static str, name: &str) -> DecodeError {
        DecodeError { kind, name: name.to_owned(), path: self.path, why: self.why }
    }
}

impl<'a> At<'a> {
    pub(super) const fn top(notes: &'a RefCell<Vec<NotHonoured>>) -> Self {
        Self { parent: None, step: Step::Top, notes }
    }

    pub(super) const fn field(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Field(name), notes: self.notes }
    }

    pub(super) const fn item(&'a self, name: &'a str, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Item(name, index), notes: self.notes }
    }

    pub(super) const fn key(&'a self, name: &'a str, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(name, key), notes: self.notes }
    }

    /// The resource is malformed here.
    pub(super) fn fault(&self, why: impl Into<String>) -> Fault {
        Fault { path: self.path(), why: why.into() }
    }

    /// What stands here is not honoured.
    pub(super) fn note(&self, what: impl Into<String>) {
        self.notes.borrow_mut().push(NotHonoured { path: self.path(), what: what.into() });
    }

    /// What stands in a field that nobody here reads is not honoured, if anything stands there.
    pub(super) fn left(&self, field: &str, value: &impl Present) {
        if value.present() {
            let field = field.strip_prefix("r#").unwrap_or(field);
            self.field(field).note(format!("{field} has no effect"));
        }
    }

    fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(here) = at {
            steps.push(here.step);
            at = here.parent;
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            if !path.is_empty() {
                path.push('.');
            }
            // Writing to a String cannot fail.
            let _ = match step {
                Step::Top => Ok(()),
                Step::Field(name) => write!(path, "{name}"),
                Step::Item(name, index) => write!(path, "{name}[{index}]"),
                Step::Key(name, key) => write!(path, "{name}[{key}]"),
            };
        }
        path
    }
}

/// Whether a protobuf field was set to something.
pub(super) trait Present {
    fn present(&self) -> bool;
}

impl<T> Present for Option<T> {
    fn present(&self) -> bool {
        self.is_some()
    }
}

impl<T> Present for Vec<T> {
    fn present(&self) -> bool {
        !self.is_empty()
    }
}

impl<K, V, S: BuildHasher> Present for HashMap<K, V, S> {
    fn present(&self) -> bool {
        !self.is_empty()
    }
}

impl Present for String {
    fn present(&self) -> bool {
        !self.is_empty()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Present for $number {
            fn present(&self) -> bool {
                *self != <$number>::default()
            }
        })*
    };
}

numbers!(bool, i32, i64, u32, u64, f64);

/// Takes a message apart. Every field must be named, those that are read before `else` and the others after it, so
/// that the compiler points at what a newer protocol adds; what stands in the others is noted.
macro_rules! unpack {
    ($at:expr, $message:expr, $($ty:ident)::+ { $($read:ident),* $(,)? } else { $($rest:ident),* $(,)? }) => {
        let $($ty)::+ { $($read,)* $($rest,)* } = $message;
        $($at.left(stringify!($rest), &$rest);)*
    };
}
pub(super) use unpack;
