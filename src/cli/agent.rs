//! `purser agent`: the accounts of the people who answer.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{SiteDatabase, small_runtime};
use crate::accounts;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Account, AccountChange, OpenError, Role, Store, change_account};

/// What `purser agent` takes.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    pub(super) site: SiteDatabase,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an account; the password is read from the terminal, or from the first line of standard input
    Add {
        /// What the agent types to log in
        login: String,
        /// What customers see [default: the login]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What the agent may do: agent, editor or admin
        #[arg(long, value_name = "ROLE", default_value = "agent", value_parser = role)]
        role: Role,
    },
    /// Show the accounts
    List,
    /// Put an agent into a team, such as claims: its chats come first to those who are in it
    Join {
        /// The agent's login
        login: String,
        /// The team; it begins with its first agent
        team: String,
    },
    /// Take an agent out of a team; without a team an agent sees to everything
    Leave {
        /// The agent's login
        login: String,
        /// The team
        team: String,
    },
    /// Log an agent out everywhere, for good
    Disable {
        /// The agent's login
        login: String,
    },
    /// Let a disabled agent in again
    Enable {
        /// The agent's login
        login: String,
    },
    /// Set another password, and log the agent out everywhere
    Password {
        /// The agent's login
        login: String,
    },
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| "the roles are agent, editor and admin".to_owned())
}

/// Shows or changes the accounts, also while purser runs.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    small_runtime()?.block_on(async {
        prepare(config).await?;
        let accounts = {
            let store = Store::open_to_read(&config.database).await?;
            let accounts = store.agents().await;
            store.close().await;
            accounts?
        };
        let known = |login: &str| {
            let login = login.trim().to_lowercase();
            let account = accounts.iter().find(|account| account.login == login);
            account.with_context(|| format!("there is no agent `{login}`; `purser agent list` shows all"))
        };
        let change = match &options.command {
            Command::List => {
                list(&accounts)?;
                return Ok(ExitCode::SUCCESS);
            }
            Command::Add { login, name, role } => {
                let name = name.as_deref().unwrap_or(login);
                let account = accounts::account(login, name, *role, &password()?).map_err(anyhow::Error::msg)?;
                AccountChange::Add(account, Clock::System.now())
            }
            Command::Password { login } => {
                let id = known(login)?.id;
                AccountChange::Password(id, accounts::hashed(&password()?).map_err(anyhow::Error::msg)?)
            }
            Command::Join { login, team } | Command::Leave { login, team } => {
                let account = known(login)?;
                let joins = matches!(options.command, Command::Join { .. });
                AccountChange::Teams(account.id, accounts::teams(account, team, joins).map_err(anyhow::Error::msg)?)
            }
            Command::Disable { login } => AccountChange::Disable(known(login)?.id, true),
            Command::Enable { login } => AccountChange::Disable(known(login)?.id, false),
        };
        if !change_account(&config.database, &change).await? {
            anyhow::bail!("there is an agent of that login already; `purser agent password` sets another password");
        }
        println!("done");
        Ok(ExitCode::SUCCESS)
    })
}

/// Makes the tables, unless a running purser has.
async fn prepare(config: &Config) -> anyhow::Result<()> {
    match Store::open(&config.database, |_| ()).await {
        Ok(store) => {
            store.close().await;
            Ok(())
        }
        Err(OpenError::InUse(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn list(accounts: &[Account]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for Account { login, name, role, disabled, teams, .. } in accounts {
        let state = if *disabled { "  (disabled)" } else { "" };
        let teams = if teams.is_empty() { String::new() } else { format!("  [{}]", teams.join(", ")) };
        writeln!(out, "{login:<24} {:<7} {name}{teams}{state}", role.as_str())?;
    }
    Ok(())
}

/// The first line of standard input, which a terminal does not show.
fn password() -> anyhow::Result<String> {
    let input = io::stdin();
    let hidden = input.is_terminal().then(|| {
        eprint!("password: ");
        Hidden::new()
    });
    let mut line = String::new();
    let read = input.lock().read_line(&mut line).context("no password came")?;
    if hidden.is_some() {
        eprintln!();
    }
    anyhow::ensure!(read > 0, "no password came: type it, or give it as a line on standard input");
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While this is kept, a terminal does not show what is typed.
struct Hidden(Option<Termios>);

impl Hidden {
    fn new() -> Hidden {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(mut without) = before.clone() {
            without.local_modes.remove(LocalModes::ECHO);
            // A terminal that cannot do that shows it.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &without);
        }
        Hidden(before)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
