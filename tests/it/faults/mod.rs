//! The fault suite: customers type while connections are cut, stalled, delayed, swallowed and closed half-way, and
//! nodes and servers are killed; in the end a checker compares what everybody saw with what is stored.
//!
//! A schedule of faults follows from a seed, which every failure names. `tests/faults --minutes 30` runs new seeds for
//! so long; here a few are run, and each way of breaking a promise, of which the checker must find each.

mod checker;
mod customer;
mod long;
mod node;
mod schedule;
mod site;
mod trace;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use purser::conversation::{ConversationId, Event};
use purser::fanout::Pace;
use purser::store::Store;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::harness::{Typed, Visitor};
use crate::proxy::Way;
use crate::servers::free_port;
use checker::{Shown, Violation, check};
use customer::{Record, Tab, view};
use node::Spec;
use schedule::{Dice, Fault, Link, Topology};
use site::Site;
use trace::Trace;

/// How long it may take after the last fault until everybody has everything.
const SETTLES: Duration = Duration::from_secs(90);
const VISITORS: usize = 6;
const TABS: usize = 2;

const SQLITE: Topology = Topology { name: "sqlite", nodes: 1, mariadb: false, redis: false, crash_store: false };
const MARIADB: Topology = Topology { name: "mariadb", nodes: 1, mariadb: true, redis: false, crash_store: false };
const TWO_NODES: Topology = Topology { name: "two-nodes", nodes: 2, mariadb: true, redis: true, crash_store: false };
const WITHOUT_REDIS: Topology =
    Topology { name: "two-nodes-without-redis", nodes: 2, mariadb: true, redis: false, crash_store: false };

/// One run.
struct Run {
    topology: Topology,
    seed: u64,
    /// How long customers type.
    length: Duration,
    faults: Vec<(Duration, Fault)>,
    pace: Pace,
    /// What is done to MariaDB before anybody types: it takes from purser what a promise stands on.
    spoiled: &'static [&'static str],
    /// Nodes send pages of history backwards, and tabs ask for them: each begins anew when it comes back.
    pages_backwards: bool,
    settles: Duration,
    /// Whether violations are what is wanted.
    is_sabotage: bool,
}

/// What came of it.
struct Outcome {
    violations: Vec<Violation>,
    messages: usize,
    faults: Vec<Fault>,
    figures: customer::Figures,
    /// How long it took after the last fault until everybody had everything; `None` if they never had.
    settled: Option<Duration>,
}

impl Run {
    fn random(topology: Topology, seed: u64, length: Duration) -> Run {
        let faults = schedule::random(seed, topology, length);
        let pace = Pace::default();
        Run {
            topology,
            seed,
            length,
            faults,
            pace,
            spoiled: &[],
            pages_backwards: false,
            settles: SETTLES,
            is_sabotage: false,
        }
    }

    /// A run with these faults, that breaks a promise on purpose; so nobody waits long for it to be kept.
    fn sabotage(topology: Topology, length: Duration, faults: Vec<(Duration, Fault)>) -> Run {
        let settles = Duration::from_secs(12);
        Run { faults, settles, is_sabotage: true, ..Run::random(topology, 1, length) }
    }

    /// `None` where a server that it needs cannot be started.
    async fn go(self) -> Option<Outcome> {
        let trace = Arc::new(Trace::new());
        // What is broken on purpose is as simple as can be.
        let writes_drafts = !self.is_sabotage;
        let site = Site::start(self.topology, self.pace, self.pages_backwards, writes_drafts, trace.clone()).await?;
        let site = Arc::new(site);
        if !self.spoiled.is_empty() {
            let options: MySqlConnectOptions = site.database.parse().expect("MariaDB");
            let mut link = options.connect().await.expect("a connection");
            for statement in self.spoiled {
                link.execute(*statement).await.expect(statement);
            }
        }
        let record = Arc::new(Record::default());
        let stop = CancellationToken::new();
        let mut dice = Dice::new(!self.seed);
        let mut tabs = JoinSet::new();
        let mut visitors = Vec::new();
        let mut keyboards: Vec<Vec<mpsc::UnboundedSender<String>>> = Vec::new();
        for visitor in 0..VISITORS {
            let who = Visitor::new();
            keyboards.push(Vec::new());
            for tab in 0..TABS {
                let (keyboard, typed) = mpsc::unbounded_channel();
                keyboards[visitor].push(keyboard);
                let (who, doors) = (who.clone(), site.doors());
                let (view, record, trace) = (view(&record, visitor, tab), record.clone(), trace.clone());
                let (dice, reloads) = (Dice::new(dice.next()), self.pages_backwards);
                let tab = Tab { visitor, tab, view, who, doors, typed, record, trace, dice, reloads };
                tabs.spawn(tab.live(stop.clone()));
            }
            visitors.push(who);
        }

        let mut breaking = JoinSet::new();
        let start = Instant::now();
        for (at, fault) in self.faults.clone() {
            let site = site.clone();
            breaking.spawn(async move {
                tokio::time::sleep_until(start + at).await;
                site.suffer(fault).await;
            });
        }
        let mut messages = 0;
        while start.elapsed() < self.length {
            let visitor = dice.below(VISITORS as u64) as usize;
            let tab = dice.below(TABS as u64) as usize;
            // Some answers are slow enough for a node to die over them.
            let slow = if dice.below(8) == 0 { format!("slow {} ", 100 + dice.below(2_500)) } else { String::new() };
            let text = format!("{slow}message {messages} of visitor {visitor}");
            record.seen().typed.push((visitor, text.clone()));
            trace.note(format!("visitor {visitor} tab {tab} types {text:?}"));
            keyboards[visitor][tab].send(text).expect("the tab lives");
            messages += 1;
            sleep(dice.millis(5, 60)).await;
        }
        breaking.join_all().await;
        site.mend().await;

        let mended = Instant::now();
        let settled = timeout(self.settles, settle(&site.database, &visitors, &record)).await;
        let settled = settled.is_ok().then(|| mended.elapsed());
        trace.note(if settled.is_some() { "everybody has everything" } else { "somebody never had everything" });
        stop.cancel();
        tabs.join_all().await;
        let mut seen = record.seen().clone();
        seen.stored = stored(&site.database, &visitors).await.expect("the store is back");
        let mut violations = check(&seen);
        violations.sort_by_key(|violation| format!("{violation:?}"));
        if !violations.is_empty() && !self.is_sabotage {
            violations.iter().for_each(|violation| trace.note(format!("VIOLATION {violation}")));
            let kept = trace.keep(&format!("{}-{}", self.topology.name, self.seed), &site.logs());
            eprintln!("{} seed {}: the trace is in {}", self.topology.name, self.seed, kept.display());
        }
        let faults: Vec<Fault> = self.faults.into_iter().map(|(_, fault)| fault).collect();
        eprintln!(
            "{} seed {}: {messages} messages, {} faults, typed and broken for {:.1?}, settled in {settled:.1?}",
            self.topology.name,
            self.seed,
            faults.len(),
            mended - start,
        );
        let figures = *record.figures.lock().expect("no panic");
        Some(Outcome { violations, messages, faults, figures, settled })
    }
}

/// Waits until everything typed is stored and answered, and every tab shows it all.
async fn settle(database: &str, visitors: &[Visitor], record: &Record) {
    loop {
        sleep(Duration::from_millis(200)).await;
        let seen = record.seen().clone();
        let Some(stored) = stored(database, visitors).await else { continue };
        let log = |visitor: &usize| stored.get(visitor).map_or(&[][..], Vec::as_slice);
        let all_stored = seen.typed.iter().all(|(visitor, text)| {
            let question = log(visitor).iter().find(|event| event.author == "visitor" && event.text == *text);
            question.is_some_and(|question| log(visitor).iter().any(|event| event.question == Some(question.seq)))
        });
        let all_acked = seen.acked.len() >= seen.typed.len();
        let all_shown = seen.views.iter().all(|view| view.shown.len() >= log(&view.visitor).len());
        if all_stored && all_acked && all_shown {
            return;
        }
    }
}

/// The logs of all visitors; `None` while the store is away.
async fn stored(database: &str, visitors: &[Visitor]) -> Option<BTreeMap<usize, Vec<Shown>>> {
    let store = Store::open_to_read(&database.parse().expect("an address")).await.ok()?;
    let mut logs = BTreeMap::new();
    for (number, visitor) in visitors.iter().enumerate() {
        let events = store.events_after(ConversationId(visitor.conversation), 0, 100_000).await.ok()?;
        logs.insert(number, events.iter().map(|event| shown(event)).collect());
    }
    Some(logs)
}

fn shown(event: &Event) -> Shown {
    Shown {
        seq: event.seq.into(),
        id: event.id.to_string(),
        author: event.author.as_str().to_owned(),
        text: event.body.as_ref().to_owned(),
        question: event.meta.question.map(Into::into),
    }
}

/// A few seeds of each.
const SEEDS: [u64; 2] = [1, 2];
const SHORT: Duration = Duration::from_secs(6);

async fn keeps_every_promise(topology: Topology) {
    for seed in SEEDS {
        let Some(outcome) = Run::random(topology, seed, SHORT).go().await else { return };
        assert_eq!(outcome.violations, [], "{} seed {seed}", topology.name);
        assert!(outcome.settled.is_some(), "{} seed {seed}: it took longer than {SETTLES:?}", topology.name);
        let figures = outcome.figures;
        assert!(outcome.messages > 50 && figures.resent > 0 && figures.parts > 0, "too little has happened");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_on_sqlite() {
    keeps_every_promise(SQLITE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_on_mariadb() {
    keeps_every_promise(MARIADB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_redis() {
    keeps_every_promise(TWO_NODES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_without_redis() {
    keeps_every_promise(WITHOUT_REDIS).await;
}

// Each way of breaking a promise, which the checker must find.

const NEVER: Duration = Duration::from_secs(3_600);

fn at(millis: u64, fault: Fault) -> (Duration, Fault) {
    (Duration::from_millis(millis), fault)
}

/// The violations of a run that breaks a promise on purpose.
async fn violations(run: Run) -> Option<Vec<Violation>> {
    run.go().await.map(|outcome| outcome.violations)
}

/// A commit is durable when MariaDB has flushed it. Where it does not, purser acknowledges before that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledging_before_the_commit_is_found() {
    let crash = at(4_000, Fault::CrashStore(Duration::ZERO));
    let topology = Topology { crash_store: true, ..MARIADB };
    let run = Run::sabotage(topology, Duration::from_secs(4), vec![crash]);
    let spoiled = &["SET GLOBAL innodb_flush_log_at_timeout = 2700", "SET GLOBAL innodb_flush_log_at_trx_commit = 0"];
    let Some(found) = violations(Run { spoiled, ..run }).await else { return };
    assert!(found.iter().any(|violation| matches!(violation, Violation::AcknowledgedMissing { .. })), "{found:?}");
}

/// What keeps a message from being stored twice.
const NO_KEY: &str = "ALTER TABLE events DROP INDEX events_client_id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storing_twice_what_is_sent_twice_is_found() {
    // Acknowledgements get lost, and the node that remembers them, too.
    let lost = |after| at(after, Fault::Swallow(Link::Front(0), Way::Back, Duration::from_millis(600)));
    let killed = |after| at(after, Fault::Kill(0, Duration::ZERO));
    // Several times: on a busy machine nothing may be under way just then.
    let faults = [500, 2_500, 4_500, 6_500].into_iter().flat_map(|after| [lost(after), killed(after + 500)]).collect();
    let run = Run::sabotage(MARIADB, Duration::from_secs(8), faults);
    let Some(found) = violations(Run { spoiled: &[NO_KEY], ..run }).await else { return };
    assert!(found.iter().any(|violation| matches!(violation, Violation::StoredTwice { .. })), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_out_of_order_is_found() {
    // The last one comes when there is something to show, whatever else the machine does.
    let cut = |after| at(after, Fault::Cut(Link::Front(0)));
    let run = Run::sabotage(SQLITE, Duration::from_secs(4), vec![cut(1_000), cut(2_000), cut(3_500)]);
    let Some(found) = violations(Run { pages_backwards: true, ..run }).await else { return };
    assert!(found.iter().any(|violation| matches!(violation, Violation::OutOfOrder { .. })), "{found:?}");
}

/// The store forgets that questions have their answers, where it is told so by itself, and the node answers them once more when it
/// wakes.
const FORGETS: &str = "CREATE TRIGGER forgets BEFORE UPDATE ON conversations FOR EACH ROW SET \
                       NEW.wake_at = IF(NEW.answered_seq > OLD.answered_seq AND NEW.answered_seq < 200, 1, NEW.wake_at), \
                       NEW.answered_seq = IF(NEW.answered_seq < 200, OLD.answered_seq, NEW.answered_seq)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_answer_is_found() {
    let run = Run::sabotage(MARIADB, Duration::from_secs(8), Vec::new());
    let Some(found) = violations(Run { spoiled: &[NO_KEY, FORGETS], ..run }).await else { return };
    assert!(found.iter().any(|violation| matches!(violation, Violation::AnsweredTwice { .. })), "{found:?}");
}

/// While one node has no Redis, what it commits does not reach the other: later events come without these before them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_that_is_not_filled_is_found() {
    let alone = at(700, Fault::Refuse(Link::Redis(0), Duration::from_millis(2_000)));
    let run = Run::sabotage(TWO_NODES, Duration::from_secs(6), vec![alone]);
    let pace = Pace { gap: NEVER, ..Pace::default() };
    let Some(found) = violations(Run { pace, ..run }).await else { return };
    assert!(found.iter().any(|violation| matches!(violation, Violation::NotShown { .. })), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_tail_that_is_not_healed_is_found() {
    // Until well after the end: slow answers that wait for each other come after the last message, and one that comes
    // when Redis is back shows the gap before it.
    let alone = at(700, Fault::Refuse(Link::Redis(0), Duration::from_secs(9)));
    let run = Run::sabotage(TWO_NODES, Duration::from_secs(3), vec![alone]);
    let pace = Pace { round: NEVER, ..Pace::default() };
    let Some(found) = violations(Run { pace, ..run }).await else { return };
    assert!(found.iter().any(|violation| matches!(violation, Violation::NotShown { .. })), "{found:?}");
}

/// The same without the sabotage, or the last ones would prove nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gaps_and_tails_are_healed_otherwise() {
    let alone = at(700, Fault::Refuse(Link::Redis(0), Duration::from_millis(2_500)));
    let run = Run::sabotage(TWO_NODES, Duration::from_secs(3), vec![alone]);
    let Some(found) = violations(Run { settles: SETTLES, is_sabotage: false, ..run }).await else { return };
    assert_eq!(found, []);
}

/// A full disk: SQLite may not write beyond a limit, as when there is no room left. What was acknowledged stays, the
/// customer is told to wait, the connection stays, and what waited is stored when there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_waited_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spec = Spec {
        port: free_port().expect("a free port"),
        database: format!("sqlite://{}", folder.path().join("purser.db").display()),
        redis: None,
        faq: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faq").to_owned(),
        gap_millis: 60,
        round_millis: 5_000,
        pages_backwards: false,
        writes_drafts: false,
    };
    let log = folder.path().join("node.log");
    let mut node = spec.start(&log).expect("a node");
    let visitor = Visitor::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, spec.port));
    let mut customer = Typed::connect(address).await;
    customer.hello(&visitor, 0).await;
    let long = "x".repeat(3_000);
    customer.ask("m0", &long).await;

    // From here on no file of the node grows beyond what it has.
    let pid = Pid::from_child(&node);
    let size = ["purser.db", "purser.db-wal"].map(|file| folder.path().join(file).metadata().map_or(0, |m| m.len()));
    let limit = |current| Rlimit { current, maximum: None };
    prlimit(Some(pid), Resource::Fsize, limit(size.iter().max().copied())).expect("a limit");
    let mut acked = 0;
    let refused = loop {
        acked += 1;
        customer.say(&format!("m{acked}"), &long).await;
        let frame = customer.hear_where("an end", |frame| frame["type"] == "ack" || frame["type"] == "error").await;
        if frame["type"] == "error" {
            break frame;
        }
    };
    assert_eq!((&refused["code"], &refused["client_id"]), (&json!("not_stored"), &json!(format!("m{acked}"))));
    assert!(refused["retry_after"].is_u64());
    // Reading goes on, on the same connection.
    customer.send(json!({ "type": "older", "before": 3 })).await;
    assert_eq!(customer.hear("history").await["events"].as_array().map(Vec::len), Some(2));

    prlimit(Some(pid), Resource::Fsize, limit(None)).expect("no limit");
    let stored = loop {
        customer.say(&format!("m{acked}"), &long).await;
        let frame = customer.hear_where("an end", |frame| frame["type"] == "ack" || frame["type"] == "error").await;
        if frame["type"] == "ack" {
            break frame;
        }
    };
    assert_eq!(stored["seq"], 2 * acked + 1, "everything before it, and nothing twice");
    node.kill().expect("the end");
    node.wait().expect("the end");
}
