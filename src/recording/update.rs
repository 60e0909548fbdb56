//! Writes what is answered today into recordings: groups of equal changes to look at, and the edit of a file, which
//! leaves everything but the steps concerned as it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::write::write_step;
use super::{Expected, Failure, Recording, Replayed, Turned};
use crate::responders::pipeline::Answered;

/// The checks that an update can bring up to date. A button that is not there, or a look-up that nothing answers, is
/// mended by hand.
const CHECKS: [&str; 9] =
    ["outcome", "responder", "entry", "language", "text", "contains", "matches", "buttons", "suggests"];

/// Changes that are alike: the same check, the same before and after.
#[derive(Debug)]
pub struct Group {
    /// The change.
    pub change: Failure,
    /// Where it would be written.
    pub places: Vec<Place>,
}

/// A step whose expectation would be changed.
#[derive(Debug)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line of the step, which names it within its file.
    pub line: u32,
    /// What was said.
    pub said: String,
    /// What came of it, all that can be said of it.
    given: Expected,
    /// The step as it is.
    step: super::Step,
}

/// Collects what could be brought up to date, in the order in which it is met.
#[derive(Debug, Default)]
pub struct Changes {
    groups: Vec<Group>,
    known: HashMap<(&'static str, String, String), usize>,
}

impl Changes {
    /// Takes in what came of a recording of a file.
    pub fn add(&mut self, file: &Path, recording: &Recording, replayed: &Replayed) {
        for turned in &replayed.turns {
            let Turned { line, said, failures, .. } = turned;
            if failures.is_empty() {
                continue;
            }
            let Some(step) = recording.conversation.iter().find(|step| step.line == *line) else { continue };
            let given = match (&turned.answered, &turned.told) {
                (Some(answered), _) => Expected::as_answered(answered),
                (None, Some(told)) => Expected::as_told(told),
                (None, None) => continue,
            };
            for failure in failures.iter().filter(|failure| CHECKS.contains(&failure.what)) {
                let key = (failure.what, failure.expected.clone(), failure.got.clone());
                let at = *self.known.entry(key).or_insert(self.groups.len());
                if at == self.groups.len() {
                    self.groups.push(Group { change: failure.clone(), places: Vec::new() });
                }
                self.groups[at].places.push(Place {
                    file: file.to_owned(),
                    line: *line,
                    said: said.clone(),
                    given: given.clone(),
                    step: step.clone(),
                });
            }
        }
    }

    /// Takes in what another one has collected after this one.
    pub fn join(&mut self, other: Changes) {
        for group in other.groups {
            let key = (group.change.what, group.change.expected.clone(), group.change.got.clone());
            let at = *self.known.entry(key).or_insert(self.groups.len());
            match self.groups.get_mut(at) {
                Some(known) => known.places.extend(group.places),
                None => self.groups.push(group),
            }
        }
    }

    /// The groups, those that concern most steps first.
    pub fn groups(mut self) -> Vec<Group> {
        self.groups.sort_by_key(|group| std::cmp::Reverse(group.places.len()));
        self.groups
    }
}

/// What each file's steps become when these groups are taken over: file → line → step.
pub fn edits(groups: &[Group]) -> HashMap<&Path, HashMap<u32, super::Step>> {
    let mut edits: HashMap<&Path, HashMap<u32, super::Step>> = HashMap::new();
    for group in groups {
        for place in &group.places {
            let steps = edits.entry(&place.file).or_default();
            let step = steps.entry(place.line).or_insert_with(|| place.step.clone());
            let before = step.answer.take().unwrap_or_default();
            step.answer = Some(before.updated(&group.change, &place.given));
        }
    }
    edits
}

impl Expected {
    /// All that can be said of an answer.
    fn as_answered(answered: &Answered) -> Expected {
        let message = &answered.message;
        Expected {
            outcome: Some(answered.outcome),
            responder: Some(message.provenance.responder.as_ref().to_owned()),
            entry: message.provenance.entry.as_deref().map(str::to_owned),
            language: message.language.as_deref().map(str::to_owned),
            text: Some(message.text.trim().to_owned()),
            buttons: Some(message.buttons.iter().map(|button| button.text.clone()).collect()),
            suggests: answered.suggested().map(str::to_owned).collect(),
            ..Expected::default()
        }
    }

    /// The same with one check as it came out.
    fn updated(mut self, failure: &Failure, given: &Expected) -> Expected {
        match failure.what {
            "outcome" => self.outcome = given.outcome,
            "responder" => self.responder.clone_from(&given.responder),
            "entry" => self.entry.clone_from(&given.entry),
            "language" => self.language.clone_from(&given.language),
            "text" => self.text.clone_from(&given.text),
            "buttons" => self.buttons = Some(given.buttons.clone().unwrap_or_default()),
            "suggests" => self.suggests.clone_from(&given.suggests),
            "contains" => self.contains.retain(|piece| *piece != failure.expected),
            "matches" => self.matches.retain(|pattern| pattern.0.as_str() != failure.expected),
            _ => {}
        }
        // Whatever is left must still say who answers; of what is told of an errand, what it says.
        if self.entry.is_none() && self.responder.is_none() {
            self.entry.clone_from(&given.entry);
            if self.entry.is_none() {
                self.responder.clone_from(&given.responder);
            }
        }
        if self == Expected::default() {
            self.text.clone_from(&given.text);
        }
        self
    }
}

/// A file's text with these steps (by their lines) written anew. The lines that could not be found come back.
pub fn rewritten(text: &str, steps: &HashMap<u32, super::Step>) -> (String, Vec<u32>) {
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text.lines().collect();
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut missed: Vec<u32> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let Some(step) = steps.get(&number) else {
            out.push(lines[at].to_owned());
            at += 1;
            continue;
        };
        let Some(indent) = dash(lines[at]) else {
            missed.push(number);
            out.push(lines[at].to_owned());
            at += 1;
            continue;
        };
        let mut written = String::new();
        // Writing to a String does not fail.
        let _ = write_step(&mut written, step);
        out.extend(written.lines().map(|line| {
            let line = line.strip_prefix("  ").unwrap_or(line);
            if line.is_empty() { String::new() } else { format!("{}{line}", &lines[at][..indent]) }
        }));
        at = end(&lines, at + 1, indent);
    }
    (out.join(ending) + if text.ends_with('\n') { ending } else { "" }, missed)
}

/// How far the dash of a list's item is indented, if there is one on this line.
fn dash(line: &str) -> Option<usize> {
    let indent = line.len() - line.trim_start_matches(' ').len();
    line[indent..].starts_with("- ").then_some(indent)
}

/// The line after an item whose dash is indented so far: what is indented further belongs to it, also what looks like a
/// comment and may be the last line of a text, but not the blank lines and the comments at its end.
fn end(lines: &[&str], from: usize, indent: usize) -> usize {
    let mut end = from;
    for (at, line) in lines.iter().enumerate().skip(from) {
        let trimmed = line.trim_start_matches(' ');
        let is_within = line.len() - trimmed.len() > indent;
        if trimmed.is_empty() || (trimmed.starts_with('#') && !is_within) {
            continue;
        }
        if !is_within {
            break;
        }
        end = at + 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_steps_concerned_are_written_anew() {
        let text = "\
# about nothing
conversation:
- say: a
  answer:
    text: |
      one

      two

# here it turns
- say: b # stays
";
        let recording = Recording::parse("a.yaml", text).unwrap();
        let mut step = recording.conversation[0].clone();
        step.answer = Some(Expected { entry: Some("greeting".to_owned()), ..Expected::default() });
        let (written, missed) = rewritten(text, &HashMap::from([(3, step)]));
        let expected = "\
# about nothing
conversation:
- say: a
  answer: { entry: greeting }

# here it turns
- say: b # stays
";
        assert_eq!((written.as_str(), missed.as_slice()), (expected, &[][..]));
        // An editor of another system ends its lines otherwise, and they stay so.
        let other = |text: &str| text.replace('\n', "\r\n");
        let step = recording.conversation[0].clone();
        let step = super::super::Step {
            answer: Some(Expected { entry: Some("greeting".to_owned()), ..Expected::default() }),
            ..step
        };
        assert_eq!(rewritten(&other(text), &HashMap::from([(3, step)])).0, other(expected));
    }

    #[test]
    fn a_text_that_ends_like_a_comment_goes_with_its_step() {
        let text = "conversation:\n  - say: a\n    answer:\n      text: |\n        one\n        # two\n  # of the next\n  - say: b\n";
        let mut step = Recording::parse("a.yaml", text).unwrap().conversation[0].clone();
        step.answer = Some(Expected { text: Some("1\n\n2".to_owned()), ..Expected::default() });
        let (written, _) = rewritten(text, &HashMap::from([(2, step.clone())]));
        let read = Recording::parse("a.yaml", &written).unwrap();
        assert_eq!(read.conversation[0].answer, step.answer, "{written}");
        assert!(written.contains("\n  # of the next\n  - say: b\n"), "{written}");
    }
}
