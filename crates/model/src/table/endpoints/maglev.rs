//! Consistent hashing by Maglev's table: one look-up a key, shares almost even.

use xxhash_rust::xxh64::xxh64;

/// A table.
#[derive(Debug, Clone)]
pub struct Maglev {
    owners: Box<[u32]>,
}

/// Envoy's bound on a table.
const MOST: u64 = 5_000_011;
/// Envoy's size where none is set.
const USUAL: u64 = 65_537;

impl Maglev {
    /// A table of endpoints with names and weights. A size that is no prime, or too big, is Envoy's usual one.
    pub(crate) fn new(of: &[(u32, String, f64)], size: u64) -> Self {
        let size = if size <= MOST && is_prime(size) { size } else { USUAL };
        let heaviest = of.iter().map(|(_, _, weight)| *weight).fold(0.0, f64::max);
        let mut builders: Vec<Builder> = of
            .iter()
            .map(|(place, name, weight)| Builder {
                place: *place,
                offset: xxh64(name.as_bytes(), 0) % size,
                skip: xxh64(name.as_bytes(), 1) % (size - 1) + 1,
                weight: weight / heaviest,
                target: 0.0,
                next: 0,
            })
            .collect();
        let mut owners = vec![u32::MAX; usize::try_from(size).expect("at most MOST")];
        let mut left = owners.len();
        let mut round = 0.0;
        // Each round everybody whose turn has come takes the next free slot of his own order.
        'full: loop {
            round += 1.0;
            for builder in &mut builders {
                if builder.weight * round < builder.target {
                    continue;
                }
                builder.target += 1.0;
                loop {
                    let slot = (builder.offset + builder.skip * builder.next) % size;
                    builder.next += 1;
                    let slot = &mut owners[usize::try_from(slot).expect("below the size")];
                    if *slot == u32::MAX {
                        *slot = builder.place;
                        break;
                    }
                }
                left -= 1;
                if left == 0 {
                    break 'full;
                }
            }
        }
        Self { owners: owners.into() }
    }

    /// How many slots it has.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// It has none.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The owners of a key: the first has it, the others would have it without those before. Each may come often.
    pub fn owners(&self, key: u64) -> impl Iterator<Item = u32> + '_ {
        let size = self.owners.len() as u64;
        (0..size).map(move |attempt| {
            // Keys of somebody who is out are scattered over the rest, not given to one neighbour.
            let slot =
                if attempt == 0 { key % size } else { (key ^ xxh64(&attempt.to_le_bytes(), 0)) % size };
            self.owners[usize::try_from(slot).expect("below the size")]
        })
    }
}

struct Builder {
    place: u32,
    offset: u64,
    skip: u64,
    weight: f64,
    target: f64,
    next: u64,
}

fn is_prime(number: u64) -> bool {
    number > 2
        && !number.is_multiple_of(2)
        && (3..).step_by(2).take_while(|d| d * d <= number).all(|d| !number.is_multiple_of(d))
}
