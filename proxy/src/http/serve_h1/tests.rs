use super::*;

/// How large what `make` makes is.
fn size_of_future<A, B, F: Future>(_make: &impl Fn(A, B) -> F) -> usize {
    size_of::<F>()
}

/// Beside tokio's own parts (the task, the socket's registration, the timer), which are some 700 bytes.
#[test]
fn a_connection_that_waits_for_its_next_request_holds_a_kib() {
    for (what, size, most) in [
        ("what waits", size_of_future(&serve), 448),
        ("the stream and what is read of it", size_of::<H1>(), 256),
        ("what is known of it", size_of::<Conn>(), 304),
    ] {
        println!("{what}: {size} bytes");
        assert!(size <= most, "{what}: {size} bytes, at most {most} are wanted");
    }
}
