//! Latency at a fixed rate: requests are sent by the clock, whether or not earlier ones have been answered.
//!
//! A load that waits for answers before it asks again asks less of a server that stalls, and so never sees most
//! of a stall (coordinated omission). Here each request has a moment at which it is due, and a request that could
//! not be sent then, because all connections were still waiting, is counted from that moment. Every answer's
//! status and length are checked. Standard library only, one blocking thread a connection: at the rates this is
//! for the driver's own cost is small, and nothing queues inside it.

mod answer;
mod plan;
mod summary;

use plan::{Plan, Tickets};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use summary::Summary;

/// No answer takes longer than this, or it is a failure.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let plan = match Plan::parse(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "weft-bench-load: {reason}\n{}", plan::USAGE);
            return ExitCode::from(2);
        }
    };
    let summary = run(&plan);
    match writeln!(io::stdout(), "{}", summary.to_json()) {
        Ok(()) if summary.is_clean() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Sends all of the plan's requests and returns what became of them.
fn run(plan: &Plan) -> Summary {
    // Time for every thread to connect before the first request is due.
    let tickets = &plan.tickets(Instant::now() + Duration::from_millis(200));
    let parts: Vec<Summary> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.connections)
            .map(|number| scope.spawn(move || attend(plan, number < plan.fresh, tickets)))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    parts.into_iter().fold(Summary::expecting(plan.requests()), Summary::merge)
}

/// One connection's life, or that of one after the other: takes the next request that is due, until there is none.
fn attend(plan: &Plan, fresh: bool, tickets: &Tickets) -> Summary {
    let mut summary = Summary::default();
    let mut connection = None;
    while let Some(ticket) = tickets.next() {
        let now = Instant::now();
        let counted_from = if ticket.due > now {
            std::thread::sleep(ticket.due - now);
            // The connection was free: what the driver overslept is not the server's.
            let woken = Instant::now();
            summary.overslept(woken - ticket.due);
            woken
        } else {
            ticket.due
        };
        match ask(plan, &mut connection) {
            Ok(closes) => {
                summary.answered(counted_from.elapsed());
                if closes || fresh {
                    connection = None;
                }
            }
            Err(error) => {
                connection = None;
                summary.failed(&error.to_string());
            }
        }
    }
    summary
}

/// One request and its answer, and whether that is the last of its connection; connects where there is none.
fn ask(plan: &Plan, connection: &mut Option<TcpStream>) -> io::Result<bool> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect_timeout(&plan.address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            connection.insert(stream)
        }
    };
    stream.write_all(plan.request.as_bytes())?;
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; 16 * 1024];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).filter(|room| !room.is_empty());
        let read = stream.read(room.ok_or_else(|| io::Error::other("an answer of more than 16 KiB"))?)?;
        filled += read;
        let received = buffer.get(..filled).unwrap_or_default();
        if answer::is_whole(received, plan.body).map_err(io::Error::other)? {
            return Ok(answer::closes(received));
        }
        if read == 0 {
            return Err(io::Error::other("the connection was closed before the answer was whole"));
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

#[cfg(test)]
mod tests;
