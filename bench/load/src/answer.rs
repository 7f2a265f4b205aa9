//! Whether what was received is the whole of the answer that is expected.

/// `Ok(false)`: more is to come. An answer that is none, or another one, is an error in words.
pub(crate) fn is_whole(received: &[u8], body: usize) -> Result<bool, String> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = received.windows(END.len()).position(|window| window == END) else { return Ok(false) };
    let head = received.get(..end).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| "a head that is no text".to_owned())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        return Err(format!("answered {status:?}"));
    }
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    match (length, received.len() - end - END.len()) {
        (Some(length), _) if length != body => Err(format!("a body of {length} bytes, not {body}")),
        (Some(length), there) if there > length => Err("more than was asked for".to_owned()),
        (Some(length), there) => Ok(there == length),
        (None, _) => Err("an answer without Content-Length".to_owned()),
    }
}

/// Whether whoever sent this whole answer closes the connection behind it.
pub(crate) fn closes(received: &[u8]) -> bool {
    let text = String::from_utf8_lossy(received);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().filter_map(|line| line.split_once(':')).any(|(name, value)| {
        name.eq_ignore_ascii_case("connection") && value.trim().eq_ignore_ascii_case("close")
    })
}

#[cfg(test)]
mod tests;
