//! Why a program did not start, as a shell tells it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

/// There is no such program.
pub(crate) const NOT_FOUND: u8 = 127;
/// It is there, and cannot be run.
pub(crate) const NOT_RUNNABLE: u8 = 126;

/// Says why `program` did not start, and gives the status that tells it. `path`: where it was looked for.
pub(crate) fn tell(program: &OsStr, error: &io::Error, path: &OsStr) -> ExitCode {
    let (code, why) = of(program, error, path);
    crate::say::say!("weft: cannot start {}: {why}", program.display());
    ExitCode::from(code)
}

/// What the start of `program` is sure to come to, whoever starts it; `None` where only trying can tell. `path`: where it
/// will be looked for.
pub(crate) fn foreseen(program: &OsStr, path: &OsStr) -> Option<io::Error> {
    let places: Vec<PathBuf> = match is_path(program) {
        true => vec![program.into()],
        false => std::env::split_paths(path).map(|folder| folder.join(program)).collect(),
    };
    let mut why = io::ErrorKind::NotFound;
    for place in places {
        match std::fs::metadata(place) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return None,
            Ok(_) => why = io::ErrorKind::PermissionDenied,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                // It may be there for another user.
                _ => return None,
            },
        }
    }
    Some(why.into())
}

/// With a slash it is a path, and is looked for nowhere.
fn is_path(program: &OsStr) -> bool {
    program.as_bytes().contains(&b'/')
}

/// The status and the reason. Looks into the folders of `path`, as who this process is now: the system speaks of a missing
/// permission as well where a folder may not be entered, and the program is in none.
fn of(program: &OsStr, error: &io::Error, path: &OsStr) -> (u8, String) {
    let is_path = is_path(program);
    let is_there = is_path || std::env::split_paths(path).any(|folder| folder.join(program).is_file());
    match error.kind() {
        io::ErrorKind::NotFound if is_path => (NOT_FOUND, "not found".to_owned()),
        io::ErrorKind::NotFound => (NOT_FOUND, "not found in PATH".to_owned()),
        io::ErrorKind::PermissionDenied if !is_there => (NOT_FOUND, "not found in PATH".to_owned()),
        _ => (NOT_RUNNABLE, error.to_string()),
    }
}

#[cfg(test)]
mod tests;
