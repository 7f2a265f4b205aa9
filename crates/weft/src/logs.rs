//! `weft logs`: what the pods' sidecars wrote down of each request, oldest first within a pod.

use crate::find;
use crate::output::{self, Output};
use crate::run_directory::{Running, pod_folder};
use crate::up::plan::Pod;
use serde_json::json;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// `weft logs`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A Deployment, a Service or one pod; all of them where none is named.
    workload: Option<String>,
    /// Go on with what is written from now on.
    #[arg(short, long)]
    follow: bool,
    /// Which log: the requests, the sidecar's own, the app's output.
    #[arg(long, value_enum, default_value_t)]
    of: Of,
    /// Only so many lines of each pod.
    #[arg(short = 'n', long = "tail", value_name = "LINES")]
    tail: Option<usize>,
    /// text: lines; json: one object a line.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The logs of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Of {
    #[default]
    Access,
    Sidecar,
    App,
}

impl Of {
    const fn file(self) -> &'static str {
        match self {
            Self::Access => "access.log",
            Self::Sidecar => "sidecar.log",
            Self::App => "app.log",
        }
    }
}

/// How often followed files are looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Prints the logs; with -f until the mesh is gone.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let running = Running::find()?;
    let pods: Vec<&Pod> = match &args.workload {
        Some(name) => find::pods(&running.plan, name)?,
        None => running.plan.pods.iter().collect(),
    };
    let several = pods.len() > 1;
    let mut logs: Vec<Log> = pods
        .iter()
        .map(|pod| Log {
            pod: format!("{}/{}", pod.namespace, pod.name),
            path: pod_folder(&running.path, pod).join(args.of.file()),
            read: 0,
        })
        .collect();
    for log in &mut logs {
        let lines = log.new_lines()?;
        let skip = args.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        for line in lines.iter().skip(skip) {
            show(args.output, several, &log.pod, line)?;
        }
    }
    while args.follow && running.path.exists() {
        std::thread::sleep(LOOK);
        for log in &mut logs {
            for line in log.new_lines()? {
                show(args.output, several, &log.pod, &line)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(output: Output, several: bool, pod: &str, line: &str) -> std::io::Result<()> {
    match output {
        Output::Text if several => output::print(&format!("{pod}  {line}")),
        Output::Text => output::print(line),
        Output::Json => {
            // An access log in JSON stays what it is.
            let entry = serde_json::from_str(line).unwrap_or_else(|_| serde_json::Value::from(line));
            output::print(&json!({ "pod": pod, "entry": entry }).to_string())
        }
    }
}

/// One file, read up to some place.
#[derive(Debug)]
struct Log {
    pod: String,
    path: PathBuf,
    read: u64,
}

impl Log {
    /// The whole lines since the last time; a file that was emptied is read from its start.
    fn new_lines(&mut self) -> std::io::Result<VecDeque<String>> {
        /// At one time, so that a large log does not become a large memory.
        const MOST: usize = 1_000_000;
        let Some(mut file) = open(&self.path)? else { return Ok(VecDeque::new()) };
        if file.metadata()?.len() < self.read {
            self.read = 0;
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut reader = BufReader::new(file);
        let mut lines = VecDeque::new();
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            self.read += line.len() as u64;
            if lines.len() == MOST {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
        Ok(lines)
    }
}

/// A log that nobody has written to yet is empty.
fn open(path: &Path) -> std::io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
