//! What the kernel does not take of a program's environment and arguments, in words: it says E2BIG alone.

use super::Program;
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;

/// The longest string that may be handed to a program (32 pages), its end included; a variable is one with its name.
const LONGEST: usize = 128 << 10;

/// The same error, and which string of `program` it is about.
pub(super) fn explained(error: Error, program: &Program) -> Error {
    if error.kind() != ErrorKind::ArgumentListTooLong {
        return error;
    }
    let kib = |bytes: usize| bytes.div_ceil(1024);
    let length = |(name, value): (&[u8], &[u8])| name.len() + value.len() + 2;
    let variables = program.environment.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let told = match variables.clone().max_by_key(|variable| length(*variable)) {
        Some(longest) if length(longest) > LONGEST => format!(
            "its environment variable {} has {} KiB, and the kernel hands no program more than {} KiB in one; a file \
             that is mounted may be longer",
            String::from_utf8_lossy(longest.0),
            kib(length(longest)),
            kib(LONGEST),
        ),
        _ => {
            let arguments = program.args.iter().map(|word| word.len() + 1);
            let all: usize = variables.map(length).chain(arguments).sum();
            format!(
                "its environment and its arguments have {} KiB in all, more than the kernel takes",
                kib(all)
            )
        }
    };
    Error::new(ErrorKind::ArgumentListTooLong, told)
}
