//! What people do in a conversation: who has it, and what becomes of it when nobody does anything.
//!
//! A conversation has one owner: the pipeline, the queue, or one agent. Whatever changes that also ends the questions
//! under way: an answer to one of them that comes later is refused by [`Conversation::answer`], also after the
//! conversation was given back.

use std::sync::Arc;

use super::attachment::Attachment;
use super::buttons::Buttons;
use super::event::{Author, Kind, Meta, Reason};
use super::id::{AgentId, EventId, Millis, Seq, Text};
use super::kept::{Attended, Focus};
use super::review::Ended;
use super::{Conversation, Decision, Draft, Status};

/// An agent, as a conversation knows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Names the agent.
    pub id: AgentId,
    /// What customers see.
    pub name: String,
    /// Whether it may also act on what another agent has.
    pub leads: bool,
}

/// An agent's message on its way in.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What the console named it.
    pub id: EventId,
    /// Markdown; nothing where something is attached and that is all.
    pub text: Text,
    /// What is attached.
    pub attachments: Vec<Attachment>,
}

/// To whom a conversation is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Whoever takes it.
    Queue,
    /// Whoever of this team takes it.
    Team(String),
    /// This agent.
    Agent(Person),
}

/// How long people wait for each other, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A customer in the queue, before purser apologises.
    pub wait: Millis,
    /// A customer whose agent does not answer, before the conversation goes back into the queue.
    pub forgotten: Millis,
    /// A customer whose agent has answered, before purser reminds of the chat, once; `None`: never.
    pub remind: Option<Millis>,
    /// A conversation in which nobody says anything, before it is over.
    pub idle: Millis,
}

/// Why an agent may not do that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotYours {
    /// Another agent has it.
    #[error("{0} has this conversation")]
    Taken(String),
    /// Nobody has it: it must be taken first.
    #[error("take this conversation first")]
    NotTaken,
    /// It is over, or nothing was said yet.
    #[error("this conversation is over")]
    Over,
}

/// What has become due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elapsed {
    /// Nobody has come; the customer is told once.
    Nobody,
    /// The agent has not answered.
    Forgotten,
    /// The agent has answered, and the customer has not; the customer is told once.
    Silent,
    /// Nobody has said anything.
    Idle,
}

impl Conversation {
    /// An agent takes it, from the queue or from the pipeline. Of several one does. `text` tells the customer.
    pub fn take(&self, agent: &Person, text: String, now: Millis) -> Result<Decision, NotYours> {
        if self.status == Status::Agent {
            return Err(self.taken());
        }
        self.attend(agent, text, now)
    }

    /// One who leads takes it, also from another agent who has it. `text` tells the customer.
    pub fn relieve(&self, agent: &Person, text: String, now: Millis) -> Result<Decision, NotYours> {
        if self.status == Status::Agent && (self.is_of(agent) || !agent.leads) {
            return Err(self.taken());
        }
        self.attend(agent, text, now)
    }

    fn attend(&self, agent: &Person, text: String, now: Millis) -> Result<Decision, NotYours> {
        if self.status == Status::Closed || self.last_seq == 0 {
            return Err(NotYours::Over);
        }
        let mut draft = Draft::on(self, now);
        let meta = Meta { agent: Some(agent.id), name: Some(agent.name.clone()), ..Meta::default() };
        draft.plain(Kind::Joined, Author::Agent, text, meta);
        draft.owned(Some(agent));
        Ok(draft.done())
    }

    /// The agent who has it says something.
    pub fn reply(&self, agent: &Person, reply: Reply, now: Millis, patience: &Patience) -> Result<Decision, NotYours> {
        if self.status != Status::Agent {
            return Err(if self.status == Status::Closed { NotYours::Over } else { NotYours::NotTaken });
        }
        if !self.is_of(agent) {
            return Err(self.taken());
        }
        let mut draft = Draft::on(self, now);
        let Reply { id, text, attachments } = reply;
        let meta = Meta { agent: Some(agent.id), name: Some(agent.name.clone()), attachments, ..Meta::default() };
        draft.add(id, Kind::Message, Author::Agent, text.into(), Some(id.agent_key()), None, meta);
        let at = draft.at;
        if let Some(person) = &mut draft.next.kept.person {
            (person.said_at, person.visitor_last, person.reminded) = (at, false, false);
        }
        draft.next.wake_at = draft.next.elapses(patience).map(|(_, due)| due);
        Ok(draft.done())
    }

    /// An agent notes something for the others. No visitor ever gets it, whoever has the conversation.
    pub fn note(
        &self,
        agent: &Person,
        id: EventId,
        key: Arc<str>,
        text: Text,
        now: Millis,
    ) -> Result<Decision, NotYours> {
        if self.last_seq == 0 {
            return Err(NotYours::Over);
        }
        let mut draft = Draft::on(self, now);
        let meta = Meta { agent: Some(agent.id), name: Some(agent.name.clone()), ..Meta::default() };
        draft.add(id, Kind::Note, Author::Agent, text.into(), Some(key), None, meta);
        Ok(draft.done())
    }

    /// Tags it anew, for other agents. `None` if they are the same.
    pub fn tag(&self, agent: &Person, tags: Vec<String>, now: Millis) -> Option<Decision> {
        if self.last_seq == 0 || self.kept.tags == tags {
            return None;
        }
        let mut draft = Draft::on(self, now);
        draft.next.kept.tags.clone_from(&tags);
        let meta = Meta { agent: Some(agent.id), name: Some(agent.name.clone()), tags: Some(tags), ..Meta::default() };
        draft.plain(Kind::Tagged, Author::Agent, String::new(), meta);
        Some(draft.done())
    }

    /// The agent who has it, or one who leads, passes it on. `text` tells the customer.
    pub fn transfer(
        &self,
        agent: &Person,
        to: &To,
        text: String,
        now: Millis,
        limit: Millis,
    ) -> Result<Decision, NotYours> {
        self.may_change(agent)?;
        let mut draft = Draft::on(self, now);
        match to {
            To::Agent(other) => {
                let meta = Meta { agent: Some(other.id), name: Some(other.name.clone()), ..Meta::default() };
                draft.plain(Kind::Transferred, Author::Agent, text, meta);
                draft.owned(Some(other));
            }
            To::Queue | To::Team(_) => {
                let team = if let To::Team(team) = to { Some(team.clone()) } else { None };
                draft.plain(Kind::Transferred, Author::Agent, text, Meta { team: team.clone(), ..Meta::default() });
                draft.owned(None);
                if let Some(person) = &mut draft.next.kept.person {
                    person.team = team;
                }
                draft.next.wake_at = Some(draft.at + limit);
            }
        }
        Ok(draft.done())
    }

    /// The agent who has it, or one who leads, gives it back to the pipeline. `text` tells the customer.
    pub fn give_back(&self, agent: &Person, text: String, now: Millis) -> Result<Decision, NotYours> {
        let mut draft = self.ended_by(agent, Kind::Left, text, false, now)?;
        draft.unowned();
        Ok(draft.done())
    }

    /// The visitor wants the pipeline back. `None` if it has the conversation. `text` tells that it does now.
    pub fn back(&self, text: String, now: Millis) -> Option<Decision> {
        if !matches!(self.status, Status::Waiting | Status::Agent) {
            return None;
        }
        let mut draft = Draft::on(self, now);
        draft.plain(Kind::Left, Author::System, text, Meta::default());
        draft.unowned();
        Some(draft.done())
    }

    /// Nobody comes for now: the pipeline has it again, and asks with `text` where an answer is to go; what is said to
    /// that is for `focus`. For agents it goes on to wait, as word that was left.
    pub fn put_off(&self, text: String, focus: Focus, now: Millis) -> Decision {
        let mut draft = Draft::on(self, now);
        let meta = Meta { reason: Some(Reason::Forgotten), ..Meta::default() };
        draft.plain(Kind::Left, Author::System, String::new(), meta);
        draft.unowned();
        draft.plain(Kind::Message, Author::System, text, Meta::default());
        let kept = &mut draft.next.kept;
        kept.focus = Some(Box::new(Focus { seq: draft.next.last_seq, ..focus }));
        kept.person = self.kept.person.clone();
        if let Some(person) = &mut kept.person {
            person.message = true;
        }
        draft.done()
    }

    /// An agent ends it. Whoever has it may, and everybody if no agent does. `text` tells the customer, and, if it `asks`,
    /// also asks for a rating.
    pub fn close(&self, agent: &Person, text: String, asks: bool, now: Millis) -> Result<Decision, NotYours> {
        let mut draft = self.ended_by(agent, Kind::Closed, text, asks, now)?;
        draft.over(asks);
        Ok(draft.done())
    }

    fn ended_by(&self, agent: &Person, kind: Kind, text: String, asks: bool, now: Millis) -> Result<Draft, NotYours> {
        self.may_change(agent)?;
        let mut draft = Draft::on(self, now);
        let meta = Meta { agent: Some(agent.id), name: Some(agent.name.clone()), asks, ..Meta::default() };
        draft.plain(kind, Author::Agent, text, meta);
        Ok(draft)
    }

    /// An agent sees to it that the visitor can write no more. What is open is over with that, and `text` says so.
    pub fn block(&self, agent: &Person, text: String, now: Millis) -> Result<Decision, NotYours> {
        if self.status == Status::Closed {
            return self.marked(agent, Kind::Blocked, now);
        }
        self.may_change(agent)?;
        let marked = self.marked(agent, Kind::Blocked, now)?;
        let closed = marked.next.close(agent, text, false, now)?;
        Ok(marked.then(closed))
    }

    /// An agent lets the visitor write again.
    pub fn unblock(&self, agent: &Person, now: Millis) -> Result<Decision, NotYours> {
        self.marked(agent, Kind::Unblocked, now)
    }

    fn marked(&self, agent: &Person, kind: Kind, now: Millis) -> Result<Decision, NotYours> {
        if self.last_seq == 0 {
            return Err(NotYours::Over);
        }
        let mut draft = Draft::on(self, now);
        let meta = Meta { agent: Some(agent.id), name: Some(agent.name.clone()), ..Meta::default() };
        draft.plain(kind, Author::Agent, String::new(), meta);
        Ok(draft.done())
    }

    /// When something becomes due that nobody does: what, and at which time. `None` while the pipeline has it.
    pub fn elapses(&self, patience: &Patience) -> Option<(Elapsed, Millis)> {
        let person = self.kept.person.as_ref()?;
        match self.status {
            Status::Waiting if !person.told => Some((Elapsed::Nobody, person.since + patience.wait)),
            Status::Agent if person.visitor_last => Some((Elapsed::Forgotten, person.said_at + patience.forgotten)),
            Status::Agent if !person.reminded && patience.remind.is_some_and(|remind| remind < patience.idle) => {
                Some((Elapsed::Silent, person.said_at + patience.remind?))
            }
            Status::Waiting | Status::Agent => Some((Elapsed::Idle, person.said_at + patience.idle)),
            Status::Bot | Status::Closed => None,
        }
    }

    /// Does what has become due, and says so with `text` and `buttons`; an end `asks` for a rating or does not. The next
    /// thing is due a whole while later, however late it is now: an outage is followed by no burst.
    pub fn elapse(
        &self,
        what: Elapsed,
        text: String,
        buttons: Buttons,
        asks: bool,
        now: Millis,
        patience: &Patience,
    ) -> Decision {
        let mut draft = Draft::on(self, now);
        match what {
            Elapsed::Nobody | Elapsed::Silent => {
                draft.plain(Kind::Message, Author::System, text, Meta { buttons, ..Meta::default() });
                let at = draft.at;
                if let Some(person) = &mut draft.next.kept.person {
                    person.told |= what == Elapsed::Nobody;
                    person.reminded |= what == Elapsed::Silent;
                    person.said_at = at;
                }
                // Whoever looks then finds out when something is due.
                draft.next.wake_at = Some(at);
            }
            Elapsed::Forgotten => {
                let meta = Meta { buttons, reason: Some(Reason::Forgotten), ..Meta::default() };
                draft.plain(Kind::Transferred, Author::System, text, meta);
                draft.owned(None);
                draft.next.wake_at = Some(draft.at + patience.wait);
            }
            Elapsed::Idle => {
                let meta = Meta { reason: Some(Reason::Idle), asks, ..Meta::default() };
                draft.plain(Kind::Closed, Author::System, text, meta);
                draft.over(asks);
            }
        }
        draft.done()
    }

    /// The agent who has it.
    pub fn agent(&self) -> Option<AgentId> {
        self.kept.person.as_ref().filter(|_| self.status == Status::Agent)?.agent
    }

    fn is_of(&self, agent: &Person) -> bool {
        self.agent() == Some(agent.id)
    }

    fn taken(&self) -> NotYours {
        let name = self.kept.person.as_ref().and_then(|person| person.name.clone());
        NotYours::Taken(name.unwrap_or_else(|| "another agent".to_owned()))
    }

    fn may_change(&self, agent: &Person) -> Result<(), NotYours> {
        match self.status {
            Status::Closed => Err(NotYours::Over),
            Status::Agent if self.is_of(agent) || agent.leads => Ok(()),
            Status::Agent => Err(self.taken()),
            // Whoever did not say anything yet has nothing that could be ended.
            _ if self.last_seq == 0 => Err(NotYours::Over),
            Status::Waiting | Status::Bot => Ok(()),
        }
    }
}

impl Draft {
    /// An event without anything of a client or a responder.
    fn plain(&mut self, kind: Kind, author: Author, text: String, meta: Meta) {
        self.add(EventId::new(), kind, author, text.into(), None, None, meta);
    }

    /// The visitor has said something to people.
    pub(super) fn heard_visitor(&mut self, limit: Millis) {
        let at = self.at;
        self.next.answered_seq = self.next.asked_seq;
        if let Some(person) = &mut self.next.kept.person {
            (person.said_at, person.visitor_last, person.reminded) = (at, true, false);
        }
        // Whoever looks then finds out when something is due.
        self.next.wake_at = Some(at + limit);
    }

    /// A person is asked for, by the message `call` if that says nothing else. Word that was left waits for an agent, and the visitor goes on with the pipeline.
    pub(super) fn hand_over(&mut self, reason: Reason, team: Option<String>, call: Option<Seq>, limit: Millis) {
        let meta = Meta { reason: Some(reason), team: team.clone(), ..Meta::default() };
        self.plain(Kind::Handover, Author::System, String::new(), meta);
        if reason == Reason::Message {
            let (since, said_at) = (self.at, self.at);
            let person = Attended {
                agent: None,
                name: None,
                since,
                waits_from: None,
                said_at,
                visitor_last: true,
                told: true,
                reminded: false,
                message: true,
                team,
                call,
            };
            self.next.kept.person = Some(Box::new(person));
            return;
        }
        self.owned(None);
        if let Some(person) = &mut self.next.kept.person {
            (person.team, person.call) = (team, call);
        }
        self.next.wake_at = Some(self.at + limit);
    }

    /// From now on this agent has it, or the queue.
    fn owned(&mut self, agent: Option<&Person>) {
        let before = self.next.kept.person.take();
        let (id, name) = (agent.map(|agent| agent.id), agent.map(|agent| agent.name.clone()));
        // Whoever comes back into the queue does not stand behind those who came later. Word that was left stood in none.
        let came = before.as_ref().filter(|before| !before.message);
        let waits_from = came.map(|before| before.waits_from.unwrap_or(before.since));
        let person = Attended {
            agent: id,
            name,
            since: self.at,
            waits_from,
            said_at: self.at,
            visitor_last: before.as_ref().is_none_or(|before| before.visitor_last),
            told: false,
            reminded: false,
            message: false,
            call: before.as_ref().and_then(|before| before.call),
            // It stays with the team whoever of it comes and goes.
            team: before.and_then(|before| before.team),
        };
        let next = &mut self.next;
        next.kept.ended = None;
        next.kept.person = Some(Box::new(person));
        next.kept.focus = None;
        next.kept.missed = 0;
        next.answered_seq = next.asked_seq;
        next.status = if agent.is_some() { Status::Agent } else { Status::Waiting };
        // Whoever looks then finds out when something is due.
        next.wake_at = Some(self.at);
    }

    /// From now on the pipeline has it, and begins afresh.
    fn unowned(&mut self) {
        let next = &mut self.next;
        next.kept.person = None;
        next.kept.focus = None;
        next.kept.missed = 0;
        next.answered_seq = next.asked_seq;
        next.status = Status::Bot;
        next.wake_at = None;
    }

    fn over(&mut self, asks: bool) {
        // What the visitor may rate is a chat that an agent had.
        let agent = self.next.agent().filter(|_| asks);
        let name = self.next.kept.person.as_mut().and_then(|person| person.name.take());
        self.next.kept.ended = agent.map(|agent| Box::new(Ended { agent, name, at: self.at, stars: None }));
        self.unowned();
        self.next.status = Status::Closed;
        self.next.kept.over = true;
    }
}
