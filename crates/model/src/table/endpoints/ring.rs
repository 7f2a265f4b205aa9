//! Consistent hashing on a ring, after ketama: each endpoint stands on many points, a key belongs to the next one.

use xxhash_rust::xxh64::xxh64;

/// A ring.
#[derive(Debug, Clone)]
pub struct Ring {
    hashes: Box<[u64]>,
    owners: Box<[u32]>,
}

/// Envoy's bound on a ring.
const MOST: f64 = 8.0 * 1024.0 * 1024.0;
/// So many points has an endpoint at least, while there is room. A number that does not depend on how many
/// endpoints there are keeps everybody's points where they were when one comes or goes.
const POINTS: f64 = 256.0;
/// A ring grows beyond so many points only if it was asked to.
const ROOMY: f64 = 262_144.0;

impl Ring {
    /// A ring of endpoints with names and weights, with at least `minimum` points.
    pub(crate) fn new(of: &[(u32, String, f64)], minimum: u64) -> Self {
        let lightest = of.iter().map(|(_, _, weight)| *weight).fold(f64::INFINITY, f64::min);
        let relative: f64 = of.iter().map(|(_, _, weight)| weight / lightest).sum();
        #[expect(clippy::cast_precision_loss, reason = "a ring of 2^52 points is not built")]
        let least = (minimum as f64).min(MOST) / relative;
        let each = least.max(POINTS.min(ROOMY / relative));
        let mut points: Vec<(u64, u32)> = Vec::new();
        let mut text = String::new();
        for (place, name, weight) in of {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bounded by MOST, positive"
            )]
            let count = (each * weight / lightest).ceil() as u32;
            text.clear();
            text.push_str(name);
            text.push('_');
            let stem = text.len();
            for point in 0..count {
                text.truncate(stem);
                text.push_str(&point.to_string());
                points.push((xxh64(text.as_bytes(), 0), *place));
            }
        }
        // Two names on one point: the earlier endpoint has it, in every proxy.
        points.sort_unstable();
        points.dedup_by_key(|(hash, _)| *hash);
        Self {
            hashes: points.iter().map(|(hash, _)| *hash).collect(),
            owners: points.iter().map(|(_, of)| *of).collect(),
        }
    }

    /// How many points it has.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// It has none.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The owners of a key: the first has it, the others would have it without those before. Each may come often.
    pub fn owners(&self, key: u64) -> impl Iterator<Item = u32> + '_ {
        let start = self.hashes.partition_point(|hash| *hash < key);
        let (before, after) = self.owners.split_at(start);
        after.iter().chain(before).copied()
    }
}
