//! What was asked of the model and what came of it, in numbers.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// Counted since the start.
#[derive(Debug)]
pub struct Counts {
    /// Questions by what came of them: `answered`, `declined`, `handover`, `withheld`, `failed`, `busy`, `spent`,
    /// `resting`, `foreign`.
    pub questions: Labelled,
    /// Answers that were not given, by what they said that they must not.
    pub withheld: Labelled,
    /// Calls that failed, by why.
    pub troubles: Labelled,
    /// Tokens: `read` and `written`.
    pub tokens: Labelled,
    /// Calls of tools: `answered`, `refused`, `failed`.
    pub tools: Labelled,
    /// How many seconds it took to the first token of a call.
    pub first_token: Histogram,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            questions: Family::default(),
            withheld: Family::default(),
            troubles: Family::default(),
            tokens: Family::default(),
            tools: Family::default(),
            first_token: Histogram::new(exponential_buckets(0.01, 2.0, 13)),
        }
    }
}

impl Counts {
    pub(super) fn question(&self, outcome: &'static str) {
        self.questions.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn withheld(&self, why: &'static str) {
        self.withheld.get_or_create(&[("why", why)]).inc();
    }

    pub(super) fn trouble(&self, why: &'static str) {
        self.troubles.get_or_create(&[("why", why)]).inc();
    }

    pub(super) fn tool(&self, outcome: &'static str) {
        self.tools.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn tokens(&self, read: u32, written: u32) {
        self.tokens.get_or_create(&[("way", "read")]).inc_by(read.into());
        self.tokens.get_or_create(&[("way", "written")]).inc_by(written.into());
    }
}
