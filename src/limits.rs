//! How much one visitor, and one address, may do in a while.
//!
//! Each bound is a bucket that refills evenly: so many at once, then as many in each span. What a node lets through
//! it can tell the others ([`Limits::told`], [`Limits::hear`]), which take it off their own buckets; so nodes share a
//! bound without a round trip a message, and a node that is alone goes by its own.

mod buckets;
mod tokens;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::conversation::VisitorId;
use buckets::{Buckets, Spent, lock};

pub use tokens::Tokens;

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
        let (tokens, all_tokens) = self.tokens.as_ref().map(|tokens| tokens.spent()).unwrap_or_default();
        let told = Told {
            messages: self.messages.spent(),
            requests: self.requests.spent(),
            address_requests: self.address_requests.spent(),
            connections: self.connections.spent(),
            conversations: self.conversations.spent(),
            attachments: self.attachments.spent(),
            tokens,
            all_tokens,
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
            tokens.spent_elsewhere(&told.tokens, &told.all_tokens);
        }
    }

    fn now(&self) -> Duration {
        self.since.elapsed()
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
    fn tokens_of_a_day_are_shared() {
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
