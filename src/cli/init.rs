//! `purser init`: a starter set for a new site.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

macro_rules! starter {
    ($path:literal) => {
        ($path, include_str!(concat!("../../templates/starter/", $path)))
    };
}

/// Path in the new folder, and text.
const STARTER: &[(&str, &str)] = &[
    starter!("purser.yaml"),
    starter!("faq/facts.yaml"),
    starter!("faq/en/questions.yaml"),
    starter!("faq/en/small-talk.yaml"),
    starter!("plugins/README.md"),
    // With it, editors complete and check the files above.
    ("faq/schema.json", include_str!("../../faq/schema.json")),
];

/// What `purser init` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// The folder; made if it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes all or nothing: what is there already is left alone.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let dir = &options.dir;
    let there: Vec<&str> = STARTER.iter().map(|(path, _)| *path).filter(|path| dir.join(path).exists()).collect();
    if !there.is_empty() {
        bail!("{} has {} already, and nothing is overwritten; name another folder", dir.display(), there.join(", "));
    }
    let mut out = io::stdout().lock();
    for (path, text) in STARTER {
        let file = dir.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let written = File::create_new(&file).and_then(|mut new| new.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", file.display()))?;
        writeln!(out, "  {}", file.display())?;
    }
    let enter = if dir.as_os_str() == "." { String::new() } else { format!("cd {} && ", dir.display()) };
    writeln!(
        out,
        "\nTry it:      {enter}purser chat\nServe it:    {enter}purser\nEdit it:     faq/en/*.yaml; a saved change is live within a second"
    )?;
    Ok(ExitCode::SUCCESS)
}
