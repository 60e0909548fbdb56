//! What the desk did, in numbers: an operator's metrics read them.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::conversation::Provenance;
use crate::responders::pipeline::{Outcome, Step};

/// Counted since the start.
#[derive(Debug)]
pub struct Counts {
    /// Messages of visitors that were stored.
    pub messages: Counter,
    /// How many seconds it took until a message was durable, with its answer if that was there at once.
    pub acknowledged: Histogram,
    /// Answers that were stored.
    pub answers: Family<Answer, Counter>,
    /// Answers that came after somebody else had the conversation, or after another answer: none of them is stored.
    pub refused: Counter,
    /// How many seconds it took to find them.
    pub answered: Histogram,
    /// Errands that have their outcome: `done`, `refused` or `unknown`.
    pub errands: Family<[(&'static str, &'static str); 1], Counter>,
    /// Responders that did not do their part of a turn.
    pub failures: Family<Failure, Counter>,
}

/// Whose answers, and what came of the turn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answer {
    /// The responder's name.
    pub responder: Arc<str>,
    /// `answer`, `ask`, `suggest`, `pass` or `handover`.
    pub outcome: &'static str,
}

/// Whose failures, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Failure {
    /// The responder's name.
    pub responder: String,
    /// `failed` or `too slow`.
    pub how: String,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            messages: Counter::default(),
            acknowledged: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            answers: Family::default(),
            refused: Counter::default(),
            answered: Histogram::new(exponential_buckets(0.000_01, 4.0, 11)),
            errands: Family::default(),
            failures: Family::default(),
        }
    }
}

impl Counts {
    /// An answer was stored.
    pub(super) fn answered(&self, provenance: &Provenance, outcome: Outcome, trace: &[Step]) {
        let outcome = match outcome {
            Outcome::Answer => "answer",
            Outcome::Ask => "ask",
            Outcome::Suggest => "suggest",
            Outcome::Pass => "pass",
            Outcome::Handover => "handover",
        };
        self.answers.get_or_create(&Answer { responder: provenance.responder.clone(), outcome }).inc();
        self.answered.observe(f64::from(provenance.micros) / 1e6);
        for step in trace.iter().filter(|step| matches!(&*step.said, "failed" | "too slow")) {
            self.failures.get_or_create(&Failure { responder: step.responder.clone(), how: step.said.clone() }).inc();
        }
    }
}
