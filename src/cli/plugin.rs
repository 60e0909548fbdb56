//! `purser plugin`: begins plugins, tests them, lists them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};

use super::replay::write_failures;
use super::small_runtime;
use crate::config::Config;
use crate::content::trial::{self, Trial};
use crate::content::{self, Folders};
use crate::responders::script::manifest::is_name;

/// How often `--watch` looks for changes.
const LOOK: Duration = Duration::from_millis(300);

/// Path in the new folder, and text.
const TEMPLATE: [(&str, &str); 3] = [
    ("plugin.yaml", include_str!("../../templates/plugin/plugin.yaml")),
    ("main.rhai", include_str!("../../templates/plugin/main.rhai")),
    ("tests.yaml", include_str!("../../templates/plugin/tests.yaml")),
];

/// What `purser plugin` takes.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a plugin that works at once, with its test
    New {
        /// Its name: small letters, digits, - and _
        name: String,
    },
    /// Run the tests of the plugins, or of one
    Test {
        /// The plugin
        name: Option<String>,
        /// Run them again whenever a file changes
        #[arg(long)]
        watch: bool,
    },
    /// List the plugins
    List,
}

/// Ends with 1 if a test fails, or a plugin cannot be loaded.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let folders = crate::app::folders(config);
    match &options.command {
        Command::New { name } => new(&folders, name),
        Command::Test { name, watch: false } => test(&folders, name.as_deref()),
        Command::Test { name, watch: true } => watch(&folders, name.as_deref()),
        Command::List => list(&folders),
    }
}

fn new(folders: &Folders, name: &str) -> anyhow::Result<ExitCode> {
    ensure!(
        is_name(name),
        "`{name}` cannot be a plugin's name: it begins with a small letter, then small letters, digits, - and _"
    );
    ensure!(!["lib", "faq", "plugins", "person"].contains(&name), "`{name}` is a name that purser itself uses");
    let folder = folders.plugins.join(name);
    if folder.exists() {
        bail!("{} is there already, and nothing is overwritten", folder.display());
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut out = io::stdout().lock();
    for (file, text) in TEMPLATE {
        let path = folder.join(file);
        let text = text.replace("NAME_KEY", &format!("{plain}_name")).replace("WORD", &format!("ping{plain}"));
        let written = File::create_new(&path).and_then(|mut new| new.write_all(text.replace("NAME", name).as_bytes()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(out, "  {}", path.display())?;
    }
    writeln!(out, "\nTest it:     purser plugin test {name} --watch")?;
    writeln!(out, "Try it:      echo ping{plain} | purser ask --why")?;
    writeln!(out, "Serve it:    a running server has it within a second of saving")?;
    Ok(ExitCode::SUCCESS)
}

fn test(folders: &Folders, name: Option<&str>) -> anyhow::Result<ExitCode> {
    let trials = small_runtime()?.block_on(trial::all(folders, name));
    let trials = match trials {
        Ok(trials) => trials,
        Err(findings) => {
            findings.iter().for_each(|finding| eprintln!("{finding}\n"));
            bail!("the plugins cannot be tested without usable content");
        }
    };
    if let Some(name) = name
        && trials.is_empty()
    {
        bail!("there is no plugin {name} in {}", folders.plugins.display());
    }
    let mut out = io::stdout().lock();
    let (mut passed, mut failed) = (0, 0);
    for trial in &trials {
        let (good, bad) = write_trial(&mut out, trial)?;
        passed += good;
        failed += bad;
    }
    writeln!(out, "\n{} plugins: {passed} tests passed, {failed} failed", trials.len())?;
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes what came of a plugin's tests. A plugin that does not load counts as one that failed.
fn write_trial(out: &mut impl Write, trial: &Trial) -> io::Result<(usize, usize)> {
    let tests = match &trial.outcome {
        Ok(tests) => tests,
        Err(findings) => {
            writeln!(out, "failed  {}", trial.name)?;
            findings.iter().try_for_each(|finding| writeln!(out, "{finding}\n"))?;
            return Ok((0, 1));
        }
    };
    let mut failed = 0;
    for test in tests {
        let about = test.recording.about.as_deref().unwrap_or("a test").trim();
        if test.replayed.is_ok() {
            writeln!(out, "ok      {}: {about}", trial.name)?;
            continue;
        }
        failed += 1;
        writeln!(out, "failed  {}", trial.name)?;
        write_failures(out, &trial.tests, &test.recording, &test.replayed)?;
        for turned in test.replayed.turns.iter().filter(|turned| !turned.failures.is_empty()) {
            if let Some(by) = turned.answered_before(&trial.name) {
                writeln!(out, "    \"{}\": {by} answered before `{}` was asked", turned.said, trial.name)?;
            }
        }
    }
    Ok((tests.len() - failed, failed))
}

/// Tests whenever something changed, until somebody ends it.
fn watch(folders: &Folders, name: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut seen = None;
    loop {
        let now = Some(content::on_disk(folders));
        if now != seen {
            seen = now;
            if let Err(error) = test(folders, name) {
                eprintln!("{error:#}");
            }
            println!("\nwaiting for changes, Ctrl-C ends");
        }
        std::thread::sleep(LOOK);
    }
}

fn list(folders: &Folders) -> anyhow::Result<ExitCode> {
    let loaded = content::load(folders, &content::Good::default());
    let live = loaded.snapshot.as_ref().map(|snapshot| snapshot.plugins.as_slice()).unwrap_or_default();
    let mut out = io::stdout().lock();
    for plugin in live {
        let manifest = plugin.manifest();
        let off = if folders.asks(plugin.name()) { "" } else { " (off)" };
        writeln!(out, "{:<20} order {:>4}  {}{off}", plugin.name(), manifest.order, manifest.about)?;
        if !manifest.sources.is_empty() {
            writeln!(out, "{:<20} sources {}", "", manifest.sources.join(", "))?;
        }
    }
    let root = folders.plugins.display().to_string();
    let errors: Vec<_> =
        loaded.findings.iter().filter(|found| found.is_error() && found.file.starts_with(&root)).collect();
    for finding in &errors {
        writeln!(out, "\n{finding}")?;
    }
    if live.is_empty() && errors.is_empty() {
        writeln!(out, "there are no plugins in {root}; `purser plugin new NAME` writes one")?;
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
