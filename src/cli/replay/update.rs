//! `purser replay --update`: shows what would change, by groups of equal changes, and writes what is agreed to.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use super::Tally;
use crate::recording::update::{Group, edits, rewritten};

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
    let written: usize = agreed.iter().map(|group| group.places.len()).sum();
    let mut files = 0;
    let edits = edits(&agreed);
    let mut paths: Vec<_> = edits.keys().copied().collect();
    paths.sort();
    for path in paths {
        write(path, &edits[path])?;
        files += 1;
    }
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
    for line in group.change.to_string().lines() {
        println!("  {line}");
    }
    for place in group.places.iter().take(SHOWN) {
        println!("    {}:{}: {}", place.file.display(), place.line, place.said);
    }
    if group.places.len() > SHOWN {
        println!("    and {} more", group.places.len() - SHOWN);
    }
    println!();
}

/// Writes a file anew, beside it first, so that it is never half there.
fn write(path: &Path, steps: &std::collections::HashMap<u32, crate::recording::Step>) -> anyhow::Result<()> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let (text, missed) = rewritten(&text, steps);
    for line in missed {
        println!("{shown}:{line}: this step does not begin with a dash on its line, and is left as it is");
    }
    let beside = path.with_extension("new");
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).with_context(|| format!("cannot write {shown}"))
}
