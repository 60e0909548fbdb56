//! `purser replay --update`: shows what would change, by groups of equal changes, and writes what is agreed to.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::Tally;
use super::show::harmless;
use crate::cli::terminal::printable;
use crate::recording::update::{Group, edits, rewritten};
use crate::recording::{Recording, Step};

/// So many places of a group are shown.
const SHOWN: usize = 5;

/// Shows the groups and asks about each; ends as a run does whose files are as they are then.
pub fn run(groups: Vec<Group>, tally: Tally, yes: bool) -> anyhow::Result<ExitCode> {
    if groups.is_empty() {
        return Ok(tally.code());
    }
    let all: usize = groups.iter().map(|group| group.places.len()).sum();
    println!("\n{all} expectations could be brought up to date, in {} groups of equal changes\n", groups.len());
    let mut agreed = Vec::new();
    let mut rest = false;
    let count = groups.len();
    for (number, group) in groups.into_iter().enumerate() {
        show(number + 1, count, &group);
        let answer = if yes || rest { Reply::Yes } else { ask()? };
        match answer {
            Reply::Yes => agreed.push(group),
            Reply::All => {
                rest = true;
                agreed.push(group);
            }
            Reply::No => {}
            Reply::Quit => break,
        }
    }
    // A file may be named twice, and a link stays one.
    for place in agreed.iter_mut().flat_map(|group| &mut group.places) {
        if let Ok(real) = place.file.canonicalize() {
            place.file = real;
        }
    }
    let edits = edits(&agreed);
    let mut paths: Vec<_> = edits.keys().copied().collect();
    paths.sort();
    let (mut files, mut missed) = (0, HashSet::new());
    for path in paths {
        let left = write(path, &edits[path])?;
        files += usize::from(left.len() < edits[path].len());
        missed.extend(left.into_iter().map(|line| (path, line)));
    }
    let places = agreed.iter().flat_map(|group| &group.places);
    let written = places.filter(|place| !missed.contains(&(place.file.as_path(), place.line))).count();
    println!("{written} expectations written in {files} files; run it again to see what is left");
    Ok(if written == all && tally.unreadable == 0 { ExitCode::SUCCESS } else { tally.code() })
}

/// What somebody says to a group.
enum Reply {
    Yes,
    No,
    All,
    Quit,
}

fn ask() -> anyhow::Result<Reply> {
    print!("write this? [y]es, [n]o, [a]ll from here on, [q]uit: ");
    io::stdout().flush()?;
    let mut line = String::new();
    // The end of the input agrees to nothing.
    if io::stdin().lock().read_line(&mut line)? == 0 {
        println!();
        return Ok(Reply::Quit);
    }
    println!();
    Ok(match line.trim() {
        "y" | "yes" => Reply::Yes,
        "a" | "all" => Reply::All,
        "q" | "quit" => Reply::Quit,
        _ => Reply::No,
    })
}

fn show(number: usize, of: usize, group: &Group) {
    let steps = if group.places.len() == 1 { "1 step".to_owned() } else { format!("{} steps", group.places.len()) };
    println!("{number} of {of}, {steps}");
    for line in harmless(&group.change).to_string().lines() {
        println!("  {line}");
    }
    for place in group.places.iter().take(SHOWN) {
        println!("    {}:{}: {}", place.file.display(), place.line, printable(&place.said));
    }
    if group.places.len() > SHOWN {
        println!("    and {} more", group.places.len() - SHOWN);
    }
    println!();
}

/// Writes a file anew, beside it first, so that it is never half there. Gives the lines of the steps that stay as they are.
fn write(path: &Path, steps: &HashMap<u32, Step>) -> anyhow::Result<Vec<u32>> {
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let (written, missed) = rewritten(&text, steps);
    for line in &missed {
        println!("{shown}:{line}: this step does not begin with a dash on its line, and is left as it is");
    }
    if !is_meant(&shown, (&text, &written), steps, &missed) {
        println!("{shown}: steps share lines with something else here, and all of it is left as it is");
        return Ok(steps.keys().copied().collect());
    }
    if written != text {
        replace(path, &written).with_context(|| format!("cannot write {shown}"))?;
    }
    Ok(missed)
}

/// Whether the file says the same as before but for these steps.
fn is_meant(name: &str, (before, after): (&str, &str), steps: &HashMap<u32, Step>, missed: &[u32]) -> bool {
    let read = |text: &str| Recording::parse_any(name, text.strip_prefix('\u{feff}').unwrap_or(text)).ok();
    let (Some(mut before), Some(mut after)) = (read(before), read(after)) else { return false };
    let all = |recordings: &mut Vec<Recording>, change: &dyn Fn(&mut Step)| {
        recordings.iter_mut().flat_map(|recording| &mut recording.conversation).for_each(change);
    };
    all(&mut before, &|step| {
        if let Some(new) = steps.get(&step.line).filter(|_| !missed.contains(&step.line)) {
            step.answer.clone_from(&new.answer);
        }
        step.line = 0;
    });
    all(&mut after, &|step| step.line = 0);
    before == after
}

/// Puts a text in the place of a file's, whom else may read it stays as it is.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let permissions = fs::metadata(path)?.permissions();
    let mut file = File::options().write(true).create_new(true).open(&beside)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| file.set_permissions(permissions));
    let done = done.and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}
