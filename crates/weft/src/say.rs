//! Speaking to the user on standard error: a closed terminal or pipe ends the speech, not the mesh.

/// As `eprintln!`, without its panic when nobody listens any more.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        // The line as a whole, so that lines of several processes do not mix.
        let line = format!("{}\n", format_args!($($text)*));
        let _ = std::io::stderr().write_all(line.as_bytes());
    }};
}

pub(crate) use say;
