//! The LLM, optional and on a leash: an answer in the words of a model, from nothing but the FAQ and tools.
//!
//! The way of one question ([`Writer`]): a question that has no word the content knows is none for a model; who has
//! spent their tokens is not answered by one ([`crate::limits::Tokens`]), nor is anybody while the server rests after
//! failing, or all [`places`] are taken. Then [`prompt`] puts together what is sent, [`mask`] replaces what must not
//! be, and [`client`] asks ([`stream`] and [`wire`] read what comes). What the model says goes through [`release`]:
//! its [`thoughts`] are taken out, it must name its sources, and each sentence is checked against [`facts`] and [`links`]
//! before anybody sees it. A model
//! may call [`tools`], which are plugins, several times. Whatever goes wrong, the pipeline goes on.

mod client;
mod counts;
mod facts;
mod figures;
mod links;
mod mask;
mod places;
mod prompt;
mod release;
mod settings;
mod stream;
mod thoughts;
mod tools;
mod wire;
mod writing;

use std::sync::Arc;
use std::time::Duration;

pub use counts::Counts;
pub use facts::Breach;
pub use settings::{Key, Settings};

use self::client::Server;
use self::places::Places;
use self::writing::{Ended, Writing};
use super::lines::Lines;
use super::{Answer, BoxFuture, Knowledge, Responder, Tool, Turn};
use crate::limits::Tokens;
use crate::sources::Breaker;

/// The name under which calls of the model stand among the look-ups of an answer.
pub const SOURCE: &str = "llm";
/// A limit of the pipeline must not come before the model's own.
const GRACE: Duration = Duration::from_secs(1);

/// A server of models, with all that is shared by the questions to it.
pub struct Llm {
    settings: Settings,
    /// `None` if no client could be made, or none is wanted.
    server: Option<Server>,
    breaker: Breaker,
    places: Places,
    tokens: Arc<Tokens>,
    counts: Counts,
}

impl Llm {
    /// Asks as these settings say, and counts tokens there.
    pub fn new(settings: Settings, tokens: Arc<Tokens>) -> Arc<Llm> {
        let server = match settings.url.is_empty() {
            true => None,
            false => Server::new(&settings).map_err(|why| tracing::error!("the LLM cannot be asked: {why}")).ok(),
        };
        let places = Places::new(settings.calls, settings.waiting, settings.wait);
        Arc::new(Llm { settings, server, breaker: Breaker::default(), places, tokens, counts: Counts::default() })
    }

    /// One that only says what a recording has of it.
    pub fn recorded(settings: Settings) -> Arc<Llm> {
        let settings = Settings { url: String::new(), ..settings };
        let tokens = Tokens::new(settings.visitor_tokens, settings.day_tokens, false);
        Llm::new(settings, tokens)
    }

    /// What it did since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The longest that a question may take.
    pub fn longest(&self) -> Duration {
        self.settings.time + self.settings.wait
    }
}

/// The responder `llm`.
pub struct Writer {
    llm: Arc<Llm>,
    knowledge: Arc<dyn Knowledge>,
    tools: Vec<Arc<dyn Tool>>,
    lines: Arc<Lines>,
    /// Whether there is somebody to hand over to.
    hands_over: bool,
}

impl Writer {
    /// The name that `pipeline:` uses.
    pub const NAME: &str = "llm";

    /// A responder that answers from this knowledge, with these tools.
    pub fn new(
        llm: Arc<Llm>,
        knowledge: Arc<dyn Knowledge>,
        tools: Vec<Arc<dyn Tool>>,
        lines: Arc<Lines>,
        hands_over: bool,
    ) -> Writer {
        Writer { llm, knowledge, tools, lines, hands_over }
    }

    async fn answer(&self, turn: &Turn) -> anyhow::Result<Answer> {
        let (outcome, answer) = match Writing::new(self, turn).write().await {
            Ended::Given(answer) => {
                let outcome = if matches!(*answer, Answer::HandOver(_)) { "handover" } else { "answered" };
                (outcome, Ok(*answer))
            }
            Ended::NotAsked(why) => (why, Ok(Answer::Pass)),
            Ended::Declined => ("declined", Ok(Answer::Pass)),
            Ended::Withheld(breach) => {
                self.llm.counts.withheld(breach.word());
                tracing::info!(
                    conversation = %turn.conversation, why = breach.word(),
                    "an answer of the LLM was not given: {}", breach.word()
                );
                ("withheld", Ok(Answer::Pass))
            }
            Ended::Failed(trouble) => {
                self.llm.counts.trouble(trouble.word());
                // The pipeline logs it.
                ("failed", Err(anyhow::anyhow!(trouble.told())))
            }
        };
        self.llm.counts.question(outcome);
        answer
    }
}

impl Responder for Writer {
    fn name(&self) -> &str {
        Writer::NAME
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(self.answer(turn))
    }

    fn writes_drafts(&self) -> bool {
        true
    }

    fn limit(&self) -> Option<Duration> {
        Some(self.llm.longest() + GRACE)
    }

    fn explain(&self, turn: &Turn) -> Vec<String> {
        Writing::new(self, turn).explain()
    }
}
