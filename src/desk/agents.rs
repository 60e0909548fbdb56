//! What agents do at the desk, and what a visitor says to them. Each is an append like any other: it names the end of
//! the log that it was decided on, so of two agents who take a conversation one does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{
    Answered, Conversation, ConversationId, Decision, Desk, DeskError, EventId, LEASE, Line, MAX_CONFLICTS, Millis,
    NotYours, Person, Presence, Reason, Said, Seq, Status, StoreError,
};
use crate::conversation::{Person as Colleague, Reply, Text, To};
use crate::store::AppendError;

/// An agent at the desk.
pub type Agent = Colleague;

impl Desk {
    /// An agent takes a conversation. Of several that try at once, the others are told who has it.
    pub async fn take(&self, id: ConversationId, agent: &Agent) -> Result<(), DeskError> {
        self.act(id, |head| Ok(Some(head.take(agent, self.named(head, Line::Joined, agent), self.clock.now())?))).await
    }

    /// An agent who leads takes a conversation also from another agent.
    pub async fn take_over(&self, id: ConversationId, agent: &Agent) -> Result<(), DeskError> {
        self.act(id, |head| Ok(Some(head.relieve(agent, self.named(head, Line::Joined, agent), self.clock.now())?)))
            .await
    }

    /// The agent says something. Returns its number when it is durable; said again under the same id, it is stored
    /// once.
    pub async fn reply(&self, id: ConversationId, agent: &Agent, reply: Reply) -> Result<Seq, DeskError> {
        let patience = &self.people.patience;
        let key = reply.id.agent_key();
        self.said_once(id, &key, |head| head.reply(agent, reply.clone(), self.clock.now(), patience)).await
    }

    /// The agent notes something that no visitor gets.
    pub async fn note_down(
        &self,
        id: ConversationId,
        agent: &Agent,
        said: EventId,
        text: Text,
    ) -> Result<Seq, DeskError> {
        let key = said.agent_key();
        self.said_once(id, &key, |head| head.note(agent, said, key.clone(), text.clone(), self.clock.now())).await
    }

    /// The agent passes the conversation on.
    pub async fn transfer(&self, id: ConversationId, agent: &Agent, to: &To) -> Result<(), DeskError> {
        self.act(id, |head| {
            let text = match to {
                To::Agent(other) => self.named(head, Line::Transferred, other),
                To::Queue | To::Team(_) => self.line(head, Line::Requeued),
            };
            Ok(Some(head.transfer(agent, to, text, self.clock.now(), LEASE)?))
        })
        .await
    }

    /// The agent gives the conversation back to the pipeline.
    pub async fn give_back(&self, id: ConversationId, agent: &Agent) -> Result<(), DeskError> {
        self.act(id, |head| {
            Ok(Some(head.give_back(agent, self.named(head, Line::GivenBack, agent), self.clock.now())?))
        })
        .await
    }

    /// The agent ends the conversation.
    pub async fn close(&self, id: ConversationId, agent: &Agent) -> Result<(), DeskError> {
        self.act(id, |head| {
            let asks = self.asks(head);
            let text = self.with_question(head, self.named(head, Line::ClosedByAgent, agent), asks);
            Ok(Some(head.close(agent, text, asks, self.clock.now())?))
        })
        .await
    }

    /// The agent tags the conversation anew.
    pub async fn tag(&self, id: ConversationId, agent: &Agent, tags: Vec<String>) -> Result<(), DeskError> {
        self.act(id, |head| Ok(head.tag(agent, tags.clone(), self.clock.now()))).await
    }

    /// Looks whether the site has agents: without any, nobody is called.
    pub async fn look_for_staff(&self) {
        match self.store.has_agents().await {
            Ok(staffed) => self.staffed.store(staffed, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "whether there are agents cannot be looked up"),
        }
    }

    /// Whether a person can be had now.
    pub fn presence(&self) -> Presence {
        if !self.staffed.load(Ordering::Relaxed) {
            return Presence::Never;
        }
        let now = self.clock.now();
        match &self.people.hours {
            Some(hours) if !hours.are_open(now) => Presence::Later(hours.next(now)),
            _ => Presence::Now,
        }
    }

    /// What a visitor's message does: to the pipeline, to people, or from people back to the pipeline.
    pub(super) fn heard(&self, head: &Conversation, said: &Said, now: Millis) -> Decision {
        let say = |head: &Conversation| head.say(said.clone(), now, LEASE);
        if !matches!(head.status, Status::Waiting | Status::Agent) {
            return self.reviewed_in(head, said, now).unwrap_or_else(|| say(head));
        }
        let text = || self.line(head, Line::WithBot);
        match said.choice.as_deref() {
            // Whoever does not wait for a person says so before it is asked what to do instead. Where one has come just
            // then, nobody needs to: it is read.
            Some(Person::MESSAGE) if head.status == Status::Waiting => match head.back(String::new(), now) {
                Some(left) => {
                    let said = say(&left.next);
                    left.then(said)
                }
                None => say(head),
            },
            choice if choice == Some(Person::BACK) || self.is_back(head, said) => {
                let said = say(head);
                match said.next.back(text(), now) {
                    Some(left) => said.then(left),
                    None => said,
                }
            }
            _ => say(head),
        }
    }

    fn is_back(&self, head: &Conversation, said: &Said) -> bool {
        let languages: Vec<Arc<str>> = head.language.iter().chain(&said.language).cloned().collect();
        // To a person, "cancel" may be an answer.
        head.status == Status::Waiting && self.pipeline().lines().is_back(said.text.as_str(), &languages)
    }

    /// An answer that calls a person tells the place in the queue.
    pub(super) async fn placed(&self, mut answered: Answered) -> Answered {
        if answered.message.effects.hand_over != Some(Reason::Asked) {
            return answered;
        }
        match self.store.waiting_conversations().await {
            Ok(waiting) => {
                let pipeline = self.pipeline();
                let languages: Vec<Arc<str>> = answered.message.language.iter().cloned().collect();
                let (line, _) = pipeline.lines().say(Line::QueuedAt, &languages);
                let line = line.trim_end().replace("{place}", &(waiting + 1).to_string());
                answered.message.text = format!("{}\n\n{line}", answered.message.text.trim_end()).into();
            }
            Err(error) => tracing::warn!(%error, "the place in the queue cannot be looked up"),
        }
        answered
    }

    /// A line in the language of the conversation.
    pub(super) fn line(&self, head: &Conversation, line: Line) -> String {
        let languages: Vec<Arc<str>> = head.language.iter().cloned().collect();
        self.pipeline().lines().say(line, &languages).0.trim_end().to_owned()
    }

    pub(super) fn named(&self, head: &Conversation, line: Line, agent: &Agent) -> String {
        self.line(head, line).replace("{name}", &crate::responders::markdown::escaped(&agent.name, 80))
    }

    /// Does what is decided on the conversation as it is, and anew if it has gone on meanwhile.
    pub(super) async fn act(
        &self,
        id: ConversationId,
        decide: impl Fn(&Conversation) -> Result<Option<Decision>, NotYours>,
    ) -> Result<(), DeskError> {
        for _ in 0..MAX_CONFLICTS {
            let head = self.store.conversation(id).await.map_err(DeskError::Unavailable)?;
            let Some(decision) = decide(&head.ok_or(NotYours::Over)?)? else { return Ok(()) };
            if self.appended(decision).await? {
                return Ok(());
            }
        }
        Err(DeskError::Busy)
    }

    /// The same for something that its console may say again.
    async fn said_once(
        &self,
        id: ConversationId,
        key: &str,
        decide: impl Fn(&Conversation) -> Result<Decision, NotYours>,
    ) -> Result<Seq, DeskError> {
        for attempt in 0..MAX_CONFLICTS {
            let head = self.store.conversation(id).await.map_err(DeskError::Unavailable)?.ok_or(NotYours::Over)?;
            let decided = decide(&head);
            if attempt > 0 || decided.is_err() {
                // It may be its own message that is in the way, or was before somebody else took over.
                let said = self.store.event_by_client_id(id, key).await.map_err(DeskError::Unavailable)?;
                if let Some(said) = said {
                    return Ok(said.seq);
                }
            }
            let decision = decided?;
            let seq = decision.next.last_seq;
            if self.appended(decision).await? {
                return Ok(seq);
            }
        }
        Err(DeskError::Busy)
    }

    /// False if the log has gone on meanwhile.
    async fn appended(&self, decision: Decision) -> Result<bool, DeskError> {
        match self.store.append(decision).await {
            Ok(()) => Ok(true),
            Err(AppendError::Conflict | AppendError::Repeated { .. }) => {
                self.conflicts.fetch_add(1, Ordering::Relaxed);
                Ok(false)
            }
            // The visitor goes on elsewhere: this one is over.
            Err(AppendError::Elsewhere(_)) => Err(NotYours::Over.into()),
            Err(AppendError::Unavailable(error)) => Err(DeskError::Unavailable(error)),
        }
    }
}

/// What the store said where only it could fail.
pub(super) fn of_store(error: DeskError) -> Result<(), StoreError> {
    match error {
        DeskError::Unavailable(error) => Err(error),
        // Somebody else is at it.
        _ => Ok(()),
    }
}
