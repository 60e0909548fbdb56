//! Conversations and the pure decisions about them: (state, input) → events and the next state.
//!
//! A conversation is a log of [`Event`]s numbered by `seq` from 1. [`Conversation`] is what has to be known of it to
//! decide the next append; it is written in the same transaction as the events. Nothing here waits, reads a clock or
//! imports the rest of the crate, so the desk, replay and the tests run the very same decisions.

mod attachment;
mod buttons;
mod earlier;
mod errand;
mod event;
mod id;
mod join;
mod kept;
mod people;
mod retention;
mod review;
mod sending;
mod small_print;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attachment::{Attachment, Media};
pub use buttons::{Button, Buttons};
pub use earlier::Earlier;
pub use errand::{Errand, Outcome, Proposal, Settled, Words, is_verdict};
pub use event::{Attribute, Author, Event, Kind, Meta, Provenance, Rated, Reason, Thumb};
pub use id::{
    AgentId, AttachmentId, ClientId, ConversationId, EventId, MAX_CLIENT_ID, MAX_TEXT, Millis, Seq, Text, TextError,
    VisitorId,
};
pub use join::has_open_errand;
pub use kept::{Attended, Behind, Effects, Focus, Kept, LookedUp, Usage};
pub use people::{Elapsed, NotYours, Patience, Person, Reply, To};
pub use retention::Retention;
pub use review::{Ended, Stars};
pub use sending::{Occasion, Posting, Sending};

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The pipeline answers.
    Bot,
    /// A person was asked for, and the pipeline is silent.
    Waiting,
    /// An agent has it, and the pipeline is silent.
    Agent,
    /// It is over; the next message reopens it.
    Closed,
}

impl Status {
    /// The word for it in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Bot => "bot",
            Status::Waiting => "waiting",
            Status::Agent => "agent",
            Status::Closed => "closed",
        }
    }

    /// The status that a stored word stands for.
    pub fn from_word(word: &str) -> Option<Status> {
        [Status::Bot, Status::Waiting, Status::Agent, Status::Closed].into_iter().find(|status| status.as_str() == word)
    }
}

/// What must be known of a conversation to decide what comes next.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Names it.
    pub id: ConversationId,
    /// Whose it is.
    pub visitor: VisitorId,
    /// Where it stands.
    pub status: Status,
    /// When its first event was.
    pub created_at: Millis,
    /// The number of its last event; 0 before the first.
    pub last_seq: Seq,
    /// When its last event was.
    pub last_at: Millis,
    /// The last message that wants an answer.
    pub asked_seq: Seq,
    /// The last message that has its answer. Below `asked_seq`, a question is pending.
    pub answered_seq: Seq,
    /// The language it is spoken in, once that is known.
    pub language: Option<Arc<str>>,
    /// When somebody must look at it again: the earliest of its own timers.
    pub wake_at: Option<Millis>,
    /// What responders keep between turns.
    pub kept: Kept,
}

/// A visitor's message on its way in.
#[derive(Debug, Clone)]
pub struct Said {
    /// The event that it becomes, the same however often it has to be decided anew.
    pub id: EventId,
    /// The client's id of the message.
    pub client_id: ClientId,
    /// What was said; nothing where something is attached and that is all.
    pub text: Text,
    /// The entry whose button was pressed.
    pub choice: Option<Arc<str>>,
    /// The language of the page or the browser.
    pub language: Option<Arc<str>>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
}

/// A bot's message on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct BotMessage {
    /// Markdown.
    pub text: Arc<str>,
    /// What the customer may press next.
    pub buttons: Buttons,
    /// The language it is in, where the responder knows; the conversation goes on in it.
    pub language: Option<Arc<str>>,
    /// How it came about.
    pub provenance: Provenance,
    /// What it does to what is kept in the conversation.
    pub effects: Effects,
}

/// What is to be appended, and the state after it.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The state that this was decided on ended at this seq; the log must still end there.
    pub expected_seq: Seq,
    /// What happened, in order.
    pub events: Vec<Arc<Event>>,
    /// The state afterwards. Shared, since the desk keeps it and the store writes it.
    pub next: Arc<Conversation>,
    /// Whether all of it happened before, in another conversation: nobody is told of it again.
    pub copied: bool,
    /// Set where the state only goes on by this ([`Decision::only_goes_on`]), so that the store may leave it unwritten:
    /// what it had said of deletions (`Store::deletions`) before the state was seen that this was decided on.
    pub goes_on: Option<u64>,
}

impl Decision {
    /// Both decisions in one append; `later` was decided on the state that this one leaves.
    pub fn then(mut self, later: Decision) -> Decision {
        debug_assert_eq!(self.next.last_seq, later.expected_seq);
        self.events.extend(later.events);
        self.next = later.next;
        self
    }

    /// Whether it is a question and its answer, and of the state nothing changes but its end and what each answer decides: what
    /// the state is afterwards can be told from the state before and the last event.
    pub fn only_goes_on(&self, before: &Conversation) -> bool {
        let [question, answer] = self.events.as_slice() else { return false };
        let is_turn = question.kind == Kind::Message
            && question.author == Author::Visitor
            && answer.kind == Kind::Message
            && answer.author == Author::Bot
            && question.at == answer.at;
        let is_answered = |state: &Conversation| state.status == Status::Bot && !state.has_pending();
        let next = &*self.next;
        is_turn
            && before.last_seq > 0
            && is_answered(before)
            && is_answered(next)
            && next.answered_seq == question.seq
            && next.visitor == before.visitor
            && next.language == before.language
            && (next.wake_at, before.wake_at) == (None, None)
            && next.kept.is_but_for_the_answer(&before.kept)
            && next.kept.missed == answer.meta.missed
            && next.kept.focus == answer.meta.focus_at(answer.seq)
    }

    /// The question `question`, which is number `seq` of this decision, is answered with the same append: see
    /// [`Conversation::answer`]. If it cannot be, nothing changes.
    pub fn answered(self, question: EventId, seq: Seq, message: BotMessage, now: Millis, limit: Millis) -> Decision {
        if self.next.takes(seq, &message) {
            Draft::after(self, now).answer(question, seq, message, now, limit).done()
        } else {
            self
        }
    }
}

impl Conversation {
    /// A conversation before its first event. Nothing of it is stored until there is one.
    pub fn new(id: ConversationId, visitor: VisitorId) -> Conversation {
        Conversation {
            id,
            visitor,
            status: Status::Bot,
            created_at: 0,
            last_seq: 0,
            last_at: 0,
            asked_seq: 0,
            answered_seq: 0,
            language: None,
            wake_at: None,
            kept: Kept::default(),
        }
    }

    /// Whether a question waits for its answer.
    pub fn has_pending(&self) -> bool {
        self.asked_seq > self.answered_seq
    }

    /// The visitor says something. A pending question is to be answered within `limit` milliseconds from now on;
    /// whoever finds it unanswered after that finishes it.
    pub fn say(&self, said: Said, now: Millis, limit: Millis) -> Decision {
        let mut draft = Draft::on(self, now);
        if self.status == Status::Closed {
            draft.add(EventId::new(), Kind::Reopened, Author::System, "".into(), None, None, Meta::default());
            draft.next.status = Status::Bot;
            draft.next.kept.over = false;
        }
        let Said { choice, language, attachments, .. } = said;
        let meta = Meta { choice, language, attachments, ..Meta::default() };
        let client_id = Some(said.client_id.into());
        draft.add(said.id, Kind::Message, Author::Visitor, said.text.into(), client_id, None, meta);
        draft.next.asked_seq = draft.next.last_seq;
        if draft.next.status != Status::Bot {
            draft.heard_visitor(limit);
            return draft.done();
        }
        draft.next.wake_at = Some(self.wake_at.filter(|_| self.has_pending()).unwrap_or(now + limit));
        draft.done()
    }

    /// A responder's message answers the question `question`, which has number `seq`. `None` if that question has
    /// its answer already, if the pipeline has no say here any more, or if it agrees to what is not proposed any more:
    /// the answer is then dropped.
    pub fn answer(
        &self,
        question: EventId,
        seq: Seq,
        message: BotMessage,
        now: Millis,
        limit: Millis,
    ) -> Option<Decision> {
        self.takes(seq, &message).then(|| Draft::on(self, now).answer(question, seq, message, now, limit).done())
    }

    /// Whether this message can answer question number `seq`.
    fn takes(&self, seq: Seq, message: &BotMessage) -> bool {
        let agreed = message.effects.agreed;
        self.status == Status::Bot
            && seq > self.answered_seq
            && agreed.is_none_or(|proposal| self.proposal(proposal).is_some())
    }

    /// What is proposed and waits for the visitor's word, if it is this.
    fn proposal(&self, id: EventId) -> Option<&Arc<Proposal>> {
        self.kept.focus.as_ref()?.proposal.as_ref().filter(|proposal| proposal.id == id)
    }

    /// An errand, which was ordered with this event, has its outcome, and the visitor is told so with this text. Nothing
    /// else changes: whoever has the conversation keeps it.
    pub fn settle(&self, ordered: &Event, settled: Settled, text: String, now: Millis) -> Option<Decision> {
        let Some(Errand::Ordered(proposal)) = ordered.meta.errand.as_deref() else { return None };
        let mut draft = Draft::on(self, now);
        let person = proposal.words.person.as_ref().filter(|_| settled.outcome != Outcome::Done);
        draft.errand(Author::System, Errand::Settled(settled), ordered.provenance.clone());
        let meta = Meta {
            buttons: person.cloned().into_iter().collect(),
            language: proposal.language.clone(),
            ..Meta::default()
        };
        draft.add(
            EventId::new(),
            Kind::Message,
            Author::Bot,
            text.into(),
            Some(proposal.id.outcome_key()),
            ordered.provenance.clone(),
            meta,
        );
        Some(draft.done())
    }

    /// The visitor rates an answer. Nothing waits for that, so a closed conversation stays closed.
    pub fn rate(&self, rated: Rated, now: Millis) -> Decision {
        let mut draft = Draft::on(self, now);
        let meta = Meta { rated: Some(rated), ..Meta::default() };
        draft.add(EventId::new(), Kind::Rated, Author::Visitor, "".into(), None, None, meta);
        draft.done()
    }

    /// The visitor has something forgotten that a responder remembered. `None` if nothing is known by that name.
    pub fn forget(&self, name: &str, now: Millis) -> Option<Decision> {
        let mut draft = Draft::on(self, now);
        draft.remember(Author::Visitor, name.to_owned(), None);
        (!draft.events.is_empty()).then(|| draft.done())
    }

    /// The visitor has the conversation deleted. The event at the tail fences off whoever decided on the log before
    /// it and tells every tab; the store deletes what stands before it in the same commit. A question under way
    /// gets no answer any more. `None` if nothing was ever said, or nothing since it was deleted before.
    pub fn erase(&self, now: Millis) -> Option<Decision> {
        self.erase_for(Author::Visitor, now)
    }

    /// The same on somebody else's word: the site's, or because it was kept long enough.
    pub fn erase_for(&self, author: Author, now: Millis) -> Option<Decision> {
        // After a deletion there is nothing until the next message.
        if self.last_seq == 0 || (self.status == Status::Closed && !self.kept.over) {
            return None;
        }
        let mut draft = Draft::on(self, now);
        draft.add(EventId::new(), Kind::Erased, author, "".into(), None, None, Meta::default());
        let next = &mut draft.next;
        next.status = Status::Closed;
        next.answered_seq = next.asked_seq;
        next.language = None;
        next.kept = Kept::default();
        next.wake_at = None;
        Some(draft.done())
    }
}

/// Collects events on top of a state.
struct Draft {
    expected_seq: Seq,
    events: Vec<Arc<Event>>,
    next: Conversation,
    at: Millis,
}

impl Draft {
    /// More on top of what is decided already.
    fn after(decision: Decision, now: Millis) -> Draft {
        let next = Arc::unwrap_or_clone(decision.next);
        Draft { expected_seq: decision.expected_seq, events: decision.events, at: now.max(next.last_at), next }
    }

    fn on(conversation: &Conversation, now: Millis) -> Draft {
        Draft {
            expected_seq: conversation.last_seq,
            events: Vec::with_capacity(2),
            next: conversation.clone(),
            // A clock that was set back must not turn the order of the log around.
            at: now.max(conversation.last_at),
        }
    }

    #[allow(clippy::too_many_arguments)] // it is the list of an event's columns
    fn add(
        &mut self,
        id: EventId,
        kind: Kind,
        author: Author,
        body: Arc<str>,
        client_id: Option<Arc<str>>,
        provenance: Option<Provenance>,
        meta: Meta,
    ) {
        let seq = self.next.last_seq + 1;
        if seq == 1 {
            self.next.created_at = self.at;
        }
        self.next.last_seq = seq;
        self.next.last_at = self.at;
        let event = Event { id, seq, at: self.at, kind, author, body, client_id, provenance, meta };
        self.events.push(Arc::new(event));
    }

    /// Keeps an attribute of the visitor, or with no value forgets it. What changes nothing is no event.
    fn remember(&mut self, author: Author, name: String, value: Option<String>) {
        let attributes = &mut self.next.kept.attributes;
        if attributes.get(&name) == value.as_ref() {
            return;
        }
        let kept = Arc::make_mut(attributes);
        match value.clone() {
            Some(value) => kept.insert(name.clone(), value),
            None => kept.remove(&name),
        };
        let meta = Meta { attribute: Some(Box::new(Attribute { name, value })), ..Meta::default() };
        self.add(EventId::new(), Kind::Attribute, author, "".into(), None, None, meta);
    }

    /// See [`Conversation::answer`].
    fn answer(mut self, question: EventId, seq: Seq, message: BotMessage, now: Millis, limit: Millis) -> Draft {
        let Effects { focus, attributes, lookups, usage, sources, agreed, hand_over, team, calls, missed } =
            message.effects;
        // A proposal that was agreed to or declined while this answer was made is not open again with it.
        let focus = focus.filter(|focus| {
            focus.proposal.as_ref().is_none_or(|kept| kept.id == question || self.next.proposal(kept.id).is_some())
        });
        let behind = (focus.is_some() || !lookups.is_empty() || usage.is_some())
            .then(|| Box::new(Behind { focus: focus.as_deref().cloned(), lookups, usage }));
        if let Some(proposal) = agreed.and_then(|proposal| self.next.proposal(proposal)).cloned() {
            self.errand(Author::Visitor, Errand::Ordered(proposal), Some(message.provenance.clone()));
        }
        self.next.kept.focus = focus;
        self.next.kept.missed = if missed { self.next.kept.missed.saturating_add(1) } else { 0 };
        for (name, value) in attributes {
            self.remember(Author::Bot, name, value);
        }
        let meta = Meta {
            buttons: message.buttons,
            language: message.language.clone(),
            question: Some(seq),
            missed: self.next.kept.missed,
            behind,
            sources,
            ..Meta::default()
        };
        self.add(
            EventId::new(),
            Kind::Message,
            Author::Bot,
            message.text,
            Some(question.answer_key()),
            Some(message.provenance),
            meta,
        );
        if let Some(asked) = self.next.kept.focus.as_mut().filter(|focus| focus.seq == 0) {
            asked.seq = self.next.last_seq;
        }
        self.next.answered_seq = seq;
        if message.language.is_some() {
            self.next.language = message.language;
        }
        self.next.wake_at = self.next.has_pending().then_some(now + limit);
        if let Some(reason) = hand_over {
            self.hand_over(reason, team, calls.then_some(seq), limit);
        }
        self
    }

    fn errand(&mut self, author: Author, errand: Errand, provenance: Option<Provenance>) {
        let meta = Meta { errand: Some(Box::new(errand)), ..Meta::default() };
        self.add(EventId::new(), Kind::Errand, author, "".into(), None, provenance, meta);
    }

    fn done(mut self) -> Decision {
        if !self.next.has_pending() {
            self.next.kept.claims = None;
        }
        Decision {
            expected_seq: self.expected_seq,
            events: self.events,
            next: self.next.into(),
            copied: false,
            goes_on: None,
        }
    }
}
