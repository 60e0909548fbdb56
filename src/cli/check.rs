//! `purser check`: loads everything and prints all that is wrong with it.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::config::Config;
use crate::content;

/// What `purser check` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

/// Ends with 1 if something is in error.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let loaded = content::load(&crate::app::folders(config), &content::Good::default());
    let findings = loaded.all_findings();
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len() - errors;
    let code = if errors > 0 || loaded.snapshot.is_none() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    let mut out = io::stdout().lock();
    let snapshot = loaded.snapshot.as_deref();
    if options.json {
        let faq = snapshot.map(|snapshot| &snapshot.faq);
        let object = json!({
            "revision": snapshot.map(|snapshot| &*snapshot.revision),
            "languages": faq.map(|faq| faq.languages()).unwrap_or_default(),
            "entries": faq.map_or(0, |faq| faq.entries()),
            "phrases": faq.map_or(0, |faq| faq.phrases()),
            "plugins": snapshot.map(|snapshot| snapshot.plugins.iter().map(|plugin| plugin.name()).collect::<Vec<_>>()),
            "errors": errors,
            "warnings": warnings,
            "findings": findings,
        });
        writeln!(out, "{object}")?;
        return Ok(code);
    }
    for finding in &findings {
        writeln!(out, "{finding}\n")?;
    }
    if let Some(snapshot) = snapshot {
        let faq = &snapshot.faq;
        let languages = faq.languages().join(", ");
        writeln!(
            out,
            "content {}: {} entries, {} phrases in {languages}",
            snapshot.revision,
            faq.entries(),
            faq.phrases()
        )?;
    }
    match (errors, warnings) {
        (0, 0) => writeln!(out, "everything is as it should be")?,
        (errors, warnings) => writeln!(out, "errors: {errors}, warnings: {warnings}")?,
    }
    Ok(code)
}
