//! The access log of weft's sidecar in one trial: why it did not answer as the endpoints would have. Kept where something failed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::mesh::Net;

/// So many reasons are told; the file has the others.
const TOLD: usize = 3;

/// Where one sidecar writes its lines to.
#[derive(Debug)]
pub(crate) struct Log(PathBuf);

/// What went wrong in one trial, in the sidecar's words and by how often, and where its lines are.
#[derive(Debug, Default)]
pub(crate) struct Why {
    reasons: BTreeMap<String, usize>,
    files: Vec<PathBuf>,
}

impl Log {
    /// One beside the others of this run.
    pub(crate) fn of(net: Net) -> std::io::Result<Self> {
        let scratch = std::env::var_os("WEFT_BENCH_SCRATCH").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = scratch.join("resilience");
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder.join(format!("{}.log", net.localhost()))))
    }

    /// The sidecar's standard output, which is where it logs.
    pub(crate) fn output(&self) -> std::io::Result<Stdio> {
        Ok(File::create(&self.0)?.into())
    }

    /// What it has written of requests that were not answered with 200. Without any there is no file any more.
    pub(crate) fn why(&self, admin: SocketAddr) -> anyhow::Result<Why> {
        flush(admin)?;
        let mut why = Why::default();
        for line in BufReader::new(File::open(&self.0)?).lines() {
            let Ok(Value::Object(line)) = serde_json::from_str(&line?) else { continue };
            let word =
                |name| line.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
            let status = word("response_code").unwrap_or_default();
            if status != "200" {
                let reason = word("reason").filter(|reason| !reason.is_empty());
                let reason = reason.unwrap_or_else(|| "as the endpoint answered".to_owned());
                *why.reasons.entry(format!("{status}: {reason}")).or_default() += 1;
            }
        }
        if why.reasons.is_empty() {
            self.forget();
        } else {
            why.files.push(self.0.clone());
        }
        Ok(why)
    }

    /// Nobody will ask.
    pub(crate) fn forget(&self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Why {
    /// Of two rounds.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (reason, times) in other.reasons {
            *self.reasons.entry(reason).or_default() += times;
        }
        self.files.extend(other.files);
        self
    }

    /// The commonest reasons, and the files.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let said = reasons.iter().take(TOLD).map(|(reason, times)| format!("{times} x {reason}"));
        let others = reasons.len().saturating_sub(TOLD);
        let more = (others > 0).then(|| format!("and {others} other reasons"));
        let files = self.files.iter().map(|file| format!("in {}", file.display()));
        said.chain(more).chain(files).collect()
    }
}

/// Has the sidecar write the lines that it still holds.
fn flush(admin: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "POST /weft/flush_logs HTTP/1.1\r\nhost: admin\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200"), "the access log cannot be had: {answer}");
    Ok(())
}
