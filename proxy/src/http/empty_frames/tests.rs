use std::collections::VecDeque;
use std::task::Waker;

use proptest::prelude::*;

use super::*;

/// What comes, in these pieces; then the end.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

fn empty() -> Vec<u8> {
    frame(DATA, 0, 1, b"")
}

/// All that is read, with so much room at a time.
fn read(mut from: WithoutEmptyFrames<Pieces>, room: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let mut bytes = vec![0; room];
        let mut buf = ReadBuf::new(&mut bytes);
        let polled = Pin::new(&mut from).poll_read(&mut Context::from_waker(Waker::noop()), &mut buf);
        assert!(matches!(polled, Poll::Ready(Ok(()))));
        if buf.filled().is_empty() {
            return all;
        }
        all.extend_from_slice(buf.filled());
    }
}

fn sifted(bytes: &[u8]) -> Vec<u8> {
    read(WithoutEmptyFrames::from_server(Pieces([bytes.to_vec()].into())), 64)
}

#[test]
fn frames_without_data_and_without_an_end_are_taken_out() {
    let data = frame(DATA, 0, 1, b"data");
    let end = frame(DATA, END_STREAM, 1, b"");
    assert_eq!(
        sifted(&[empty(), data.clone(), empty(), empty(), end.clone()].concat()),
        [data, end].concat()
    );
}

#[test]
fn what_may_mean_something_stays() {
    let frames = [
        frame(DATA, END_STREAM, 1, b""),
        // Not as RFC 9113 has it: h2 says so.
        frame(DATA, PADDED, 1, b""),
        frame(DATA, 0, 0, b""),
        frame(HEADERS, 0, 1, b""),
        empty(),
        frame(CONTINUATION, END_HEADERS, 1, b""),
        frame(4, 1, 0, b""),
    ];
    assert_eq!(sifted(&frames.concat()), frames.concat());
}

#[test]
fn a_clients_preface_is_no_frame() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = frame(4, 0, 0, b"");
    let all = [preface.clone(), settings.clone(), empty()].concat();
    let from = WithoutEmptyFrames::from_client(Pieces([all].into()));
    assert_eq!(read(from, 5), [preface, settings].concat());
}

#[test]
fn too_many_in_a_row_are_left_for_h2_to_judge_and_others_do_not_add_up() {
    let most = empty().repeat(MOST as usize);
    assert_eq!(sifted(&[&most[..], &empty(), &empty()].concat()), empty().repeat(2));
    let data = frame(DATA, 0, 1, b"data");
    assert_eq!(sifted(&[&most[..], &data].concat().repeat(3)), data.repeat(3));
}

proptest! {
    #[test]
    fn the_rest_comes_as_it_was_however_it_is_cut(
        frames in prop::collection::vec((any::<bool>(), 0..4_u8, 0..4_u8, prop::collection::vec(any::<u8>(), 0..20)), 0..40),
        cuts in prop::collection::vec(1..30_usize, 1..20),
        room in 1..40_usize,
    ) {
        let (mut all, mut kept) = (Vec::<u8>::new(), Vec::<u8>::new());
        for (is_empty, kind, stream, payload) in frames {
            if is_empty {
                all.extend(&empty());
            } else {
                // Types whose headers end, and some that begin with nothing at all.
                let one = frame([DATA, HEADERS, 4, 6][usize::from(kind)], END_HEADERS | END_STREAM, stream, &payload);
                all.extend(&one);
                kept.extend(&one);
            }
        }
        let mut pieces = VecDeque::new();
        let mut rest = &all[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            pieces.push_back(piece.to_vec());
            rest = more;
        }
        prop_assert_eq!(read(WithoutEmptyFrames::from_server(Pieces(pieces)), room), kept);
    }
}
