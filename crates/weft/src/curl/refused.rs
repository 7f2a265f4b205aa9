//! An answer that is an error, in words: its status, and whose doing it was.

use super::{Args, Failed, HTTP_ERROR, NO_TUNNEL};
use crate::client::ClientError;
use crate::logs::Told;
use crate::output::Output;
use crate::up::plan::Pod;
use std::io::IsTerminal;

/// An answer of 400 or more, after it was shown.
#[derive(Debug)]
pub(super) struct Refused {
    /// `403 Forbidden`
    pub(super) status: String,
    /// The request's `x-request-id`.
    pub(super) id: Option<String>,
    /// Its body has not ended the line.
    pub(super) open_line: bool,
    /// It is the sidecar's answer to whoever asked it for a tunnel.
    pub(super) is_tunnel: bool,
}

impl Refused {
    /// No tunnel, asked for by that `x-request-id`.
    pub(super) fn tunnel(error: &ClientError, id: String) -> Self {
        Self { status: error.to_string(), id: Some(id), open_line: false, is_tunnel: true }
    }

    /// Tells of it on standard error; with `-f` it is a failure, and so is a tunnel that there is not.
    pub(super) async fn tell(self, args: &Args, pod: &Pod, told: Told<'_>) -> Result<(), Failed> {
        // Programs that read JSON have the status there.
        if !self.is_tunnel && (!args.speaks() || args.output == Output::Json && !args.fail) {
            return if args.fail { Err(Failed(HTTP_ERROR, String::new())) } else { Ok(()) };
        }
        let why = match &self.id {
            Some(id) => told.why(pod, id).await,
            None => None,
        };
        let text = why.map_or_else(|| self.status.clone(), |why| format!("{}: {why}", self.status));
        if self.is_tunnel {
            return Err(Failed(NO_TUNNEL, text));
        }
        if self.open_line && std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
            crate::say::say!("");
        }
        if args.fail {
            return Err(Failed(HTTP_ERROR, format!("the answer is {text}")));
        }
        crate::say::say!("weft curl: {text}");
        Ok(())
    }
}
