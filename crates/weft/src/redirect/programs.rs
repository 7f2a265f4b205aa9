//! Other programs that this one needs: run to their end, their errors in one sentence.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Why a program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// It is not here.
    #[error("{0} is not installed")]
    Absent(String),
    /// It could not be run.
    #[error("{0} cannot be run: {1}")]
    NotRun(String, std::io::Error),
    /// It said no.
    #[error("{program} failed: {words}")]
    Said {
        /// Which.
        program: String,
        /// What it wrote.
        words: String,
    },
}

/// Runs `program`, writes `input` to it, and gives what it writes.
pub(crate) fn ask(program: &str, arguments: &[&str], input: &str) -> Result<String, Failed> {
    let not_run = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failed::Absent(program.to_owned()),
        _ => Failed::NotRun(program.to_owned(), error),
    };
    let mut child = Command::new(program)
        .args(arguments)
        // Tools of the system live where an unprivileged user's path does not look.
        .env("PATH", path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading says why on its own.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(not_run)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words: Vec<String> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty() && !line.starts_with("Try `"))
        .take(4)
        .collect();
    let words = if words.is_empty() { output.status.to_string() } else { words.join("; ") };
    Err(Failed::Said { program: program.to_owned(), words })
}

fn path() -> std::ffi::OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
    path
}
