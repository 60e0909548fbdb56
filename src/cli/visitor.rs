//! `purser visitor`: what is stored of one visitor is given out, or deleted.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;
use uuid::Uuid;

use super::{SiteDatabase, small_runtime};
use crate::clock::Clock;
use crate::config::Config;
use crate::conversation::{ConversationId, VisitorId};
use crate::desk::{erase_visitor_of, erased_by, erasing};
use crate::store::{Export, OpenError, Store, order_chore};

/// A running purser has done it within this time, or is not running.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What `purser visitor` takes.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    pub(super) site: SiteDatabase,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print all that is stored of a visitor, as JSON
    Export(Who),
    /// Delete all that is stored of a visitor
    Erase(Who),
}

/// Who it is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// A signed-in customer: the `sub` that your site signs
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Whoever has this conversation; the log and the console show its id
    #[arg(long, value_name = "ID")]
    conversation: Option<Uuid>,
    /// The `visitor` of an export
    #[arg(long, value_name = "HEX", value_parser = visitor)]
    visitor: Option<VisitorId>,
}

fn visitor(hex: &str) -> Result<VisitorId, String> {
    erased_by(&format!("erase {hex}")).ok_or_else(|| "a visitor is 32 hex digits".to_owned())
}

/// Gives out or deletes, also while purser runs.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    small_runtime()?.block_on(async {
        let store = Store::open_to_read(&config.database).await?;
        let done = match &options.command {
            Command::Export(who) => export(&store, who).await,
            Command::Erase(who) => erase(config, &store, who).await,
        };
        store.close().await;
        done
    })
}

impl Who {
    async fn find(&self, store: &Store) -> anyhow::Result<VisitorId> {
        if let Some(id) = self.conversation.map(ConversationId) {
            let head = store.conversation(id).await?;
            return head.map(|head| head.visitor).with_context(|| format!("there is no conversation {id}"));
        }
        let account = self.customer.as_deref().map(VisitorId::of_account);
        account.or(self.visitor).context("nobody is named")
    }
}

async fn export(store: &Store, who: &Who) -> anyhow::Result<ExitCode> {
    let visitor = who.find(store).await?;
    let exported = store.export(visitor, Export::Everything).await?;
    if exported.is_empty() {
        anyhow::bail!("nothing is stored of this visitor");
    }
    let conversations: Vec<_> = exported
        .iter()
        .map(|one| {
            json!({
                "id": one.head.id, "status": one.head.status, "created_at": one.head.created_at,
                "last_at": one.head.last_at, "language": one.head.language, "remembered": one.attributes(),
                "account": one.account(),
                "tags": one.head.kept.tags, "events": one.events,
            })
        })
        .collect();
    let hex = erasing(visitor).split_once(' ').map(|(_, hex)| hex.to_owned());
    let all = json!({ "visitor": hex, "signed_in": exported.iter().any(|one| one.head.kept.account), "conversations": conversations });
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &all).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}

async fn erase(config: &Config, reading: &Store, who: &Who) -> anyhow::Result<ExitCode> {
    let visitor = who.find(reading).await?;
    let erased = match Store::open(&config.database, |_| ()).await {
        Ok(store) => {
            let erased = erase_visitor_of(&store, visitor, Clock::System.now()).await;
            store.close().await;
            erased? > 0
        }
        Err(OpenError::InUse(_)) => erase_beside(config, reading, visitor).await?,
        Err(error) => return Err(error.into()),
    };
    println!("{}", if erased { "deleted" } else { "nothing was stored of this visitor" });
    Ok(ExitCode::SUCCESS)
}

/// Has the purser that runs on the file do it, so that every tab hears of it.
async fn erase_beside(config: &Config, reading: &Store, visitor: VisitorId) -> anyhow::Result<bool> {
    let found = reading.export(visitor, Export::Visitors).await?.iter().any(|one| !one.is_erased());
    if !found {
        return Ok(false);
    }
    let name = erasing(visitor);
    order_chore(&config.database, &name).await?;
    let began = Instant::now();
    loop {
        // One that was begun is due later.
        let left = reading.due_chores(i64::MAX, u32::MAX).await?;
        if left.iter().all(|chore| chore.name != name) {
            return Ok(true);
        }
        if began.elapsed() > PATIENCE {
            anyhow::bail!(
                "the purser that has the database open has not done it yet; it will, or the next one that starts"
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
