//! The calls that wrk and nginx do not know: gRPC, bodies that are looked at byte by byte, one long transfer, work of a
//! fixed length; the app that answers them, and the drivers that make them.
//!
//! Everything that is received is compared with what must come, on both sides.

mod grpc;
mod pattern;
mod report;
mod serve;
mod transfer;
mod work;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;

const USAGE: &str = "usage: weft-bench-calls serve ADDRESS:PORT
       weft-bench-calls unary|stream ADDRESS:PORT HOST SECONDS CONNECTIONS STREAMS BYTES
       weft-bench-calls transfer ADDRESS:PORT HOST BYTES

serve     answers until it is stopped: GET / with 786 bytes, GET and POST /bytes/N, GET /after/MILLIS, GET /busy/MICROS,
          GET /requests (how many came), and every gRPC call with what it carried
unary     gRPC calls of one message, CONNECTIONS times STREAMS at once, each of which waits for its answer
stream    the same on streams that stay: what is counted are messages
transfer  one body of BYTES";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "weft-bench-calls: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all that was asked was answered as expected.
fn run(words: &[String]) -> anyhow::Result<bool> {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime can be started")
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let line = match words.as_slice() {
        ["serve", address] => {
            let address = address.parse().context("ADDRESS:PORT")?;
            return runtime()?.block_on(serve::until_stopped(address)).map(|()| true);
        }
        ["transfer", address, host, bytes] => {
            transfer::one(address.parse().context("ADDRESS:PORT")?, host, bytes.parse().context("BYTES")?)?
        }
        [kind @ ("unary" | "stream"), rest @ ..] => {
            let plan = grpc::Plan::parse(kind, rest).with_context(|| USAGE)?;
            let report = runtime()?.block_on(grpc::load(&plan));
            writeln!(std::io::stdout(), "{}", report.to_json())?;
            return Ok(report.is_clean());
        }
        _ => anyhow::bail!(USAGE),
    };
    writeln!(std::io::stdout(), "{line}")?;
    Ok(true)
}

#[cfg(test)]
mod tests;
