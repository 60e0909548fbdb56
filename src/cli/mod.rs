//! The command line. Each arm of [`run`] is one call of one file here.
//!
//! Exit codes: 0, 1 for an error or for what a command is there to find (findings, failed recordings), 2 for a wrong
//! use.

pub mod agent;
pub mod ask;
pub mod backup;
pub mod chat;
pub mod check;
pub mod compare;
pub mod content;
pub mod convert;
pub mod coverage;
pub mod demo;
pub mod gaps;
pub mod import;
pub mod init;
pub mod moving;
pub mod plugin;
pub mod record;
pub mod replay;
pub mod serve;
mod terminal;
mod traffic;
pub mod visitor;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime::{Builder, Runtime};

use crate::clock::Clock;
use crate::config::{self, Config, Flags};
use crate::content::{Good, Snapshot};
use crate::log;
use crate::responders::Turn;
use crate::responders::pipeline::Step;

/// The chat desk of a website: answers from FAQ files and scripts, keeps every message, calls a person when it should.
#[derive(Debug, Parser)]
#[command(
    name = "purser",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
        purser                                    serve on http://127.0.0.1:8080, data in ./purser.db\n  \
        purser init my-site                       write a starter set for a new site\n  \
        purser chat --why                         try the answers in the terminal\n  \
        purser check                              is everything in faq/ and plugins/ as it should be?\n  \
        purser --listen 0.0.0.0:80 --database mysql://purser:secret@db/purser\n\n\
        Settings come from purser.yaml, PURSER_* variables and these options; the later wins.\n\
        `purser COMMAND --help` shows more examples."
)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command that reads content takes.
#[derive(Debug, Default, Args)]
struct Common {
    /// Read this file instead of purser.yaml
    #[arg(long, value_name = "FILE", global = true, env = "PURSER_CONFIG", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// The folder with the questions and answers [default: faq]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Settings")]
    faq: Option<String>,
    /// The folder with the plugins [default: plugins]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Settings")]
    plugins: Option<String>,
    /// What is logged on standard error: a level, or pairs such as purser=debug,info [default: info]
    #[arg(long, value_name = "LEVEL", global = true, help_heading = "Settings")]
    log: Option<String>,
}

/// What only the server takes.
#[derive(Debug, Default, Args)]
struct Server {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Settings of the server")]
    listen: Option<String>,
    /// Where conversations are kept: sqlite://FILE or mysql://USER:PASSWORD@HOST/DATABASE [default:
    /// sqlite://purser.db]
    #[arg(long, value_name = "URL", help_heading = "Settings of the server")]
    database: Option<String>,
    /// A folder whose pages and lines replace the built-in ones
    #[arg(long, value_name = "DIR", help_heading = "Settings of the server")]
    templates: Option<String>,
    /// What connects several nodes on one MariaDB: redis://HOST:6379, or redis+sentinel://HOST:26379,HOST:26379/NAME
    #[arg(long, value_name = "URL", help_heading = "Settings of the server")]
    redis: Option<String>,
    /// `off` leaves out the limits of visitors and addresses, for measuring on this machine
    #[arg(long, value_name = "off", help_heading = "Settings of the server")]
    limits: Option<String>,
    /// Send back on /ws/echo what comes, for trying the WebSocket itself
    #[arg(long, hide = true)]
    test_echo: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (what `purser` alone does)
    #[command(after_help = "Examples:\n  \
        purser serve --listen 0.0.0.0:8080\n  \
        purser serve --database mysql://purser:secret@127.0.0.1/purser\n  \
        PURSER_DATABASE=sqlite:///var/lib/purser/purser.db purser serve --config /etc/purser.yaml\n\n\
        Ctrl-C or SIGTERM stops it when the work under way is done; a second one stops it at once.")]
    Serve(Server),
    /// Load everything and print all that is wrong with it
    #[command(after_help = "Examples:\n  \
        purser check\n  \
        purser check --faq new-faq --json | jq .findings\n\n\
        Ends with 1 if there is an error, so that a build can stop there. No store is touched.")]
    Check(check::Options),
    /// Chat with purser in the terminal
    #[command(after_help = "Examples:\n  \
        purser chat --why\n  \
        purser chat --lang de\n  \
        echo 'where is my parcel?' | purser chat\n\n\
        A number presses a button of the answer before. Ctrl-D ends. Nothing is kept without --database.")]
    Chat(chat::Options),
    /// Answer questions from standard input, one a line, each by itself
    #[command(after_help = "Examples:\n  \
        echo 'do you deliver on saturdays?' | purser ask\n  \
        purser ask --json < questions.txt > answers.jsonl\n  \
        purser ask --why --lang de\n\n\
        With --json each line of the output is an object: text, language, outcome (answer, ask, suggest, pass or\n\
        handover), responder, entry, suggestions, score, lookups, numbers (of parcels: compact, carrier), micros. No\n\
        store is touched.")]
    Ask(ask::Options),
    /// Replay recorded conversations against the content of today
    #[command(after_help = "Examples:\n  \
        purser replay tests/conversations\n  \
        purser replay saturday.yaml --faq new-faq\n  \
        purser replay tests --junit results.xml\n  \
        purser replay tests --update\n  \
        purser replay tests --server https://shop.example\n\n\
        Ends with 1 if an answer is not as it must be, and with 2 if a file is no recording. No store is touched.")]
    Replay(replay::Options),
    /// Write stored conversations as recordings, without what leads to a person
    #[command(after_help = "Examples:\n  \
        purser record 01932c5e-7b1a-7f00-8000-000000000001 > lost-parcel.yaml\n  \
        purser record --since 7d --to tests/recorded --expect entry\n\n\
        Names, e-mail, telephone and parcel numbers and addresses are replaced by invented ones of the same shape, the\n\
        same for the same; what is doubtful is listed on standard error for a look. What plugins looked up is written\n\
        too, so that a replay needs no source. The store is only read.")]
    Record(record::Options),
    /// Turn conversations of Rasa, Botium and Bot Framework into recordings, or recordings into transcripts
    #[command(after_help = "Examples:\n  \
        purser convert tests/test_stories.yml --to tests/from-rasa\n  \
        purser convert convos --to tests/from-botium\n  \
        purser convert tests/conversations --to out --format transcript\n\n\
        Reads Rasa stories and tests (YAML, and Markdown of Rasa 1), Botium .convo.txt with utterances and scripting\n\
        memory beside them, Bot Framework .transcript and .chat. `purser replay` reads them, too. What a recording has no\n\
        words for is listed with file and line.")]
    Convert(convert::Options),
    /// Show what of the content no question reaches, and which entries get into each other's way
    #[command(after_help = "Examples:\n  \
        purser coverage tests/conversations\n  \
        purser coverage tests/conversations --at-least 80\n  \
        purser coverage --since 30d --all\n\n\
        Entries, phrases, functions of plugins and responders that no question reaches; with --since: that no customer's\n\
        question does. Ends with 1 if an entry answers questions that are another one's by their recordings, or if fewer\n\
        entries are reached than --at-least says, and with 2 if a file is no recording. The store is only read.")]
    Coverage(coverage::Options),
    /// Show what customers asked in vain, alike questions together, with entries to paste
    #[command(after_help = "Examples:\n  \
        purser gaps\n  \
        purser gaps --since 7d --limit 5\n  \
        purser gaps --json | jq -r '.gaps[].entry'\n\n\
        In vain is what nothing answered, what got a thumb down and what ended with a person. What the content of today\n\
        answers is left out. The store is only read.")]
    Gaps(gaps::Options),
    /// Show which recorded questions changed content would answer differently
    #[command(after_help = "Examples:\n  \
        purser compare                            the folders against what is in force, 30 days of questions\n  \
        purser compare --faq new-faq --since 7d --html report.html\n  \
        purser compare --revision a1b2c3 --json\n  \
        purser compare tests/conversations --before ../main\n\n\
        Each customer's message is answered from its own recorded past, once by the content in force and once by the\n\
        changed content. What plugins looked up is in the log; no source is asked. Ends with 1 if an answer would\n\
        change, and with 2 if one side cannot be loaded. The store is only read.")]
    Compare(compare::Options),
    /// Show the content sets that went live, and go back to one
    #[command(after_help = "Examples:\n  \
        purser content list\n  \
        purser content show a1b2c3 faq/en/shipping.yaml\n  \
        purser content rollback a1b2c3")]
    Content(content::Options),
    /// Put the demo's parcels into a database, to track them
    #[command(after_help = "Examples:\n  \
        purser demo\n  \
        purser demo --database mysql://purser:secret@127.0.0.1/purser\n\n\
        Without any configuration purser has these parcels anyway, in memory. This makes the tables demo_shipments and\n\
        demo_events anew; they are asked as long as purser.yaml has no sources. Their days count from today.")]
    Demo(demo::Options),
    /// Take everything from one database into another
    #[command(after_help = "Examples:\n  \
        purser move --from sqlite://purser.db --to mysql://purser:secret@127.0.0.1/purser\n  \
        PURSER_DATABASE=mysql://purser:secret@127.0.0.1/purser purser move --from sqlite://purser.db\n\n\
        Stop every server on both before. The old database is only read. A move that is interrupted leaves a new one\n\
        on which no server starts; the same command again begins anew.")]
    Move(moving::Options),
    /// Take over the conversations of an earlier chat
    #[command(after_help = "Examples:\n  \
        purser import django --from sqlite://db.sqlite3 --dry-run\n  \
        purser import django --help\n\n\
        With SQLite stop the server before; with MariaDB it may run.")]
    Import(import::Options),
    /// Write everything into a file, while purser runs
    #[command(after_help = "Examples:\n  \
        purser backup purser-2026-11-25.backup\n  \
        purser backup site.backup --database mysql://purser:secret@127.0.0.1/purser\n\n\
        All is as it was at one moment. The file may be restored to SQLite or MariaDB, whichever it comes from, and has\n\
        what customers said: keep it as you keep the database. Sessions of agents are left out.")]
    Backup(backup::Backup),
    /// Fill a database from a backup
    #[command(after_help = "Examples:\n  \
        purser restore purser-2026-11-25.backup\n  \
        purser restore site.backup --replace --database mysql://purser:secret@127.0.0.1/purser\n\n\
        Stop every server on it before. The backup is checked as a whole before anything is touched. A restore that is\n\
        interrupted leaves a database on which no server starts; the same command again begins anew.")]
    Restore(backup::Restore),
    /// Make and change the accounts of the people who answer at /agent
    #[command(after_help = "Examples:\n  \
        purser agent add anna --name 'Anna B.'\n  \
        purser agent add bob --role admin < password.txt\n  \
        purser agent list\n  \
        purser agent disable anna\n\n\
        Works while purser runs. A password has at least 10 characters; a new one, or none, ends all sessions.")]
    Agent(agent::Options),
    /// Give out or delete what is stored of one visitor
    #[command(after_help = "Examples:\n  \
        purser visitor export --customer 4711 > 4711.json\n  \
        purser visitor erase --customer 4711\n  \
        purser visitor erase --conversation 01932c5e-7b1a-7f00-8000-000000000001\n\n\
        Works while purser runs: every tab and node hears of a deletion. It cannot be undone.")]
    Visitor(visitor::Options),
    /// Begin plugins, test them, list them
    #[command(after_help = "Examples:\n  \
        purser plugin new returns\n  \
        purser plugin test returns --watch\n  \
        purser plugin list\n\n\
        A test is a conversation in tests.yaml beside the script, with what sources say in it. No store is touched.")]
    Plugin(plugin::Options),
    /// Write a starter set for a new site
    #[command(after_help = "Examples:\n  \
        purser init my-site && cd my-site && purser\n\n\
        Nothing that is there already is overwritten.")]
    Init(init::Options),
    /// Print the completions for a shell
    #[command(after_help = "Examples:\n  \
        purser completions bash > ~/.local/share/bash-completion/completions/purser\n  \
        purser completions zsh > ~/.zfunc/_purser\n  \
        purser completions fish > ~/.config/fish/completions/purser.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs the command.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { common, server, command } = cli;
    let command = match command {
        None => Command::Serve(server),
        Some(Command::Serve(own)) => Command::Serve(own.or(server)),
        Some(command) => {
            server.refuse();
            command
        }
    };
    match command {
        Command::Serve(server) => {
            let test_echo = server.test_echo;
            let config = common.load(server.flags(), None)?;
            serve::run(Config { test_echo, ..config })
        }
        Command::Check(options) => check::run(&common.load(Vec::new(), Some("warn"))?, &options),
        Command::Chat(options) => {
            chat::run(&common.load(options.flags(), Some("warn,purser::content=error"))?, &options)
        }
        Command::Ask(options) => ask::run(&common.load(Vec::new(), Some("warn"))?, &options),
        Command::Replay(options) => replay::run(&common.load(Vec::new(), Some("warn"))?, &options),
        Command::Record(options) => record::run(&common.load(options.place.flags(), Some("warn"))?, &options),
        Command::Gaps(options) => gaps::run(&common.load(options.place.flags(), Some("warn"))?, &options),
        Command::Convert(options) => {
            common.refuse();
            convert::run(&options)
        }
        Command::Coverage(options) => coverage::run(&common.load(options.place.flags(), Some("warn"))?, &options),
        Command::Compare(options) => compare::run(&common.load(options.flags(), Some("warn"))?, &options),
        Command::Content(options) => content::run(&common.load(options.flags(), Some("warn"))?, &options),
        Command::Agent(options) => agent::run(&common.load(options.site.flags(), Some("warn"))?, &options),
        Command::Demo(options) => demo::run(&common.load(options.flags(), Some("warn"))?),
        Command::Import(options) => import::run(&common.load(options.flags(), Some("warn"))?, &options),
        Command::Move(options) => moving::run(&common.load(options.flags(), Some("warn"))?, &options),
        Command::Backup(options) => backup::run(&common.load(options.flags(), Some("warn"))?, &options),
        Command::Restore(options) => backup::restore(&common.load(options.flags(), Some("warn"))?, &options),
        Command::Visitor(options) => visitor::run(&common.load(options.site.flags(), Some("warn"))?, &options),
        Command::Plugin(options) => plugin::run(&common.load(Vec::new(), Some("warn"))?, &options),
        Command::Init(options) => {
            common.refuse();
            init::run(&options)
        }
        Command::Completions { shell } => {
            common.refuse();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "purser", &mut script);
            io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Whether a command ended because nobody reads its output any more.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl Common {
    /// The configuration, with logging started as it says; `quiet` is the level to log at when it says nothing.
    fn load(self, mut flags: Vec<(&'static str, String)>, quiet: Option<&str>) -> anyhow::Result<Config> {
        let file = self.config.clone();
        flags.extend(self.flags());
        // Names and values that are not Unicode are none of ours.
        let env =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let env: Vec<(String, String)> = env.collect();
        let names: Vec<String> = env.iter().map(|(name, _)| name.clone()).collect();
        let config = Config::load(file.as_deref(), env, &Flags(flags))
            .map_err(|error| anyhow::anyhow!("the configuration cannot be used\n{error}"))?;
        let level = quiet.filter(|_| config.log == Config::default().log).unwrap_or(&config.log);
        log::start(level, config.log_format)?;
        for warning in config::unknown_variables(names) {
            tracing::warn!("{warning}");
        }
        Ok(config)
    }

    fn flags(self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [("faq", self.faq), ("plugins", self.plugins), ("log", self.log)];
        all.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }

    /// Where a setting would do nothing, it is refused. (`--config` may come from the environment.)
    fn refuse(self) {
        if let Some((flag, _)) = self.flags().next() {
            let message = format!("--{flag} does nothing with this command");
            Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
    }
}

impl Server {
    fn flags(self) -> Vec<(&'static str, String)> {
        let all = [
            ("listen", self.listen),
            ("database", self.database),
            ("templates", self.templates),
            ("redis", self.redis),
            ("limits", self.limits),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// `purser --listen … serve` is `purser serve --listen …`.
    fn or(self, before: Server) -> Server {
        Server {
            listen: self.listen.or(before.listen),
            database: self.database.or(before.database),
            templates: self.templates.or(before.templates),
            redis: self.redis.or(before.redis),
            limits: self.limits.or(before.limits),
            test_echo: self.test_echo || before.test_echo,
        }
    }

    /// An option of the server before another command would do nothing, so it is refused.
    fn refuse(self) {
        if let Some((flag, _)) = self.flags().first() {
            let message = format!("--{flag} stands before the command and is an option of `serve`");
            Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
    }
}

/// Where a site keeps everything, for a command that works beside its server.
#[derive(Debug, Args)]
pub struct SiteDatabase {
    /// The database [default: that of purser.yaml, or sqlite://purser.db]
    // Under the server's own name it would be taken for one of the server.
    #[arg(long, id = "store", value_name = "URL", global = true)]
    database: Option<String>,
}

impl SiteDatabase {
    /// What the option sets.
    fn flags(&self) -> Vec<(&'static str, String)> {
        self.database.iter().map(|url| ("database", url.clone())).collect()
    }
}

/// A runtime for a command that does one thing at a time.
fn small_runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

/// What a command without a store works on: the content as it lies in the folders. Errors in it are printed to
/// standard error; without usable content there is nothing to do.
fn load_content(config: &Config) -> anyhow::Result<Arc<Snapshot>> {
    let loaded = crate::content::load(&crate::app::folders(config), &Good::default());
    let errors = || loaded.findings.iter().filter(|finding| finding.is_error());
    for finding in errors() {
        eprintln!("{finding}\n");
    }
    let snapshot = loaded.snapshot.clone().context("there is no content to answer from")?;
    if errors().next().is_some() {
        eprintln!("going on without what is in error; `purser check` shows everything\n");
    }
    Ok(snapshot)
}

/// A turn of its own, outside of any conversation.
fn turn(text: &str, choice: Option<String>, languages: &[Option<&str>]) -> Turn {
    Turn {
        text: text.into(),
        choice: choice.map(Arc::from),
        languages: languages.iter().flatten().map(|language| Arc::from(*language)).collect(),
        now: Clock::System.now(),
        ..Turn::default()
    }
}

/// "faq: reply delivery-options, …": the same whenever it is run.
fn steps(steps: &[Step]) -> String {
    steps.iter().map(|step| format!("{}: {}", step.responder, step.said)).collect::<Vec<_>>().join(", ")
}

/// "faq: reply delivery-options (12 µs), …".
fn trace(steps: &[Step]) -> String {
    let step = |step: &Step| format!("{}: {} ({} µs)", step.responder, step.said, step.micros);
    steps.iter().map(step).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_the_server_may_stand_before_or_after_serve() {
        let flags = |line: &str| {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            match cli.command {
                None => cli.server.flags(),
                Some(Command::Serve(own)) => own.or(cli.server).flags(),
                Some(_) => panic!("another command"),
            }
        };
        assert_eq!(flags("purser"), []);
        for line in ["purser --listen a:1", "purser serve --listen a:1", "purser --listen a:1 serve"] {
            assert_eq!(flags(line), [("listen", "a:1".to_owned())]);
        }
        assert_eq!(flags("purser --listen a:1 serve --listen b:1"), [("listen", "b:1".to_owned())]);
    }

    #[test]
    fn every_option_of_a_setting_is_a_key() {
        for flag in ["listen", "database", "redis", "templates", "faq", "plugins", "log"] {
            assert!(config::KEYS.contains(&flag), "{flag}");
        }
    }
}
