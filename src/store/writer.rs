//! The writer: one thread, one connection, all writes of the process.
//!
//! It takes what has gathered while the previous commit was under way and commits that as one transaction; there is
//! no timer. A batch is written in the hope that nobody was faster. Only if a key is taken is it judged which appends
//! lost (`judge.rs`); the others are written again. After a deadlock or a lost connection the whole batch is tried
//! anew, then its halves, then each append by itself.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::append::{Append, Batch};
use super::batch;
use super::belongings;
use super::connection::Connection;
use super::content::{self, ContentSet};
use super::counts::Counts;
use super::error::{Fault, StoreError};
use super::judge::{self, Verdict};
use super::outbox;
use super::pool::{Engine, Link};
use super::turns;
use super::{Committed, Limits};
use crate::conversation::{ConversationId, EventId, Millis, Posting, Seq};

/// So many appends may wait for their conversation's previous one before nothing more is taken from the queue.
const HELD: usize = 1024;
/// One append by itself is tried so often.
const TRIES: u32 = 4;
/// SQLite's log of changes could not be emptied: tried again after this.
const EMPTIED_AGAIN: Duration = Duration::from_secs(1);

/// What the writer is asked to do.
#[allow(clippy::large_enum_variant)] // most of them are appends, and a box would cost every message
pub(super) enum Order {
    Append(Append),
    /// The visitor has seen the conversation up to here. Nobody waits for it.
    Seen(ConversationId, Seq),
    Content {
        set: ContentSet,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Put off when pending questions are due.
    Hold {
        conversations: Vec<ConversationId>,
        until: Millis,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    /// Put off what is due then, unless somebody else has.
    Claim {
        conversation: ConversationId,
        due: Millis,
        until: Millis,
        reply: oneshot::Sender<Result<bool, StoreError>>,
    },
    /// Put off what is due then in the outbox, unless somebody else has, or take it out.
    Errand {
        errand: EventId,
        due: Millis,
        until: Option<Millis>,
        upto: Option<Seq>,
        reply: oneshot::Sender<Result<bool, StoreError>>,
    },
    /// A small change of something else. The reply says whether there was something to change.
    Change {
        work: Work,
        reply: oneshot::Sender<Result<bool, StoreError>>,
    },
    /// Do what was ordered before and end.
    Close,
}

/// Done within a transaction of its own.
pub(super) type Work = Box<
    dyn for<'l> FnOnce(&'l mut Link) -> Pin<Box<dyn Future<Output = Result<bool, sqlx::Error>> + Send + 'l>> + Send,
>;

/// Appends that are tried together, and how often they were.
struct Group {
    appends: Vec<Append>,
    tries: u32,
}

/// See the head of this file.
pub(super) struct Writer {
    connection: Connection,
    orders: mpsc::Receiver<Order>,
    limits: Limits,
    on_commit: Box<dyn Fn(Committed) + Send + Sync>,
    counts: Arc<Counts>,
    /// What is sent of what happens.
    posting: Arc<ArcSwap<Posting>>,
    /// What is known of deletions, for those who are to append.
    deletions: Arc<AtomicU64>,
    /// What is gathered for the next commit.
    batch: Batch,
    /// Appends that wait for the previous one of their conversation.
    held: VecDeque<Append>,
    /// How far visitors have seen their conversations, to be noted after the next batch.
    seen: BTreeMap<ConversationId, Seq>,
    /// An order that ended the gathering of a batch and comes after it.
    aside: Option<Order>,
    /// Something was erased, and SQLite's log of changes still has it: when it is emptied.
    erased: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        engine: Arc<Engine>,
        orders: mpsc::Receiver<Order>,
        limits: Limits,
        on_commit: Box<dyn Fn(Committed) + Send + Sync>,
        (counts, posting, deletions): (Arc<Counts>, Arc<ArcSwap<Posting>>, Arc<AtomicU64>),
    ) -> Writer {
        Writer {
            connection: Connection::new(engine, limits.patience, counts.clone()),
            orders,
            limits,
            on_commit,
            counts,
            posting,
            deletions,
            batch: Batch::default(),
            held: VecDeque::new(),
            seen: BTreeMap::new(),
            aside: None,
            erased: None,
        }
    }

    /// Runs until the queue is closed or nobody can order any more. On a thread of its own: scripts and matching on
    /// the async workers would delay every commit.
    pub(super) fn start(self, ended: CancellationToken) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            // Also after a panic.
            let _ended = ended.drop_guard();
            runtime.block_on(self.run());
        })?;
        Ok(())
    }

    async fn run(mut self) {
        // The first append need not wait for a connection. A failure shows, and is told, with that append.
        let _ = self.connection.connect().await;
        loop {
            let batch = self.gather().await;
            let idle = batch.is_empty() && self.seen.is_empty();
            self.commit(batch).await;
            self.note_seen().await;
            self.forget_erased().await;
            match self.aside.take() {
                Some(Order::Content { set, reply }) => {
                    let _ = reply.send(self.keep(&set).await);
                }
                Some(Order::Hold { conversations, until, reply }) => {
                    let held = self.connection.once(async |link| batch::hold(link, &conversations, until).await).await;
                    let _ = reply.send(held);
                }
                Some(Order::Claim { conversation, due, until, reply }) => {
                    let claimed =
                        self.connection.once(async |link| batch::claim(link, conversation, due, until).await).await;
                    let _ = reply.send(claimed);
                }
                Some(Order::Errand { errand, due, until, upto, reply }) => {
                    let done = self.connection.once(async |link| match until {
                        Some(until) => outbox::put_off(link, errand, due, until, upto).await,
                        None => outbox::remove(link, errand).await.map(|()| true),
                    });
                    let _ = reply.send(done.await);
                }
                Some(Order::Change { work, reply }) => {
                    let changed = self.connection.once(async |link| work(link).await).await;
                    let _ = reply.send(changed);
                }
                // What was sent before comes out of the queue still, then it ends.
                Some(Order::Close) => self.orders.close(),
                Some(Order::Append(_) | Order::Seen(..)) => unreachable!("these are never put aside"),
                None if idle => break,
                None => {}
            }
        }
        self.connection.close().await;
    }

    /// Waits for something to do, and takes what has gathered. Empty with nothing put aside: there is no more.
    async fn gather(&mut self) -> Vec<Append> {
        let waiting = std::mem::take(&mut self.held);
        self.held.extend(waiting.into_iter().filter_map(|append| self.batch.offer(append)));
        let mut order = if self.batch.appends.is_empty() { self.next().await } else { self.orders.try_recv().ok() };
        while let Some(next) = order {
            match next {
                Order::Append(append) => self.held.extend(self.batch.offer(append)),
                Order::Seen(conversation, seq) => {
                    let last = self.seen.entry(conversation).or_default();
                    *last = seq.max(*last);
                }
                other => {
                    self.aside = Some(other);
                    break;
                }
            }
            if self.batch.is_full() || self.held.len() >= HELD {
                break;
            }
            order = self.orders.try_recv().ok();
        }
        self.batch.take()
    }

    /// Waits for the next order, and empties the log of changes meanwhile if that is due.
    async fn next(&mut self) -> Option<Order> {
        while let Some(due) = self.erased {
            match timeout_at(due, self.orders.recv()).await {
                Ok(order) => return order,
                Err(_) => self.forget_erased().await,
            }
        }
        self.orders.recv().await
    }

    async fn commit(&mut self, appends: Vec<Append>) {
        let mut groups = vec![Group { appends, tries: 0 }];
        while let Some(mut group) = groups.pop() {
            group.appends = self.without_expired(group.appends);
            if group.appends.is_empty() {
                continue;
            }
            if let Err(error) = self.connection.connect().await {
                self.connection.went_away(&error);
                groups.push(group);
                self.connection.rest().await;
                continue;
            }
            let began = Instant::now();
            let judged = match self.write(&group.appends).await {
                Ok(true) => {
                    self.counts.commits.observe(began.elapsed().as_secs_f64());
                    self.counts.appends.observe(group.appends.len() as f64);
                    for append in group.appends {
                        self.stored(append);
                    }
                    continue;
                }
                Ok(false) | Err(Fault::Taken) => {
                    self.counts.judged.inc();
                    self.judge(&group.appends).await
                }
                Err(fault) => Err(fault),
            };
            match judged {
                Ok(verdicts) => {
                    let all = group.appends.len();
                    group.appends = self.tell(group.appends, verdicts);
                    if group.appends.len() < all {
                        groups.push(group);
                    } else {
                        // Whoever was in the way has gone meanwhile, or nobody knows what it is.
                        again(group, &StoreError::Refused("a key is taken".to_owned()), &mut groups);
                    }
                }
                Err(fault) => self.failed(group, fault, &mut groups),
            }
        }
    }

    /// Writes and commits, or does neither if a conversation does not end where its append expects it.
    async fn write(&mut self, appends: &[Append]) -> Result<bool, Fault> {
        let (posting, deletions) = (self.posting.load_full(), Arc::clone(&self.deletions));
        let connections = self.connection.times();
        if let Some(deletions) = turns::only_go_on(appends, &posting, connections)
            && self.connection.statement(async |link| turns::go_on(link, appends, deletions).await).await?
        {
            return Ok(true);
        }
        self.connection
            .transaction(async |link| {
                let written = batch::write(link, appends, &posting, &deletions, connections).await?;
                if written {
                    link.commit().await?
                } else {
                    link.rollback().await?
                }
                Ok(written)
            })
            .await
    }

    /// A reader may be in the way for a while. Then it is tried again, and at the latest SQLite does it when the file is
    /// closed.
    async fn forget_erased(&mut self) {
        if let (Some(due), Some(link)) = (self.erased, self.connection.link())
            && due <= Instant::now()
        {
            let emptied = matches!(batch::empty_log(link).await, Ok(true));
            self.erased = (!emptied).then(|| Instant::now() + EMPTIED_AGAIN);
        } else if self.connection.link().is_none() {
            self.erased = self.erased.map(|_| Instant::now() + EMPTIED_AGAIN);
        }
    }

    /// What is lost here is counted as unread once more, and nothing else.
    async fn note_seen(&mut self) {
        if self.seen.is_empty() {
            return;
        }
        let seen = std::mem::take(&mut self.seen);
        if let Err(error) = self.connection.once(async |link| batch::write_seen(link, &seen).await).await {
            tracing::warn!(%error, "what visitors have seen could not be noted");
        }
    }

    async fn judge(&mut self, appends: &[Append]) -> Result<Vec<Verdict>, Fault> {
        self.connection
            .transaction(async |link| {
                let verdicts = judge::judge(link, appends).await?;
                link.rollback().await?;
                Ok(verdicts)
            })
            .await
    }

    async fn keep(&mut self, set: &ContentSet) -> Result<(), StoreError> {
        let deadline = Instant::now() + self.limits.patience;
        let mut tries = 0;
        loop {
            let fault = match self.connection.connect().await {
                Ok(()) => {
                    tries += 1;
                    let kept = self.connection.transaction(async |link| {
                        content::keep(link, set).await?;
                        link.commit().await
                    });
                    match kept.await {
                        Ok(()) => return Ok(()),
                        Err(fault) => fault,
                    }
                }
                Err(error) => {
                    self.connection.rest().await;
                    Fault::Lost(error)
                }
            };
            // A key that is taken: another node has kept the same set at the same time.
            let hopeless = matches!(fault, Fault::Down(_) | Fault::Refused(_));
            if hopeless || tries == TRIES || Instant::now() > deadline {
                return Err(fault.into_error());
            }
        }
    }

    fn failed(&mut self, group: Group, fault: Fault, groups: &mut Vec<Group>) {
        self.counts.tried_again.inc();
        match fault {
            Fault::Taken => again(group, &fault.into_error(), groups),
            Fault::Again(error) => again(group, &error, groups),
            Fault::Lost(error) => {
                // Nothing special: a server closes a connection that was idle for hours.
                tracing::warn!(%error, "lost the connection to the store, trying again");
                again(group, &error, groups);
            }
            Fault::Down(error) => {
                self.connection.went_away(&error);
                refuse(group, &error);
            }
            Fault::Refused(error) => match group.appends.as_slice() {
                [append] => {
                    let conversation = append.decision.next.id;
                    tracing::error!(%conversation, %error, "an append was refused");
                    refuse(group, &error);
                }
                _ => again(Group { tries: 1, ..group }, &error, groups),
            },
        }
    }

    /// Tells the losers and those that were stored already; gives back the others.
    fn tell(&mut self, appends: Vec<Append>, verdicts: Vec<Verdict>) -> Vec<Append> {
        let mut rest = Vec::new();
        for (append, verdict) in appends.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Write => rest.push(append),
                Verdict::Stored => self.stored(append),
                Verdict::Lost(error) => append.refuse(error),
            }
        }
        rest
    }

    fn stored(&mut self, append: Append) {
        let Append { decision, reply, .. } = append;
        let conversation = decision.next.id;
        if decision.events.iter().any(|event| belongings::deletes(event)) {
            self.erased = Some(Instant::now());
        }
        let attended =
            decision.next.kept.person.is_some() || decision.events.iter().any(|event| event.kind.changes_owner());
        let committed = Committed { conversation, events: decision.events, attended };
        // A panic there must not end all writing.
        if catch_unwind(AssertUnwindSafe(|| (self.on_commit)(committed))).is_err() {
            tracing::error!(%conversation, "whoever follows the commits panicked");
        }
        // Whoever asked may have gone; it is stored all the same.
        let _ = reply.send(Ok(()));
    }

    fn without_expired(&mut self, appends: Vec<Append>) -> Vec<Append> {
        let now = Instant::now();
        if appends.iter().all(|append| append.deadline >= now) {
            return appends;
        }
        let (expired, appends) = appends.into_iter().partition::<Vec<_>, _>(|append| append.deadline < now);
        // However it looks otherwise: what nothing can be committed to is away.
        self.counts.wrote(false);
        for append in expired {
            append.refuse(StoreError::TimedOut(self.limits.patience).into());
        }
        appends
    }
}

/// Once more as it is, then in halves, then each append by itself.
fn again(mut group: Group, error: &StoreError, groups: &mut Vec<Group>) {
    group.tries += 1;
    if group.tries > 1 && group.appends.len() > 1 {
        let later = group.appends.split_off(group.appends.len() / 2);
        groups.push(Group { appends: later, tries: 1 });
        groups.push(Group { appends: group.appends, tries: 1 });
    } else if group.tries < TRIES {
        groups.push(group);
    } else {
        refuse(group, error);
    }
}

fn refuse(group: Group, error: &StoreError) {
    for append in group.appends {
        append.refuse(error.clone().into());
    }
}
