//! Where a process of the mesh says what it does: standard error, as much as `WEFT_LOG` asks for.

use weft_telemetry::log::{Levels, LogControl, LogShape, start as start_log};

/// What names the levels, as in `warn,weft_proxy=debug`.
pub(crate) const VARIABLE: &str = "WEFT_LOG";

/// Begins logging; `info` where nothing is asked for.
pub(crate) fn start() -> anyhow::Result<LogControl> {
    let levels: Levels = std::env::var(VARIABLE).as_deref().unwrap_or("info").parse()?;
    Ok(start_log(LogShape::Text, levels)?)
}
