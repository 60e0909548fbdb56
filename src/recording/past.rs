//! What was asked in a stored conversation, each question with what was known before it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Stub;
use super::history::History;
use super::lookups::Stubs;
use crate::conversation::{Author, ConversationId, Event, Focus, Kind, LookedUp, Thumb};
use crate::responders::Turn;

/// A message of a customer that purser answered.
pub struct Question<'a> {
    /// The message.
    pub said: &'a Event,
    /// What it was answered.
    pub answer: &'a Event,
    /// What the customer thinks of the answer.
    pub thumb: Option<Thumb>,
    /// What a pipeline is asked: the message with its own recorded past.
    pub turn: Turn,
    stubs: Arc<Stubs>,
}

impl Question<'_> {
    /// Whether something was asked of a source since the last call that is not recorded.
    pub fn has_missing(&self) -> bool {
        !self.stubs.take_missing().is_empty()
    }
}

/// The questions of a conversation, in order. What was said to a person, or waits for its answer, is none.
pub fn questions<'a>(id: ConversationId, events: &'a [Arc<Event>], site_language: &str) -> Vec<Question<'a>> {
    let answers = events.iter().filter(|event| event.kind == Kind::Message && event.author == Author::Bot);
    let answers = answers.filter_map(|event| Some((event.meta.question?, &**event)));
    // Of two answers to one question, which no log should have, the first counts.
    let answers: HashMap<_, _> = answers.rev().collect();
    let rated = events.iter().filter_map(|event| event.meta.rated);
    let thumbs: HashMap<_, _> = rated.map(|rated| (rated.answer, rated.thumb)).collect();

    let past = Arc::new(History::of(events));
    let mut questions = Vec::new();
    let mut spoken: Option<&str> = None;
    let mut focus: Option<Focus> = None;
    let mut attributes: Arc<BTreeMap<String, String>> = Arc::default();
    for event in events {
        if let (Kind::Attribute, Some(attribute)) = (event.kind, &event.meta.attribute) {
            let known = Arc::make_mut(&mut attributes);
            match &attribute.value {
                Some(value) => known.insert(attribute.name.clone(), value.clone()),
                None => known.remove(&attribute.name),
            };
        }
        match (event.kind, event.author) {
            (Kind::Message, Author::Visitor) => {
                let Some(answer) = answers.get(&event.seq).copied() else { continue };
                let languages = [spoken, event.meta.language.as_deref(), Some(site_language)];
                let stubs = stubs(answer);
                let turn = Turn {
                    conversation: id,
                    question: event.id,
                    seq: event.seq,
                    text: event.body.clone(),
                    choice: event.meta.choice.clone(),
                    languages: languages.into_iter().flatten().map(Arc::from).collect(),
                    visitor: attributes.clone(),
                    now: event.at,
                    focus: focus.clone(),
                    entry: None,
                    notes: None,
                    stubs: Some(stubs.clone()),
                    past: Some(past.clone()),
                    ..Turn::default()
                };
                let thumb = thumbs.get(&answer.seq).copied().flatten();
                questions.push(Question { said: event, answer, thumb, turn, stubs });
            }
            // What came of an errand answers nothing.
            (Kind::Message, Author::Bot) if event.meta.question.is_some() => {
                spoken = event.meta.language.as_deref().or(spoken);
                focus = event.meta.behind.as_ref().and_then(|behind| behind.focus.clone());
            }
            (Kind::Message, Author::Agent) => focus = None,
            (Kind::Erased, _) => {
                spoken = None;
                focus = None;
                attributes = Arc::default();
            }
            _ => {}
        }
    }
    questions
}

/// What sources said when this was answered.
fn stubs(answer: &Event) -> Arc<Stubs> {
    thread_local! {
        // Most answers look nothing up.
        static NONE: Arc<Stubs> = Arc::new(Stubs::new(Vec::new()));
    }
    match answer.meta.behind.as_deref().map(|behind| behind.lookups.as_slice()) {
        None | Some([]) => NONE.with(Arc::clone),
        Some(lookups) => Arc::new(Stubs::new(lookups.iter().map(Stub::from_log).collect())),
    }
}

impl Stub {
    /// What a source said, as it stands in the log.
    pub(super) fn from_log(found: &LookedUp) -> Stub {
        let trouble =
            |word: &String| crate::sources::Trouble::from_word(word).unwrap_or(crate::sources::Trouble::Unavailable);
        Stub {
            source: found.source.clone(),
            params: found.params.clone(),
            result: match &found.error {
                Some(word) => Err(trouble(word)),
                None => Ok(found.result.clone()),
            },
            delay: 0,
        }
    }
}
