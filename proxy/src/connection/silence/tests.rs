use super::*;
use std::future::Future as _;
use std::net::{Ipv4Addr, TcpListener};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const APP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 8080);

/// Both ends of a connection; what was done at the first is known at the second when this returns.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    (caller, ours)
}

/// Does a request to `destination` go on at once?
fn goes_on(silences: &Silences, destination: SocketAddr) -> bool {
    let news = pin!(silences.news_of(destination));
    news.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[tokio::test]
async fn a_request_waits_for_the_news_of_a_caller_who_has_left_and_for_no_other() {
    let silences = Silences::default();
    assert!(goes_on(&silences, APP));
    let (caller, ours) = connection();
    let (other_caller, others) = connection();
    let silence = silences.begin(APP, ours);
    let _other = silences.begin(APP, others);
    assert!(!silence.is_left() && goes_on(&silences, APP));
    drop(caller);
    assert!(silence.is_left());
    assert!(goes_on(&silences, SocketAddr::new(APP.ip(), 8081)));
    let mut news = pin!(silences.news_of(APP));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(news.as_mut().poll(&mut cx).is_pending() && silences.are_awaited());
    drop(silence);
    assert_eq!(news.as_mut().poll(&mut cx), Poll::Ready(()));
    assert!(goes_on(&silences, APP));
    drop(other_caller);
    assert!(!goes_on(&silences, APP));
}

#[tokio::test]
async fn who_was_broken_off_has_left_and_who_said_something_before_has_not() {
    use std::io::Write as _;
    let silences = Silences::default();
    let (caller, ours) = connection();
    let broken = silences.begin(APP, ours);
    socket2::SockRef::from(&caller).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(caller);
    assert!(broken.is_left());
    drop(broken);
    let (mut caller, ours) = connection();
    let said = silences.begin(APP, ours);
    caller.write_all(b"word").unwrap();
    drop(caller);
    assert!(!said.is_left() && goes_on(&silences, APP));
}
