//! The store: conversations and their logs, and the content sets that went live.
//!
//! Its methods are needs, not tables. Two engines stand behind them: SQLite, embedded, and MariaDB 10.11 or newer;
//! `pool.rs` holds the few places where they differ. Every write of the process goes through one writer
//! (`writer.rs`), which commits what has gathered while the previous commit was under way; `batch.rs` is the SQL of
//! such a batch, `outbox.rs` what its events mean for errands, `customers.rs` whose account is whose, `belongings.rs`
//! what goes with a conversation that is deleted, `attachments.rs` where files that are attached stand, `judge.rs` finds out what became of a batch that met somebody else's
//! rows. Reads (`events.rs`, `content.rs`) go straight to a pool. `moving/` takes a whole site from one database into
//! another, or into a file and back; `views.rs` shows others what is said.
//!
//! Invariants:
//! - an append succeeds only if the log still ends at `expected_seq`: the update of the conversation's head names the
//!   seq that it expects, and the primary key over (conversation, seq) stands behind it;
//! - a client id stands once in a conversation (a unique key), so a message and an answer are stored once;
//! - a visitor has one open conversation at most (a unique key);
//! - whoever is told of a commit is told after it is durable, and in the order of the commits;
//! - no error and no log line holds text of a message or a password.

mod agents;
mod attachments;
mod attended;
mod batch;
mod belongings;
mod blocked;
mod callers;
mod chores;
mod content;
mod counts;
mod customers;
mod demo;
mod earlier;
mod error;
mod events;
mod judge;
mod moving;
mod outbox;
mod pool;
mod reviews;
mod sought;
mod url;
mod views;
mod writer;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::conversation::{
    AgentId, ClientId, Conversation, ConversationId, Decision, Event, EventId, Millis, Posting, Sending, Seq, Thumb,
    VisitorId,
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

use pool::Engine;
use writer::{Append, Order, Writer};

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
        let shared = (Arc::clone(&counts), Arc::clone(&posting));
        Writer::new(Arc::clone(&engine), orders, limits, Box::new(on_commit), shared)
            .start(ended.clone())
            .map_err(OpenError::Thread)?;
        Ok(Store(Arc::new(Inner { engine, queue, ended, limits, counts, posting })))
    }

    /// Opens the database for reading only, also beside a process that writes it. Nothing is made or changed; a
    /// write gives [`StoreError::Closed`].
    pub async fn open_to_read(url: &DatabaseUrl) -> Result<Store, OpenError> {
        let limits = Limits::default();
        let engine = Arc::new(Engine::open_to_read(url, limits.patience).await?);
        let (queue, _) = mpsc::channel(1);
        let ended = CancellationToken::new();
        ended.cancel();
        Ok(Store(Arc::new(Inner { engine, queue, ended, limits, counts: Arc::default(), posting: Arc::default() })))
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

    /// At most `limit` conversations of this visitor that something was said in, but for this one; the newest first, after
    /// the first `skip`.
    pub async fn past(
        &self,
        visitor: VisitorId,
        but: ConversationId,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<Past>, StoreError> {
        self.read(belongings::past(&self.0.engine, visitor, but, skip, limit)).await
    }

    /// All that is stored of this visitor.
    pub async fn export(&self, visitor: VisitorId, what: Export) -> Result<Vec<Exported>, StoreError> {
        // Reads one conversation after the other, each in its time.
        belongings::export(self, visitor, what).await
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

    /// Takes out the last trace of a conversation, which ends at this seq. False if it has gone on.
    pub async fn remove(&self, id: ConversationId, last: Seq) -> Result<bool, StoreError> {
        let work: writer::Work = Box::new(move |link| Box::pin(belongings::remove(link, id, last)));
        self.order(|reply| Order::Change { work, reply }).await
    }

    /// At most `limit` chores that are to be done now.
    pub async fn due_chores(&self, now: Millis, limit: u32) -> Result<Vec<Chore>, StoreError> {
        self.read(chores::due(&self.0.engine, now, limit)).await
    }

    /// Has a chore done at `due`, unless there is one of that name.
    pub async fn add_chore(&self, name: &'static str, due: Millis) -> Result<bool, StoreError> {
        let work: writer::Work = Box::new(move |link| Box::pin(chores::add(link, name, due)));
        self.order(|reply| Order::Change { work, reply }).await
    }

    /// Puts a chore off until `until`, or takes it out. True for one of all that try.
    pub async fn put_off_chore(&self, chore: Chore, until: Option<Millis>) -> Result<bool, StoreError> {
        let work: writer::Work =
            Box::new(move |link| Box::pin(async move { chores::put_off(link, &chore, until).await }));
        self.order(|reply| Order::Change { work, reply }).await
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

    /// At most `limit` of what is to be tried now of a part of the outbox, the earliest first.
    pub async fn due_in(&self, tray: Tray, now: Millis, limit: u32) -> Result<Vec<Due>, StoreError> {
        self.read(outbox::due(&self.0.engine, tray, now, limit)).await
    }

    /// Whether an errand has no outcome yet. What was erased has none and is not there.
    pub async fn has_errand(&self, errand: EventId) -> Result<bool, StoreError> {
        self.read(outbox::has(&self.0.engine, errand)).await
    }

    /// Puts off until `until` what is due at `due` in the outbox, and keeps with it up to which event it goes. True for
    /// one of all that try.
    pub async fn put_off(
        &self,
        id: EventId,
        due: Millis,
        until: Millis,
        upto: Option<Seq>,
    ) -> Result<bool, StoreError> {
        self.order(|reply| Order::Errand { errand: id, due, until: Some(until), upto, reply }).await
    }

    /// Takes out what is done, or of which nobody knows any more what it is.
    pub async fn remove_from_outbox(&self, id: EventId) -> Result<(), StoreError> {
        self.order(|reply| Order::Errand { errand: id, due: 0, until: None, upto: None, reply }).await.map(drop)
    }

    /// Takes out what was sent together of a conversation: of this kind, up to this event.
    pub async fn remove_sent(&self, id: ConversationId, sending: Sending, upto: Seq) -> Result<(), StoreError> {
        let work: writer::Work = Box::new(move |link| {
            Box::pin(async move { outbox::remove_sent(link, id, &sending, upto).await.map(|()| true) })
        });
        self.order(|reply| Order::Change { work, reply }).await.map(drop)
    }

    /// Up to where the visitor has seen a conversation, as far as that was noted.
    pub async fn seen(&self, id: ConversationId) -> Result<Seq, StoreError> {
        self.read(events::seen(&self.0.engine, id)).await
    }

    /// Keeps a content set that went live. It becomes the latest; a revision that is kept already gets only its new
    /// time.
    pub async fn keep_content(&self, set: &ContentSet) -> Result<(), StoreError> {
        let (reply, outcome) = oneshot::channel();
        let kept = async {
            let order = Order::Content { set: set.clone(), reply };
            self.0.queue.send(order).await.map_err(|_| StoreError::Closed)?;
            outcome.await.map_err(|_| StoreError::Closed)?
        };
        // A set may be many megabytes, and it has its turn after the batches before it.
        self.limited(self.0.limits.patience * 3, kept).await
    }

    /// The content sets, the latest first.
    pub async fn content_sets(&self, limit: u32) -> Result<Vec<ContentLine>, StoreError> {
        self.read(content::lines(&self.0.engine, limit)).await
    }

    /// The content set of a revision, or of the only revision that starts with `revision`.
    pub async fn content_set(&self, revision: &str) -> Result<Option<ContentSet>, StoreError> {
        self.read(content::set(&self.0.engine, revision)).await
    }

    /// Whether somebody has put the demo's parcels into this database.
    pub async fn has_demo(&self) -> Result<bool, StoreError> {
        self.read(demo::is_there(&self.0.engine)).await
    }

    /// Whether there is an agent who can log in.
    pub async fn has_agents(&self) -> Result<bool, StoreError> {
        self.read(agents::exist(&self.0.engine)).await
    }

    /// All agents, by login.
    pub async fn agents(&self) -> Result<Vec<Account>, StoreError> {
        self.read(agents::all(&self.0.engine)).await
    }

    /// The agent with this login.
    pub async fn agent(&self, login: &str) -> Result<Option<Account>, StoreError> {
        self.read(agents::by_login(&self.0.engine, login)).await
    }

    /// The agent whose session this is, by the hash of what the cookie holds. Nobody after it has ended.
    pub async fn agent_of_session(&self, token: &[u8; 32], now: Millis) -> Result<Option<Account>, StoreError> {
        self.read(agents::by_session(&self.0.engine, token, now)).await
    }

    /// The agents who have logged in with this browser, by the hash of what its cookie holds.
    pub async fn agents_of_browser(&self, browser: &[u8; 32], now: Millis) -> Result<Vec<AgentId>, StoreError> {
        self.read(callers::known_to(&self.0.engine, browser, now)).await
    }

    /// Until when no password of this agent is tried that comes from there.
    pub async fn locked_until(&self, account: &Account, caller: Caller, now: Millis) -> Result<Millis, StoreError> {
        self.read(callers::locked_until(&self.0.engine, account, caller, now)).await
    }

    /// Changes an account, or who is logged in. False if there is nothing to change.
    pub async fn change_account(&self, change: AccountChange) -> Result<bool, StoreError> {
        let work: writer::Work = Box::new(move |link| Box::pin(async move { change.make(link).await }));
        self.order(|reply| Order::Change { work, reply }).await
    }

    /// Notes how far the agent who has a conversation has seen it.
    pub async fn note_agent_seen(&self, id: ConversationId, agent: AgentId, seq: Seq) -> Result<bool, StoreError> {
        let work: writer::Work = Box::new(move |link| Box::pin(attended::write_seen(link, id, agent, seq)));
        self.order(|reply| Order::Change { work, reply }).await
    }

    /// How many conversations wait for a person.
    pub async fn waiting_conversations(&self) -> Result<u32, StoreError> {
        self.read(attended::waiting(&self.0.engine)).await
    }

    /// At most `limit` conversations of a list.
    pub async fn attended(&self, shelf: Shelf, limit: u32) -> Result<Vec<Listed>, StoreError> {
        Ok(self.search(shelf, &Search::default(), limit).await?.rows)
    }

    /// At most `limit` conversations of a list in which something was said or noted, or which know it of the visitor. Of
    /// what is closed, and of all there is, the next [`SEARCHED`] are searched.
    pub async fn search(&self, shelf: Shelf, search: &Search, limit: u32) -> Result<Found, StoreError> {
        self.read(attended::list(&self.0.engine, shelf, search, limit)).await
    }

    /// At most `limit` ratings of chats with agents that ended at `since` or later, the last first.
    pub async fn reviews(&self, since: Millis, limit: u32) -> Result<Vec<Review>, StoreError> {
        self.read(reviews::since(&self.0.engine, since, limit)).await
    }

    /// Which answers of the pipeline stood in those chats.
    pub async fn reviewed_answers(&self, since: Millis, limit: u32) -> Result<Vec<ReviewedAnswer>, StoreError> {
        self.read(reviews::answers(&self.0.engine, since, limit)).await
    }

    /// What was said about those chats, where something was.
    pub async fn review_comments(
        &self,
        since: Millis,
        limit: u32,
    ) -> Result<Vec<(ConversationId, Arc<Event>)>, StoreError> {
        self.read(reviews::comments(&self.0.engine, since, limit)).await
    }

    /// The visitors who may not write.
    pub async fn blocked(&self) -> Result<Vec<VisitorId>, StoreError> {
        self.read(blocked::all(&self.0.engine)).await
    }

    /// The set that went live last.
    pub async fn latest_content(&self) -> Result<Option<ContentSet>, StoreError> {
        self.read(content::latest(&self.0.engine)).await
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
