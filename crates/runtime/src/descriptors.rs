//! How many files this process may have open: each connection that it carries takes two of them.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Allows this process as many as its user lets it have, and says how many that is. A login shell begins with a thousand,
/// for the sake of programs that `select`; whoever starts such programs must not call this before.
///
/// # Errors
/// If the kernel does not tell or does not allow; it is as it was then.
pub fn raise() -> std::io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests;
