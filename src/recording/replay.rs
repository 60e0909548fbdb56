//! Replays a recording: the decisions of `conversation.rs` on a log in memory, with the pipeline in between.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::lookups::Stubs;
use super::{Action, DEFAULT_START, Expected, Recording, STEP};
use crate::conversation::{
    Button, ClientId, Conversation, ConversationId, Event, EventId, Millis, Said, Text, VisitorId,
};
use crate::responders::Turn;
use crate::responders::pipeline::{Answered, Outcome, Pipeline};

/// How long a question may be pending. Nothing waits in a replay, so no recording notices.
const LIMIT: Millis = 10_000;

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
    /// The answer; `None` if the button that was to be pressed is not there.
    pub answered: Option<Answered>,
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
    /// Both sides on one line.
    pub fn one_line(&self) -> String {
        let shown = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} must be `{}` and is `{}`", self.what, shown(&self.expected), shown(&self.got))
    }
}

impl Recording {
    /// Has the pipeline answer the recording's messages, one second apart, and checks the answers.
    pub async fn replay(&self, pipeline: &Pipeline, site_language: &str) -> Replayed {
        let mut head = Conversation::new(ConversationId::new(), VisitorId([0; 16]));
        let mut now = self.start.now.unwrap_or(DEFAULT_START);
        let mut language = self.start.language.clone();
        let visitor = Arc::new(self.start.visitor.clone());
        let stubs = Arc::new(Stubs::new(self.lookups.clone()));
        let mut buttons: Vec<Button> = Vec::new();
        let mut replayed = Replayed { events: Vec::new(), turns: Vec::new() };
        for step in &self.conversation {
            let (text, choice) = match &step.action {
                Action::Wait(millis) => {
                    now += millis;
                    continue;
                }
                Action::Say { text, language: changed } => {
                    language = changed.clone().or(language);
                    (text.clone(), None)
                }
                Action::Press(text) => match buttons.iter().find(|button| button.text == *text) {
                    Some(button) => (button.text.clone(), button.choice.clone()),
                    None => {
                        let there: Vec<_> = buttons.iter().map(|button| button.text.as_str()).collect();
                        let failure = Failure { what: "press", expected: text.clone(), got: listed(&there) };
                        let (said, failures) = (text.clone(), vec![failure]);
                        replayed.turns.push(Turned { line: step.line, said, answered: None, failures });
                        // What follows was said after an answer that this one never got.
                        break;
                    }
                },
            };
            // Checked when the recording was read.
            let Ok(checked) = Text::new(&text) else { continue };
            let id = EventId::new();
            let said = Said { id, client_id: ClientId::new(), text: checked, choice, language: language.clone() };
            let turn_languages = [head.language.as_deref(), language.as_deref(), Some(site_language)];
            let turn = Turn {
                conversation: head.id,
                question: id,
                text: said.text.as_str().to_owned(),
                choice: said.choice.clone(),
                languages: turn_languages.into_iter().flatten().map(str::to_owned).collect(),
                visitor: known(&visitor, &head),
                now,
                focus: head.kept.focus.as_deref().cloned(),
                entry: None,
                notes: None,
                stubs: Some(stubs.clone()),
            };
            let asked = head.say(said, now, LIMIT);
            let seq = asked.next.last_seq;
            let answered = pipeline.answer(&turn).await;
            let decided = asked.next.answer(id, seq, answered.message.clone(), now, LIMIT);
            let decision = match decided {
                Some(answer) => asked.then(answer),
                None => asked,
            };
            replayed.events.extend(decision.events);
            head = decision.next;
            now += STEP;
            buttons.clone_from(&answered.message.buttons);
            let mut failures = step.answer.as_ref().map(|expected| expected.check(&answered)).unwrap_or_default();
            failures.extend(stubs.take_missing().into_iter().map(|asked| Failure {
                what: "lookups",
                expected: stubs.listed(),
                got: asked,
            }));
            replayed.turns.push(Turned { line: step.line, said: text, answered: Some(answered), failures });
        }
        replayed
    }
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
    fn check(&self, answered: &Answered) -> Vec<Failure> {
        let message = &answered.message;
        let text = message.text.trim();
        let buttons: Vec<&str> = message.buttons.iter().map(|button| button.text.as_str()).collect();
        let suggested: Vec<&str> = answered.suggested().collect();
        let mut failures = Vec::new();
        let mut check = |holds: bool, what: &'static str, expected: &dyn fmt::Display, got: &str| {
            if !holds {
                failures.push(Failure { what, expected: expected.to_string(), got: got.to_owned() });
            }
        };
        if let Some(expected) = self.outcome {
            check(answered.outcome == expected, "outcome", &word(expected), word(answered.outcome));
        }
        if let Some(expected) = &self.responder {
            let got = &message.provenance.responder;
            check(got == expected, "responder", expected, got);
        }
        if let Some(expected) = &self.entry {
            let got = message.provenance.entry.as_deref();
            check(got == Some(expected), "entry", expected, got.unwrap_or("none"));
        }
        if let Some(expected) = &self.language {
            let got = message.language.as_deref();
            check(got == Some(expected), "language", expected, got.unwrap_or("none"));
        }
        if let Some(expected) = &self.text {
            check(text == expected.trim(), "text", &expected.trim(), text);
        }
        for expected in &self.contains {
            check(text.contains(expected.as_str()), "contains", expected, text);
        }
        for expected in &self.matches {
            check(expected.0.is_match(text), "matches", expected, text);
        }
        if let Some(expected) = &self.buttons {
            check(buttons == *expected, "buttons", &listed(expected), &listed(&buttons));
        }
        for expected in &self.suggests {
            check(suggested.contains(&expected.as_str()), "suggests", expected, &listed(&suggested));
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

fn listed(items: &[impl AsRef<str>]) -> String {
    match items {
        [] => "none".to_owned(),
        _ => items.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(" | "),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
fn diff<'a>(expected: &'a str, got: &'a str) -> Vec<(char, &'a str)> {
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
        let failure = |what, expected: &str, got: &str| {
            Failure { what, expected: expected.to_owned(), got: got.to_owned() }.to_string()
        };
        assert_eq!(failure("entry", "a", "b"), "entry:\n  expected a\n  got      b");
        assert_eq!(failure("contains", "a", "b\nc"), "contains:\n  expected a\n  got\n    b\n    c");
        let shown = failure("text", "one\ntwo\nthree\nfour", "one\n2\nthree\nfour");
        assert_eq!(shown, "text: (- expected, + got)\n    one\n  - two\n  + 2\n    three\n    four");
        assert_eq!(failure("text", "a\nb", "a"), "text: (- expected, + got)\n    a\n  - b");
        assert_eq!(failure("text", "a\na", "a"), "text: (- expected, + got)\n    a\n  - a");
    }
}
