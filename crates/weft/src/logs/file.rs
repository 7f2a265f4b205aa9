//! A log file, read line by line as it grows.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

/// One file, read up to some place.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    read: u64,
}

impl LogFile {
    /// A log that nobody may have written to yet.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// Passes over what is there by now.
    pub(super) fn skip_to_end(&mut self) {
        self.read = std::fs::metadata(&self.path).map_or(0, |file| file.len());
    }

    /// Shows the whole lines since the last time to `take`; a file that was emptied is read from its start.
    pub(super) fn new_lines(
        &mut self,
        mut take: impl FnMut(&str) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            self.read += line.len() as u64;
            take(String::from_utf8_lossy(&line).trim_end())?;
            line.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
