//! What changed content would change: every recorded question, from its own past, answered by the content in force and
//! by the other one.
//!
//! The questions are streamed, and a report holds counts and a few examples a group: a million messages cost no more
//! memory than a thousand.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::foreign::read_any;
use super::{Stage, crew, past};
use crate::conversation::{ConversationId, Millis, Seq};
use crate::finding::Finding;
use crate::responders::Turn;
use crate::responders::pipeline::{Answered, Outcome};
use crate::store::Logged;

/// So many examples of a group are shown.
const EXAMPLES: usize = 5;
/// So many groups are told apart.
const GROUPS: usize = 5_000;
/// So many files that cannot be read are named, and so many things that were left out of others.
const UNREADABLE: usize = 100;

/// Where questions come from, a piece of work for one thread.
pub enum Material {
    /// Stored conversations.
    Stored(Vec<Logged>),
    /// A file of recordings.
    File(PathBuf),
}

/// Both contents.
pub struct Sides<'a> {
    /// The one in force.
    pub before: &'a Stage,
    /// The changed one.
    pub after: &'a Stage,
}

/// How an answer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was answered and would not be any more.
    Lost,
    /// Somebody else would answer.
    Moved,
    /// It was not answered and would be.
    Found,
    /// Other entries would be suggested.
    Suggestions,
    /// The same entry would say something else.
    Reworded,
}

impl Kind {
    /// In a few words.
    pub fn about(self) -> &'static str {
        match self {
            Kind::Lost => "no answer any more",
            Kind::Moved => "another answer",
            Kind::Found => "an answer at last",
            Kind::Suggestions => "other suggestions",
            Kind::Reworded => "other words",
        }
    }
}

/// What would change.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// The revision of the content in force.
    pub before: String,
    /// The revision of the changed content.
    pub after: String,
    /// How many conversations, or recordings, were looked at.
    pub conversations: u64,
    /// How many questions were answered twice.
    pub questions: u64,
    /// How many of them would be answered differently.
    pub changed: u64,
    /// How many asked a source for something that is not recorded; it was taken as unavailable.
    pub not_recorded: u64,
    /// The changes, alike ones together: by how they change, then the most frequent first.
    pub groups: Vec<Group>,
    /// Changes that found no place among the groups.
    pub left_out: u64,
    /// Files that could not be read, and what else went wrong on the way.
    pub problems: Vec<String>,
    /// What of files of other formats has no place in a recording, and was left out.
    pub notes: Vec<String>,
}

/// Changes that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// How they change.
    pub kind: Kind,
    /// Who answered.
    pub from: String,
    /// Who would answer.
    pub to: String,
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// A question that would be answered differently.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Example {
    /// What was said.
    pub said: String,
    /// The conversation, if it is a stored one.
    #[schemars(with = "Option<String>")]
    pub conversation: Option<ConversationId>,
    /// The message's number in it.
    pub seq: Option<Seq>,
    /// The file and the line, if it is a recording.
    pub place: Option<String>,
    /// The answer of the content in force, in Markdown.
    pub before: String,
    /// The answer of the changed content.
    pub after: String,
}

/// What came of a piece of work.
#[derive(Default)]
struct Compared {
    conversations: u64,
    questions: u64,
    not_recorded: u64,
    changes: Vec<(Kind, String, String, Example)>,
    problem: Option<Box<Finding>>,
    notes: Vec<Finding>,
}

/// Answers all questions of all this twice, with this many threads. Of stored conversations those said before `since`
/// are only past. `look` is told how many questions are done; what it returns ends the whole.
pub fn run(
    material: impl Iterator<Item = Material> + Send,
    sides: &Sides<'_>,
    since: Millis,
    threads: usize,
    mut look: impl FnMut(u64) -> ControlFlow<()>,
) -> Report {
    let revision = |stage: &Stage| stage.pipeline.revision().to_string();
    let mut report = Report {
        before: revision(sides.before),
        after: revision(sides.after),
        conversations: 0,
        questions: 0,
        changed: 0,
        not_recorded: 0,
        groups: Vec::new(),
        left_out: 0,
        problems: Vec::new(),
        notes: Vec::new(),
    };
    let mut known: HashMap<(Kind, String, String), usize> = HashMap::new();
    let work = |runtime: &Runtime, material: Material| compare(runtime, material, sides, since);
    crew::in_order(threads, material, work, |compared| {
        report.add(compared, &mut known);
        look(report.questions)
    });
    report.groups.sort_by(|a, b| (a.kind, b.count, &a.from, &a.to).cmp(&(b.kind, a.count, &b.from, &b.to)));
    report
}

impl Report {
    fn add(&mut self, compared: Compared, known: &mut HashMap<(Kind, String, String), usize>) {
        self.conversations += compared.conversations;
        self.questions += compared.questions;
        self.not_recorded += compared.not_recorded;
        if let Some(problem) = compared.problem
            && self.problems.len() < UNREADABLE
        {
            self.problems.push(problem.one_line());
        }
        let room = UNREADABLE.saturating_sub(self.notes.len());
        self.notes.extend(compared.notes.iter().take(room).map(Finding::one_line));
        for (kind, from, to, example) in compared.changes {
            self.changed += 1;
            let key = (kind, from, to);
            let at = match known.get(&key) {
                Some(at) => *at,
                None if self.groups.len() == GROUPS => {
                    self.left_out += 1;
                    continue;
                }
                None => {
                    let (kind, from, to) = key.clone();
                    self.groups.push(Group { kind, from, to, count: 0, examples: Vec::new() });
                    known.insert(key, self.groups.len() - 1);
                    self.groups.len() - 1
                }
            };
            let group = &mut self.groups[at];
            group.count += 1;
            if group.examples.len() < EXAMPLES {
                group.examples.push(example);
            }
        }
    }
}

fn compare(runtime: &Runtime, material: Material, sides: &Sides<'_>, since: Millis) -> Compared {
    match material {
        Material::Stored(conversations) => runtime.block_on(async {
            let mut compared = Compared::default();
            for conversation in &conversations {
                compare_stored(conversation, sides, since, &mut compared).await;
            }
            compared
        }),
        Material::File(path) => runtime.block_on(compare_file(&path, sides)),
    }
}

async fn compare_stored(conversation: &Logged, sides: &Sides<'_>, since: Millis, compared: &mut Compared) {
    let Logged { id, events } = conversation;
    let questions = past::questions(*id, events, &sides.before.language);
    compared.conversations += 1;
    for question in questions.iter().filter(|question| question.said.at >= since) {
        let before = sides.before.pipeline.answer(&question.turn).await;
        let place = |example| Example { conversation: Some(*id), seq: Some(question.said.seq), ..example };
        compared.pair(&question.turn, &before, sides, place).await;
        compared.not_recorded += u64::from(question.has_missing());
    }
}

async fn compare_file(path: &Path, sides: &Sides<'_>) -> Compared {
    let mut compared = Compared::default();
    let name = path.display().to_string();
    let recordings = match read_any(path) {
        Ok(carried) => {
            compared.notes = carried.notes;
            carried.recordings
        }
        Err(finding) => return Compared { problem: Some(finding), ..compared },
    };
    for recording in recordings {
        compared.conversations += 1;
        let replayed = recording.replay(sides.before).await;
        for turned in &replayed.turns {
            let (Some(turn), Some(before)) = (&turned.turn, &turned.answered) else { continue };
            let place = |example| Example { place: Some(format!("{name}:{}", turned.line)), ..example };
            compared.pair(turn, before, sides, place).await;
            compared.not_recorded += u64::from(turned.failures.iter().any(|failure| failure.what == "lookups"));
        }
    }
    compared
}

impl Compared {
    /// One question that the content in force answered like this.
    async fn pair(
        &mut self,
        turn: &Turn,
        before: &Answered,
        sides: &Sides<'_>,
        place: impl FnOnce(Example) -> Example,
    ) {
        self.questions += 1;
        let after = sides.after.pipeline.answer(turn).await;
        let same_who = is_same(before, &after, sides.after);
        let (old, new) = (&before.message, &after.message);
        if same_who && old.text == new.text && old.buttons == new.buttons {
            return;
        }
        let answers = |answered: &Answered| !matches!(answered.outcome, Outcome::Pass | Outcome::Suggest);
        let kind = match (answers(before), answers(&after)) {
            _ if same_who && answers(before) => Kind::Reworded,
            (true, false) => Kind::Lost,
            (false, true) => Kind::Found,
            (true, true) => Kind::Moved,
            (false, false) if same_who && before.outcome == Outcome::Pass => Kind::Reworded,
            (false, false) => Kind::Suggestions,
        };
        let example = place(Example {
            said: turn.text.as_ref().to_owned(),
            conversation: None,
            seq: None,
            place: None,
            before: shown(before),
            after: shown(&after),
        });
        self.changes.push((kind, who(before), who(&after), example));
    }
}

/// Whether the same entry or responder answers; a renamed entry is the same.
fn is_same(before: &Answered, after: &Answered, stage: &Stage) -> bool {
    let (old, new) = (&before.message.provenance, &after.message.provenance);
    let same_entry = match (&old.entry, &new.entry) {
        (Some(old), Some(new)) => old == new || stage.faq.was_called(new, old),
        (old, new) => old == new,
    };
    before.outcome == after.outcome && old.responder == new.responder && same_entry && {
        let same = |(old, new): (&str, &str)| old == new || stage.faq.was_called(new, old);
        before.suggested().count() == after.suggested().count() && before.suggested().zip(after.suggested()).all(same)
    }
}

/// Who answered, in a few words.
pub fn who(answered: &Answered) -> String {
    let provenance = &answered.message.provenance;
    match (answered.outcome, &provenance.entry) {
        (Outcome::Pass, _) => "nothing".to_owned(),
        (Outcome::Suggest, _) => {
            let entries: Vec<&str> = answered.suggested().collect();
            format!("suggests {}", entries.join(", "))
        }
        (_, Some(entry)) if &*provenance.responder == "faq" => entry.as_ref().to_owned(),
        (_, Some(entry)) => format!("{} by way of {entry}", provenance.responder),
        (_, None) => provenance.responder.as_ref().to_owned(),
    }
}

/// What the customer sees.
fn shown(answered: &Answered) -> String {
    let mut text = answered.message.text.trim().to_owned();
    for button in answered.message.buttons.iter() {
        text.push_str(&format!("\n[{}]", button.text));
    }
    text
}
