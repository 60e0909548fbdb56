//! How much one visitor, and one address, may do in a while.
//!
//! Each bound is a bucket that refills evenly: so many at once, then as many in each span. What a node lets through
//! it can tell the others ([`Limits::told`], [`Limits::hear`]), which take it off their own buckets; so nodes share a
//! bound without a round trip a message, and a node that is alone goes by its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::conversation::VisitorId;

/// So many buckets of a kind are kept; whoever comes when all of them are in use is let through, since nobody else
/// must be locked out by those who fill them.
const MOST: usize = 200_000;
/// Empty buckets are thrown away when there are more than this, and so many more again.
const SWEEP_FROM: usize = 1_024;
/// Going through all of them is not done more often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// So many are told at once; what is more stays with this node.
const TELLS: usize = 10_000;

/// The bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages of a visitor in a minute.
    pub messages: u32,
    /// Other requests of a visitor that need the store, in a minute.
    pub requests: u32,
    /// The same of everybody at an address.
    pub address_requests: u32,
    /// Connections from an address in a minute.
    pub connections: u32,
    /// Connections from an address that are open at once on this node.
    pub open: u32,
    /// New conversations from an address in an hour.
    pub conversations: u32,
    /// Files from an address in an hour.
    pub attachments: u32,
}

/// Where a customer comes from, as far as it is counted: an IPv4 address, or the /64 that one household or one
/// machine has of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(u128);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        match address.to_canonical() {
            IpAddr::V4(v4) => Address(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Address(v6.to_bits() >> 64 << 64),
        }
    }
}

impl Address {
    /// The address as a number, without what is not counted of it.
    pub fn bits(self) -> u128 {
        self.0
    }
}

/// Who has done how much lately.
pub struct Limits {
    messages: Buckets,
    requests: Buckets,
    address_requests: Buckets,
    connections: Buckets,
    conversations: Buckets,
    attachments: Buckets,
    open: Mutex<HashMap<Address, u32>>,
    most_open: u32,
    tokens: Option<Arc<Tokens>>,
    since: Instant,
}

/// What may be spent on a model in a day: so many tokens at once, then evenly so many a day; of each visitor, and of all.
pub struct Tokens {
    visitors: Buckets,
    all: Buckets,
    since: Instant,
}

/// One of the connections that an address may have open.
pub struct Open {
    limits: Arc<Limits>,
    address: Address,
}

/// What a node let through since it told the last time, for the others.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Told {
    #[serde(default)]
    messages: Vec<Spent>,
    #[serde(default)]
    requests: Vec<Spent>,
    #[serde(default)]
    address_requests: Vec<Spent>,
    #[serde(default)]
    connections: Vec<Spent>,
    #[serde(default)]
    conversations: Vec<Spent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Spent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<Spent>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    all_tokens: Vec<Spent>,
}

/// Both halves of a bucket's key (JSON has no longer numbers), and how much was taken from it.
type Spent = (u64, u64, u32);

impl Limits {
    /// Nobody has done anything yet. `shared`: what is let through is kept for [`Limits::told`], and what is spent of
    /// these tokens.
    pub fn new(bounds: Bounds, shared: bool, tokens: Option<Arc<Tokens>>) -> Arc<Limits> {
        let minute = Duration::from_secs(60);
        Arc::new(Limits {
            messages: Buckets::new(bounds.messages, minute, shared),
            requests: Buckets::new(bounds.requests, minute, shared),
            address_requests: Buckets::new(bounds.address_requests, minute, shared),
            connections: Buckets::new(bounds.connections, minute, shared),
            conversations: Buckets::new(bounds.conversations, 60 * minute, shared),
            attachments: Buckets::new(bounds.attachments, 60 * minute, shared),
            open: Mutex::default(),
            most_open: bounds.open,
            tokens,
            since: Instant::now(),
        })
    }

    /// This visitor says something. An error tells how long to wait.
    pub fn message(&self, visitor: VisitorId) -> Result<(), Duration> {
        self.messages.take(u128::from_be_bytes(visitor.0), self.now())
    }

    /// This visitor wants something of the store that is no message. An error tells how long to wait.
    pub fn request(&self, visitor: VisitorId) -> Result<(), Duration> {
        self.requests.take(u128::from_be_bytes(visitor.0), self.now())
    }

    /// Somebody at this address does. An error tells how long to wait.
    pub fn address_request(&self, address: Address) -> Result<(), Duration> {
        self.address_requests.take(address.0, self.now())
    }

    /// A conversation begins from this address. An error tells how long to wait.
    pub fn conversation(&self, address: Address) -> Result<(), Duration> {
        self.conversations.take(address.0, self.now())
    }

    /// A file comes from this address. An error tells how long to wait.
    pub fn attachment(&self, address: Address) -> Result<(), Duration> {
        self.attachments.take(address.0, self.now())
    }

    /// The conversation did not begin after all.
    pub fn no_conversation(&self, address: Address) {
        self.conversations.give_back(address.0, self.now());
    }

    /// A connection comes from this address. An error tells how long to wait; for a place that is taken, a guess.
    pub fn connection(self: &Arc<Self>, address: Address) -> Result<Open, Duration> {
        let open = self.open(address)?;
        self.connections.take(address.0, self.now())?;
        Ok(open)
    }

    /// A request from this address that is soon over: it counts as open and not as a connection.
    pub fn open(self: &Arc<Self>, address: Address) -> Result<Open, Duration> {
        let mut all = lock(&self.open);
        let open = all.entry(address).or_default();
        if *open >= self.most_open {
            return Err(Duration::from_secs(10));
        }
        *open += 1;
        Ok(Open { limits: self.clone(), address })
    }

    /// What the other nodes should hear; `None` if there is nothing.
    pub fn told(&self) -> Option<Vec<u8>> {
        let told = Told {
            messages: self.messages.spent(),
            requests: self.requests.spent(),
            address_requests: self.address_requests.spent(),
            connections: self.connections.spent(),
            conversations: self.conversations.spent(),
            attachments: self.attachments.spent(),
            tokens: self.tokens.as_ref().map(|tokens| tokens.visitors.spent()).unwrap_or_default(),
            all_tokens: self.tokens.as_ref().map(|tokens| tokens.all.spent()).unwrap_or_default(),
        };
        if told == Told::default() { None } else { serde_json::to_vec(&told).ok() }
    }

    /// Takes off what another node let through. What is not understood is a newer version's, and left alone.
    pub fn hear(&self, told: &[u8]) {
        let Ok(told) = serde_json::from_slice::<Told>(told) else { return };
        let now = self.now();
        self.messages.spend(&told.messages, now);
        self.requests.spend(&told.requests, now);
        self.address_requests.spend(&told.address_requests, now);
        self.connections.spend(&told.connections, now);
        self.conversations.spend(&told.conversations, now);
        self.attachments.spend(&told.attachments, now);
        if let Some(tokens) = &self.tokens {
            let now = tokens.since.elapsed();
            tokens.visitors.spend(&told.tokens, now);
            tokens.all.spend(&told.all_tokens, now);
        }
    }

    fn now(&self) -> Duration {
        self.since.elapsed()
    }
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
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut all = lock(&self.limits.open);
        if let Some(open) = all.get_mut(&self.address) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// The buckets of one bound.
struct Buckets {
    /// A bucket regains one in this time…
    each: Duration,
    /// …and is full again after this one.
    span: Duration,
    table: Mutex<Table>,
}

struct Table {
    /// When a bucket will be full again. One that is full is as good as none.
    full_at: HashMap<u128, Duration>,
    sweep_at: usize,
    no_sweep_before: Duration,
    /// What was taken since it was told; `None` if nobody is told.
    spent: Option<HashMap<u128, u32>>,
}

impl Buckets {
    fn new(size: u32, span: Duration, shared: bool) -> Buckets {
        let table = Table {
            full_at: HashMap::new(),
            sweep_at: SWEEP_FROM,
            no_sweep_before: Duration::ZERO,
            spent: shared.then(HashMap::new),
        };
        Buckets { each: span / size.max(1), span, table: Mutex::new(table) }
    }

    fn take(&self, key: u128, now: Duration) -> Result<(), Duration> {
        let mut table = lock(&self.table);
        let full_at = table.full_at(key, now) + self.each;
        if full_at > now + self.span {
            return Err(full_at - now - self.span);
        }
        table.keep(key, full_at, now);
        if let Some(spent) = &mut table.spent
            && (spent.len() < TELLS || spent.contains_key(&key))
        {
            *spent.entry(key).or_default() += 1;
        }
        Ok(())
    }

    /// Whether one could be taken.
    fn has_left(&self, key: u128, now: Duration) -> bool {
        lock(&self.table).full_at(key, now) + self.each <= now + self.span
    }

    /// Takes as many as there are, up to this.
    fn take_away(&self, key: u128, count: u32, now: Duration) {
        let mut table = lock(&self.table);
        let full_at = table.full_at(key, now) + self.each.saturating_mul(count);
        table.keep(key, full_at.min(now + self.span), now);
        if let Some(spent) = &mut table.spent
            && (spent.len() < TELLS || spent.contains_key(&key))
        {
            let spent = spent.entry(key).or_default();
            *spent = spent.saturating_add(count);
        }
    }

    /// Puts one back.
    fn give_back(&self, key: u128, now: Duration) {
        let mut table = lock(&self.table);
        let full_at = table.full_at(key, now).saturating_sub(self.each);
        table.keep(key, full_at, now);
        // What was told meanwhile stays told.
        if let Some(spent) = table.spent.as_mut().and_then(|spent| spent.get_mut(&key)) {
            *spent = spent.saturating_sub(1);
        }
    }

    /// Takes off what was taken elsewhere. An empty bucket is the worst that others can do.
    fn spend(&self, some: &[Spent], now: Duration) {
        let mut table = lock(&self.table);
        for (high, low, count) in some {
            let key = u128::from(*high) << 64 | u128::from(*low);
            let full_at = table.full_at(key, now) + self.each.saturating_mul(*count);
            table.keep(key, full_at.min(now + self.span), now);
        }
    }

    fn spent(&self) -> Vec<Spent> {
        let spent = lock(&self.table).spent.as_mut().map(std::mem::take).unwrap_or_default();
        spent.into_iter().map(|(key, count)| ((key >> 64) as u64, key as u64, count)).collect()
    }
}

impl Table {
    fn full_at(&self, key: u128, now: Duration) -> Duration {
        self.full_at.get(&key).map_or(now, |full_at| (*full_at).max(now))
    }

    fn keep(&mut self, key: u128, full_at: Duration, now: Duration) {
        if self.full_at.len() >= self.sweep_at && now >= self.no_sweep_before {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = SWEEP_FROM.max(2 * self.full_at.len()).min(MOST);
            self.no_sweep_before = now + SWEEP_EVERY;
        }
        if self.full_at.len() < MOST || self.full_at.contains_key(&key) {
            self.full_at.insert(key, full_at);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        messages: 7,
        requests: 9,
        address_requests: 9,
        connections: 4,
        open: 2,
        conversations: 3,
        attachments: 3,
    };

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_bucket_gives_its_size_at_once_and_then_refills_evenly() {
        let buckets = Buckets::new(7, seconds(60), false);
        for _ in 0..7 {
            assert_eq!(buckets.take(1, seconds(5)), Ok(()));
        }
        let wait = buckets.take(1, seconds(5)).unwrap_err();
        assert!(wait <= seconds(60) / 7 && wait > seconds(8), "{wait:?}");
        assert_eq!(buckets.take(2, seconds(5)), Ok(()), "others have their own");
        // Whoever waits as long as it was told is let through, once.
        assert_eq!(buckets.take(1, seconds(5) + wait), Ok(()));
        assert!(buckets.take(1, seconds(5) + wait).is_err());
        // Refused attempts cost nothing.
        assert_eq!(buckets.take(1, seconds(5) + wait + seconds(60) / 7), Ok(()));
        for _ in 0..7 {
            assert_eq!(buckets.take(1, seconds(1_000)), Ok(()));
        }
        assert!(buckets.take(1, seconds(1_000)).is_err());
    }

    #[test]
    fn addresses_are_counted_by_the_64_of_ipv6() {
        let address = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_ne!(address("::1"), address("0.0.0.1"));
    }

    #[test]
    fn an_address_has_so_many_open_and_gets_them_back() {
        let limits = Limits::new(BOUNDS, false, None);
        let address = Address(1);
        let first = limits.connection(address).unwrap();
        let _second = limits.connection(address).unwrap();
        assert!(limits.open(address).is_err());
        assert!(limits.open(Address(2)).is_ok());
        drop(first);
        assert!(limits.open(address).is_ok());
        drop(limits.connection(address).unwrap());
        drop(limits.connection(address).unwrap());
        assert!(limits.connection(address).is_err(), "four in a minute, however soon they end");
        assert_eq!(lock(&limits.open).len(), 1, "nothing is kept of who is gone");
    }

    #[test]
    fn tokens_of_a_day_are_shared_and_come_back() {
        let (here, there) = (Tokens::new(1_000, 5_000, true), Tokens::new(1_000, 5_000, true));
        let told = |tokens: &Arc<Tokens>| Limits::new(BOUNDS, true, Some(tokens.clone()));
        let (ann, bob) = (Some(VisitorId([1; 16])), Some(VisitorId([2; 16])));
        assert!(here.has_left(ann) && here.has_left(None));
        here.spend(ann, 400);
        assert!(here.has_left(ann));
        // A call may cost more than what was left.
        here.spend(ann, 4_000);
        assert!(!here.has_left(ann) && here.has_left(bob));
        told(&there).hear(&told(&here).told().unwrap());
        assert!(!there.has_left(ann) && there.has_left(bob), "other nodes hear of it");
        there.spend(None, 5_000);
        assert!(!there.has_left(bob), "there are none left for anybody");
        // Half a day brings half of them back.
        let buckets = Buckets::new(1_000, seconds(1_000), false);
        buckets.take_away(1, 5_000, seconds(1));
        assert!(!buckets.has_left(1, seconds(1)) && buckets.has_left(1, seconds(501)));
        buckets.take_away(1, 499, seconds(501));
        assert!(buckets.has_left(1, seconds(501)));
        buckets.take_away(1, 1, seconds(501));
        assert!(!buckets.has_left(1, seconds(501)));
    }

    #[test]
    fn memory_is_bounded_and_nobody_is_locked_out_by_it() {
        let buckets = Buckets::new(2, seconds(60), true);
        for key in 0..MOST as u128 + 500 {
            assert_eq!(buckets.take(key, seconds(1)), Ok(()));
        }
        assert_eq!(lock(&buckets.table).full_at.len(), MOST);
        assert_eq!(buckets.spent().len(), TELLS);
        assert_eq!(buckets.take(0, seconds(1)), Ok(()));
        assert!(buckets.take(0, seconds(1)).is_err(), "whoever has a bucket keeps it");
        // Once they are full again they are thrown away.
        buckets.take(u128::MAX, seconds(100)).unwrap();
        assert_eq!(lock(&buckets.table).full_at.len(), 1);
    }

    #[test]
    fn what_another_node_let_through_counts_here() {
        let (here, there) = (Limits::new(BOUNDS, true, None), Limits::new(BOUNDS, true, None));
        let visitor = VisitorId([0xfe; 16]);
        assert_eq!(there.told(), None);
        for _ in 0..7 {
            there.message(visitor).unwrap();
        }
        for _ in 0..9 {
            there.request(visitor).unwrap();
            there.address_request(Address(9)).unwrap();
        }
        drop(there.connection(Address(9)).unwrap());
        here.hear(&there.told().unwrap());
        assert!(here.message(visitor).is_err());
        assert!(here.request(visitor).is_err() && here.address_request(Address(9)).is_err());
        for _ in 0..3 {
            drop(here.connection(Address(9)).unwrap());
        }
        assert!(here.connection(Address(9)).is_err());
        assert_eq!(there.told(), None, "told once");
        // However much another node says: the wait is never longer than one bucket.
        here.hear(br#"{"messages":[[1,1,4000000000]],"dances":[1]}"#);
        here.hear(b"nonsense");
        let key = 1_u128 << 64 | 1;
        assert!(here.message(VisitorId(key.to_be_bytes())).unwrap_err() <= seconds(60) / 7);
    }
}
