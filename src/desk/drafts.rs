//! Answers that are read while they are written, and when one is given up.
//!
//! A responder that writes drafts (a model) is slow and costs money, so it is stopped as soon as its answer cannot be
//! stored any more or nobody is there to read it. Somebody else's turn (a person took over, the conversation was
//! closed or deleted, another node answered) ends the whole turn: what waits for its answer then is asked anew of the
//! log. Nobody there, or too long an answer, ends only that responder: the pipeline goes on to the next, and the
//! question gets its one answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Answered, Author, BoxFuture, ConversationId, Desk, Event, Kind, Seat, Seq, Status, Turn};
use crate::fanout::{DraftEnd, Fanout, Reach, What, Writing};
use crate::patience::boxed;
use crate::responders::Drafts;
use crate::responders::pipeline::MAX_ANSWER;

/// So often it is looked whether anybody is there to read.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where drafts can be read, and how long one is written that nobody reads.
pub(super) struct Readers {
    pub(super) fanout: Arc<Fanout>,
    pub(super) patience: Duration,
}

/// An answer that is being made, with its draft if a responder may write one.
pub(super) struct UnderWay {
    pub(super) answer: BoxFuture<'static, Answered>,
    pub(super) draft: Option<Arc<Draft>>,
}

impl UnderWay {
    /// One that is there.
    pub(super) fn ready(answered: Answered) -> UnderWay {
        UnderWay { answer: Box::pin(std::future::ready(answered)), draft: None }
    }
}

/// The draft of an answer to a question. Costs next to nothing until a responder is asked that writes.
pub(super) struct Draft {
    fanout: Arc<Fanout>,
    conversation: ConversationId,
    /// The number that the question has in the log; 0 until it is stored. Before that nobody is shown an answer to it.
    question: AtomicU32,
    begun: OnceLock<Begun>,
    /// Told when it has.
    begins: tokio::sync::Notify,
}

struct Begun {
    writing: Writing,
    unwanted: CancellationToken,
}

impl Draft {
    fn begun(&self) -> &Begun {
        self.begun.get_or_init(|| {
            self.begins.notify_one();
            let writing = self.fanout.write(self.conversation, self.question.load(Ordering::SeqCst));
            Begun { writing, unwanted: CancellationToken::new() }
        })
    }

    /// The question is stored under this number: what there is may be read.
    fn show(&self, question: Seq) {
        self.question.store(question, Ordering::SeqCst);
        if let Some(begun) = self.begun.get() {
            begun.writing.answers(question);
            begun.show_if_written();
        }
    }

    /// Nothing more is written.
    pub(super) fn end(&self, answered: bool) {
        if let Some(begun) = self.begun.get() {
            begun.writing.end(if answered { DraftEnd::Answered } else { DraftEnd::Withdrawn });
        }
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Draft { conversation, question, .. } = self;
        f.debug_struct("Draft").field("conversation", conversation).field("question", question).finish_non_exhaustive()
    }
}

impl Begun {
    fn show_if_written(&self) {
        if self.writing.has_text() {
            self.writing.show();
        }
    }
}

impl Drafts for Draft {
    fn write(&self, piece: &str) {
        let begun = self.begun();
        if !begun.writing.write(piece, MAX_ANSWER) {
            begun.unwanted.cancel();
        } else if self.question.load(Ordering::SeqCst) > 0 {
            begun.show_if_written();
        }
    }

    fn withdraw(&self) {
        if let Some(begun) = self.begun.get() {
            begun.writing.withdraw();
        }
    }

    fn unwanted(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.begun().unwanted.cancelled())
    }
}

impl Desk {
    /// The same desk, where answers can be read while they are written; one that nobody reads is given up after
    /// `patience`.
    pub fn with_readers(self, fanout: Arc<Fanout>, patience: Duration) -> Desk {
        Desk { readers: Some(Readers { fanout, patience }), ..self }
    }

    /// Whether there are responders that write drafts.
    pub fn writes_drafts(&self) -> bool {
        self.readers.is_some() && self.pipeline.load().writes_drafts()
    }

    /// Begins to answer a turn.
    pub(super) fn answer(&self, mut turn: Turn) -> UnderWay {
        let pipeline = self.pipeline();
        let readers = self.readers.as_ref().filter(|_| pipeline.writes_drafts());
        let draft = readers.map(|readers| {
            Arc::new(Draft {
                fanout: readers.fanout.clone(),
                conversation: turn.conversation,
                question: AtomicU32::new(0),
                begun: OnceLock::new(),
                begins: tokio::sync::Notify::new(),
            })
        });
        turn.drafts = draft.clone().map(|draft| draft as Arc<dyn Drafts>);
        UnderWay { answer: boxed(|| async move { pipeline.answer(&turn).await }), draft }
    }

    /// The answer to a stored question; `None` as soon as it could not be stored any more.
    pub(super) async fn wait_for(&self, seat: &Seat, seq: Seq, under_way: UnderWay) -> Option<Answered> {
        let UnderWay { answer, draft } = under_way;
        let (Some(draft), Some(readers)) = (draft, &self.readers) else { return Some(answer.await) };
        draft.show(seq);
        tokio::select! {
            answered = answer => Some(answered),
            // Boxed, or every answer that waits would hold as much.
            () = Box::pin(self.lost(readers, seat, seq, &draft)) => None,
        }
    }

    /// Ready when the answer to a question that a draft is written of could not be stored any more. Until then it
    /// sees to it that nothing is written for nobody.
    async fn lost(&self, readers: &Readers, seat: &Seat, seq: Seq, draft: &Draft) {
        draft.begins.notified().await;
        while !self.loses(readers, seat, seq, draft.begun()).await {}
    }

    /// The same; false if it must be looked at anew.
    async fn loses(&self, readers: &Readers, seat: &Seat, seq: Seq, begun: &Begun) -> bool {
        let Begun { writing, unwanted } = begun;
        let Readers { fanout, patience } = readers;
        let mut signals = fanout.listen_to(seat.id);
        let mut events = fanout.subscribe(seat.id);
        events.heard().await;
        // What happened between the question and now. If the store is away, nothing has.
        if let Ok(Some(head)) = self.store.conversation(seat.id).await {
            if head.status != Status::Bot || head.answered_seq >= seq {
                return true;
            }
            events.starts_at(head.last_seq);
        }
        let mut look = interval(LOOK_EVERY.min(*patience / 2).max(Duration::from_millis(10)));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // When somebody was there last, here or on another node.
        let mut read_at = Instant::now();
        let mut elsewhere = None;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) if takes_it_away(&event, seq) => return true,
                    Some(_) => {}
                    None => return false,
                },
                signal = signals.recv() => match signal.map(|signal| signal.what) {
                    Ok(What::Reading) => (read_at, elsewhere) = (Instant::now(), Some(Instant::now())),
                    Ok(What::Left) => {
                        let elsewhere = elsewhere.is_some_and(|at| at.elapsed() < 3 * LOOK_EVERY);
                        if !elsewhere && here(fanout, seat.id) == 0 && self.knows_who_reads(fanout) {
                            unwanted.cancel();
                        }
                    }
                    _ => {}
                },
                _ = look.tick() => {
                    if here(fanout, seat.id) > 0 {
                        read_at = Instant::now();
                    } else if read_at.elapsed() >= *patience && self.knows_who_reads(fanout) {
                        unwanted.cancel();
                    }
                    if fanout.reach() == Reach::Joined && writing.has_text() {
                        writing.tell();
                    }
                }
            }
        }
    }

    /// Whether a customer on another node could be heard of.
    fn knows_who_reads(&self, fanout: &Fanout) -> bool {
        match fanout.reach() {
            Reach::Joined => true,
            Reach::Unset => !self.store.is_shared(),
            Reach::Alone => false,
        }
    }
}

/// How many follow a conversation on this node, besides the desk itself.
fn here(fanout: &Fanout, conversation: ConversationId) -> usize {
    fanout.followers(conversation).saturating_sub(1)
}

/// Whether an event means that the answer to this question will not be stored.
fn takes_it_away(event: &Event, question: Seq) -> bool {
    let answered = event.kind == Kind::Message && event.author == Author::Bot && event.meta.question == Some(question);
    event.seq > question && (answered || event.kind.changes_owner())
}
