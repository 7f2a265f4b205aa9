use tokio::net::{TcpListener, TcpStream};
use weft_http1::Limits;

use super::*;
use crate::http::h1::H1;
use crate::stream::{Io, Tcp};

const KEY: PoolKey = PoolKey { id: 1, address: 0 };

/// A pool with so many idle connections, their servers' ends, and what is wanted of them.
async fn with(count: usize) -> (Pools, Vec<TcpStream>, Wanted<'static>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wanted = Wanted { address: listener.local_addr().unwrap(), name: None, source: None };
    let places = Arc::new(Places::default());
    places.set_limit(1024);
    let (mut pools, mut servers) = (Pools::default(), Vec::new());
    for _ in 0..count {
        let socket = TcpStream::connect(wanted.address).await.unwrap();
        servers.push(listener.accept().await.unwrap().0);
        let conn = H1::new(Io::Plain(Tcp::new(socket)), Limits::default());
        let spare = Spare::new(conn, wanted.into(), None, places.take().unwrap(), Instant::now());
        pools.put_h1(KEY, Box::new(spare), None, Instant::now());
    }
    (pools, servers, wanted)
}

/// As the worker does it every few seconds; how many connections are left.
fn swept(pools: &mut Pools) -> usize {
    drop(pools.sweep(Instant::now(), |_| Some(Duration::from_secs(3600))));
    pools.count().0
}

#[tokio::test]
async fn what_a_load_has_left_behind_is_given_up_after_three_looks_and_a_few_stay() {
    let (mut pools, _servers, _) = with(100).await;
    let left: Vec<usize> = (0..6).map(|_| swept(&mut pools)).collect();
    assert_eq!(left, [100, 100, 100, 8, 8, 8], "they had only just come when they were first looked at");
}

#[tokio::test]
async fn as_many_as_are_needed_at_once_stay_however_often() {
    let (mut pools, _servers, wanted) = with(60).await;
    for _ in 0..9 {
        let used: Vec<_> = (0..50).map(|_| pools.take_h1(KEY, &wanted, Instant::now()).unwrap()).collect();
        for spare in used {
            pools.put_h1(KEY, spare, None, Instant::now());
        }
        swept(&mut pools);
    }
    assert_eq!(pools.count().0, 58, "eight that nobody needs are kept besides");
}

#[tokio::test]
async fn a_wave_of_any_height_finds_all_its_connections_again() {
    let (mut pools, _servers, wanted) = with(900).await;
    for _ in 0..3 {
        let used: Vec<_> = std::iter::from_fn(|| pools.take_h1(KEY, &wanted, Instant::now())).collect();
        assert_eq!(used.len(), 900);
        for spare in used {
            pools.put_h1(KEY, spare, None, Instant::now());
        }
    }
}
