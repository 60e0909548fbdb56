//! What is broken when: random, and the same again from the same seed.

use std::fmt;
use std::time::Duration;

use crate::proxy::Way;

/// A small generator whose numbers are the same everywhere and always (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Milliseconds from `from` to `to`.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }

    pub fn way(&mut self) -> Way {
        if self.below(2) == 0 { Way::There } else { Way::Back }
    }
}

/// Where something stands between two parts: of which node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Between customers and the node.
    Front(usize),
    /// Between the node and MariaDB.
    Store(usize),
    /// Between the node and Redis.
    Redis(usize),
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Open connections are cut.
    Cut(Link),
    /// Open connections are cut and new ones refused for a while.
    Refuse(Link, Duration),
    /// Nothing moves for a while.
    Stall(Link, Duration),
    /// Everything takes so much longer, for a while.
    Delay(Link, Duration, Duration),
    /// What is sent in one direction vanishes, for a while.
    Swallow(Link, Way, Duration),
    /// One direction ends.
    HalfClose(Link, Way),
    /// `kill -9` of a node, which starts again after a while.
    Kill(usize, Duration),
    /// A node is asked to stop, and started again.
    Restart(usize),
    /// `kill -9` of Redis, which starts again after a while.
    CrashRedis(Duration),
    /// `kill -9` of MariaDB, which starts again after a while.
    CrashStore(Duration),
}

impl Fault {
    /// The name of its kind.
    pub fn kind(self) -> &'static str {
        match self {
            Fault::Cut(_) => "cut",
            Fault::Refuse(..) => "refuse",
            Fault::Stall(..) => "stall",
            Fault::Delay(..) => "delay",
            Fault::Swallow(..) => "swallow",
            Fault::HalfClose(..) => "half-close",
            Fault::Kill(..) => "kill -9 of a node",
            Fault::Restart(_) => "restart of a node",
            Fault::CrashRedis(_) => "kill -9 of Redis",
            Fault::CrashStore(_) => "kill -9 of MariaDB",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What there is to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    pub name: &'static str,
    pub nodes: usize,
    pub mariadb: bool,
    pub redis: bool,
    /// MariaDB itself is killed, too.
    pub crash_store: bool,
}

/// Faults for a while, sorted by time.
pub fn random(seed: u64, topology: Topology, length: Duration) -> Vec<(Duration, Fault)> {
    let mut dice = Dice::new(seed);
    let mut faults = Vec::new();
    let mut at = dice.millis(100, 600);
    while at < length {
        faults.push((at, fault(&mut dice, topology)));
        at += dice.millis(50, 900);
    }
    faults
}

fn fault(dice: &mut Dice, topology: Topology) -> Fault {
    let node = dice.below(topology.nodes as u64) as usize;
    let links: Vec<Link> = [Link::Front(node), Link::Front(node)]
        .into_iter()
        .chain(topology.mariadb.then_some(Link::Store(node)))
        .chain(topology.redis.then_some(Link::Redis(node)))
        .collect();
    let link = links[dice.below(links.len() as u64) as usize];
    match dice.below(100) {
        0..18 => Fault::Cut(link),
        18..30 => Fault::Refuse(link, dice.millis(50, 2_500)),
        30..45 => Fault::Stall(link, dice.millis(50, 4_000)),
        45..55 => Fault::Delay(link, dice.millis(1, 120), dice.millis(200, 2_000)),
        55..69 => Fault::Swallow(link, dice.way(), dice.millis(20, 2_000)),
        69..79 => Fault::HalfClose(link, dice.way()),
        79..91 => Fault::Kill(node, dice.millis(0, 2_500)),
        91..94 => Fault::Restart(node),
        94..98 if topology.redis => Fault::CrashRedis(dice.millis(0, 4_000)),
        98.. if topology.crash_store => Fault::CrashStore(dice.millis(0, 4_000)),
        _ => Fault::Cut(link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_a_schedule() {
        let topology = Topology { name: "all", nodes: 2, mariadb: true, redis: true, crash_store: true };
        let length = Duration::from_secs(3_000);
        let faults = random(7, topology, length);
        assert_eq!(faults, random(7, topology, length));
        assert_ne!(faults, random(8, topology, length));
        assert!(faults.is_sorted_by_key(|(at, _)| *at));
        for kind in [
            "cut",
            "refuse",
            "stall",
            "delay",
            "swallow",
            "half-close",
            "kill -9 of a node",
            "restart of a node",
            "kill -9 of Redis",
            "kill -9 of MariaDB",
        ] {
            assert!(faults.iter().any(|(_, fault)| fault.kind() == kind), "{kind}");
        }
    }
}
