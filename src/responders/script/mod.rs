//! Responders that developers write: plugins in Rhai.
//!
//! A plugin is a folder: [`manifest`] reads its plugin.yaml, [`plugin`] loads it, [`closures`] and [`calls`] find at
//! load what would otherwise fail before a customer. [`engine`] is the one engine that all scripts run in, [`sizes`] some of
//! its functions done again, and
//! [`library`] how functions get into it with their documentation: [`turn`], [`answers`], [`lookups`], [`memory`],
//! [`sentences`], [`parcels`], [`value`]. [`needs`] says which messages a plugin is asked about, [`run`] is one run within its limits; [`fault`] says where a script is wrong.
//!
//! A script is a pure function of the turn and of what it looked up. It runs inline, for some microseconds. When it
//! wants something looked up that is not there at once, it is stopped, and runs again from its start with the result in
//! hand: no thread waits for a source.

mod answers;
mod calls;
mod closures;
mod engine;
mod fault;
pub mod health;
pub mod library;
mod lookups;
pub mod manifest;
mod memory;
pub mod needs;
mod parcels;
pub mod plugin;
mod reach;
pub mod reference;
mod run;
mod sentences;
mod sizes;
#[cfg(test)]
mod tests;
mod tool;
mod turn;
mod value;

use std::sync::Arc;

use anyhow::Context;
use futures_util::future::join_all;
use serde_json::Value;

pub use engine::reference as functions;
pub use plugin::{Files, Plugin};
pub use reach::marked;
pub use tool::ScriptTool;

use self::answers::{Act, Given, Said};
use self::fault::Fault;
use self::lookups::{Found, Known, Question, UnderWay};
use self::needs::Answers;
use self::run::{Arguments, Effects, Ran, Wanted};
use self::turn::ScriptTurn;
use self::value::fits;
use super::{Answer, Asked, BoxFuture, LookedUp, Reply, Responder, Turn};
use crate::conversation::{self, Button};
use crate::sources::LookUp;

/// The largest result of a look-up that is kept with the answer, in bytes of JSON.
const MOST_KEPT: usize = 16 << 10;

/// A plugin as a responder.
pub struct Script {
    plugin: Arc<Plugin>,
    sources: Arc<dyn LookUp>,
}

impl Script {
    /// A responder that looks things up in these sources.
    pub fn new(plugin: Arc<Plugin>, sources: Arc<dyn LookUp>) -> Script {
        Script { plugin, sources }
    }

    /// Runs the script until it answers; with arguments, as a tool.
    async fn answer(&self, turn: &Turn, arguments: Option<&Arguments>) -> anyhow::Result<Answer> {
        // A test must see every failure, and must not count against what customers get.
        let in_test = turn.stubs.is_some();
        if !in_test && self.plugin.health().is_aside() {
            return Ok(Answer::Pass);
        }
        // A tool is called by whoever wants it, whatever the message is.
        if arguments.is_none() && !self.is_asked(turn) {
            return Ok(Answer::Pass);
        }
        let script_turn = ScriptTurn::new(turn, &self.plugin, self.sources(turn));
        let mut known = Known::from(self.sources(turn).clone());
        let mut lookups = Vec::new();
        let tries = if in_test { run::TRIES_IN_TESTS } else { run::TRIES };
        loop {
            let ran = run::run(&self.plugin, &script_turn, arguments, &mut known, tries);
            lookups.extend(known.take_found().into_iter().filter_map(|found| self.take_down(found, turn)));
            match ran {
                Ran::Answered(given, effects) => {
                    if !in_test {
                        self.plugin.health().succeeded();
                    }
                    return Ok(self.given(given, effects, lookups, turn));
                }
                Ran::Wants(wanted) => find_out(wanted, turn, &mut known).await?,
                Ran::Failed(fault) => {
                    if !in_test {
                        self.set_aside(&fault);
                    }
                    return Err(anyhow::anyhow!(fault.finding.one_line()).context(fault.for_the_log()));
                }
            }
        }
    }

    /// Whether the turn has what the plugin needs, may answer its question, or comes from its button.
    fn is_asked(&self, turn: &Turn) -> bool {
        let Some(needs) = &self.plugin.manifest().needs else { return true };
        let language = turn::language(&turn.languages);
        let may_answer = |answers: &Answers| answers.may_be(turn, &language, turn::texts(&self.plugin, &language));
        turn::own_choice(turn, &self.plugin).is_some()
            || (turn::is_answer(turn, &self.plugin) && needs.answers.as_ref().is_none_or(may_answer))
            || needs.are_met(turn, &language)
    }

    /// What answers look-ups in this turn.
    fn sources<'a>(&'a self, turn: &'a Turn) -> &'a Arc<dyn LookUp> {
        turn.stubs.as_ref().unwrap_or(&self.sources)
    }

    /// Counts a failure, and says so when it was once too often.
    fn set_aside(&self, fault: &Fault) {
        if let Some(rest) = self.plugin.health().failed(fault.for_the_log()) {
            let name = self.plugin.name();
            tracing::error!(
                plugin = name,
                "the plugin {name} fails again and again and is set aside for {rest:?}, or until it is edited"
            );
        }
    }

    /// Notes what came of a look-up, and gives it as the log keeps it, if it is not too large for that.
    fn take_down(&self, (question, result): (Arc<Question>, Found), turn: &Turn) -> Option<conversation::LookedUp> {
        let Question { source, params } = Question::clone(&question);
        if let Some(notes) = &turn.notes {
            notes.add(LookedUp {
                responder: self.plugin.name().to_owned(),
                source: source.clone(),
                params: Value::Object(params.clone()),
                result: result.clone().map_err(|trouble| trouble.word().to_owned()),
            });
        }
        let error = result.as_ref().err().map(|trouble| trouble.word().to_owned());
        let kept = conversation::LookedUp { source, params, result: result.unwrap_or_default(), error };
        fits(&kept.result, MOST_KEPT).then_some(kept)
    }

    fn given(&self, given: Given, effects: Effects, lookups: Vec<conversation::LookedUp>, turn: &Turn) -> Answer {
        let Given::Say(said) = given else { return Answer::Pass };
        let Said { act, text, buttons, language, expects } = Arc::unwrap_or_clone(said);
        let version = self.plugin.manifest().state_version;
        let own = |button: Button| Button {
            choice: button.choice.map(|value| format!("{}/{value}", self.plugin.name())),
            ..button
        };
        let reply = Reply {
            text: text.into(),
            buttons: buttons.into_iter().map(own).collect(),
            language: language.map(Arc::from).or_else(|| turn.languages.first().cloned()),
            attributes: effects.attributes,
            lookups,
            expects: expects.map(|state| Asked { state, version, proposed: None }),
            ..Reply::default()
        };
        match act {
            Act::Reply => Answer::Reply(reply),
            Act::Ask(state) => Answer::Ask(reply, Asked { state, version, proposed: None }),
            Act::Propose(proposed, state) => Answer::Ask(reply, Asked { state, version, proposed: Some(proposed) }),
            Act::HandOver(team) => Answer::HandOver(Reply { team, ..reply }),
        }
    }
}

/// Waits for all look-ups at the same time, and reads the last messages if they are wanted.
async fn find_out(wanted: Wanted, turn: &Turn, known: &mut Known) -> anyhow::Result<()> {
    if let (true, Some(past)) = (wanted.messages, &turn.past) {
        let messages = past.messages(turn.conversation, turn.seq, turn::MOST_MESSAGES).await;
        known.messages = Some(turn::messages(&messages.context("the conversation cannot be read")?));
    }
    let found = wanted.lookups.into_iter().map(|UnderWay { question, found }| async { (question, found.await) });
    join_all(found).await.into_iter().for_each(|(question, found)| known.add(question, found));
    Ok(())
}

impl Responder for Script {
    fn name(&self) -> &str {
        self.plugin.name()
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(self.answer(turn, None))
    }

    fn resumes(&self, version: u32) -> bool {
        self.plugin.manifest().state_version == version
    }

    fn explain(&self, turn: &Turn) -> Vec<String> {
        if self.plugin.health().is_aside() {
            let trouble = self.plugin.health().trouble().unwrap_or_default();
            return vec![format!("is set aside: {trouble}")];
        }
        if !self.is_asked(turn) {
            return vec!["is not asked: the message has nothing that it needs (`needs` in its plugin.yaml)".to_owned()];
        }
        let mut lines = Vec::new();
        match run::run(
            &self.plugin,
            &ScriptTurn::new(turn, &self.plugin, self.sources(turn)),
            None,
            &mut Known::default(),
            run::TRIES,
        ) {
            Ran::Answered(given, effects) => {
                lines.extend(effects.printed.iter().map(|line| format!("printed {line}")));
                lines.push(match given {
                    Given::Pass(None) => "passes".to_owned(),
                    Given::Pass(Some(why)) => format!("passes: {why}"),
                    Given::Say(_) => "answers".to_owned(),
                });
            }
            Ran::Wants(wanted) => {
                lines.extend(wanted.messages.then(|| "reads the last messages".to_owned()));
                let questions = wanted.lookups.into_iter().map(|under_way| under_way.question);
                lines.extend(
                    questions.map(|asked| format!("looks up {} {}", asked.source, Value::Object(asked.params.clone()))),
                );
            }
            Ran::Failed(fault) => lines.push(format!("fails: {}", fault.finding.one_line())),
        }
        lines
    }
}
