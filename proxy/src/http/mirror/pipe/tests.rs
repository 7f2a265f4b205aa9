use std::future::poll_fn;

use super::*;

async fn next(pipe: &mut Pipe) -> Result<Option<Vec<u8>>, Broken> {
    let event = poll_fn(|cx| pipe.poll_body(cx)).await?;
    let piece = (event == Event::Data).then(|| pipe.chunk().to_vec());
    pipe.consume(piece.as_ref().map_or(0, Vec::len));
    Ok(piece)
}

#[tokio::test]
async fn what_streams_by_is_read_in_order_with_its_trailers() {
    let (mut tap, mut pipe) = pipe();
    tap.push(b"one ");
    tap.push(b"two");
    assert_eq!(next(&mut pipe).await.unwrap().unwrap(), b"one two");
    tap.push(b"three");
    let mut trailers = Headers::new();
    trailers.append("x-end", "yes").unwrap();
    tap.finish(&trailers);
    drop(tap);
    assert_eq!(next(&mut pipe).await.unwrap().unwrap(), b"three");
    assert_eq!(next(&mut pipe).await.unwrap(), None);
    assert_eq!(pipe.trailers().text("x-end"), Some("yes"));
}

#[tokio::test]
async fn a_reader_that_waits_is_woken() {
    let (mut tap, mut pipe) = pipe();
    let reading = async { next(&mut pipe).await.unwrap().unwrap() };
    let writing = async {
        tokio::task::yield_now().await;
        tap.push(b"late");
    };
    assert_eq!(tokio::join!(reading, writing).0, b"late");
}

#[tokio::test]
async fn a_copy_that_is_too_far_behind_is_lost_and_holds_nothing() {
    let (mut tap, mut pipe) = pipe();
    let piece = vec![0; MOST_HELD / 2];
    tap.push(&piece);
    tap.push(&piece);
    // What was read and not yet sent counts, too.
    assert_eq!(poll_fn(|cx| pipe.poll_body(cx)).await.unwrap(), Event::Data);
    tap.push(b"x");
    assert!(next(&mut pipe).await.is_err());
    tap.push(&piece);
    assert_eq!(tap.0.borrow().waiting.capacity(), 0);
}

#[tokio::test]
async fn a_copy_holds_no_more_memory_than_it_may_be_behind() {
    let (mut tap, mut pipe) = pipe();
    let large = vec![0; MOST_HELD / 16];
    let mut most = 0;
    for turn in 0..64 {
        while tap.0.borrow().held + large.len() <= MOST_HELD {
            tap.push(&large[..if turn % 2 == 0 { large.len() } else { 100 }]);
        }
        let waiting = tap.0.borrow().waiting.iter().map(Vec::capacity).sum::<usize>();
        most = most.max(waiting + pipe.piece.capacity());
        for _ in 0..=turn {
            if tap.0.borrow().held > 0 {
                next(&mut pipe).await.unwrap().unwrap();
            }
        }
    }
    assert!(most <= MOST_HELD + 2 * large.len(), "{most} bytes");
}

#[tokio::test]
async fn an_original_that_ends_early_ends_its_copy_and_a_copy_that_ended_takes_no_memory() {
    let (mut tap, mut pipe) = super::pipe();
    tap.push(b"half");
    drop(tap);
    assert!(next(&mut pipe).await.is_err());
    let (mut tap, pipe) = super::pipe();
    drop(pipe);
    tap.push(b"more");
    tap.finish(&Headers::new());
    assert!(tap.0.borrow().waiting.is_empty());
}
