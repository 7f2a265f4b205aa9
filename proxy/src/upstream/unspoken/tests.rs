use super::*;
use crate::upstream::places::Places;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

struct Room {
    listener: TcpListener,
    places: Arc<Places>,
    unspoken: Unspoken,
}

const KEY: PoolKey = PoolKey { id: 1, address: 0 };
const CLIENT: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)));

impl Room {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Self { listener, places: Arc::default(), unspoken: Unspoken::default() }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn keep(&self, source: Option<IpAddr>, now: Instant) {
        let socket = TcpStream::connect(self.address()).unwrap();
        let made_for = MadeFor { address: self.address(), name: None, source };
        self.unspoken.keep(KEY, made_for, socket, self.places.take().unwrap(), now);
    }

    fn take(&self, key: PoolKey, source: Option<IpAddr>) -> bool {
        self.unspoken.take(key, &Wanted { address: self.address(), name: None, source }).is_some()
    }
}

#[test]
fn one_is_taken_once_and_only_for_what_it_was_made_for() {
    let room = Room::new();
    assert!(!room.take(KEY, None));
    room.keep(CLIENT, Instant::now());
    assert!(!room.take(PoolKey { id: 2, address: 0 }, CLIENT) && !room.take(KEY, None));
    assert!(room.take(KEY, CLIENT));
    assert!(!room.take(KEY, CLIENT));
    assert_eq!(room.places.open(), 0);
}

#[test]
fn nobody_is_waited_for_for_long_and_not_many_are_kept() {
    let room = Room::new();
    let now = Instant::now();
    room.keep(None, now);
    room.keep(None, now + LIFE);
    room.unspoken.expire(now + LIFE);
    assert_eq!(room.places.open(), 1);
    for _ in 0..MOST + 8 {
        room.keep(None, now);
    }
    assert_eq!(room.places.open() as usize, MOST);
    room.unspoken.expire(now + LIFE);
    assert!(!room.take(KEY, None));
}
