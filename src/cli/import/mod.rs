//! `purser import`: conversations of an earlier chat become purser's own.
//!
//! All rows are looked at first; with a problem in any of them nothing is imported. Then each session becomes one
//! conversation in one commit, under an id that it has every time: whatever interrupts an import, the same command
//! goes on where it was, and done twice it is done once.

mod rows;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use futures_util::future::join_all;
use jiff::tz::TimeZone;

use super::small_runtime;
use crate::clock::Clock;
use crate::config::Config;
use crate::conversation::{Author, Conversation, ConversationId, Earlier, VisitorId};
use crate::store::{AppendError, DatabaseUrl, EarlierChat, Layout, Store};
use rows::{Problem, Reading, Row, Understood};

/// So many problems are shown.
const SHOWN: usize = 20;
/// So many messages, or bytes of text, of one session are one append.
const PIECE: usize = 1_000;
const PIECE_BYTES: usize = 1 << 20;
/// So many sessions are taken over at a time.
const TOGETHER: usize = 64;

/// What `purser import` takes.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// From the tables chat_session and chat_message of a chat that was made with Django
    #[command(after_help = "Examples:\n  \
        purser import django --from sqlite://db.sqlite3 --dry-run\n  \
        purser import django --from mysql://shop:secret@127.0.0.1/shop --sender staff=agent --sender 0=visitor\n  \
        purser import django --from sqlite://db.sqlite3 --prefix support_ --column user=customer_id\n\n\
        A session becomes a conversation of the customer whose `sub` is its user; it is over, and nothing in it is\n\
        answered. Done twice it is done once. The old tables are only read.")]
    Django(Django),
}

#[derive(Debug, Args)]
struct Django {
    /// Where the tables are: sqlite://FILE or mysql://USER:PASSWORD@HOST/DATABASE [default: the configured one]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// What stands before `session` and `message` in the names of the tables
    #[arg(long, default_value = "chat_")]
    prefix: String,
    /// The table of the sessions, if it is called otherwise
    #[arg(long, value_name = "TABLE")]
    sessions: Option<String>,
    /// The table of the messages, if it is called otherwise
    #[arg(long, value_name = "TABLE")]
    messages: Option<String>,
    /// The name of a column: user, created_at, session, sender, message or timestamp
    #[arg(long, value_name = "COLUMN=NAME")]
    column: Vec<String>,
    /// Who a sender is: visitor, bot, agent or system
    #[arg(long, value_name = "VALUE=WHO")]
    sender: Vec<String>,
    /// The time zone of the times, if the site had USE_TZ = False
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// What bots and agents wrote is Markdown, not plain text
    #[arg(long)]
    markdown: bool,
    /// Leave out rows with problems, instead of importing nothing
    #[arg(long)]
    skip_problems: bool,
    /// Only look at the rows
    #[arg(long)]
    dry_run: bool,
    /// Where the conversations go [default: the configured database]
    #[arg(long, value_name = "URL", help_heading = "Settings")]
    database: Option<String>,
}

impl Options {
    /// The settings among the options.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        let From::Django(django) = &self.from;
        django.database.iter().map(|url| ("database", url.clone())).collect()
    }
}

/// What was found, and what became of it.
#[derive(Debug, Default)]
struct Counts {
    conversations: u64,
    messages: u64,
    empty: u64,
    skipped: u64,
    new_conversations: u64,
    new_messages: u64,
    deleted: u64,
    gone_on: u64,
}

/// Imports, and prints what was counted on both sides. Ends with 1 if a row has a problem.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let From::Django(options) = &options.from;
    // Not by the command line's own parser, which quotes what it cannot read: it may hold a password.
    let from: DatabaseUrl = match &options.from {
        Some(from) => from.parse().context("--from cannot be used")?,
        None => config.database.clone(),
    };
    let reading = options.reading()?;
    let layout = options.layout()?;
    small_runtime()?.block_on(async {
        let mut chat = EarlierChat::open(&from, layout.clone()).await?;
        let mut counts = Counts { empty: chat.empty_sessions().await?, ..Counts::default() };
        look(&mut chat, &layout, &reading, &mut counts).await?;
        let (messages, sessions) = (counts.messages, counts.conversations);
        let mut out = io::stdout();
        writeln!(out, "{}: {messages} messages in {sessions} sessions of {}", chat.place(), layout.sessions)?;
        if counts.empty > 0 {
            writeln!(out, "Nothing was said in {} more.", counts.empty)?;
        }
        if counts.skipped > 0 && !options.skip_problems {
            writeln!(out, "Nothing is imported. --skip-problems leaves these rows out.")?;
            return Ok(ExitCode::from(1));
        }
        if options.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        let store = Store::open(&config.database, |_| ()).await?;
        let imported = import(&mut chat, &store, &reading, &mut counts).await;
        store.close().await;
        imported.context("not everything is imported yet; the same command again goes on from here")?;
        print(&counts, config)?;
        Ok(ExitCode::SUCCESS)
    })
}

impl Django {
    fn reading(&self) -> anyhow::Result<Reading> {
        let mut senders = BTreeMap::new();
        for sender in &self.sender {
            let (value, who) =
                sender.rsplit_once('=').with_context(|| format!("--sender {sender}: write VALUE=WHO"))?;
            let Some(author) = Author::from_word(who) else {
                bail!("--sender {sender}: {who:?} is none of visitor, bot, agent and system");
            };
            senders.insert(value.to_owned(), author);
        }
        let zone = TimeZone::get(&self.time_zone);
        let zone = zone.with_context(|| format!("--time-zone {}: write one like Europe/Berlin", self.time_zone))?;
        Ok(Reading { senders, zone, markdown: self.markdown, now: Clock::System.now() })
    }

    fn layout(&self) -> anyhow::Result<Layout> {
        let mut columns = BTreeMap::new();
        for column in &self.column {
            let (what, name) =
                column.split_once('=').with_context(|| format!("--column {column}: write COLUMN=NAME"))?;
            columns.insert(what.to_owned(), name.to_owned());
        }
        let table = |named: &Option<String>, usual: &str| named.clone().unwrap_or(format!("{}{usual}", self.prefix));
        Ok(Layout { sessions: table(&self.sessions, "session"), messages: table(&self.messages, "message"), columns })
    }
}

/// Looks at every row. What is wrong is printed to standard error, row by row.
async fn look(chat: &mut EarlierChat, layout: &Layout, reading: &Reading, counts: &mut Counts) -> anyhow::Result<()> {
    let (lost, first) = chat.lost_messages().await?;
    let mut found = 0_u64;
    let mut tell = |table: &str, row: &str, what: &str| {
        found += 1;
        if found <= SHOWN as u64 {
            eprintln!("{table} {row}: {what}");
        }
    };
    for row in &first {
        tell(&layout.messages, row, "its session is not there");
    }
    let looked = chat.sessions(async |session| -> anyhow::Result<()> {
        let (understood, problems) = reading.understand(&session);
        for Problem { row, what } in &problems {
            match row {
                Row::Session(key) => tell(&layout.sessions, key, what),
                Row::Message(key) => tell(&layout.messages, key, what),
            }
        }
        match understood {
            Some(understood) if understood.said.is_empty() => counts.empty += 1,
            Some(understood) => {
                counts.conversations += 1;
                counts.messages += understood.said.len() as u64;
            }
            None => {}
        }
        Ok(())
    });
    looked.await??;
    counts.skipped = found + lost.saturating_sub(first.len() as u64);
    if counts.skipped > SHOWN as u64 {
        eprintln!("… and {} more", counts.skipped - SHOWN as u64);
    }
    Ok(())
}

/// Takes every session over, and counts what arrived.
async fn import(chat: &mut EarlierChat, store: &Store, reading: &Reading, counts: &mut Counts) -> anyhow::Result<()> {
    let mut together = Vec::with_capacity(TOGETHER);
    let read = chat.sessions(async |session| {
        let (Some(understood), _) = reading.understand(&session) else { return Ok(()) };
        if !understood.said.is_empty() {
            together.push(Taken::of(session.id, understood));
        }
        if together.len() == TOGETHER { take_in(store, std::mem::take(&mut together), counts).await } else { Ok(()) }
    });
    read.await??;
    take_in(store, together, counts).await
}

/// A session on its way.
struct Taken {
    session: String,
    account: Option<String>,
    said: Vec<Earlier>,
    head: Conversation,
    /// So much of it is here already.
    known: usize,
}

impl Taken {
    fn of(session: String, understood: Understood) -> Taken {
        let Understood { began, account, said } = understood;
        let id = ConversationId::of_earlier(began, &session);
        let visitor = account.as_deref().map_or_else(|| VisitorId::of_unknown(id), VisitorId::of_account);
        let head = Taken::owned(Conversation::new(id, visitor), account.as_deref());
        Taken { session, account, said, head, known: 0 }
    }

    /// The old site had its users signed in, so theirs are no anonymous conversations.
    fn owned(mut head: Conversation, account: Option<&str>) -> Conversation {
        head.kept.account |= account.is_some();
        head
    }

    /// Finds out how much of it is here already; false if that was deleted.
    async fn look(&mut self, store: &Store) -> anyhow::Result<bool> {
        let Some(head) = store.conversation(self.head.id).await? else { return Ok(true) };
        // As a rule all of it is here, and one look says so.
        while self.known < self.said.len() {
            let at = self.said.len() - 1 - self.known;
            if store.event_by_client_id(head.id, &self.said[at].client_id()).await?.is_some() {
                break;
            }
            self.known += 1;
        }
        self.known = self.said.len() - self.known;
        self.head = Taken::owned(head, self.account.as_deref());
        Ok(self.known > 0)
    }

    /// Appends what is not here yet. Gives back how many messages that were, and how many must stay away, since the
    /// customer has gone on in the conversation.
    async fn append(&mut self, store: &Store) -> anyhow::Result<(usize, usize)> {
        let mut rest = &self.said[self.known..];
        let mut appended = 0;
        while !rest.is_empty() {
            let mut bytes = 0;
            let mut size = 0;
            while size < rest.len().min(PIECE) && (size == 0 || bytes + rest[size].text.len() <= PIECE_BYTES) {
                bytes += rest[size].text.len();
                size += 1;
            }
            let (piece, later) = rest.split_at(size);
            let Some(decision) = self.head.take_in(piece) else { return Ok((appended, rest.len())) };
            let next = decision.next.clone();
            match store.append(decision).await {
                Ok(()) => {}
                Err(AppendError::Unavailable(error)) => return Err(error.into()),
                Err(_) => bail!("its conversation {} was changed meanwhile", next.id),
            }
            self.head = Arc::unwrap_or_clone(next);
            appended += size;
            rest = later;
        }
        Ok((appended, 0))
    }
}

/// Takes these sessions over; the store commits them together.
async fn take_in(store: &Store, mut sessions: Vec<Taken>, counts: &mut Counts) -> anyhow::Result<()> {
    let looked = join_all(sessions.iter_mut().map(|taken| taken.look(store))).await;
    let mut here = Vec::with_capacity(sessions.len());
    for (taken, looked) in sessions.into_iter().zip(looked) {
        match looked? {
            true => here.push(taken),
            false => counts.deleted += 1,
        }
    }
    let news = here.iter().filter(|taken| taken.known < taken.said.len());
    let accounts = news.filter_map(|taken| Some((taken.head.visitor, taken.account.clone()?)));
    store.keep_customers(accounts.collect()).await?;
    let appended = join_all(here.iter_mut().map(|taken| taken.append(store))).await;
    for (taken, appended) in here.iter().zip(appended) {
        let (new, gone_on) = appended.with_context(|| format!("session {}", taken.session))?;
        counts.new_messages += new as u64;
        counts.gone_on += gone_on as u64;
        counts.new_conversations += u64::from(taken.known == 0);
    }
    // What the store has of them now.
    let ids: Vec<ConversationId> = here.iter().map(|taken| taken.head.id).collect();
    let ends: BTreeMap<ConversationId, u32> = store.last_seqs(&ids).await?.into_iter().collect();
    for taken in here {
        let (id, wanted) = (taken.head.id, taken.said.len());
        let found = ends.get(&id).map_or(0, |seq| *seq as usize);
        // A customer who has gone on in it has said more.
        ensure!(
            found >= wanted || counts.gone_on > 0,
            "session {}: {found} of {wanted} messages arrived in {id}",
            taken.session
        );
    }
    Ok(())
}

fn print(counts: &Counts, config: &Config) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Counts { conversations, messages, skipped, new_conversations, new_messages, deleted, gone_on, .. } = counts;
    writeln!(
        out,
        "{new_messages} messages in {new_conversations} conversations are imported into {}; with what was there \
         already, that is {messages} in {conversations}, each counted on both sides.",
        config.database
    )?;
    if *deleted > 0 {
        writeln!(out, "{deleted} conversations were deleted here since an earlier import, and stay deleted.")?;
    }
    if *gone_on > 0 {
        writeln!(
            out,
            "{gone_on} messages came to the old chat after their conversations had gone on here, and are left out."
        )?;
    }
    if *skipped > 0 {
        writeln!(out, "{skipped} rows with problems are left out.")?;
    }
    Ok(())
}
