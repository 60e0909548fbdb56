//! What may be spent on a model in a day.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::buckets::{Buckets, Spent};
use crate::conversation::VisitorId;

/// So many tokens at once, then evenly so many a day; of each visitor, and of all.
pub struct Tokens {
    visitors: Buckets,
    all: Buckets,
    since: Instant,
}

impl Tokens {
    /// Nothing spent yet. `shared`: what is spent is kept for the other nodes.
    pub fn new(visitor: u32, all: u32, shared: bool) -> Arc<Tokens> {
        let day = Duration::from_secs(24 * 60 * 60);
        let (visitors, all) = (Buckets::new(visitor, day, shared), Buckets::new(all, day, shared));
        Arc::new(Tokens { visitors, all, since: Instant::now() })
    }

    /// Whether there are any left, for this visitor if it is known which.
    pub fn has_left(&self, visitor: Option<VisitorId>) -> bool {
        let now = self.since.elapsed();
        let own = visitor.is_none_or(|visitor| self.visitors.has_left(u128::from_be_bytes(visitor.0), now));
        own && self.all.has_left(0, now)
    }

    /// So many were spent. More than there are left leave none.
    pub fn spend(&self, visitor: Option<VisitorId>, count: u32) {
        let now = self.since.elapsed();
        if let Some(visitor) = visitor {
            self.visitors.take_away(u128::from_be_bytes(visitor.0), count, now);
        }
        self.all.take_away(0, count, now);
    }

    /// What was spent since this was asked last: by each visitor, and by all.
    pub(super) fn spent(&self) -> (Vec<Spent>, Vec<Spent>) {
        (self.visitors.spent(), self.all.spent())
    }

    /// Takes off what was spent elsewhere.
    pub(super) fn spent_elsewhere(&self, visitors: &[Spent], all: &[Spent]) {
        let now = self.since.elapsed();
        self.visitors.spend(visitors, now);
        self.all.spend(all, now);
    }
}
