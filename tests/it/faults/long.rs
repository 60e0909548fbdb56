//! The suite for long, with new seeds all the time, and figures in the end: `tests/faults`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::schedule::Topology;
use super::{MARIADB, Outcome, Run, SQLITE, TWO_NODES, WITHOUT_REDIS};

/// How long customers type in each run.
const LENGTH: Duration = Duration::from_secs(25);

#[derive(Default)]
struct Sum {
    runs: u32,
    messages: usize,
    faults: BTreeMap<&'static str, usize>,
    connections: u64,
    resent: u64,
    told_to_wait: u64,
    longest: Duration,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.messages += outcome.messages;
        for fault in &outcome.faults {
            *self.faults.entry(fault.kind()).or_default() += 1;
        }
        self.connections += outcome.figures.connections;
        self.resent += outcome.figures.resent;
        self.told_to_wait += outcome.figures.told_to_wait;
        self.longest = self.longest.max(outcome.settled.unwrap_or_default());
    }
}

fn setting(name: &str) -> Option<String> {
    std::env::var(format!("PURSER_FAULTS_{name}")).ok().filter(|value| !value.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as it is told to: tests/faults --minutes 30"]
async fn for_long() {
    let minutes: u64 = setting("MINUTES").map_or(1, |minutes| minutes.parse().expect("--minutes: a whole number"));
    let one_seed = setting("SEED").map(|seed| seed.parse::<u64>().expect("--seed: a whole number"));
    let only = setting("ONLY");
    let topologies = [
        SQLITE,
        Topology { crash_store: true, ..MARIADB },
        Topology { crash_store: true, ..TWO_NODES },
        Topology { crash_store: true, ..WITHOUT_REDIS },
    ];
    let topologies: Vec<_> =
        topologies.into_iter().filter(|topology| only.as_deref().is_none_or(|only| only == topology.name)).collect();
    assert!(!topologies.is_empty(), "--only: there is no such topology");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    let mut seed = one_seed.unwrap_or(now);
    loop {
        for topology in &topologies {
            let outcome = Run::random(*topology, seed, LENGTH).go().await.expect("servers that can be started");
            assert_eq!(outcome.violations, [], "{} seed {seed}", topology.name);
            assert!(
                outcome.settled.is_some(),
                "{} seed {seed}: not everybody has everything in the end",
                topology.name
            );
            sums.entry(topology.name).or_default().add(&outcome);
        }
        if one_seed.is_some() || Instant::now() > end {
            break;
        }
        seed += 1;
    }
    println!("\n| topology | runs | messages | faults | connections | sent again | told to wait | violations |");
    println!("|---|---|---|---|---|---|---|---|");
    for (name, sum) in &sums {
        let Sum { runs, messages, connections, resent, told_to_wait, .. } = sum;
        let faults: usize = sum.faults.values().sum();
        println!("| {name} | {runs} | {messages} | {faults} | {connections} | {resent} | {told_to_wait} | 0 |");
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, number) in sums.values().flat_map(|sum| &sum.faults) {
        *kinds.entry(kind).or_default() += number;
    }
    let kinds: Vec<_> = kinds.iter().map(|(kind, number)| format!("{number} × {kind}")).collect();
    let longest = sums.values().map(|sum| sum.longest).max().unwrap_or_default();
    println!("\n{}\nAfter the last fault everybody had everything within {longest:.1?}.", kinds.join(", "));
}
