//! The desk: the thin asynchronous shell around the pure decisions. Read the state, decide, ask the pipeline,
//! append; when the log turns out to have moved on, read again and decide again.
//!
//! Every door (WebSocket, HTTP, terminal) calls [`Desk::say`]. A message is acknowledged after its commit. An
//! answer that is there at once is committed with its question; a slow one leaves the question pending. As long as
//! this node is at it, the question is held; if the node dies meanwhile, another one finds it within seconds and
//! finishes it ([`Desk::wake`]).
//!
//! Questions of one conversation are answered one at a time and in order; messages that come meanwhile are stored
//! and acknowledged at once.

mod agents;
mod answering;
mod attached;
mod blocks;
mod chores;
mod counts;
mod drafts;
mod errands;
mod holds;
mod past;
mod reach;
mod reviews;
mod seat;
mod sign_in;
mod timers;
mod waking;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::conversation::{
    Author, ClientId, Conversation, ConversationId, Decision, Event, EventId, Kind, Millis, NotYours, Provenance,
    Reason, Said, Seq, Status, Text, VisitorId,
};
use crate::people::People;
use crate::responders::lines::Line;
use crate::responders::person::Person;
use crate::responders::pipeline::{Answered, Outcome, Pipeline, Step};
use crate::responders::{BoxFuture, Notes, Past, Presence, Turn};
use crate::store::{AppendError, Store, StoreError};
use crate::text::card::without_cards;
use drafts::{Readers, UnderWay};
use holds::{Holds, LEASE};
use seat::{Seated, Seats};

pub use agents::Agent;
pub use chores::{erase_visitor_of, erased_by, erasing};
pub use counts::Counts;
pub use reach::NotReached;
pub use seat::Seat;

/// A log that moves on this often between reading and appending is given up on for now.
const MAX_CONFLICTS: usize = 16;

/// Where messages come in and answers go out.
pub struct Desk {
    store: Store,
    pipeline: ArcSwap<Pipeline>,
    seats: Arc<Seats>,
    clock: Clock,
    /// The site's own language.
    language: Arc<str>,
    /// How long a node may hold a question.
    limit: Millis,
    /// What the site says of its agents.
    people: People,
    /// Whether it has any.
    staffed: AtomicBool,
    /// The answers under way.
    answering: TaskTracker,
    holds: Holds,
    blocks: blocks::Blocks,
    /// What was said before, for responders that read it.
    past: Arc<dyn Past>,
    /// What somebody takes down who looks on.
    notes: OnceLock<Arc<Notes>>,
    /// Those who read answers while they are written.
    readers: Option<Readers>,
    keeping: chores::Keeping,
    /// Told when a customer has agreed to an errand.
    ordered: sync::Notify,
    conflicts: AtomicU64,
    counts: Counts,
}

/// A stored message, as its client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Where it is stored: another conversation than the seat's if the visitor has another open one.
    pub conversation: ConversationId,
    /// The client's id of it.
    pub client_id: ClientId,
    /// Its number.
    pub seq: Seq,
    /// When it was stored.
    pub at: Millis,
}

/// Why the desk could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The conversation belongs to somebody else.
    #[error("this conversation belongs to another visitor")]
    NotYours,
    /// The store is away; nothing is known to be stored.
    #[error("the store cannot be reached")]
    Unavailable(#[source] StoreError),
    /// The log moved on too often meanwhile; nothing is stored.
    #[error("the conversation is too busy")]
    Busy,
    /// There is no answer with that number.
    #[error("there is no such answer")]
    NoAnswer,
    /// An agent does not let this visitor write.
    #[error("this visitor is blocked")]
    Blocked,
    /// Something is attached that the sender has not sent, or that is gone.
    #[error("there is no such attachment")]
    NoAttachment,
    /// There is no chat with a person that is over and may be rated.
    #[error("there is no chat to be rated")]
    NoChat,
    /// It is not this agent's to do.
    #[error(transparent)]
    NotTheirs(#[from] NotYours),
}

/// How far the answer to a question that is not stored yet has come.
#[allow(clippy::large_enum_variant)] // it stays on the stack of one call, and a box would cost every message
enum Progress {
    NotAsked,
    Ready(Answered),
    Waiting(UnderWay),
}

impl Desk {
    /// A desk over this store. Its first pipeline is `pipeline`; `limit` bounds how long a node may hold a question.
    pub fn new(store: Store, pipeline: Pipeline, clock: Clock, language: String, limit: Duration) -> Desk {
        Desk {
            past: Arc::new(past::Stored(store.clone())),
            notes: OnceLock::new(),
            store,
            pipeline: ArcSwap::from_pointee(pipeline),
            seats: Arc::default(),
            clock,
            language: language.into(),
            limit: Millis::try_from(limit.as_millis()).unwrap_or(Millis::MAX),
            people: People::default(),
            staffed: AtomicBool::new(false),
            answering: TaskTracker::new(),
            holds: Holds::default(),
            blocks: blocks::Blocks::default(),
            readers: None,
            keeping: chores::Keeping::default(),
            ordered: sync::Notify::new(),
            conflicts: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// The same desk with people as these, who are called once there is an agent's account.
    pub fn with_people(self, people: People) -> Desk {
        Desk { people, ..self }
    }

    /// From now on somebody looks on: what happens in turns is taken down here.
    pub fn looked_on(&self) -> Arc<Notes> {
        self.notes.get_or_init(Arc::default).clone()
    }

    /// What it did since the start.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The pipeline in force.
    pub fn pipeline(&self) -> Arc<Pipeline> {
        self.pipeline.load_full()
    }

    /// Puts another pipeline in force; turns under way keep theirs.
    pub fn set_pipeline(&self, pipeline: Pipeline) {
        self.pipeline.store(Arc::new(pipeline));
    }

    /// The clock that says so.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The site's own language.
    pub fn language(&self) -> &Arc<str> {
        &self.language
    }

    /// The time, as everything here goes by it.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// How many answers are under way here.
    pub fn answers_under_way(&self) -> usize {
        self.holds.count()
    }

    /// How often a log had gone on since it was last seen here, so that something was decided anew. Since the start.
    pub fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// A seat in a conversation, which may be one that nothing is stored of yet.
    pub async fn seat(&self, id: ConversationId, visitor: VisitorId) -> Result<Arc<Seat>, DeskError> {
        let seat = match self.seats.taken(id) {
            Some(seat) => seat,
            None => match self.store.conversation(id).await.map_err(DeskError::Unavailable)? {
                Some(head) => self.seats.take(id, head.visitor, Some(head)),
                None => self.seats.take(id, visitor, None),
            },
        };
        if seat.visitor == visitor { Ok(seat) } else { Err(DeskError::NotYours) }
    }

    /// A seat in the visitor's open conversation, if there is one.
    pub async fn open_seat(&self, visitor: VisitorId) -> Result<Option<Arc<Seat>>, DeskError> {
        let head = self.store.open_conversation(visitor).await.map_err(DeskError::Unavailable)?;
        Ok(head.map(|head| self.seats.take(head.id, visitor, Some(head))))
    }

    /// The visitor of this seat says something. Returns when it is durable. Said again with the same client id, it
    /// is stored once and the same acknowledgement comes back.
    pub async fn say(self: &Arc<Self>, seat: &Arc<Seat>, mut said: Said) -> Result<Ack, DeskError> {
        if self.is_blocked(seat.visitor) {
            return Err(DeskError::Blocked);
        }
        // Nobody gets to see the number of a card: no log, no responder, no agent.
        if let Some(Ok(text)) = without_cards(said.text.as_str()).map(|text| Text::new(&text)) {
            said.text = text;
        }
        let began = Instant::now();
        let mut seated = seat.state.lock().await;
        if let Some(ack) = seated.remembered(&said.client_id) {
            return Ok(ack.clone());
        }
        let (mut progress, mut asked) = (Progress::NotAsked, false);
        for _ in 0..MAX_CONFLICTS {
            let head = self.head(seat, &mut seated).await?;
            if head.last_seq == 0
                && let Some(ack) = self.said_before(seat, &said.client_id).await?
            {
                return Ok(ack);
            }
            let now = self.clock.now();
            let mut decision = self.heard(&head, &said, now);
            let seq = decision.next.asked_seq;
            // While people have the conversation nothing is pending.
            let next_in_turn = decision.next.has_pending() && !head.has_pending() && !seated.answering;
            if decision.next.status != Status::Bot && asked {
                self.counts.refused.inc();
                (progress, asked) = (Progress::NotAsked, false);
            }
            if next_in_turn && matches!(progress, Progress::NotAsked) {
                progress = self.begin(seat, &decision.next, &said, seq).await;
                asked = true;
            }
            let mut given = None;
            if let Progress::Ready(answered) = progress {
                // Should the log have gone on meanwhile, the pipeline is asked anew.
                progress = Progress::NotAsked;
                let Answered { message, outcome, trace, .. } = answered;
                let agreed = message.effects.agreed.is_some();
                decision = decision.answered(said.id, seq, message, now, LEASE);
                let answer = decision.events.iter().rfind(|event| event.meta.question == Some(seq)).cloned();
                given = answer.map(|answer| (answer, outcome, trace, agreed));
            }
            let next = Arc::make_mut(&mut decision.next);
            next.kept.account |= seat.account.load(Ordering::Relaxed);
            if next.has_pending() {
                next.kept.claims = seat.claims();
            }
            let ack = Ack { conversation: seat.id, client_id: said.client_id.clone(), seq, at: decision.next.last_at };
            seat.reachable(&mut decision);
            decision.goes_on = decision.only_goes_on(&head).then_some(seated.as_of);
            let next = decision.next.clone();
            let as_of = self.store.deletions();
            match self.store.append(decision).await {
                Ok(()) => {
                    self.counts.messages.inc();
                    self.counts.acknowledged.observe(began.elapsed().as_secs_f64());
                    if let Some((answer, outcome, trace, agreed)) = given
                        && let Some(provenance) = &answer.provenance
                    {
                        self.note(seat, seq, provenance, outcome, &trace, agreed);
                    }
                    seat.begun.store(true, Ordering::Relaxed);
                    seated.remember(ack.clone());
                    if let Progress::Waiting(under_way) = progress
                        && next_in_turn
                    {
                        self.finish_later(seat, &mut seated, said.id, seq, under_way);
                    }
                    seated.head = Some(next);
                    seated.as_of = as_of;
                    return Ok(ack);
                }
                Err(AppendError::Conflict) => {
                    self.conflict(&mut seated);
                }
                Err(AppendError::Repeated { seq, at }) => {
                    seated.head = None;
                    let ack = Ack { seq, at, ..ack };
                    seat.begun.store(true, Ordering::Relaxed);
                    seated.remember(ack.clone());
                    return Ok(ack);
                }
                Err(AppendError::Elsewhere(other)) => {
                    drop(seated);
                    let other = self.seat(other, seat.visitor).await?;
                    // Boxed, since a future cannot hold itself.
                    return Box::pin(self.say(&other, said)).await;
                }
                Err(AppendError::Unavailable(error)) => {
                    seated.head = None;
                    return Err(DeskError::Unavailable(error));
                }
            }
        }
        Err(DeskError::Busy)
    }

    /// The visitor of this seat has the conversation deleted. Returns when it is gone; at once if it is already.
    pub async fn erase(&self, seat: &Seat) -> Result<(), DeskError> {
        let mut seated = seat.state.lock().await;
        self.append(seat, &mut seated, |head| head.erase(self.clock.now())).await.map(drop)
    }

    /// The acknowledgement of a message that would begin a conversation, if it is stored in another one: it was said
    /// when that one was open, and is sent once more because this was not heard.
    async fn said_before(&self, seat: &Seat, client_id: &ClientId) -> Result<Option<Ack>, DeskError> {
        let stored = self.store.said(seat.visitor, client_id).await.map_err(DeskError::Unavailable)?;
        let ack = |(conversation, seq, at)| Ack { conversation, client_id: client_id.clone(), seq, at };
        Ok(stored.map(ack))
    }

    /// An answer is stored. `agreed` says whether it lets an errand begin.
    fn note(&self, seat: &Seat, seq: Seq, provenance: &Provenance, outcome: Outcome, trace: &[Step], agreed: bool) {
        if agreed {
            self.ordered.notify_one();
        }
        self.counts.answered(provenance, outcome, trace);
        let Provenance { responder, entry, revision, micros } = provenance;
        tracing::debug!(
            conversation = %seat.id, seq, responder = &**responder, entry = entry.as_deref(), %revision, micros,
            ?outcome, "answered"
        );
    }

    /// Appends what `decide` makes of the state; after a conflict it decides anew. False if it decided on nothing.
    async fn append(
        &self,
        seat: &Seat,
        seated: &mut Seated,
        decide: impl Fn(&Conversation) -> Option<Decision>,
    ) -> Result<bool, DeskError> {
        for _ in 0..MAX_CONFLICTS {
            let head = self.head(seat, seated).await?;
            let Some(decision) = decide(&head) else { return Ok(false) };
            let next = decision.next.clone();
            match self.store.append(decision).await {
                Ok(()) => {
                    seated.head = Some(next);
                    return Ok(true);
                }
                // Somebody else's events, perhaps the very answer: the next look decides.
                Err(AppendError::Conflict | AppendError::Repeated { .. } | AppendError::Elsewhere(_)) => {
                    self.conflict(seated);
                }
                Err(AppendError::Unavailable(error)) => {
                    seated.head = None;
                    return Err(DeskError::Unavailable(error));
                }
            }
        }
        Err(DeskError::Busy)
    }

    /// The log has gone on since it was last seen here: it is looked at again.
    fn conflict(&self, seated: &mut Seated) {
        seated.head = None;
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    async fn head(&self, seat: &Seat, seated: &mut Seated) -> Result<Arc<Conversation>, DeskError> {
        if let Some(head) = &seated.head {
            return Ok(head.clone());
        }
        let as_of = self.store.deletions();
        let stored = self.store.conversation(seat.id).await.map_err(DeskError::Unavailable)?;
        seat.begun.fetch_or(stored.is_some(), Ordering::Relaxed);
        let head = Arc::new(stored.unwrap_or_else(|| Conversation::new(seat.id, seat.visitor)));
        if head.visitor != seat.visitor {
            return Err(DeskError::NotYours);
        }
        seated.head = Some(head.clone());
        seated.as_of = as_of;
        Ok(head)
    }
}
