//! The store: conversations and their logs, and the content sets that went live.
//!
//! Its methods are needs, not tables; those of the log are here, the others in the files of what they are about. Two
//! engines stand behind them: SQLite, embedded, and MariaDB 10.11 or newer; `pool.rs` holds the few places where they
//! differ, `migrations.rs` the tables. Reads go straight to a pool. Every write of the process goes through one writer
//! (`writer.rs`) over one connection (`connection.rs`). It commits what has gathered (`append.rs`) while the previous commit was
//! under way; `turns.rs` is the SQL of a batch that is nothing but questions and their answers, `batch.rs` that of every other
//! one, `statement.rs` what both are made of; `judge.rs` finds out what became of one that met somebody else's rows.
//!
//! - `events.rs`: the log and where conversations stand; `belongings.rs`: what goes with one that is deleted;
//!   `deletions.rs`: how often one was.
//! - `outbox.rs`: what is to be done and sent outside; `chores.rs`: what is to be done here, by one of all nodes.
//! - `attachments.rs`: files that go with messages; `customers.rs`: which account a visitor has.
//! - `agents.rs`, `callers.rs`: accounts, and from where somebody tries to log in.
//! - `attended.rs`, `sought.rs`, `reviews.rs`, `blocked.rs`: the lists of the console, its search, ratings, and who may not write.
//! - `content.rs`: the content sets. `demo.rs`: the demo's parcels.
//! - `moving/`: a whole site into another database, or into a file and back. `earlier.rs`: what another site's tables hold.
//! - `views.rs`: shows others what is said.
//!
//! Invariants:
//! - an append succeeds only if the log still ends at `expected_seq`: the primary key over (conversation, seq) refuses a
//!   second event with a number, and what was deleted shows by the head, or by the number of deletions;
//! - a head that is not at the end of its log differs from the state there by its end only: what stands between are questions
//!   and their answers;
//! - a client id stands once in a conversation (a unique key), so a message and an answer are stored once;
//! - a visitor has one open conversation at most (a unique key);
//! - whoever is told of a commit is told after it is durable, and in the order of the commits;
//! - no error and no log line holds text of a message or a password.

mod agents;
mod append;
mod attachments;
mod attended;
mod batch;
mod belongings;
mod blocked;
mod callers;
mod chores;
mod connection;
mod content;
mod counts;
mod customers;
mod deletions;
mod demo;
mod earlier;
mod error;
mod events;
mod judge;
mod mariadb;
mod migrations;
mod moving;
mod outbox;
mod pool;
mod reviews;
mod sought;
mod sqlite;
mod statement;
mod turns;
mod url;
mod views;
mod writer;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::conversation::{
    ClientId, Conversation, ConversationId, Decision, Event, Millis, Posting, Seq, Thumb, VisitorId,
};

pub use agents::{Account, AccountChange, Opening, Role, change_account};
pub use attachments::{Filed, Owner};
pub use attended::{Found, Listed, Place, SEARCHED, Search, Shelf};
pub use belongings::{Export, Exported, Past};
pub use callers::{Caller, Lock, Wrong};
pub use chores::{Chore, order_chore};
pub use content::{ContentLine, ContentSet};
pub use counts::Counts;
pub use demo::{DemoInMemory, DemoShipment, DemoShop, fill_demo};
pub use earlier::{EarlierChat, EarlierError, EarlierMessage, EarlierSession, Layout};
pub use error::{AppendError, OpenError, StoreError};
pub use moving::{BackupError, MoveError, Moved, Progress, backup_site, move_site, restore_site};
pub use outbox::{Due, Tray};
pub use reviews::{Review, ReviewedAnswer};
pub use url::{DatabaseUrl, UrlError};

use append::Append;
use pool::Engine;
use writer::{Order, Writer};

/// What was committed, for whoever follows the conversation.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its new events, in order.
    pub events: Vec<Arc<Event>>,
    /// Whether a person is asked for or has it, or did until now.
    pub attended: bool,
}

/// A conversation with its log, for reading many of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// The conversation.
    pub id: ConversationId,
    /// Its events, in order; of a very long one the last.
    pub events: Vec<Arc<Event>>,
}

/// How long the store is waited for, and how much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// After this long without a commit an append gives up, and a read without its rows. A short absence of the
    /// database, such as a restart, is waited out in this time.
    pub patience: Duration,
    /// This many appends wait for the writer; further ones wait for a place.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { patience: Duration::from_secs(10), queue: 4096 }
    }
}

/// The store. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    queue: mpsc::Sender<Order>,
    /// Set when the writer's thread has ended.
    ended: CancellationToken,
    limits: Limits,
    counts: Arc<Counts>,
    /// What is sent of what happens.
    posting: Arc<ArcSwap<Posting>>,
    /// What the writer knew of deletions when it looked last; 0 before that.
    deletions: Arc<AtomicU64>,
}

impl Store {
    /// Opens the database, brings its tables up to date and starts the writer.
    ///
    /// `on_commit` is called for each append, in the order of the commits, on the writer's thread, after the commit
    /// is durable and before the append's caller is told. It must be quick: all writing waits for it.
    pub async fn open(
        url: &DatabaseUrl,
        on_commit: impl Fn(Committed) + Send + Sync + 'static,
    ) -> Result<Store, OpenError> {
        Store::open_with(url, Limits::default(), on_commit).await
    }

    /// [`Store::open`] with other limits.
    pub async fn open_with(
        url: &DatabaseUrl,
        limits: Limits,
        on_commit: impl Fn(Committed) + Send + Sync + 'static,
    ) -> Result<Store, OpenError> {
        let engine = Arc::new(Engine::open(url, limits.patience).await?);
        let (queue, orders) = mpsc::channel(limits.queue.max(1));
        let ended = CancellationToken::new();
        let counts = Arc::new(Counts::default());
        let posting: Arc<ArcSwap<Posting>> = Arc::default();
        let deletions: Arc<AtomicU64> = Arc::default();
        let shared = (Arc::clone(&counts), Arc::clone(&posting), Arc::clone(&deletions));
        Writer::new(Arc::clone(&engine), orders, limits, Box::new(on_commit), shared)
            .start(ended.clone())
            .map_err(OpenError::Thread)?;
        Ok(Store(Arc::new(Inner { engine, queue, ended, limits, counts, posting, deletions })))
    }

    /// Opens the database for reading only, also beside a process that writes it. Nothing is made or changed; a
    /// write gives [`StoreError::Closed`].
    pub async fn open_to_read(url: &DatabaseUrl) -> Result<Store, OpenError> {
        let limits = Limits::default();
        let engine = Arc::new(Engine::open_to_read(url, limits.patience).await?);
        let (queue, _) = mpsc::channel(1);
        let ended = CancellationToken::new();
        ended.cancel();
        let (counts, posting, deletions) = Default::default();
        Ok(Store(Arc::new(Inner { engine, queue, ended, limits, counts, posting, deletions })))
    }

    /// Which database this is, for the lines of the start: "SQLite file purser.db" or
    /// "MariaDB 10.11.14 at 127.0.0.1:3306/shop". No secrets.
    pub fn describe(&self) -> String {
        self.0.engine.describe()
    }

    /// Whether other nodes may write to this database too.
    pub fn is_shared(&self) -> bool {
        self.0.engine.is_shared()
    }

    /// How it has fared since the start.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Whether it seems to be away: the last read or write got no answer.
    pub fn is_away(&self) -> bool {
        self.0.counts.is_away()
    }

    /// How many appends wait for the writer.
    pub fn waiting(&self) -> usize {
        self.0.queue.max_capacity() - self.0.queue.capacity()
    }

    /// A number that changes with each deletion, as far as this node knows; 0 as long as it knows nothing of it. A state that is
    /// read, or appended, after this was asked takes all into account that it stands for ([`Decision::goes_on`]).
    pub fn deletions(&self) -> u64 {
        self.0.deletions.load(Ordering::Relaxed)
    }

    /// Appends to a conversation's log and waits until that is durable.
    pub async fn append(&self, decision: Decision) -> Result<(), AppendError> {
        let deadline = Instant::now() + self.0.limits.patience;
        let (append, outcome) = Append::new(decision, deadline)?;
        let queued = async {
            self.0.queue.send(Order::Append(append)).await.map_err(|_| StoreError::Closed)?;
            outcome.await.map_err(|_| StoreError::Closed)
        };
        // The writer drops what it has not begun at the deadline, and its own attempts end then too. The second more
        // is for its answer, which knows better than this clock what happened.
        match tokio::time::timeout_at(deadline + Duration::from_secs(1), queued).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(closed)) => Err(closed.into()),
            Err(_) => Err(StoreError::TimedOut(self.0.limits.patience).into()),
        }
    }

    /// Notes that the visitor has seen the conversation up to `seq`. Nobody waits for it, and it may be lost: then
    /// something is counted as unread once more.
    pub fn note_seen(&self, id: ConversationId, seq: Seq) {
        // A full queue has more important things in it.
        let _ = self.0.queue.try_send(Order::Seen(id, seq));
    }

    /// How many messages of others stand in the visitor's open conversation after what the visitor has seen, which
    /// is `seen` or what was noted, whichever is later. Counts to 99.
    pub async fn unread(&self, visitor: VisitorId, seen: Seq) -> Result<u32, StoreError> {
        self.read(events::unread(&self.0.engine, visitor, seen)).await
    }

    /// Puts off until `until` when the pending questions of these conversations are due: somebody is at them. In the
    /// order of their ids.
    pub async fn hold(&self, conversations: Vec<ConversationId>, until: Millis) -> Result<(), StoreError> {
        self.order(|reply| Order::Hold { conversations, until, reply }).await
    }

    /// Puts off until `until` what was due at `due` in a conversation. True for one of all that try.
    pub async fn claim(&self, conversation: ConversationId, due: Millis, until: Millis) -> Result<bool, StoreError> {
        self.order(|reply| Order::Claim { conversation, due, until, reply }).await
    }

    async fn order<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Order,
    ) -> Result<T, StoreError> {
        let (reply, outcome) = oneshot::channel();
        let done = async {
            self.0.queue.send(order(reply)).await.map_err(|_| StoreError::Closed)?;
            outcome.await.map_err(|_| StoreError::Closed)?
        };
        self.limited(self.0.limits.patience, done).await
    }

    /// Where a conversation stands.
    pub async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        self.read(events::conversation(&self.0.engine, id)).await
    }

    /// The visitor's conversation that is not closed.
    pub async fn open_conversation(&self, visitor: VisitorId) -> Result<Option<Conversation>, StoreError> {
        self.read(events::open_conversation(&self.0.engine, visitor)).await
    }

    /// Where a message of this visitor is stored, in whichever of their conversations, and when it was: by the client's
    /// id of it.
    pub async fn said(
        &self,
        visitor: VisitorId,
        client_id: &ClientId,
    ) -> Result<Option<(ConversationId, Seq, Millis)>, StoreError> {
        self.read(events::said(&self.0.engine, visitor, client_id.as_str())).await
    }

    /// Everything that is stored of this visitor.
    pub async fn conversations_of(&self, visitor: VisitorId) -> Result<Vec<ConversationId>, StoreError> {
        self.read(events::conversations_of(&self.0.engine, visitor)).await
    }

    /// At most `limit` conversations that began after `after`, and at `until` at the latest; the first first.
    pub async fn begun(
        &self,
        after: Option<(Millis, ConversationId)>,
        until: Millis,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        self.read(events::begun(&self.0.engine, after, until, limit)).await
    }

    /// Where these conversations end; those that nothing is stored of are left out.
    pub async fn last_seqs(&self, ids: &[ConversationId]) -> Result<Vec<(ConversationId, Seq)>, StoreError> {
        // Asked nothing, the store says nothing about itself either.
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.read(events::last_seqs(&self.0.engine, ids)).await
    }

    /// The first `limit` events after `after`, ascending.
    pub async fn events_after(
        &self,
        id: ConversationId,
        after: Seq,
        limit: u32,
    ) -> Result<Vec<Arc<Event>>, StoreError> {
        self.read(events::after(&self.0.engine, id, after, limit)).await
    }

    /// The last `limit` events before `before`, ascending.
    pub async fn events_before(
        &self,
        id: ConversationId,
        before: Seq,
        limit: u32,
    ) -> Result<Vec<Arc<Event>>, StoreError> {
        self.read(events::before(&self.0.engine, id, before, limit)).await
    }

    /// At most `limit` conversations whose ids are after `after` and that something happened in at `since` or later,
    /// in the order of their ids. The last one's id leads on to the next; none is left when there are none.
    pub async fn logged(
        &self,
        after: Option<ConversationId>,
        since: Millis,
        limit: u32,
    ) -> Result<Vec<Logged>, StoreError> {
        self.read(events::logged(&self.0.engine, after, since, limit)).await
    }

    /// Hands on all conversations that something happened in at `since` or later, `limit` at a time, until nobody wants
    /// more.
    pub async fn stream(&self, since: Millis, limit: u32, pages: mpsc::Sender<Vec<Logged>>) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.logged(after, since, limit).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            if pages.send(page).await.is_err() {
                return Ok(());
            }
        }
    }

    /// The event with this client id.
    pub async fn event_by_client_id(
        &self,
        id: ConversationId,
        client_id: &str,
    ) -> Result<Option<Arc<Event>>, StoreError> {
        self.read(events::by_client_id(&self.0.engine, id, client_id)).await
    }

    /// What the visitor thinks of the answer with this number; `None` also where a rating was taken back.
    pub async fn rating(&self, id: ConversationId, answer: Seq) -> Result<Option<Thumb>, StoreError> {
        self.read(events::rating(&self.0.engine, id, answer)).await
    }

    /// The visitor's first message after `after`.
    pub async fn next_question(&self, id: ConversationId, after: Seq) -> Result<Option<Arc<Event>>, StoreError> {
        self.read(events::next_question(&self.0.engine, id, after)).await
    }

    /// At most `limit` conversations whose `wake_at` is `now` or before, the earliest first.
    pub async fn due(&self, now: Millis, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        self.read(events::due(&self.0.engine, now, limit)).await
    }

    /// From now on this is sent of what happens; until it is said, nothing is.
    pub fn set_posting(&self, posting: Posting) {
        self.0.posting.store(Arc::new(posting));
    }

    /// Up to where the visitor has seen a conversation, as far as that was noted.
    pub async fn seen(&self, id: ConversationId) -> Result<Seq, StoreError> {
        self.read(events::seen(&self.0.engine, id)).await
    }

    /// Commits what is queued, ends the writer and gives up the database. Later calls give [`StoreError::Closed`].
    pub async fn close(&self) {
        // No receiver: the writer has ended already.
        let _ = self.0.queue.send(Order::Close).await;
        self.0.ended.cancelled().await;
        self.0.engine.close().await;
    }

    async fn read<T>(&self, rows: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let rows = self.limited(self.0.limits.patience, rows).await;
        self.0.counts.read(&rows);
        rows
    }

    /// A connection whose other end has vanished never answers.
    async fn limited<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(limit, answer).await.unwrap_or(Err(StoreError::TimedOut(limit)))
    }
}
