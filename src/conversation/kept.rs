//! What responders keep in a conversation between turns: the question that one of them asked back, and what they
//! remember of the visitor.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::errand::Proposal;
use super::event::Reason;
use super::id::{AgentId, EventId, Millis, Seq};
use super::review::Ended;

/// How long a question asked back waits for its answer.
const FOCUS_LASTS: Millis = 15 * 60 * 1000;
/// After so many answers of others the question is forgotten.
const INTERPOSED: u8 = 2;

/// Kept with the state of a conversation, as JSON; nothing is stored while it is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The responder that asked something back and gets the next message first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus: Option<Box<Focus>>,
    /// What is known of the visitor: name to value.
    #[serde(skip_serializing_if = "no_attributes")]
    pub attributes: Arc<BTreeMap<String, String>>,
    /// What the host site says of its customer, as long as a question waits for its answer: another node may have to
    /// finish it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Arc<BTreeMap<String, String>>>,
    /// The host site vouches for whose it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub account: bool,
    /// A person was asked for, or has the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Box<Attended>>,
    /// How many questions in a row nobody had an answer to.
    #[serde(skip_serializing_if = "is_zero")]
    pub missed: u8,
    /// What agents have tagged it with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// It is over and what was said in it is still there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
    /// The last chat with a person, once that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Box<Ended>>,
    /// The name of the customer, as the host site says it. It and the address are known once a person is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<Box<str>>,
    /// The e-mail address of the customer, as the host site says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_email: Option<Box<str>>,
}

impl Kept {
    /// Whether this is the same as `other` but for what each answer decides: the question that it asks back, and how many
    /// nobody had an answer to.
    pub fn is_but_for_the_answer(&self, other: &Kept) -> bool {
        let Kept {
            focus: _,
            attributes,
            claims,
            account,
            person,
            missed: _,
            tags,
            over,
            ended,
            account_name,
            account_email,
        } = self;
        *attributes == other.attributes
            && *claims == other.claims
            && *account == other.account
            && *person == other.person
            && *tags == other.tags
            && *over == other.over
            && *ended == other.ended
            && *account_name == other.account_name
            && *account_email == other.account_email
    }

    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.focus.is_none()
            && self.attributes.is_empty()
            && self.claims.is_none()
            && !self.account
            && self.person.is_none()
            && self.missed == 0
            && self.tags.is_empty()
            && !self.over
            && self.ended.is_none()
            && self.account_name.is_none()
            && self.account_email.is_none()
    }
}

pub(super) fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// A conversation that a person is asked for or has. Times are those of its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attended {
    /// Who has it.
    pub agent: Option<AgentId>,
    /// The name that the customer sees of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Since when it waits, or this agent has it.
    pub since: Millis,
    /// When it began to wait, if it has been with somebody since, or waits for somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_from: Option<Millis>,
    /// When the visitor or an agent said something last.
    pub said_at: Millis,
    /// Whether the visitor said it, so that the agent is to answer.
    pub visitor_last: bool,
    /// Whether the visitor was told that nobody has come yet.
    #[serde(default)]
    pub told: bool,
    /// Whether the visitor, whose agent has answered, was reminded of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reminded: bool,
    /// Whether it is only that the visitor left word.
    #[serde(default)]
    pub message: bool,
    /// The team that it is for; nothing: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The visitor's message that says nothing but that a person is wanted, or where one is to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Seq>,
}

fn no_attributes(attributes: &Arc<BTreeMap<String, String>>) -> bool {
    attributes.is_empty()
}

/// A responder has asked something back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Focus {
    /// Who asked.
    pub responder: Arc<str>,
    /// The shape of `state` as the responder counts it; another version of it does not understand this one's.
    pub version: u32,
    /// What the responder wants to have back with the answer.
    pub state: Arc<serde_json::Value>,
    /// When it asked.
    pub asked_at: Millis,
    /// How many answers of others came since.
    #[serde(default)]
    pub interposed: u8,
    /// The seq of the question. What was said before it is no answer to it.
    #[serde(default)]
    pub seq: Seq,
    /// What is done if the customer says yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Arc<Proposal>>,
}

impl Focus {
    /// A question asked now.
    pub fn new(responder: impl Into<Arc<str>>, version: u32, state: serde_json::Value, now: Millis) -> Focus {
        Focus {
            responder: responder.into(),
            version,
            state: Arc::new(state),
            asked_at: now,
            interposed: 0,
            seq: 0,
            proposal: None,
        }
    }

    /// Whether the question was asked too long ago.
    pub fn is_over(&self, now: Millis) -> bool {
        now - self.asked_at > FOCUS_LASTS
    }

    /// The same after somebody else answered a message; `None` when it is forgotten over that.
    pub fn interposed(self) -> Option<Focus> {
        let interposed = self.interposed + 1;
        (interposed < INTERPOSED).then_some(Focus { interposed, ..self })
    }
}

/// What stands behind an answer of a plugin, kept with it in the log: a replay can then do without the sources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Behind {
    /// What waits for an answer from here on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus: Option<Focus>,
    /// What was looked up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<LookedUp>,
    /// What a model cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Box<Usage>>,
}

/// What an answer of a model has cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// The model.
    pub model: String,
    /// How often it was called.
    pub calls: u32,
    /// Tokens that it read.
    pub read: u32,
    /// Tokens that it wrote.
    pub written: u32,
    /// Whether its server did not say how many tokens these were.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Milliseconds to its first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
    /// Milliseconds until it was complete, tools included.
    pub millis: u32,
}

/// A look-up and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LookedUp {
    /// The source.
    pub source: String,
    /// What it was asked for.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// What it said; null if there was nothing, or if it failed.
    pub result: serde_json::Value,
    /// The word for why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What an answer does to what is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// The question that waits for an answer from now on.
    pub focus: Option<Box<Focus>>,
    /// Attributes to remember, or with no value to forget, in this order.
    pub attributes: Vec<(String, Option<String>)>,
    /// What was looked up for it, to be kept in the log.
    pub lookups: Vec<LookedUp>,
    /// What a model cost, to be kept in the log.
    pub usage: Option<Box<Usage>>,
    /// What it is made from: entries and tools.
    pub sources: Vec<String>,
    /// The proposal that the customer agrees to with the message that is answered.
    pub agreed: Option<EventId>,
    /// A person is asked for…
    pub hand_over: Option<Reason>,
    /// …of this team.
    pub team: Option<String>,
    /// The message that is answered says nothing but that.
    pub calls: bool,
    /// Nobody had an answer.
    pub missed: bool,
}
