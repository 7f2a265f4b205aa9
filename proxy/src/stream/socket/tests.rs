use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// It is there at once, if it comes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

async fn pair() -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (Socket::new(listener.accept().await.unwrap().0), other)
}

async fn read(socket: &mut Socket, room: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; room];
    let mut buf = ReadBuf::new(&mut bytes);
    poll_fn(|cx| socket.poll_read(cx, &mut buf)).await?;
    let n = buf.filled().len();
    bytes.truncate(n);
    Ok(bytes)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn asks(self: &Arc<Self>, socket: &mut Socket) -> Poll<io::Result<()>> {
        let mut byte = [0];
        socket.poll_read(&mut Context::from_waker(&self.clone().into()), &mut ReadBuf::new(&mut byte))
    }

    /// Lets the driver tell what it knows, until this one was woken so often.
    async fn is_woken(&self, times: u32) {
        while self.0.load(Ordering::Relaxed) < times {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_was_sent_is_read_in_pieces_of_any_size_as_far_as_the_end() {
    let (mut socket, mut other) = pair().await;
    other.write_all(b"one two three").await.unwrap();
    assert_eq!(read(&mut socket, 4).await.unwrap(), b"one ");
    assert_eq!(read(&mut socket, 64).await.unwrap(), b"two three");
    drop(other);
    assert_eq!(read(&mut socket, 64).await.unwrap(), b"");
    assert_eq!(read(&mut socket, 64).await.unwrap(), b"", "and it stays the end");
}

#[tokio::test]
async fn a_reset_is_an_error() {
    let (mut socket, other) = pair().await;
    other.set_zero_linger().unwrap();
    drop(other);
    assert_eq!(read(&mut socket, 64).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn who_asks_again_and_again_is_woken_each_time_that_something_comes() {
    let (mut socket, mut other) = pair().await;
    let waits = Arc::new(Woken::default());
    for round in 1..=100 {
        for _ in 0..3 {
            assert!(waits.asks(&mut socket).is_pending());
        }
        other.write_all(b"!").await.unwrap();
        waits.is_woken(round).await;
        assert!(waits.asks(&mut socket).is_ready());
    }
}

#[tokio::test]
async fn a_wake_for_nothing_does_not_end_the_wait() {
    let (mut socket, mut other) = pair().await;
    let waits = Arc::new(Woken::default());
    assert!(waits.asks(&mut socket).is_pending());
    other.write_all(b"!").await.unwrap();
    waits.is_woken(1).await;
    // Somebody else has read it meanwhile.
    assert_eq!(recv(&socket.tcp, &mut [0_u8; 8], RecvFlags::empty()).unwrap().1, 1);
    assert!(waits.asks(&mut socket).is_pending());
    assert!(waits.asks(&mut socket).is_pending());
    other.write_all(b"!").await.unwrap();
    waits.is_woken(2).await;
    assert!(waits.asks(&mut socket).is_ready());
}

#[tokio::test]
async fn whose_turn_was_over_when_it_asked_is_woken_all_the_same() {
    let (mut socket, mut other) = pair().await;
    for left in 0..8 {
        let writes = tokio::spawn(async move {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            other.write_all(b"!").await.unwrap();
            other
        });
        let (mut turn, mut all) = (0, 0);
        let asks = poll_fn(|cx| {
            turn += 1;
            match turn {
                1 => {
                    all = spend(u32::MAX);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // A turn is not always the same; some of these hit its last piece.
                2 => _ = spend((all + 4).saturating_sub(left)),
                _ => {}
            }
            let mut byte = [0];
            socket.poll_read(cx, &mut ReadBuf::new(&mut byte))
        });
        // Whoever is woken by the time alone finds what has come all the same.
        let began = std::time::Instant::now();
        let read = tokio::time::timeout(PATIENCE, asks).await;
        assert!(began.elapsed() < PATIENCE, "with {left} left of its turn it was never woken");
        read.unwrap().unwrap();
        other = writes.await.unwrap();
    }
}

/// Uses up so much of a task's turn, or what there is of it; says how much that was.
fn spend(most: u32) -> u32 {
    let mut spent = 0;
    while spent < most
        && let Poll::Ready(unit) = coop::poll_proceed(&mut Context::from_waker(Waker::noop()))
    {
        unit.made_progress();
        spent += 1;
    }
    spent
}

#[tokio::test]
async fn the_last_who_asked_is_woken() {
    let (mut socket, mut other) = pair().await;
    let (first, second) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    assert!(first.asks(&mut socket).is_pending());
    assert!(second.asks(&mut socket).is_pending());
    assert!(first.asks(&mut socket).is_pending());
    assert!(second.asks(&mut socket).is_pending());
    other.write_all(b"!").await.unwrap();
    second.is_woken(1).await;
    assert_eq!(first.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn who_only_looks_takes_nobodys_place() {
    let (mut socket, mut other) = pair().await;
    let waits = Arc::new(Woken::default());
    assert!(waits.asks(&mut socket).is_pending());
    let mut byte = [0];
    let look = socket.poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte));
    assert!(look.is_pending());
    other.write_all(b"!").await.unwrap();
    waits.is_woken(1).await;
}

#[tokio::test]
async fn a_writer_waits_for_room_and_loses_nothing() {
    let (mut socket, mut other) = pair().await;
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|n| n as u8).collect();
    let writes = async {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = poll_fn(|cx| socket.poll_write(cx, rest)).await.unwrap();
            rest = &rest[n..];
        }
        drop(socket);
    };
    let mut got = Vec::new();
    let (_, n) = tokio::join!(writes, other.read_to_end(&mut got));
    assert_eq!(n.unwrap(), bytes.len());
    assert!(got == bytes, "the same bytes");
}
