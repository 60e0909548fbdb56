//! One question to the model, from the gate to the answer.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::client::{Heard, Trouble, millis};
use super::facts::{Breach, Facts};
use super::links::Hosts;
use super::mask::Mask;
use super::prompt::{self, Given, apart, tokens};
use super::release::{Kept, Release, Rules};
use super::tools::{HAND_OVER, Wanted, told, wanted};
use super::wire::{Call, REFUSED, Said};
use super::{SOURCE, Writer};
use crate::conversation::{self, Author, Button, Event, Usage, VisitorId};
use crate::limits::Tokens;
use crate::responders::lines::Line;
use crate::responders::markdown::escaped;
use crate::responders::{Answer, LookedUp, NearEntry, Reply, Turn};
use crate::sources::Trouble as SourceTrouble;
use crate::text::date::day_of;

/// So many messages of the past are looked at, at most.
const PAST: usize = 20;
/// The most titles below an answer.
const MOST_SOURCES: usize = 3;
/// The most buttons of tools below an answer.
const MOST_BUTTONS: usize = 4;
/// The longest result of a tool that is sent, in characters.
const LONGEST_RESULT: usize = 3_000;

/// What came of a question.
pub(super) enum Ended {
    Given(Box<Answer>),
    /// The model was not asked, for this reason.
    NotAsked(&'static str),
    /// It says that it has no answer.
    Declined,
    /// What it says must not be said.
    Withheld(Breach),
    Failed(Trouble),
}

impl From<Kept> for Ended {
    fn from(kept: Kept) -> Ended {
        match kept {
            Kept::Declined => Ended::Declined,
            Kept::Breach(breach) => Ended::Withheld(breach),
        }
    }
}

/// What a question has cost so far. It is taken off what there is for a day, also when nobody waits for the end.
struct Spent<'a> {
    tokens: &'a Tokens,
    by: Option<VisitorId>,
    usage: Usage,
}

impl Drop for Spent<'_> {
    fn drop(&mut self) {
        self.tokens.spend(self.by, self.usage.read.saturating_add(self.usage.written));
    }
}

/// A question on its way to an answer.
pub(super) struct Writing<'a> {
    writer: &'a Writer,
    turn: &'a Turn,
    entries: Vec<NearEntry>,
    /// Of the words of the question, how many the content knows, as a share.
    known: f32,
    language: Arc<str>,
    facts: Facts,
    hosts: Hosts,
    mask: Mask,
    /// Sources are the entries, and then what tools have said.
    sources: usize,
    lookups: Vec<conversation::LookedUp>,
    attributes: Vec<(String, Option<String>)>,
    buttons: Vec<Button>,
    tools_used: Vec<String>,
}

impl<'a> Writing<'a> {
    /// A question with the entries that are near to it.
    pub fn new(writer: &'a Writer, turn: &'a Turn) -> Writing<'a> {
        let settings = &writer.llm.settings;
        let near = writer.knowledge.nearest(turn, settings.entries);
        let language = near.language.or_else(|| turn.languages.first().cloned()).unwrap_or_else(|| "en".into());
        let spoken = turn.languages.iter().cloned().chain([language.clone()]);
        Writing {
            facts: Facts::new(day_of(turn.now), spoken),
            hosts: Hosts::new(&settings.links),
            mask: Mask::new(settings.mask),
            sources: 0,
            writer,
            turn,
            entries: near.entries,
            known: near.known,
            language,
            lookups: Vec::new(),
            attributes: Vec::new(),
            buttons: Vec::new(),
            tools_used: Vec::new(),
        }
    }

    /// Asks the model, if it is a question for one.
    pub async fn write(mut self) -> Ended {
        let llm = &*self.writer.llm;
        if self.turn.choice.is_some() || self.turn.text.trim().is_empty() {
            return Ended::NotAsked("foreign");
        }
        let past = self.past().await;
        if let Some(why) = self.gate(&past) {
            return Ended::NotAsked(why);
        }
        // Held until there is an answer.
        let mut place = None;
        if self.turn.stubs.is_none() {
            if llm.server.is_none() || !llm.tokens.has_left(self.turn.by) {
                return Ended::NotAsked("spent");
            }
            place = llm.places.take().await;
            if place.is_none() {
                return Ended::NotAsked("busy");
            }
            if !llm.breaker.lets_through() {
                return Ended::NotAsked("resting");
            }
        }
        self.look_again(&past);
        // Without an answer, the pipeline withdraws the draft.
        let ended = self.converse(&past).await;
        drop(place);
        ended
    }

    /// Why this is no question for a model. Cheap: what the content has no word for is none of the company's business.
    fn gate(&self, past: &[Arc<Event>]) -> Option<&'static str> {
        if let Some(stubs) = &self.turn.stubs {
            return (!stubs.expects(SOURCE, &self.params(0))).then_some("foreign");
        }
        // "And if not?" has no such word, either.
        let goes_on = past.iter().any(|event| event.author == Author::Visitor);
        (self.known == 0.0 && !goes_on).then_some("foreign")
    }

    async fn past(&self) -> Vec<Arc<Event>> {
        let Some(past) = &self.turn.past else { return Vec::new() };
        match past.messages(self.turn.conversation, self.turn.seq, PAST).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(conversation = %self.turn.conversation, %error, "the LLM answers without what was said before");
                Vec::new()
            }
        }
    }

    /// A question that goes on from the one before is near to what that one was near to.
    fn look_again(&mut self, past: &[Arc<Event>]) {
        let most = self.writer.llm.settings.entries;
        let before = past.iter().rev().find(|event| event.author == Author::Visitor);
        if let Some(before) = before {
            let earlier = Turn { text: before.body.clone(), focus: None, ..self.turn.clone() };
            let earlier = self.writer.knowledge.nearest(&earlier, most.div_ceil(2));
            for entry in earlier.entries {
                if self.entries.len() < most && !self.entries.iter().any(|known| known.id == entry.id) {
                    self.entries.push(entry);
                }
            }
        }
        self.sources = self.entries.len();
        for entry in &self.entries {
            self.facts.add_entry(&entry.title);
            self.facts.add_entry(&entry.text);
            self.hosts.add_entry(&entry.text);
        }
        self.facts.add_customer(&self.turn.text);
    }

    /// Asks, carries out what the model calls, and asks again, until it answers.
    async fn converse(&mut self, past: &[Arc<Event>]) -> Ended {
        let (writer, turn) = (self.writer, self.turn);
        let settings = &writer.llm.settings;
        let given = Given {
            settings,
            turn,
            language: &self.language,
            today: day_of(turn.now),
            entries: &self.entries,
            past,
            hands_over: writer.hands_over,
        };
        let mut messages = prompt::messages(&given, &mut self.mask);
        let tools = told(&writer.tools, writer.hands_over);
        let began = Instant::now();
        let mut spent = Spent { tokens: &writer.llm.tokens, by: turn.by, usage: Usage::default() };
        for round in 0..=settings.tool_rounds {
            let offered = if round < settings.tool_rounds { &tools[..] } else { &[] };
            let mut release = Release::default();
            let said = match self.round(round, &messages, offered, began, &mut spent.usage, &mut release).await {
                Ok(said) => said,
                Err(ended) => return ended,
            };
            spent.usage.millis = millis(began.elapsed());
            if said.calls.is_empty() {
                return self.answered(said, release, spent.usage.clone());
            }
            if let Some(drafts) = &turn.drafts {
                // What it said before it called something is no answer.
                drafts.withdraw();
            }
            match self.call(round, &said, &mut messages).await {
                None => {}
                Some(mut answer) => {
                    if let Answer::HandOver(reply) = &mut answer {
                        reply.usage = Some(Box::new(spent.usage.clone()));
                    }
                    return Ended::Given(Box::new(answer));
                }
            }
        }
        // It still calls tools, without being offered any.
        Ended::Declined
    }

    /// One call of the model, or what a recording has of it.
    async fn round(
        &mut self,
        round: u32,
        messages: &[Value],
        tools: &[Value],
        began: Instant,
        usage: &mut Usage,
        release: &mut Release,
    ) -> Result<Said, Ended> {
        let params = self.params(round);
        let heard = match &self.turn.stubs {
            Some(stubs) => {
                let found = stubs.look_up(SOURCE, &params).await;
                found.as_ref().map(said_of).map_err(|trouble| trouble_of(*trouble))
            }
            None => self.ask(messages, tools, began, usage, release).await,
        };
        let (said, kept) = match heard {
            Ok(heard) => heard,
            Err(trouble) => {
                self.keep(&params, Err(&trouble));
                return Err(Ended::Failed(trouble));
            }
        };
        if self.turn.stubs.is_none() {
            self.keep(&params, Ok(&said));
        }
        if let Some(kept) = kept {
            return Err(kept.into());
        }
        if self.turn.stubs.is_some() && said.calls.is_empty() {
            let rules = self.rules();
            release.take(&said.text, &rules).map_err(Ended::from)?;
        }
        Ok(said)
    }

    /// Asks the server.
    async fn ask(
        &self,
        messages: &[Value],
        tools: &[Value],
        began: Instant,
        usage: &mut Usage,
        release: &mut Release,
    ) -> Result<(Said, Option<Kept>), Trouble> {
        let llm = &*self.writer.llm;
        let Some(server) = &llm.server else { return Err(Trouble::Unavailable("it is not there".to_owned())) };
        let (read, written) = (usage.read, usage.written);
        // Until the server says what it was.
        let sizes = messages.iter().chain(tools).map(|part| tokens(&part.to_string()));
        usage.read = read.saturating_add(sizes.sum());
        let asked = Instant::now();
        let rules = self.rules();
        let mut kept = None;
        let mut heard = |heard: Heard<'_>| match heard {
            Heard::Begun => {
                llm.counts.first_token.observe(asked.elapsed().as_secs_f64());
                usage.first.get_or_insert(millis(began.elapsed()));
                true
            }
            Heard::Text(text) => {
                usage.written = usage.written.saturating_add(1);
                match release.take(text, &rules) {
                    Ok(more) => {
                        if let Some(drafts) = self.turn.drafts.as_ref().filter(|_| !more.is_empty()) {
                            drafts.write(&more);
                        }
                        true
                    }
                    Err(why) => {
                        kept = Some(why);
                        false
                    }
                }
            }
        };
        let said = server.ask(&llm.settings, messages, tools, began + llm.settings.time, &mut heard).await;
        match &said {
            Ok(said) => {
                if llm.breaker.succeeded() {
                    tracing::info!("the LLM is back");
                }
                if let Some((own_read, own_written)) = said.tokens {
                    (usage.read, usage.written) = (read.saturating_add(own_read), written.saturating_add(own_written));
                } else {
                    usage.written = usage.written.max(written.saturating_add(tokens(&said.text)));
                    usage.estimated = true;
                }
                usage.model = said.model.clone().unwrap_or_else(|| llm.settings.model.clone());
                usage.calls += 1;
            }
            Err(trouble) => {
                let rest = match trouble {
                    Trouble::TooLarge => None,
                    // It does not want this question: a filter, or a limit of its length, refuses so. One customer keeps
                    // nobody else from it.
                    Trouble::Refused(400 | 413 | 422) => None,
                    Trouble::Busy(_, Some(wait)) => llm.breaker.asked_to_wait(*wait),
                    _ => llm.breaker.failed(),
                };
                if let Some(rest) = rest {
                    tracing::error!("the LLM fails ({}) and is left alone for {rest:?}", trouble.told());
                }
            }
        }
        llm.counts.tokens(usage.read.saturating_sub(read), usage.written.saturating_sub(written));
        said.map(|said| (said, kept))
    }

    /// The whole answer, if it may be given.
    fn answered(&mut self, said: Said, release: Release, usage: Usage) -> Ended {
        match said.finish.as_deref() {
            // It was cut off in the middle.
            Some("length") => return Ended::Withheld(Breach::Long),
            Some(REFUSED) => return Ended::Declined,
            _ => {}
        }
        let released = match release.finish(&self.rules()) {
            Ok(released) => released,
            Err(kept) => return kept.into(),
        };
        if let Some(drafts) = self.turn.drafts.as_ref().filter(|_| !released.more.is_empty()) {
            drafts.write(&released.more);
        }
        let cited: Vec<&NearEntry> = released.cited.iter().filter_map(|number| self.entries.get(number - 1)).collect();
        let titles: Vec<String> = cited.iter().take(MOST_SOURCES).map(|entry| escaped(&entry.title, 120)).collect();
        let mut text = released.text;
        if !titles.is_empty() {
            let line = self.writer.lines.say(Line::Sources, std::slice::from_ref(&self.language)).0.trim();
            text = format!("{text}\n\n*{}*", line.replace("{titles}", &titles.join(" · ")));
        }
        let sources = cited.iter().map(|entry| entry.id.clone()).chain(self.tools_used.clone()).collect();
        Ended::Given(Box::new(Answer::Reply(Reply {
            text: text.into(),
            entry: cited.first().map(|entry| entry.id.as_str().into()),
            language: Some(self.language.clone()),
            attributes: std::mem::take(&mut self.attributes),
            lookups: std::mem::take(&mut self.lookups),
            buttons: std::mem::take(&mut self.buttons).into(),
            sources,
            usage: Some(Box::new(usage)),
            ..Reply::default()
        })))
    }

    /// Carries out what the model calls, and adds what comes of it to the messages. An answer ends the question.
    async fn call(&mut self, round: u32, said: &Said, messages: &mut Vec<Value>) -> Option<Answer> {
        let counts = &self.writer.llm.counts;
        let id = |at: usize, call: &Call| match call.id.as_str() {
            "" => format!("call-{round}-{at}"),
            id => id.to_owned(),
        };
        let calls = said.calls.iter().enumerate().map(|(at, call)| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": id(at, call), "type": "function", "function": function })
        });
        messages.push(json!({ "role": "assistant", "content": "", "tool_calls": calls.collect::<Vec<_>>() }));
        for (at, call) in said.calls.iter().enumerate() {
            let result = match wanted(call, &self.writer.tools, self.writer.hands_over) {
                Wanted::HandOver => {
                    self.tools_used.push(HAND_OVER.to_owned());
                    let lookups = std::mem::take(&mut self.lookups);
                    return Some(Answer::HandOver(Reply { lookups, ..Reply::default() }));
                }
                Wanted::Refused(why) => {
                    counts.tool("refused");
                    json!({ "error": why })
                }
                Wanted::Tool(tool, arguments) => {
                    let arguments = arguments.into_iter().map(|(name, value)| (name, self.shown(value))).collect();
                    let turn = self.turn_for_tool();
                    match tool.call(&turn, arguments).await {
                        Ok(Answer::HandOver(reply)) => {
                            let lookups = [std::mem::take(&mut self.lookups), reply.lookups].concat();
                            return Some(Answer::HandOver(Reply { lookups, ..reply }));
                        }
                        Ok(Answer::Reply(reply)) => self.result(tool.name(), reply),
                        Ok(Answer::Ask(reply, asked)) if asked.proposed.is_none() => self.result(tool.name(), reply),
                        Ok(_) => {
                            counts.tool("refused");
                            json!({ "error": "nothing can be said about that" })
                        }
                        Err(error) => {
                            counts.tool("failed");
                            tracing::warn!(
                                conversation = %self.turn.conversation, tool = tool.name(), %error,
                                "the tool {} failed", tool.name()
                            );
                            json!({ "error": "this cannot be found out now" })
                        }
                    }
                }
            };
            messages.push(json!({ "role": "tool", "tool_call_id": id(at, call), "content": result.to_string() }));
        }
        None
    }

    /// What a tool said, as the model gets it. From now on the answer may state it.
    fn result(&mut self, tool: &str, reply: Reply) -> Value {
        self.writer.llm.counts.tool("answered");
        self.sources += 1;
        self.facts.add_tool(&reply.text);
        for found in &reply.lookups {
            self.facts.add_tool(&found.result.to_string());
        }
        self.lookups.extend(reply.lookups);
        self.attributes.extend(reply.attributes);
        self.buttons.extend_from_slice(&reply.buttons);
        self.buttons.truncate(MOST_BUTTONS);
        self.tools_used.push(tool.to_owned());
        let text = self.mask.hide(&prompt::cut(&reply.text, LONGEST_RESULT));
        json!({ "source": self.sources, "says": apart(&text, &self.turn.question.mark()) })
    }

    /// The turn as a tool gets it: with what was remembered on the way.
    fn turn_for_tool(&self) -> Turn {
        let mut turn = Turn { choice: None, focus: None, drafts: None, ..self.turn.clone() };
        if !self.attributes.is_empty() {
            let visitor = Arc::make_mut(&mut turn.visitor);
            for (name, value) in &self.attributes {
                match value {
                    Some(value) => drop(visitor.insert(name.clone(), value.clone())),
                    None => drop(visitor.remove(name)),
                }
            }
        }
        turn
    }

    /// An argument with what was masked in its place again.
    fn shown(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.mask.show(&text)),
            other => other,
        }
    }

    fn rules(&self) -> Rules<'_> {
        let has_told = self.sources > self.entries.len();
        Rules { facts: &self.facts, hosts: &self.hosts, mask: &self.mask, sources: self.sources, has_told }
    }

    /// What a recording knows a call by.
    fn params(&self, round: u32) -> Map<String, Value> {
        let params = [("question", Value::from(&*self.turn.text)), ("round", Value::from(round))];
        params.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }

    /// Takes down a call with what came of it, for the log and whoever wants to know.
    fn keep(&mut self, params: &Map<String, Value>, said: Result<&Said, &Trouble>) {
        let result = said.map(recorded).map_err(|trouble| trouble.word().to_owned());
        if let Some(notes) = &self.turn.notes {
            notes.add(LookedUp {
                responder: Writer::NAME.to_owned(),
                source: SOURCE.to_owned(),
                params: Value::Object(params.clone()),
                result: result.clone(),
            });
        }
        self.lookups.push(conversation::LookedUp {
            source: SOURCE.to_owned(),
            params: params.clone(),
            result: result.clone().unwrap_or_default(),
            error: result.err(),
        });
    }

    /// What would be sent and why it would not, for `--why`.
    pub fn explain(&self) -> Vec<String> {
        let llm = &self.writer.llm;
        let ids: Vec<String> = self.entries.iter().map(|entry| format!("{} {:.2}", entry.id, entry.score)).collect();
        let tools: Vec<&str> = self.writer.tools.iter().map(|tool| tool.name()).collect();
        let mut lines = vec![
            format!("knows {:.0} % of the words", self.known * 100.0),
            format!("is given: {}", if ids.is_empty() { "no entry".to_owned() } else { ids.join(", ") }),
            format!("may call: {}", if tools.is_empty() { "no tool".to_owned() } else { tools.join(", ") }),
        ];
        if self.turn.choice.is_some() {
            lines.push("is not asked: a button was pressed".to_owned());
        } else if self.known == 0.0 {
            lines.push("is asked only in a conversation that goes on: no word of the message is known".to_owned());
        }
        if llm.server.is_none() {
            lines.push("is not asked: there is no server".to_owned());
        } else if !llm.tokens.has_left(self.turn.by) {
            lines.push("is not asked: the tokens of the day are spent".to_owned());
        } else if llm.places.free() == 0 {
            lines.push("all places are taken".to_owned());
        }
        lines
    }
}

/// What the model said, as the log keeps it.
fn recorded(said: &Said) -> Value {
    let calls = said.calls.iter();
    let calls: Vec<Value> =
        calls.map(|call| json!({ "id": call.id, "name": call.name, "arguments": call.arguments })).collect();
    let mut value = json!({ "text": said.text });
    if !calls.is_empty() {
        value["calls"] = calls.into();
    }
    if let Some(finish) = said.finish.as_deref().filter(|finish| *finish != "stop") {
        value["finish"] = finish.into();
    }
    value
}

/// What a recording says that the model said. A text alone will do.
fn said_of(value: &Value) -> (Said, Option<Kept>) {
    let word = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let calls = value.get("calls").and_then(Value::as_array).into_iter().flatten();
    let said = Said {
        text: value.as_str().map_or_else(|| word(value, "text"), str::to_owned),
        calls: calls.map(|call| Call::new(&word(call, "id"), &word(call, "name"), &word(call, "arguments"))).collect(),
        finish: Some(word(value, "finish")).filter(|finish| !finish.is_empty()),
        ..Said::default()
    };
    (said, None)
}

fn trouble_of(trouble: SourceTrouble) -> Trouble {
    match trouble {
        SourceTrouble::Timeout => Trouble::Timeout,
        SourceTrouble::Unreadable => Trouble::Unreadable("it was not readable"),
        SourceTrouble::TooLarge => Trouble::TooLarge,
        SourceTrouble::Refused => Trouble::Refused(400),
        SourceTrouble::Busy => Trouble::Busy(429, None),
        SourceTrouble::Unknown | SourceTrouble::Unavailable => Trouble::Unavailable("it was not there".to_owned()),
    }
}
