//! Replays a recording: the decisions of `conversation.rs` on a log in memory, with the pipeline in between.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::history::History;
use super::lookups::Stubs;
use super::{Action, DEFAULT_START, Expected, Recording, STEP, Step};
use crate::conversation::{
    self, Attachment, AttachmentId, Author, Button, Buttons, ClientId, Conversation, ConversationId, Errand, Event,
    EventId, Focus, Kind, Meta, Millis, Said, Settled, Text, VisitorId,
};
use crate::responders::Turn;
use crate::responders::errand::told;
use crate::responders::faq::FaqSet;
use crate::responders::pipeline::{Answered, Outcome, Pipeline};

/// How long a question may be pending. Nothing waits in a replay, so no recording notices.
const LIMIT: Millis = 10_000;

/// What recordings are replayed on: content that is ready to answer. Many threads share one.
pub struct Stage {
    /// Who answers.
    pub pipeline: Pipeline,
    /// The entries by their names of today and before.
    pub faq: Arc<FaqSet>,
    /// The site's own language.
    pub language: String,
}

/// What came of a recording.
#[derive(Debug)]
pub struct Replayed {
    /// The conversation as it went, as it would stand in the store.
    pub events: Vec<Arc<Event>>,
    /// Each message with its answer.
    pub turns: Vec<Turned>,
}

/// A message, its answer, and what is wrong with that.
#[derive(Debug)]
pub struct Turned {
    /// The step's line in the file.
    pub line: u32,
    /// What the visitor said.
    pub said: String,
    /// What the pipeline was asked; `None` if it was not.
    pub turn: Option<Turn>,
    /// The answer; `None` if the button that was to be pressed is not there, or a person has the conversation.
    pub answered: Option<Answered>,
    /// What the visitor was told without having asked: what came of an errand.
    pub told: Option<Arc<Event>>,
    /// What is not as it must be.
    pub failures: Vec<Failure>,
}

/// One thing that is not as it must be. `Display` shows both sides, longer texts as a diff by lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was checked: a key of `answer`, or `press`.
    pub what: &'static str,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub got: String,
    /// What explains it, where that is known.
    pub why: Option<String>,
}

impl Replayed {
    /// Whether everything was as it must be.
    pub fn is_ok(&self) -> bool {
        self.turns.iter().all(|turned| turned.failures.is_empty())
    }
}

impl Turned {
    /// The entry or the responder that answered, if `responder` was not even asked.
    pub fn answered_before(&self, responder: &str) -> Option<String> {
        let answered = self.answered.as_ref()?;
        if answered.trace.iter().any(|step| step.responder == responder) {
            return None;
        }
        let provenance = &answered.message.provenance;
        Some(match &provenance.entry {
            Some(entry) => format!("the entry `{entry}`"),
            None => format!("`{}`", provenance.responder),
        })
    }
}

impl Failure {
    fn new(what: &'static str, expected: impl Into<String>, got: impl Into<String>) -> Failure {
        Failure { what, expected: expected.into(), got: got.into(), why: None }
    }

    /// Both sides on one line.
    pub fn one_line(&self) -> String {
        let shown = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} must be `{}` and is `{}`", self.what, shown(&self.expected), shown(&self.got))
    }
}

impl Turned {
    fn unanswered(line: u32, said: &str, failures: Vec<Failure>) -> Turned {
        Turned { line, said: said.to_owned(), turn: None, answered: None, told: None, failures }
    }
}

/// A conversation that is being replayed: where it stands, and what its visitor sees.
struct Play<'a> {
    stage: &'a Stage,
    head: Conversation,
    now: Millis,
    /// Of the page.
    language: Option<String>,
    visitor: Arc<BTreeMap<String, String>>,
    stubs: Arc<Stubs>,
    /// Below the last answer.
    buttons: Buttons,
    /// Whether a person has the conversation.
    with_person: bool,
    /// What the visitor agreed to, until it has its outcome.
    ordered: Option<Arc<Event>>,
    history: Arc<History>,
}

impl Recording {
    /// Has the stage's pipeline answer the recording's messages, one second apart, and checks the answers.
    pub async fn replay(&self, stage: &Stage) -> Replayed {
        let mut play = Play::start(self, stage);
        let mut turns = Vec::with_capacity(self.conversation.len());
        for step in &self.conversation {
            let turned = match &step.action {
                Action::Wait(millis) => {
                    play.now += millis;
                    continue;
                }
                Action::Joined(_) => {
                    play.take_over();
                    continue;
                }
                Action::Agent { text, attachments } => {
                    play.take_over();
                    play.heard(Author::Agent, text, attached(attachments));
                    continue;
                }
                Action::Left(_) => {
                    play.with_person = false;
                    continue;
                }
                Action::Errand { outcome, fields } => play.settle(step, *outcome, fields),
                Action::Say { text, language, attachments } => {
                    play.language = language.clone().or(play.language.take());
                    play.say(step, text, None, attached(attachments)).await
                }
                Action::Press(text) => match play.buttons.iter().find(|button| button.text == *text) {
                    Some(button) => {
                        let Button { text, choice, .. } = button.clone();
                        play.say(step, &text, choice, Vec::new()).await
                    }
                    None => {
                        let there: Vec<_> = play.buttons.iter().map(|button| button.text.as_str()).collect();
                        let failure = Failure::new("press", text, Listed(&there).to_string());
                        turns.push(Turned::unanswered(step.line, text, vec![failure]));
                        // What follows was said after an answer that this one never got.
                        break;
                    }
                },
            };
            turns.push(turned);
        }
        Replayed { events: play.history.events(), turns }
    }
}

impl<'a> Play<'a> {
    fn start(recording: &Recording, stage: &'a Stage) -> Play<'a> {
        let start = &recording.start;
        let now = start.now.unwrap_or(DEFAULT_START);
        let mut head = Conversation::new(ConversationId::new(), VisitorId([0; 16]));
        head.language = start.spoken.as_deref().map(Arc::from);
        let focus = start.focus.as_ref();
        head.kept.focus = focus.map(|asking| {
            Box::new(Focus::new(asking.responder.as_str(), asking.version, asking.state.clone(), now - STEP))
        });
        let mut play = Play {
            stage,
            head,
            now,
            language: start.language.clone(),
            visitor: Arc::new(start.visitor.clone()),
            stubs: Arc::new(Stubs::new(recording.lookups.clone())),
            buttons: start.buttons.clone().into(),
            with_person: false,
            ordered: None,
            history: Arc::default(),
        };
        for earlier in &start.messages {
            play.heard(earlier.author, &earlier.text, Vec::new());
        }
        play
    }

    /// Something that purser is not asked to answer.
    fn heard(&mut self, author: Author, text: &str, attachments: Vec<Attachment>) {
        self.head.last_seq += 1;
        self.history.add([Arc::new(Event {
            id: EventId::new(),
            seq: self.head.last_seq,
            at: self.now,
            kind: Kind::Message,
            author,
            body: text.into(),
            client_id: None,
            provenance: None,
            meta: Meta { attachments, ..Meta::default() },
        })]);
    }

    /// A person has the conversation: what a responder asked back is over.
    fn take_over(&mut self) {
        self.with_person = true;
        self.head.kept.focus = None;
        self.buttons = Buttons::default();
        self.now += STEP;
    }

    async fn say(&mut self, step: &Step, text: &str, choice: Option<String>, attachments: Vec<Attachment>) -> Turned {
        let checked = match Text::new(text) {
            Ok(checked) => checked,
            Err(_) if text.is_empty() && !attachments.is_empty() => Text::none(),
            Err(error) => {
                return Turned::unanswered(step.line, text, vec![Failure::new("say", "a message", error.to_string())]);
            }
        };
        if self.with_person {
            self.heard(Author::Visitor, checked.as_str(), attachments);
            self.now += STEP;
            let wanted = step.answer.is_some();
            let failure = wanted.then(|| Failure::new("answer", "an answer", "none: a person has the conversation"));
            return Turned::unanswered(step.line, text, failure.into_iter().collect());
        }
        let (id, now, head) = (EventId::new(), self.now, &self.head);
        let said = Said {
            id,
            client_id: ClientId::new(),
            text: checked,
            choice: choice.map(Arc::from),
            language: self.language.as_deref().map(Arc::from),
            attachments,
        };
        let languages = [head.language.as_deref(), self.language.as_deref(), Some(&self.stage.language)];
        let turn = Turn {
            conversation: head.id,
            question: id,
            seq: head.last_seq + 1,
            text: said.text.shared().clone(),
            choice: said.choice.clone(),
            languages: languages.into_iter().flatten().map(Arc::from).collect(),
            visitor: known(&self.visitor, head),
            now,
            focus: head.kept.focus.as_deref().cloned(),
            entry: None,
            notes: None,
            stubs: Some(self.stubs.clone()),
            past: Some(self.history.clone()),
            ..Turn::default()
        };
        let asked = head.say(said, now, LIMIT);
        let seq = asked.next.last_seq;
        let answered = self.stage.pipeline.answer(&turn).await;
        let decision = asked.answered(id, seq, answered.message.clone(), now, LIMIT);
        let ordered =
            decision.events.iter().rfind(|event| matches!(event.meta.errand.as_deref(), Some(Errand::Ordered(_))));
        self.ordered = ordered.cloned().or(self.ordered.take());
        self.history.add(decision.events);
        self.head = Arc::unwrap_or_clone(decision.next);
        self.now += STEP;
        self.buttons = answered.message.buttons.clone();
        let expected = step.answer.as_ref();
        let mut failures = expected.map(|expected| expected.check(&answered, &self.stage.faq)).unwrap_or_default();
        let missing = self.stubs.take_missing().into_iter();
        failures.extend(missing.map(|asked| Failure::new("lookups", self.stubs.listed(), asked)));
        Turned {
            line: step.line,
            said: text.to_owned(),
            turn: Some(turn),
            answered: Some(answered),
            told: None,
            failures,
        }
    }

    /// What was agreed to has this outcome, whoever has the conversation.
    fn settle(&mut self, step: &Step, outcome: conversation::Outcome, fields: &Map<String, Value>) -> Turned {
        let said = format!("errand {}", outcome.word());
        let ordered = self.ordered.take();
        let Some((ordered, Some(Errand::Ordered(proposal)))) =
            ordered.as_ref().map(|event| (event, event.meta.errand.as_deref()))
        else {
            let failure = Failure::new("errand", "something that the visitor agreed to", "nothing");
            return Turned::unanswered(step.line, &said, vec![failure]);
        };
        let settled = Settled { errand: proposal.id, outcome, fields: fields.clone() };
        let text = told(proposal, outcome, fields);
        let Some(decision) = self.head.settle(ordered, settled, text, self.now) else {
            return Turned::unanswered(step.line, &said, Vec::new());
        };
        let message = decision.events.last().cloned();
        let failures = match (&step.answer, &message) {
            (Some(expected), Some(message)) => {
                let buttons: Vec<&str> = message.meta.buttons.iter().map(|button| button.text.as_str()).collect();
                expected.check_seen(&message.body, &buttons, message.meta.language.as_deref())
            }
            _ => Vec::new(),
        };
        if let Some(message) = &message {
            self.buttons = message.meta.buttons.clone();
        }
        self.history.add(decision.events);
        self.head = Arc::unwrap_or_clone(decision.next);
        self.now += STEP;
        Turned { told: message, ..Turned::unanswered(step.line, &said, failures) }
    }
}

/// Files of these names: of the files themselves nothing is kept, nor read by anybody who answers.
fn attached(names: &[String]) -> Vec<Attachment> {
    let file = |name: &String| {
        let media = super::read::media(name)?;
        Some(Attachment { id: AttachmentId::new(), name: name.clone(), media, bytes: 0, width: None, height: None })
    };
    names.iter().filter_map(file).collect()
}

/// What is known of the visitor: from the start, and remembered since.
fn known(visitor: &Arc<BTreeMap<String, String>>, head: &Conversation) -> Arc<BTreeMap<String, String>> {
    if head.kept.attributes.is_empty() {
        return visitor.clone();
    }
    let all = visitor.iter().chain(head.kept.attributes.iter());
    Arc::new(all.map(|(name, value)| (name.clone(), value.clone())).collect())
}

impl Expected {
    /// What is not as it must be.
    fn check(&self, answered: &Answered, faq: &FaqSet) -> Vec<Failure> {
        let message = &answered.message;
        let buttons: Vec<&str> = message.buttons.iter().map(|button| button.text.as_str()).collect();
        let suggested: Vec<&str> = answered.suggested().collect();
        let mut failures = Vec::new();
        let mut check = |holds: bool, what: &'static str, expected: &dyn fmt::Display, got: &dyn fmt::Display| {
            if !holds {
                failures.push(Failure::new(what, expected.to_string(), got.to_string()));
            }
        };
        if let Some(expected) = self.outcome {
            check(answered.outcome == expected, "outcome", &word(expected), &word(answered.outcome));
        }
        if let Some(expected) = &self.responder {
            let got = &message.provenance.responder;
            check(**got == **expected, "responder", expected, got);
        }
        if let Some(expected) = &self.entry {
            let got = message.provenance.entry.as_deref();
            let same = |got: &str| got == expected || faq.was_called(got, expected);
            check(got.is_some_and(same), "entry", expected, &got.unwrap_or("none"));
        }
        for expected in &self.suggests {
            let same = |got: &&str| *got == expected || faq.was_called(got, expected);
            check(suggested.iter().any(same), "suggests", expected, &Listed(&suggested));
        }
        failures.extend(self.check_seen(&message.text, &buttons, message.language.as_deref()));
        for failure in failures.iter_mut().filter(|failure| ["entry", "suggests"].contains(&failure.what)) {
            failure.why = faq.is_missing(&failure.expected);
        }
        failures
    }
}

impl Expected {
    /// What a customer can see of it: text, buttons and language.
    pub fn check_seen(&self, text: &str, buttons: &[&str], language: Option<&str>) -> Vec<Failure> {
        let text = text.trim();
        let mut failures = Vec::new();
        let mut check = |holds: bool, what: &'static str, expected: &dyn fmt::Display, got: &dyn fmt::Display| {
            if !holds {
                failures.push(Failure::new(what, expected.to_string(), got.to_string()));
            }
        };
        if let Some(expected) = &self.language {
            check(language == Some(expected), "language", expected, &language.unwrap_or("none"));
        }
        if let Some(expected) = &self.text {
            check(text == expected.trim(), "text", &expected.trim(), &text);
        }
        for expected in &self.contains {
            check(text.contains(expected.as_str()), "contains", expected, &text);
        }
        for expected in &self.matches {
            check(expected.0.is_match(text), "matches", expected, &text);
        }
        if let Some(expected) = &self.buttons {
            check(buttons == *expected, "buttons", &Listed(expected), &Listed(buttons));
        }
        failures
    }
}

/// The word for an outcome in recordings, in the output of `ask` and on the terminal.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answer => "answer",
        Outcome::Ask => "ask",
        Outcome::Suggest => "suggest",
        Outcome::Pass => "pass",
        Outcome::Handover => "handover",
    }
}

/// Several texts on one line.
struct Listed<'a, T>(&'a [T]);

impl<T: AsRef<str>> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("none"),
            [first, rest @ ..] => {
                f.write_str(first.as_ref())?;
                rest.iter().try_for_each(|item| write!(f, " | {}", item.as_ref()))
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sides(f)?;
        self.why.iter().try_for_each(|why| write!(f, "\n  {why}"))
    }
}

impl Failure {
    fn write_sides(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.expected.contains('\n') && !self.got.contains('\n') {
            return write!(f, "{}:\n  expected {}\n  got      {}", self.what, self.expected, self.got);
        }
        if self.what != "text" {
            write!(f, "{}:\n  expected {}\n  got", self.what, self.expected)?;
            return self.got.lines().try_for_each(|line| write!(f, "\n    {line}"));
        }
        write!(f, "{}: (- expected, + got)", self.what)?;
        for (mark, line) in diff(&self.expected, &self.got) {
            write!(f, "\n  {mark} {line}")?;
        }
        Ok(())
    }
}

/// The lines of both texts: those in common at the ends, and what differs between them.
pub fn diff<'a>(expected: &'a str, got: &'a str) -> Vec<(char, &'a str)> {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let marked = |mark: char, lines: &[&'a str]| lines.iter().map(|line| (mark, *line)).collect::<Vec<_>>();
    let mut lines = marked(' ', &old[..head]);
    lines.extend(marked('-', &old_rest[..old_rest.len() - tail]));
    lines.extend(marked('+', &new_rest[..new_rest.len() - tail]));
    lines.extend(marked(' ', &old[old.len() - tail..]));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_both_sides() {
        let failure = |what, expected: &str, got: &str| Failure::new(what, expected, got).to_string();
        assert_eq!(failure("entry", "a", "b"), "entry:\n  expected a\n  got      b");
        assert_eq!(failure("contains", "a", "b\nc"), "contains:\n  expected a\n  got\n    b\n    c");
        let shown = failure("text", "one\ntwo\nthree\nfour", "one\n2\nthree\nfour");
        assert_eq!(shown, "text: (- expected, + got)\n    one\n  - two\n  + 2\n    three\n    four");
        assert_eq!(failure("text", "a\nb", "a"), "text: (- expected, + got)\n    a\n  - b");
        assert_eq!(failure("text", "a\na", "a"), "text: (- expected, + got)\n    a\n  - a");
    }
}
