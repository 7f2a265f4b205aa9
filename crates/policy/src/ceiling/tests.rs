use proptest::prelude::*;

use super::*;

const MIB: u64 = 1024 * 1024;

#[test]
fn it_closes_at_ninety_percent_and_opens_again_at_eighty() {
    let mut full = false;
    for (used, then) in
        [(0, false), (900, false), (901, true), (850, true), (801, true), (800, false), (900, false)]
    {
        full = is_full(full, used, 1000);
        assert_eq!(full, then, "{used}");
    }
}

#[test]
fn the_nearer_the_ceiling_the_sooner_the_next_look() {
    let limit = 128 * MIB;
    // 115.2 MiB are the ceiling: idle, half full, nearly full, full.
    let looks = [12, 64, 100, 114, 116].map(|used| next_look(used * MIB, limit, 2));
    assert_eq!(looks, [51, 25, 7, 1, 1]);
    assert_eq!(next_look(12 * MIB, 64 * 1024 * MIB, 2), SELDOM, "there is room for days");
    assert_eq!(next_look(0, u64::MAX, 1), SELDOM);
    assert_eq!(next_look(0, 0, 0), 1);
}

#[test]
fn a_small_container_has_room_left_when_new_work_is_refused() {
    for (limit, workers) in [(128, 2), (128, 8), (64, 4)] {
        let left = limit * MIB - bound(limit * MIB, workers);
        assert!(left >= limit * MIB / 32, "{limit} MiB, {workers} workers: {} KiB left", left / 1024);
    }
}

/// Workers that share what a look found, as the proxy's do.
struct Process {
    limit: u64,
    used: u64,
    full: bool,
    next: u32,
    since: Vec<u32>,
}

impl Process {
    /// A piece of work comes to one of them; was it taken?
    fn take(&mut self, worker: usize, grows: u64) -> bool {
        self.since[worker] += 1;
        if self.since[worker] >= self.next {
            self.since[worker] = 0;
            self.full = is_full(self.full, self.used, self.limit);
            let workers = u32::try_from(self.since.len()).unwrap();
            self.next = next_look(self.used, self.limit, workers);
        }
        if !self.full {
            self.used += grows;
        }
        !self.full
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// Whoever gets it and however large it becomes: what was taken stays below the bound.
    #[test]
    fn no_order_of_work_gets_past_the_bound(
        limit in 64_u64..512,
        idle in 0_u64..60,
        work in proptest::collection::vec((any::<prop::sample::Index>(), 0..=MOST), 1..800),
        workers in 1_usize..16,
    ) {
        let limit = limit * MIB;
        let mut process =
            Process { limit, used: idle * MIB, full: false, next: 1, since: vec![0; workers] };
        for (worker, grows) in work {
            process.take(worker.index(workers), grows);
            let bound = bound(limit, u32::try_from(workers).unwrap());
            prop_assert!(process.used <= bound.max(idle * MIB), "{} of {bound}", process.used);
        }
    }
}
