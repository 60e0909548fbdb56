//! Agents' accounts: passwords, who is logged in, and how often a password may be tried.
//!
//! A password is kept as an Argon2id hash, a session as the hash of a token that only the browser's cookie holds. A
//! session ends on the server: with a log-out, another password or a disabled account, its cookie opens nothing any
//! more.
//!
//! Wrong passwords cost time: whoever gives them, by address, and where they come from many addresses, all strangers.
//! A browser that an agent has logged in with keeps a cookie for that and is counted by itself. So nobody gets in by
//! guessing, and nobody keeps an agent out by it who is where the agent always is.

mod nobody;

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::conversation::{AgentId, Millis};
use crate::hex::hex;
use crate::limits::Address;
use crate::people::is_team;
use crate::store::{Account, AccountChange, Caller, Opening, Role, Store, StoreError, Wrong};
use nobody::Nobody;

/// The shortest password, in characters.
pub const MIN_PASSWORD: usize = 10;
/// The longest password, in bytes: more only costs time.
const MAX_PASSWORD: usize = 256;
/// How long a session lasts, in milliseconds.
pub const SESSION: Millis = 12 * 60 * 60 * 1000;
/// So long a browser is known after the last log-in with it.
pub const KNOWN: Millis = 90 * 24 * 60 * 60 * 1000;
/// So many wrong passwords in a row of one browser, or one address, are free…
const FREE: u32 = 5;
/// …and so many of all strangers together…
const FREE_OF_STRANGERS: u32 = 30;
/// …after the next one nothing is tried for so long, and twice as long after each further one…
const FIRST_LOCK: Millis = 15_000;
/// …but no longer than this.
const LONGEST_LOCK: Millis = 15 * 60 * 1000;
/// After so long without another one, wrong passwords do not count any more.
const COUNTS: Millis = 24 * 60 * 60 * 1000;
/// So many passwords are hashed at once: each takes 19 MiB and a processor.
const AT_ONCE: usize = 2;
/// So many attempts wait for that.
const WAITING: usize = 64;
/// Whoever finds as many waiting is told to come back then.
const CROWDED: Millis = 2_000;
/// How many chats an agent takes at once, unless something else is said.
pub const MAX_CHATS: u32 = 5;
/// In so many teams an agent is at most.
const TEAMS: usize = 16;

/// Who is let in, and why not.
#[derive(Debug, thiserror::Error)]
pub enum NotIn {
    /// The name or the password is wrong. Which of them is nobody's business.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many were wrong; says for how many milliseconds nothing is tried.
    #[error("too many attempts")]
    Locked(Millis),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The door for agents.
pub struct Accounts {
    store: Store,
    clock: Clock,
    hashing: Semaphore,
    waiting: Semaphore,
    nobody: Nobody,
}

/// What a browser's cookie holds.
pub struct Token(pub String);

/// From where somebody wants to log in.
pub struct CameFrom {
    /// The address, as far as it is known; all that are not known are one.
    pub address: Option<Address>,
    /// What the cookie of a browser holds with which somebody has logged in before.
    pub browser: Option<Token>,
}

/// Somebody who was let in.
pub struct LoggedIn {
    /// The session.
    pub session: Token,
    /// By this the browser is known next time.
    pub browser: Token,
}

impl Accounts {
    /// The accounts of this store.
    pub fn new(store: Store, clock: Clock) -> Accounts {
        Accounts {
            store,
            clock,
            hashing: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(WAITING),
            nobody: Nobody::default(),
        }
    }

    /// Lets somebody in who knows the password: a new session, whatever the browser had before.
    pub async fn log_in(&self, login: &str, password: &str, from: CameFrom) -> Result<LoggedIn, NotIn> {
        let login = login.trim().to_lowercase();
        let known_to = match &from.browser {
            Some(browser) => self.store.agents_of_browser(&browser.hash(), self.clock.now()).await?,
            None => Vec::new(),
        };
        let account = self.store.agent(&login).await?;
        let own = from.browser.as_ref().filter(|_| account.as_ref().is_some_and(|one| known_to.contains(&one.id)));
        let caller = match own {
            Some(browser) => Caller { key: browser.hash(), known: true },
            None => Caller { key: from.key(), known: false },
        };
        // Strangers who crowd the door do not keep out who is known.
        let waits = if caller.known { None } else { Some(self.waiting.try_acquire()) };
        let Ok(_waits) = waits.transpose() else { return Err(NotIn::Locked(CROWDED)) };
        // From looking whether it is locked to counting: guesses at the same time cannot all pass before one counts.
        let _turn = self.hashing.acquire().await;
        let now = self.clock.now();
        let account = self.store.agent(&login).await?;
        let until = match &account {
            Some(account) => self.store.locked_until(account, caller, now).await?,
            None => self.nobody.locked_until(&login, &caller.key),
        };
        if until > now {
            return Err(NotIn::Locked(until - now));
        }
        // A name that nobody has takes as long as one that somebody has.
        static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash("a password that nobody has"));
        let hashed = account.as_ref().map(|account| account.password.clone());
        let password = password.to_owned();
        let check = move || hashed.or_else(|| NOBODY.clone()).is_some_and(|hash| is(&password, &hash));
        let fits = tokio::task::spawn_blocking(check).await.unwrap_or(false);
        let Some(account) = account else {
            self.nobody.count(&login, &caller.key, now);
            return Err(NotIn::Wrong);
        };
        let agent = account.id;
        if !fits {
            let wrong = Wrong { agent, caller, now, lasts: COUNTS, lock, lock_strangers };
            self.store.change_account(AccountChange::Wrong(wrong)).await?;
            tracing::warn!(%agent, known = caller.known, "a wrong password of an agent");
            return Err(NotIn::Wrong);
        }
        if account.disabled {
            return Err(NotIn::Wrong);
        }
        let session = Token::new().ok_or(NotIn::Wrong)?;
        // Several agents may share a browser. What nobody here gave out, somebody else may have put there.
        let browser = match from.browser.filter(|_| !known_to.is_empty()) {
            Some(browser) => browser,
            None => Token::new().ok_or(NotIn::Wrong)?,
        };
        let opening = Opening {
            token: session.hash(),
            agent,
            now,
            until: now + SESSION,
            caller,
            browser: browser.hash(),
            known_until: now + KNOWN,
        };
        self.store.change_account(AccountChange::Open(opening)).await?;
        tracing::info!(%agent, "an agent has logged in");
        Ok(LoggedIn { session, browser })
    }

    /// The agent whose session this is, if it is one.
    pub async fn who(&self, token: &Token) -> Result<Option<Account>, StoreError> {
        self.store.agent_of_session(&token.hash(), self.clock.now()).await
    }

    /// Ends a session.
    pub async fn log_out(&self, token: &Token) -> Result<(), StoreError> {
        self.store.change_account(AccountChange::End(token.hash())).await.map(drop)
    }

    /// Notes that a console of the agent is open.
    pub async fn here(&self, agent: AgentId) -> Result<(), StoreError> {
        self.store.change_account(AccountChange::Here(agent, self.clock.now())).await.map(drop)
    }
}

impl Token {
    fn new() -> Option<Token> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).ok()?;
        Some(Token(hex(&bytes)))
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl CameFrom {
    /// Names the address, so that it is not kept as it is.
    fn key(&self) -> [u8; 32] {
        let address = self.address.map(|address| address.bits().to_be_bytes());
        Sha256::digest(address.unwrap_or_default()).into()
    }
}

/// How long nothing is tried after so many wrong passwords in a row from one place.
fn lock(failures: u32) -> Option<Millis> {
    let beyond = failures.checked_sub(FREE + 1)?;
    Some(LONGEST_LOCK.min(FIRST_LOCK << beyond.min(16)))
}

/// How long no stranger's is tried after so many of all strangers.
fn lock_strangers(failures: u32) -> Option<Millis> {
    lock(failures.saturating_sub(FREE_OF_STRANGERS - FREE))
}

/// A new account. An error says what is wrong with what was given.
pub fn account(login: &str, name: &str, role: Role, password: &str) -> Result<Account, String> {
    let login = login.trim().to_lowercase();
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+');
    if !(1..=64).contains(&login.chars().count()) || !login.chars().all(fits) {
        return Err(format!("`{login}` is no login; letters, digits and . - _ @ + make one, such as anna"));
    }
    let name = name.trim();
    if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err("a name has 1 to 64 characters".to_owned());
    }
    Ok(Account {
        id: AgentId::new(),
        login,
        name: name.to_owned(),
        role,
        password: hashed(password)?,
        disabled: false,
        away: false,
        max_chats: MAX_CHATS,
        locked_until: 0,
        seen_at: 0,
        teams: Vec::new(),
    })
}

/// The teams of an agent who joins this one, or leaves it. An error says what is wrong with the name.
pub fn teams(account: &Account, team: &str, joins: bool) -> Result<Vec<String>, String> {
    if !is_team(team) {
        return Err(format!("`{team}` is no team; small letters, digits and - make one, such as claims"));
    }
    let mut teams: Vec<String> = account.teams.iter().filter(|known| *known != team).cloned().collect();
    if joins {
        teams.push(team.to_owned());
    }
    if teams.len() > TEAMS {
        return Err(format!("an agent is in at most {TEAMS} teams"));
    }
    teams.sort_unstable();
    Ok(teams)
}

/// The hash of a new password. An error says what is wrong with it.
pub fn hashed(password: &str) -> Result<String, String> {
    if password.chars().count() < MIN_PASSWORD {
        return Err(format!("a password has at least {MIN_PASSWORD} characters"));
    }
    if password.len() > MAX_PASSWORD {
        return Err(format!("a password has at most {MAX_PASSWORD} bytes"));
    }
    hash(password).ok_or_else(|| "the password cannot be hashed".to_owned())
}

fn hash(password: &str) -> Option<String> {
    Argon2::default().hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
}

fn is(password: &str, hash: &str) -> bool {
    password.len() <= MAX_PASSWORD && Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_alone() {
        let account = account(" Anna ", "Anna B.", Role::Agent, "correct horse").expect("an account");
        assert_eq!(account.login, "anna");
        assert!(account.password.starts_with("$argon2id$"), "{}", account.password);
        assert!(is("correct horse", &account.password));
        assert!(!is("correct horsf", &account.password));
        assert!(!format!("{account:?}").contains("argon2"));
    }

    #[test]
    fn what_is_no_account_is_refused() {
        for (login, name, password) in
            [("", "A", "0123456789"), ("a b", "A", "0123456789"), ("a", " ", "0123456789"), ("a", "A", "012345678")]
        {
            assert!(account(login, name, Role::Agent, password).is_err(), "{login:?} {name:?} {password:?}");
        }
    }

    #[test]
    fn wrong_passwords_cost_more_and_more_time() {
        let locks: Vec<_> = (1..=9).map(lock).collect();
        let seconds = |n: Millis| Some(n * 1000);
        assert_eq!(locks, [None, None, None, None, None, seconds(15), seconds(30), seconds(60), seconds(120)]);
        assert_eq!(lock(u32::MAX), Some(LONGEST_LOCK));
        assert_eq!((lock_strangers(FREE_OF_STRANGERS), lock_strangers(FREE_OF_STRANGERS + 1)), (None, seconds(15)));
        assert_eq!(lock_strangers(u32::MAX), Some(LONGEST_LOCK));
    }
}
