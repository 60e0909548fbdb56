//! From where somebody tries to log in as an agent, and how often the password was wrong there.
//!
//! A browser that an agent has logged in with is counted by itself. All others are counted by their address, and all of
//! them together: whoever guesses locks out the addresses that it is done from, then strangers, and never such a browser.

use sqlx::Row;

use super::Store;
use super::agents::Account;
use super::error::StoreError;
use super::pool::{Engine, Link, on};
use crate::conversation::{AgentId, Millis};

/// From where it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// A hash that names the browser, or the address.
    pub key: [u8; 32],
    /// Whether it is a browser that the agent has logged in with.
    pub known: bool,
}

/// How long nothing is tried after so many wrong passwords in a row.
pub type Lock = fn(u32) -> Option<Millis>;

/// A wrong password.
#[derive(Clone, Copy)]
pub struct Wrong {
    /// Whose it should have been.
    pub agent: AgentId,
    /// From where it came.
    pub caller: Caller,
    /// When.
    pub now: Millis,
    /// After so long without another one, those before do not count.
    pub lasts: Millis,
    /// What it means for that caller.
    pub lock: Lock,
    /// What it means for all callers that are not known.
    pub lock_strangers: Lock,
}

impl Wrong {
    /// Counts it within the transaction that is open on `link`: where it is kept, so that guesses at the same time are as
    /// many.
    pub(super) async fn count(&self, link: &mut Link) -> Result<bool, sqlx::Error> {
        let Wrong { agent, caller, now, lasts, .. } = *self;
        on!(Link, link, connection => {
            let connection = &mut **connection;
            if !caller.known {
                // This row first: it makes two nodes count one after the other. Where nothing is locked, its time is that
                // of the last one.
                let add = "UPDATE agents SET failures = CASE WHEN locked_until <= ? THEN 1 ELSE failures + 1 END WHERE id = ?";
                sqlx::query(add).bind(now - lasts).bind(agent.0).execute(&mut *connection).await?;
                let failures = sqlx::query_scalar("SELECT failures FROM agents WHERE id = ?").bind(agent.0);
                let failures: Option<i64> = failures.fetch_optional(&mut *connection).await?;
                let until = now + lock_of(failures, self.lock_strangers);
                let set = sqlx::query("UPDATE agents SET locked_until = ? WHERE id = ?").bind(until).bind(agent.0);
                set.execute(&mut *connection).await?;
            }
            let add = "UPDATE agent_callers SET failures = CASE WHEN forget_at <= ? THEN 1 ELSE failures + 1 END, \
                       forget_at = CASE WHEN known = 1 THEN forget_at ELSE ? END WHERE caller = ? AND agent = ?";
            let add = sqlx::query(add).bind(now).bind(now + lasts).bind(&caller.key[..]).bind(agent.0);
            if add.execute(&mut *connection).await?.rows_affected() == 0 {
                // A browser that is not known any more is a stranger from now on.
                if caller.known {
                    return Ok(false);
                }
                let insert = "INSERT INTO agent_callers (caller, agent, known, failures, locked_until, forget_at) \
                              VALUES (?, ?, 0, 1, 0, ?)";
                let insert = sqlx::query(insert).bind(&caller.key[..]).bind(agent.0).bind(now + lasts);
                insert.execute(&mut *connection).await?;
            }
            let failures = "SELECT failures FROM agent_callers WHERE caller = ? AND agent = ?";
            let failures = sqlx::query_scalar(failures).bind(&caller.key[..]).bind(agent.0);
            let failures: Option<i64> = failures.fetch_optional(&mut *connection).await?;
            let until = now + lock_of(failures, self.lock);
            let set = "UPDATE agent_callers SET locked_until = ? WHERE caller = ? AND agent = ?";
            let set = sqlx::query(set).bind(until).bind(&caller.key[..]).bind(agent.0);
            Ok(set.execute(connection).await?.rows_affected() > 0)
        })
    }
}

impl Store {
    /// The agents who have logged in with this browser, by the hash of what its cookie holds.
    pub async fn agents_of_browser(&self, browser: &[u8; 32], now: Millis) -> Result<Vec<AgentId>, StoreError> {
        self.read(known_to(&self.0.engine, browser, now)).await
    }

    /// Until when no password of this agent is tried that comes from there.
    pub async fn locked_until(&self, account: &Account, caller: Caller, now: Millis) -> Result<Millis, StoreError> {
        self.read(locked_until(&self.0.engine, account, caller, now)).await
    }
}

fn lock_of(failures: Option<i64>, lock: Lock) -> Millis {
    failures.and_then(|failures| lock(u32::try_from(failures).unwrap_or(u32::MAX))).unwrap_or(0)
}

/// The password was right: what was wrong there before does not count, and the browser is known until `until`.
pub(super) async fn let_in(
    link: &mut Link,
    agent: AgentId,
    caller: Caller,
    browser: &[u8; 32],
    now: Millis,
    until: Millis,
) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        let connection = &mut **connection;
        sqlx::query("DELETE FROM agent_callers WHERE forget_at <= ?").bind(now).execute(&mut *connection).await?;
        if !caller.known {
            // Not by a known browser: whoever guesses elsewhere meanwhile would begin anew.
            let set = sqlx::query("UPDATE agents SET failures = 0, locked_until = 0 WHERE id = ?").bind(agent.0);
            set.execute(&mut *connection).await?;
        }
        for key in [&caller.key, browser] {
            let delete = sqlx::query("DELETE FROM agent_callers WHERE caller = ? AND agent = ?");
            delete.bind(&key[..]).bind(agent.0).execute(&mut *connection).await?;
        }
        let insert = "INSERT INTO agent_callers (caller, agent, known, failures, locked_until, forget_at) \
                      VALUES (?, ?, 1, 0, 0, ?)";
        sqlx::query(insert).bind(&browser[..]).bind(agent.0).bind(until).execute(connection).await.map(drop)
    })
}

/// All callers of an agent begin anew, and no browser is known.
pub(super) async fn forget(link: &mut Link, agent: AgentId) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        let forget = sqlx::query("DELETE FROM agent_callers WHERE agent = ?").bind(agent.0);
        forget.execute(&mut **connection).await.map(drop)
    })
}

/// The agents who have logged in with this browser.
async fn known_to(engine: &Engine, browser: &[u8; 32], now: Millis) -> Result<Vec<AgentId>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query("SELECT agent FROM agent_callers WHERE caller = ? AND known = 1 AND forget_at > ?");
        let rows = query.bind(&browser[..]).bind(now).fetch_all(&side.readers).await?;
        rows.iter().map(|row| Ok(AgentId(row.try_get(0)?))).collect()
    })
}

/// Until when nothing from there is tried.
async fn locked_until(engine: &Engine, account: &Account, caller: Caller, now: Millis) -> Result<Millis, StoreError> {
    let own: Option<Millis> = on!(Engine, engine, side => {
        let query = "SELECT locked_until FROM agent_callers WHERE caller = ? AND agent = ? AND forget_at > ?";
        let query = sqlx::query_scalar(query).bind(&caller.key[..]).bind(account.id.0).bind(now);
        query.fetch_optional(&side.readers).await?
    });
    let strangers = if caller.known { 0 } else { account.locked_until };
    Ok(own.unwrap_or(0).max(strangers))
}
