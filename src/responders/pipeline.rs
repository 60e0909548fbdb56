//! Asks the responders in order, holds them to their time, and says where an answer came from.
//!
//! A turn goes to each responder of the order until one answers. An entry of the FAQ may hand the turn to another
//! responder (`then:`); its own answer is kept and used if that one passes, fails or is off. A suggestion is kept
//! aside until everybody has passed. When nothing is left, the pipeline speaks the last line itself, so there is an
//! answer to every question.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::{Line, Lines};
use super::person::Person;
use super::{Answer, Reply, Responder, Suggestions, Turn};
use crate::conversation::{BotMessage, Button, Provenance};

/// The name under which the pipeline's own lines stand in the provenance.
pub const PIPELINE: &str = "pipeline";

/// The ordered responders over one content revision. It never changes; new content brings a new pipeline.
pub struct Pipeline {
    revision: Arc<str>,
    /// Those that are asked for every turn, in order.
    order: Vec<Arc<dyn Responder>>,
    /// Those that only get turns handed to them.
    handed: Vec<Arc<dyn Responder>>,
    lines: Arc<Lines>,
    /// The longest that one responder may take.
    limit: Duration,
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A responder answered.
    Answer,
    /// Entries are suggested.
    Suggest,
    /// Nobody had an answer.
    Pass,
    /// A person is wanted.
    Handover,
}

/// An answered turn: the message, and how it came about.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What came of it.
    pub outcome: Outcome,
    /// What the customer gets.
    pub message: BotMessage,
    /// How sure the answering or suggesting responder was, 0 to 1.
    pub score: Option<f32>,
    /// Who was asked, in order, and what each made of it.
    pub trace: Vec<Step>,
}

impl Answered {
    /// The entries that were suggested.
    pub fn suggested(&self) -> impl Iterator<Item = &str> {
        let buttons: &[Button] = if self.outcome == Outcome::Suggest { &self.message.buttons } else { &[] };
        buttons.iter().filter_map(|button| button.choice.as_deref())
    }
}

/// One responder's part in a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Who was asked.
    pub responder: String,
    /// What it made of the turn: `pass`, `reply shipping-cost`, `failed`, ….
    pub said: String,
    /// How long it took, in microseconds.
    pub micros: u32,
}

impl Pipeline {
    /// A pipeline over content of this revision. `order` are asked for every turn, `handed` only for turns that
    /// another responder hands to them by name.
    pub fn new(
        revision: Arc<str>,
        order: Vec<Arc<dyn Responder>>,
        handed: Vec<Arc<dyn Responder>>,
        lines: Arc<Lines>,
        limit: Duration,
    ) -> Pipeline {
        Pipeline { revision, order, handed, lines, limit }
    }

    /// The content that its answers come from.
    pub fn revision(&self) -> &Arc<str> {
        &self.revision
    }

    /// The lines that purser itself says.
    pub fn lines(&self) -> &Arc<Lines> {
        &self.lines
    }

    /// Answers a turn. There is always an answer; a responder that fails or takes too long counts as a pass.
    ///
    /// Ready at the first poll unless a responder really waits for something: the desk then commits question and
    /// answer together.
    pub async fn answer(&self, turn: &Turn) -> Answered {
        let started = Instant::now();
        let mut trace = Vec::with_capacity(self.order.len() + 1);
        let mut suggestions = None;
        if let Some(name) = &turn.choice
            && let Some(responder) = self.handed.iter().find(|responder| responder.name() == name)
            && let Answer::HandOver(reply) = self.ask(responder, turn, &mut trace).await
        {
            return self.given(started, Outcome::Handover, responder.name(), reply, trace);
        }
        for responder in &self.order {
            match self.ask(responder, turn, &mut trace).await {
                Answer::Pass => {}
                Answer::Suggest(some) => {
                    suggestions.get_or_insert((responder.name(), some));
                }
                Answer::HandOver(reply) => {
                    return self.given(started, Outcome::Handover, responder.name(), reply, trace);
                }
                Answer::Reply(reply) => return self.hand_on(started, responder.name(), reply, turn, trace).await,
            }
        }
        match suggestions {
            Some((responder, some)) => self.suggest(started, responder, some, turn, trace),
            None => self.last_line(started, turn, trace),
        }
    }

    /// The line that apologises for a question that could not be answered.
    pub fn apologise(&self, turn: &Turn) -> Answered {
        self.own_line(Instant::now(), Line::Apology, Outcome::Pass, turn, Vec::new())
    }

    /// Why each responder answers or passes, for `--why`.
    pub fn explain(&self, turn: &Turn) -> Vec<(String, Vec<String>)> {
        let all = self.order.iter().chain(&self.handed);
        all.map(|responder| (responder.name().to_owned(), responder.explain(turn))).collect()
    }

    async fn ask(&self, responder: &Arc<dyn Responder>, turn: &Turn, trace: &mut Vec<Step>) -> Answer {
        let started = Instant::now();
        let answer = match tokio::time::timeout(self.limit, responder.respond(turn)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::warn!(
                    conversation = %turn.conversation, responder = responder.name(), error = %format!("{error:#}"),
                    "responder {} failed, the next one is asked", responder.name()
                );
                trace.push(step(responder, "failed", started));
                return Answer::Pass;
            }
            Err(_) => {
                tracing::warn!(
                    conversation = %turn.conversation, responder = responder.name(),
                    "responder {} took longer than {:?}, the next one is asked", responder.name(), self.limit
                );
                trace.push(step(responder, "too slow", started));
                return Answer::Pass;
            }
        };
        let said = match &answer {
            Answer::Pass => "pass".to_owned(),
            Answer::Suggest(some) => {
                let entries: Vec<_> = some.buttons.iter().filter_map(|button| button.choice.as_deref()).collect();
                format!("suggest {}", entries.join(", "))
            }
            Answer::Reply(Reply { entry, then, .. }) => {
                let entry = entry.as_deref().unwrap_or("");
                match then {
                    Some(then) => format!("reply {entry} then {then}"),
                    None => format!("reply {entry}"),
                }
            }
            Answer::HandOver(_) => "hand over".to_owned(),
        };
        trace.push(step(responder, said.trim_end(), started));
        answer
    }

    /// Gives a reply, or first the responder that it names a turn.
    async fn hand_on(
        &self,
        started: Instant,
        from: &str,
        mut reply: Reply,
        turn: &Turn,
        mut trace: Vec<Step>,
    ) -> Answered {
        let then = reply.then.take();
        let to = then.and_then(|name| self.order.iter().chain(&self.handed).find(|responder| responder.name() == name));
        if let Some(responder) = to {
            // It goes on in the language that the words were understood in.
            let spoken = reply.language.iter().chain(&turn.languages).cloned().collect();
            let turn = &Turn { languages: spoken, ..turn.clone() };
            let handed = |given: Reply| Reply { entry: given.entry.or_else(|| reply.entry.clone()), ..given };
            match self.ask(responder, turn, &mut trace).await {
                Answer::Reply(given) => {
                    return self.given(started, Outcome::Answer, responder.name(), handed(given), trace);
                }
                Answer::HandOver(given) => {
                    return self.given(started, Outcome::Handover, responder.name(), handed(given), trace);
                }
                Answer::Pass | Answer::Suggest(_) => {}
            }
        }
        self.given(started, Outcome::Answer, from, reply, trace)
    }

    fn given(&self, started: Instant, outcome: Outcome, responder: &str, reply: Reply, trace: Vec<Step>) -> Answered {
        let provenance = self.provenance(responder, reply.entry, started);
        let message = BotMessage { text: reply.text, buttons: reply.buttons, language: reply.language, provenance };
        Answered { outcome, message, score: reply.score, trace }
    }

    fn suggest(&self, started: Instant, responder: &str, some: Suggestions, turn: &Turn, trace: Vec<Step>) -> Answered {
        // The line is wanted in the language of the suggestions.
        let (text, _) = match &some.language {
            Some(language) => self.lines.say(Line::DidYouMean, std::slice::from_ref(language)),
            None => self.lines.say(Line::DidYouMean, &turn.languages),
        };
        let provenance = self.provenance(responder, None, started);
        // Suggestions are a guess; they do not change the language of the conversation.
        let message = BotMessage { text: text.to_owned(), buttons: some.buttons, language: None, provenance };
        Answered { outcome: Outcome::Suggest, message, score: some.score, trace }
    }

    /// Nobody answered: say so and offer what can be done.
    fn last_line(&self, started: Instant, turn: &Turn, trace: Vec<Step>) -> Answered {
        let mut answered = self.own_line(started, Line::NothingFound, Outcome::Pass, turn, trace);
        let person = self.order.iter().chain(&self.handed).any(|responder| responder.name() == Person::NAME);
        if person {
            let (text, _) = self.lines.say(Line::PersonButton, &turn.languages);
            answered.message.buttons.push(Button { text: text.to_owned(), choice: Some(Person::NAME.to_owned()) });
        }
        answered
    }

    fn own_line(&self, started: Instant, line: Line, outcome: Outcome, turn: &Turn, trace: Vec<Step>) -> Answered {
        let (text, _) = self.lines.say(line, &turn.languages);
        let provenance = self.provenance(PIPELINE, None, started);
        let message = BotMessage { text: text.to_owned(), buttons: Vec::new(), language: None, provenance };
        Answered { outcome, message, score: None, trace }
    }

    fn provenance(&self, responder: &str, entry: Option<String>, started: Instant) -> Provenance {
        Provenance {
            responder: responder.to_owned(),
            entry,
            revision: self.revision.to_string(),
            micros: micros(started),
        }
    }
}

fn step(responder: &Arc<dyn Responder>, said: &str, started: Instant) -> Step {
    Step { responder: responder.name().to_owned(), said: said.to_owned(), micros: micros(started) }
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}
