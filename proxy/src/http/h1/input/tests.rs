use std::task::{Context, Poll, Waker};

use super::*;

fn fill(input: &mut Input, io: &mut &[u8]) -> usize {
    match input.poll_fill(io, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(n)) => n,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_read_in_pieces_comes_out_in_order_whatever_is_consumed_in_between() {
    let sent: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let mut io = sent.as_slice();
    let mut input = Input::default();
    let mut seen = Vec::new();
    for round in 1.. {
        if fill(&mut input, &mut io) == 0 {
            break;
        }
        let n = if round % 7 == 0 { input.len() } else { input.len() * 2 / 3 };
        seen.extend_from_slice(&input.unread()[..n]);
        input.consume(n);
        assert!(input.bytes.len() <= BUSY + READ, "{}", input.bytes.len());
    }
    seen.extend_from_slice(input.unread());
    assert_eq!(seen, sent);
}

#[test]
fn a_resting_connection_holds_no_buffer_and_its_first_byte_makes_one() {
    let mut input = Input::default();
    let (mut pending, _other) = tokio::io::duplex(1);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(input.poll_fill(&mut pending, &mut cx).is_pending());
    assert_eq!(input.bytes.capacity(), 0);
    assert_eq!(fill(&mut input, &mut &b"GET"[..]), 3);
    assert!(input.poll_fill(&mut pending, &mut cx).is_pending());
    input.rest();
    assert_eq!(input.unread(), b"GET", "what is unread is not given up");
    input.consume(3);
    assert!(input.poll_fill(&mut pending, &mut cx).is_pending());
    assert_eq!(input.bytes.capacity(), 0);
}

#[test]
fn a_buffer_that_was_lent_to_another_tells_it_nothing() {
    let (mut one, mut other) = (Input::default(), Input::default());
    let (mut pending, _other) = tokio::io::duplex(1);
    assert_eq!(fill(&mut one, &mut &b"secret"[..]), 6);
    one.consume(6);
    assert!(one.poll_fill(&mut pending, &mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(fill(&mut other, &mut &b"ab"[..]), 2);
    assert_eq!(other.unread(), b"ab");
}

#[test]
fn a_large_head_does_not_keep_its_buffer() {
    let mut input = Input::default();
    let sent = vec![b'x'; 200_000];
    let mut io = sent.as_slice();
    while fill(&mut input, &mut io) > 0 {}
    assert_eq!(input.len(), 200_000);
    input.consume(200_000);
    input.busy = false;
    fill(&mut input, &mut &b"y"[..]);
    assert!(input.bytes.capacity() <= BUSY, "{}", input.bytes.capacity());
}

#[test]
fn the_buffer_of_a_connection_that_ended_is_taken_by_the_next() {
    let read = |input: &mut Input| {
        assert_eq!(fill(input, &mut &b"GET"[..]), 3);
        input.bytes.as_ptr()
    };
    let mut one = Input::default();
    let first = read(&mut one);
    drop(one);
    assert_eq!(read(&mut Input::default()), first);
}

#[test]
fn the_buffer_of_a_connection_between_two_messages_is_taken_by_the_next() {
    let (mut one, mut other) = (Input::default(), Input::default());
    assert_eq!(fill(&mut one, &mut &b"GET"[..]), 3);
    let buffer = one.bytes.as_ptr();
    one.lend();
    assert_eq!(one.unread(), b"GET", "what is unread is not lent");
    one.consume(3);
    one.lend();
    assert_eq!(one.bytes.capacity(), 0);
    assert_eq!(fill(&mut other, &mut &b"HEAD"[..]), 4);
    assert_eq!(other.bytes.as_ptr(), buffer);
    assert_eq!(fill(&mut one, &mut &b"PUT"[..]), 3);
    assert_eq!((one.unread(), other.unread()), (&b"PUT"[..], &b"HEAD"[..]));
}
