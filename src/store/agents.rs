//! Agents' accounts and who of them is logged in.

use sqlx::{ColumnIndex, Decode, Row, Type};
use uuid::Uuid;

use super::Store;
use super::callers::{self, Caller, Wrong};
use super::error::{OpenError, StoreError};
use super::pool::{Engine, Link, on};
use super::url::DatabaseUrl;
use super::writer::{Order, Work};
use crate::conversation::{AgentId, Millis};

/// What an agent may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Answers customers.
    Agent,
    /// Also sees what is wrong with the content.
    Editor,
    /// Also acts on what other agents have.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Agent, Role::Editor, Role::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Editor => "editor",
            Role::Admin => "admin",
        }
    }

    /// The role that a word stands for.
    pub fn from_word(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// An agent's account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Names the agent.
    pub id: AgentId,
    /// What is typed to log in, in small letters.
    pub login: String,
    /// What customers see.
    pub name: String,
    /// What the agent may do.
    pub role: Role,
    /// The password's hash in PHC form.
    pub password: String,
    /// Whether nobody can log in.
    pub disabled: bool,
    /// Whether the agent takes no chats at the moment.
    pub away: bool,
    /// How many chats the agent takes at once.
    pub max_chats: u32,
    /// Until when no password is tried that comes from where the agent never was.
    pub locked_until: Millis,
    /// When a console of the agent was open last.
    pub seen_at: Millis,
    /// The teams that the agent is in; none: sees to everything.
    pub teams: Vec<String>,
}

// The hash is nobody's business.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// A change of accounts or of who is logged in.
#[derive(Clone)]
pub enum AccountChange {
    /// A new account. Nothing changes if the login is taken.
    Add(Account, Millis),
    /// Another password; whoever was logged in with the old one is not any more.
    Password(AgentId, String),
    /// Nobody can log in, and whoever was is not any more; or it is possible again.
    Disable(AgentId, bool),
    /// A wrong password: one more in a row.
    Wrong(Wrong),
    /// Somebody is logged in.
    Open(Opening),
    /// This session is over.
    End([u8; 32]),
    /// A console is open.
    Here(AgentId, Millis),
    /// Whether chats are taken, and how many at once.
    Duty(AgentId, bool, u32),
    /// The teams that the agent is in from now on.
    Teams(AgentId, Vec<String>),
}

/// A session, by the hash of what the cookie holds.
#[derive(Clone, Copy)]
pub struct Opening {
    /// That hash.
    pub token: [u8; 32],
    /// Whose it is.
    pub agent: AgentId,
    /// When it begins.
    pub now: Millis,
    /// When it ends.
    pub until: Millis,
    /// From where the password came.
    pub caller: Caller,
    /// The browser, by the hash of what another cookie holds, which is known from now on…
    pub browser: [u8; 32],
    /// …until then.
    pub known_until: Millis,
}

impl AccountChange {
    /// Makes the change within the transaction that is open on `link`; false if there is nothing to change.
    pub(super) async fn make(&self, link: &mut Link) -> Result<bool, sqlx::Error> {
        match self {
            AccountChange::Password(id, _) | AccountChange::Disable(id, _) => callers::forget(link, *id).await?,
            AccountChange::Wrong(wrong) => return wrong.count(link).await,
            AccountChange::Open(Opening { agent, now, caller, browser, known_until, .. }) => {
                callers::let_in(link, *agent, *caller, browser, *now, *known_until).await?;
            }
            _ => {}
        }
        on!(Link, link, connection => {
            let connection = &mut **connection;
            let changed = match self {
                AccountChange::Add(account, now) => {
                    let known = sqlx::query("SELECT 1 FROM agents WHERE login = ?").bind(&account.login);
                    if known.fetch_optional(&mut *connection).await?.is_some() {
                        return Ok(false);
                    }
                    let insert = "INSERT INTO agents (id, login, name, role, password, max_chats, created_at) \
                                  VALUES (?, ?, ?, ?, ?, ?, ?)";
                    sqlx::query(insert)
                        .bind(account.id.0)
                        .bind(&account.login)
                        .bind(&account.name)
                        .bind(account.role.as_str())
                        .bind(&account.password)
                        .bind(i64::from(account.max_chats))
                        .bind(*now)
                        .execute(connection)
                        .await?
                }
                AccountChange::Password(id, hash) => {
                    let over = sqlx::query("DELETE FROM agent_sessions WHERE agent = ?").bind(id.0);
                    over.execute(&mut *connection).await?;
                    let set = "UPDATE agents SET password = ?, failures = 0, locked_until = 0 WHERE id = ?";
                    sqlx::query(set).bind(hash).bind(id.0).execute(connection).await?
                }
                AccountChange::Disable(id, disabled) => {
                    let over = sqlx::query("DELETE FROM agent_sessions WHERE agent = ?").bind(id.0);
                    over.execute(&mut *connection).await?;
                    let set = sqlx::query("UPDATE agents SET disabled = ? WHERE id = ?");
                    set.bind(i64::from(*disabled)).bind(id.0).execute(connection).await?
                }
                AccountChange::Wrong(_) => return Ok(false),
                AccountChange::Open(Opening { token, agent, now, until, .. }) => {
                    let over = sqlx::query("DELETE FROM agent_sessions WHERE expires_at <= ?").bind(*now);
                    over.execute(&mut *connection).await?;
                    let insert = "INSERT INTO agent_sessions (token, agent, expires_at) VALUES (?, ?, ?)";
                    sqlx::query(insert).bind(&token[..]).bind(agent.0).bind(*until).execute(connection).await?
                }
                AccountChange::End(token) => {
                    sqlx::query("DELETE FROM agent_sessions WHERE token = ?").bind(&token[..]).execute(connection).await?
                }
                AccountChange::Here(id, now) => {
                    sqlx::query("UPDATE agents SET seen_at = ? WHERE id = ?").bind(*now).bind(id.0).execute(connection).await?
                }
                AccountChange::Duty(id, away, max_chats) => {
                    let set = sqlx::query("UPDATE agents SET away = ?, max_chats = ? WHERE id = ?");
                    set.bind(i64::from(*away)).bind(i64::from(*max_chats)).bind(id.0).execute(connection).await?
                }
                AccountChange::Teams(id, teams) => {
                    let set = sqlx::query("UPDATE agents SET teams = ? WHERE id = ?");
                    set.bind(teams.join(",")).bind(id.0).execute(connection).await?
                }
            };
            Ok(changed.rows_affected() > 0)
        })
    }
}

impl Store {
    /// Whether there is an agent who can log in.
    pub async fn has_agents(&self) -> Result<bool, StoreError> {
        self.read(exist(&self.0.engine)).await
    }

    /// All agents, by login.
    pub async fn agents(&self) -> Result<Vec<Account>, StoreError> {
        self.read(all(&self.0.engine)).await
    }

    /// The agent with this login.
    pub async fn agent(&self, login: &str) -> Result<Option<Account>, StoreError> {
        self.read(by_login(&self.0.engine, login)).await
    }

    /// The agent whose session this is, by the hash of what the cookie holds. Nobody after it has ended.
    pub async fn agent_of_session(&self, token: &[u8; 32], now: Millis) -> Result<Option<Account>, StoreError> {
        self.read(by_session(&self.0.engine, token, now)).await
    }

    /// Changes an account, or who is logged in. False if there is nothing to change.
    pub async fn change_account(&self, change: AccountChange) -> Result<bool, StoreError> {
        let work: Work = Box::new(move |link| Box::pin(async move { change.make(link).await }));
        self.order(|reply| Order::Change { work, reply }).await
    }
}

/// Changes the accounts in this database, which may be in use by a running purser.
pub async fn change_account(url: &DatabaseUrl, change: &AccountChange) -> Result<bool, OpenError> {
    let failed = |error: sqlx::Error| OpenError::Accounts(error.to_string());
    let mut link = super::demo::connect(url).await.map_err(failed)?;
    link.begin().await.map_err(failed)?;
    let changed = change.make(&mut link).await.map_err(failed)?;
    link.commit().await.map_err(failed)?;
    Ok(changed)
}

macro_rules! accounts {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.login, a.name, a.role, a.password, a.disabled, a.away, a.max_chats, ",
            "a.locked_until, a.seen_at, a.teams FROM agents a ",
            $rest
        )
    };
}

async fn exist(engine: &Engine) -> Result<bool, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query("SELECT 1 FROM agents WHERE disabled = 0 LIMIT 1");
        Ok(query.fetch_optional(&side.readers).await?.is_some())
    })
}

async fn all(engine: &Engine) -> Result<Vec<Account>, StoreError> {
    on!(Engine, engine, side => {
        let rows = sqlx::query(accounts!("ORDER BY a.login")).fetch_all(&side.readers).await?;
        rows.iter().map(to_account).collect()
    })
}

async fn by_login(engine: &Engine, login: &str) -> Result<Option<Account>, StoreError> {
    on!(Engine, engine, side => {
        let row = sqlx::query(accounts!("WHERE a.login = ?")).bind(login).fetch_optional(&side.readers).await?;
        row.as_ref().map(to_account).transpose()
    })
}

async fn by_session(engine: &Engine, token: &[u8; 32], now: Millis) -> Result<Option<Account>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(accounts!(
            "JOIN agent_sessions s ON s.agent = a.id WHERE s.token = ? AND s.expires_at > ? AND a.disabled = 0"
        ));
        let row = query.bind(&token[..]).bind(now).fetch_optional(&side.readers).await?;
        row.as_ref().map(to_account).transpose()
    })
}

fn to_account<'r, R>(row: &'r R) -> Result<Account, StoreError>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: usize| -> Result<u32, StoreError> {
        Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX))
    };
    let role: &str = row.try_get(3)?;
    Ok(Account {
        id: AgentId(row.try_get(0)?),
        login: row.try_get(1)?,
        name: row.try_get(2)?,
        role: Role::from_word(role).ok_or_else(|| StoreError::Unreadable("the role of an agent".to_owned()))?,
        password: row.try_get(4)?,
        disabled: row.try_get::<i64, _>(5)? != 0,
        away: row.try_get::<i64, _>(6)? != 0,
        max_chats: number(7)?,
        locked_until: row.try_get(8)?,
        seen_at: row.try_get(9)?,
        teams: row.try_get::<&str, _>(10)?.split(',').filter(|team| !team.is_empty()).map(str::to_owned).collect(),
    })
}
