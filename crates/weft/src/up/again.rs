//! The command line that starts a mesh again as it was started. Pure.

use super::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// As a shell takes it. `folders`: in full, for another folder's shell.
pub(super) fn command(args: &Args, folders: &[PathBuf]) -> String {
    let mut words = vec!["weft".to_owned(), "up".to_owned()];
    words.extend(folders.iter().map(|folder| quoted(folder.as_os_str())));
    let mut option = |name: &str, value: Option<&OsStr>| {
        words.push(name.to_owned());
        words.extend(value.map(quoted));
    };
    if args.netns {
        option("--netns", None);
        if args.resolv_conf != Path::new(super::RESOLV_CONF) {
            // Relative to where it was started, as the folders were.
            let path = std::path::absolute(&args.resolv_conf);
            option("--resolv-conf", Some(path.as_ref().unwrap_or(&args.resolv_conf).as_os_str()));
        }
    }
    if !args.only.is_empty() {
        option("--only", Some(args.only.join(",").as_ref()));
    }
    for app in &args.apps {
        option("--app", Some(format!("{}={}", app.service, app.command).as_ref()));
    }
    if let Some(seconds) = args.ready_within {
        option("--ready-within", Some(seconds.to_string().as_ref()));
    }
    if args.verbose {
        option("--verbose", None);
    }
    if !args.command.is_empty() {
        option("--", None);
        words.extend(args.command.iter().map(|word| quoted(word)));
    }
    words.join(" ")
}

/// A word, in quotes where a shell would see more than that in it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests;
