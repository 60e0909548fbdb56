//! What came of recordings, for a person.

use std::io::{self, Write};

use super::{Played, Tally};
use crate::cli::steps;
use crate::cli::terminal::printable;
use crate::recording::{Failure, Recording, Replayed, diff};

/// The narrowest column of two beside each other.
const NARROWEST: usize = 30;
/// The widest.
const WIDEST: usize = 60;

/// How much a terminal can show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Whether there are colours.
    coloured: bool,
    /// The width of a column when both sides stand beside each other.
    column: Option<usize>,
}

impl Look {
    /// What standard output can show.
    pub fn of_terminal(is_terminal: bool) -> Look {
        if !is_terminal {
            return Look::default();
        }
        let coloured = std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        let width = std::env::var("COLUMNS").ok().and_then(|width| width.parse::<usize>().ok()).unwrap_or(100);
        let column = width.saturating_sub(9) / 2;
        Look { coloured, column: (column >= NARROWEST).then_some(column.min(WIDEST)) }
    }

    /// The text in a colour: 31 is red, 32 green, 2 faint.
    fn paint(self, colour: u8, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes what came of a file.
pub fn write(out: &mut impl Write, played: &Played, look: Look) -> anyhow::Result<()> {
    let name = printable(&played.path.display().to_string());
    played.notes.iter().try_for_each(|note| writeln!(out, "{}", note.one_line()))?;
    let recordings = match &played.outcome {
        Ok(recordings) => recordings,
        Err(finding) => return Ok(writeln!(out, "{finding}")?),
    };
    let bad: Vec<_> = recordings.iter().filter(|(_, replayed)| !replayed.is_ok()).collect();
    if bad.is_empty() {
        return Ok(writeln!(out, "{}      {name}", look.paint(32, "ok"))?);
    }
    writeln!(out, "{}  {name}", look.paint(31, "failed"))?;
    for (recording, replayed) in bad {
        write_with(out, &name, recording, replayed, look)?;
    }
    Ok(())
}

/// Writes the numbers.
pub fn write_tally(out: &mut impl Write, tally: Tally) -> io::Result<()> {
    let Tally { ok, failed, unreadable } = tally;
    let all = ok + failed + unreadable;
    writeln!(out, "\n{all} recordings: {ok} ok, {failed} failed, {unreadable} unreadable")
}

/// Writes each message whose answer is not as it must be; `name` is the file.
pub fn write_failures(out: &mut impl Write, name: &str, recording: &Recording, replayed: &Replayed) -> io::Result<()> {
    write_with(out, name, recording, replayed, Look::default())
}

fn write_with(
    out: &mut impl Write,
    name: &str,
    recording: &Recording,
    replayed: &Replayed,
    look: Look,
) -> io::Result<()> {
    if let Some(about) = &recording.about {
        writeln!(out, "  {}", printable(about))?;
    }
    for turned in replayed.turns.iter().filter(|turned| !turned.failures.is_empty()) {
        writeln!(out, "  {name}:{}: {}", turned.line, printable(&turned.said))?;
        for failure in &turned.failures {
            for line in sides(&harmless(failure), look) {
                writeln!(out, "{}", format!("    {line}").trim_end())?;
            }
        }
        if let Some(answered) = &turned.answered {
            writeln!(out, "    {}", look.paint(2, &format!("trace: {}", steps(&answered.trace))))?;
        }
    }
    Ok(())
}

/// The same without what a terminal would obey: a recording may be anybody's.
pub(super) fn harmless(failure: &Failure) -> Failure {
    let Failure { what, expected, got, why } = failure;
    Failure { what, expected: printable(expected), got: printable(got), why: why.as_deref().map(printable) }
}

/// Both sides: of a text beside each other where there is room, else one below the other.
fn sides(failure: &Failure, look: Look) -> Vec<String> {
    if let (Some(column), "text") = (look.column, failure.what) {
        let mut lines = vec![format!("text: {:<column$}   got", "expected", column = column.saturating_sub(6))];
        lines.extend(columns(failure, column, look));
        return lines;
    }
    let shown = failure.to_string();
    let coloured = |line: &str| match line.trim_start() {
        side if side.starts_with("expected ") || side.starts_with("- ") => look.paint(32, line),
        side if side.starts_with("got") || side.starts_with("+ ") => look.paint(31, line),
        _ => line.to_owned(),
    };
    shown.lines().map(coloured).collect()
}

/// The lines of both texts beside each other; lines that differ stand across from each other.
fn columns(failure: &Failure, column: usize, look: Look) -> Vec<String> {
    let mut rows: Vec<(String, String, bool)> = Vec::new();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let flush = |old: &mut Vec<String>, new: &mut Vec<String>, rows: &mut Vec<(String, String, bool)>| {
        for at in 0..old.len().max(new.len()) {
            let side = |lines: &Vec<String>| lines.get(at).cloned().unwrap_or_default();
            rows.push((side(old), side(new), true));
        }
        old.clear();
        new.clear();
    };
    for (mark, line) in diff(&failure.expected, &failure.got) {
        match mark {
            '-' => old.extend(wrapped(line, column)),
            '+' => new.extend(wrapped(line, column)),
            _ => {
                flush(&mut old, &mut new, &mut rows);
                rows.extend(wrapped(line, column).into_iter().map(|line| (line.clone(), line, false)));
            }
        }
    }
    flush(&mut old, &mut new, &mut rows);
    let row = |(old, new, differs): (String, String, bool)| {
        let old = format!("{old:<column$}");
        match differs {
            true => format!("{} ┃ {}", look.paint(32, &old), look.paint(31, &new)),
            false => format!("{old} │ {new}"),
        }
    };
    rows.into_iter().map(row).collect()
}

/// A line in pieces of at most so many characters, parted at blanks where there are some.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let taken = pieces.last().map_or(0, |piece| piece.chars().count());
        if taken > 0 && taken + word.trim_end().chars().count() > width {
            pieces.push(String::new());
        }
        for c in word.chars() {
            match pieces.last_mut() {
                Some(piece) if piece.chars().count() < width => piece.push(c),
                _ => pieces.push(c.to_string()),
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_stand_beside_each_other() {
        let failure = Failure {
            what: "text",
            expected: "same\none two three four five".to_owned(),
            got: "same\nother\nmore".to_owned(),
            why: None,
        };
        let shown = sides(&failure, Look { coloured: false, column: Some(12) });
        let expected = [
            "text: expected   got",
            "same         │ same",
            "one two      ┃ other",
            "three four   ┃ more",
            "five         ┃ ",
        ];
        assert_eq!(shown, expected);
    }
}
