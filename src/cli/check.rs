//! `purser check`: loads everything and prints all that is wrong with it.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::config::{Config, Outside};
use crate::content;
use crate::finding::Finding;
use crate::responders::script::Plugin;
use crate::yaml;

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
    let mut findings = loaded.all_findings();
    if let Some(snapshot) = &loaded.snapshot {
        let outside = &config.outside;
        findings.extend(snapshot.plugins.iter().flat_map(|plugin| not_there(plugin, outside)));
    }
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

/// A warning for each source and action of a plugin that purser.yaml does not have. It may be meant so: the plugin answers
/// what it can. Without any at all the demo's are there.
fn not_there(plugin: &Plugin, outside: &Outside) -> Vec<Finding> {
    if outside.is_empty() {
        return Vec::new();
    }
    let manifest = plugin.manifest();
    let file = plugin.file("plugin.yaml");
    let missing = |what: &str, name: &String, known: Vec<&str>| {
        (!known.contains(&name.as_str())).then(|| {
            let finding = Finding::warning(&file, format!("purser.yaml has no {what} `{name}`"));
            match yaml::nearest(name, known) {
                Some(meant) => finding.hint(format!("did you mean `{meant}`?")),
                None => finding.hint(format!("describe it there under `{what}s`, or the plugin does without it")),
            }
        })
    };
    let sources = || outside.sources.keys().map(String::as_str).collect();
    let actions = || outside.actions.keys().map(String::as_str).collect();
    let sources = manifest.sources.iter().filter_map(|name| missing("source", name, sources()));
    sources.chain(manifest.actions.iter().filter_map(|name| missing("action", name, actions()))).collect()
}
