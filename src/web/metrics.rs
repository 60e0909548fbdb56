//! `GET /metrics`: what purser counts, for Prometheus.
//!
//! The parts count for themselves (`counts()`), in atomics and small histograms; only here do they get names. The
//! list is put together at each scrape, so that a message pays for nothing but the counting.

use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Door;
use super::protocol::{CloseCode, ErrorCode};
use crate::fanout::Reach;

/// What a client is told that it gets.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What happened at the door since the start.
#[derive(Debug, Default)]
pub struct Counts {
    connections: Family<[(&'static str, &'static str); 1], Counter>,
    refused: Family<[(&'static str, String); 1], Counter>,
    closed: Family<[(&'static str, u16); 1], Counter>,
}

/// What carries a session.
#[derive(Debug, Clone, Copy)]
pub enum Over {
    /// A WebSocket of the plain dialect.
    Plain,
    /// A WebSocket of the typed dialect.
    Socket,
    /// Server-sent events.
    Stream,
}

impl Counts {
    /// Somebody came in.
    pub fn connected(&self, over: Over) {
        let over = match over {
            Over::Plain => "plain",
            Over::Socket => "socket",
            Over::Stream => "stream",
        };
        self.connections.get_or_create(&[("over", over)]).inc();
    }

    /// Something could not be done.
    pub fn refused(&self, code: ErrorCode) {
        self.refused.get_or_create(&[("code", code.word())]).inc();
    }

    /// A connection was closed by this side.
    pub fn closed(&self, code: CloseCode) {
        self.closed.get_or_create(&[("code", code.number())]).inc();
    }
}

/// All of it as text.
pub fn all(door: &Door) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("purser");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The version that runs", Info::new(version));
    customers(door, &mut registry);
    store(door, &mut registry);
    nodes(door, &mut registry);
    content(door, &mut registry);
    llm(door, &mut registry);
    let mut all = Registry::default();
    process(&mut all);
    let mut text = String::with_capacity(16 * 1024);
    text::encode_registry(&mut text, &registry)?;
    text::encode_registry(&mut text, &all)?;
    text::encode_eof(&mut text)?;
    Ok(text)
}

fn customers(door: &Door, registry: &mut Registry) {
    let desk = door.desk.counts();
    registry.register("messages", "Messages of visitors that were stored", desk.messages.clone());
    registry.register_with_unit(
        "acknowledged",
        "Until a message was durable, with its answer if that was there at once",
        Unit::Seconds,
        desk.acknowledged.clone(),
    );
    registry.register("answers", "Answers that were stored, by responder and outcome", desk.answers.clone());
    registry.register_with_unit("answered", "Until an answer was found", Unit::Seconds, desk.answered.clone());
    registry.register("errands", "Errands of customers that have their outcome", desk.errands.clone());
    registry.register("failures", "Turns that a responder failed at, or was too slow for", desk.failures.clone());
    registry.register(
        "post",
        "Mail and calls of webhooks that were sent, failed or were given up",
        door.office.counts().all(),
    );
    let conflicts = counter(door.desk.conflicts());
    registry.register("conflicts", "Appends that met a log which had moved on", conflicts);
    registry.register("answers_under_way", "Questions that are being answered", gauge(door.desk.answers_under_way()));
    registry.register("connections_open", "Chats that are open on this node", gauge(door.open()));
    registry.register("connections_most", "Chats that may be open", gauge(door.max_sockets));
    registry.register("connections", "Chats that were opened", door.counts.connections.clone());
    registry.register("refused", "What could not be done for a client, by error code", door.counts.refused.clone());
    registry.register("closed", "Chats that this side closed, by close code", door.counts.closed.clone());
    registry.register(
        "draining",
        "Whether this node is about to stop",
        gauge(usize::from(door.draining.is_cancelled())),
    );
}

fn store(door: &Door, registry: &mut Registry) {
    let counts = door.store.counts();
    registry.register("store_up", "Whether the store answers", gauge(usize::from(!door.store.is_away())));
    registry.register("store_waiting", "Appends that wait for the writer", gauge(door.store.waiting()));
    registry.register("commit_appends", "Appends that a commit carried", counts.appends.clone());
    registry.register_with_unit(
        "commit",
        "What a commit took, with its statements",
        Unit::Seconds,
        counts.commits.clone(),
    );
    registry.register("commits_judged", "Batches that met somebody else's rows", counts.judged.clone());
    registry.register("commits_tried_again", "Batches that failed and were tried again", counts.tried_again.clone());
}

fn nodes(door: &Door, registry: &mut Registry) {
    let counts = door.fanout.counts();
    match door.fanout.reach() {
        Reach::Unset => {}
        reach => {
            let joined = usize::from(reach == Reach::Joined);
            registry.register("redis_up", "Whether Redis connects this node to the others", gauge(joined));
            registry.register("redis_lost", "Connections to Redis that broke", counter(counts.redis_lost.get()));
            registry.register("nodes_others", "Other nodes that were heard of", gauge(door.fanout.others().len()));
        }
    }
    for (name, help, count) in [
        ("events_carried", "Events that were given to Redis", &counts.carried),
        ("events_not_carried", "Events that Redis was away or too slow for", &counts.not_carried),
        ("events_received", "Events of other nodes that came by way of Redis", &counts.received),
        ("gaps", "Events that came without the ones before them", &counts.gaps),
        ("events_healed", "Events that were read from the store because they never came", &counts.healed),
        ("cut_off", "Clients that were cut off because they read too slowly", &counts.cut_off),
    ] {
        registry.register(name, help, counter(count.get()));
    }
}

fn content(door: &Door, registry: &mut Registry) {
    let (snapshot, findings) = (door.content.in_force(), door.content.findings());
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let revision = [("revision", snapshot.revision.to_string())];
    registry.register("content", "The content in force", Info::new(revision));
    registry.register("content_swaps", "How often other content went live", door.content.swaps().clone());
    registry.register("content_entries", "Entries in force", gauge(snapshot.faq.entries()));
    registry.register(
        "content_held",
        "Files that are not in force as they are saved",
        gauge(door.content.held().len()),
    );
    let by_severity = Family::<[(&'static str, &'static str); 1], Gauge>::default();
    by_severity.get_or_create(&[("severity", "error")]).set(whole(errors));
    by_severity.get_or_create(&[("severity", "warning")]).set(whole(findings.len() - errors));
    registry.register("content_findings", "What is wrong, or doubtful, in the files", by_severity);
}

fn llm(door: &Door, registry: &mut Registry) {
    let Some(counts) = door.llm.as_ref().map(|llm| llm.counts()) else { return };
    for (name, help, family) in [
        ("llm_questions", "Questions that came to the LLM, by what came of them", &counts.questions),
        (
            "llm_withheld",
            "Answers of the LLM that were not given, by what they said that they must not",
            &counts.withheld,
        ),
        ("llm_troubles", "Calls of the LLM that failed, by why", &counts.troubles),
        ("llm_tokens", "Tokens that the LLM read and wrote", &counts.tokens),
        ("llm_tools", "Calls of tools by the LLM, by what came of them", &counts.tools),
    ] {
        registry.register(name, help, family.clone());
    }
    let help = "Until the first token of a call";
    registry.register_with_unit("llm_first_token", help, Unit::Seconds, counts.first_token.clone());
}

/// What every exporter tells of its process, under the names that dashboards know. Only Linux tells us.
fn process(registry: &mut Registry) {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    if let Some(kib) = kib {
        let help = "Resident memory";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, gauge(kib * 1024));
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        registry.register("process_open_fds", "Open files", gauge(files.count()));
    }
}

fn gauge(value: usize) -> ConstGauge<i64> {
    ConstGauge::new(whole(value))
}

fn whole(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn counter(value: u64) -> ConstCounter<u64> {
    ConstCounter::new(value)
}
