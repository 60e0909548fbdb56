//! Which entries, phrases, functions of plugins and responders any question reaches, which entries take questions that
//! are another one's, and which only just do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Replayed, Stage};
use crate::responders::Turn;
use crate::responders::faq::Nearest;
use crate::responders::pipeline::Answered;

/// Two entries are close when the second has this much of the first one's score.
const CLOSE: f32 = 0.93;
/// So many pairs of entries, and questions of each, are kept.
const PAIRS: usize = 1_000;
const EXAMPLES: usize = 3;

/// What was reached so far.
#[derive(Debug, Default)]
pub struct Coverage {
    questions: u64,
    responders: BTreeMap<String, u64>,
    entries: BTreeMap<String, u64>,
    phrases: BTreeSet<(String, String)>,
    functions: BTreeSet<(String, String)>,
    stolen: BTreeMap<(String, String), Vec<String>>,
    close: BTreeMap<(String, String), (u64, Vec<String>)>,
}

/// What a question reaches.
#[derive(Debug, Default)]
pub struct Reached {
    responders: Vec<String>,
    entry: Option<String>,
    phrase: Option<(String, String)>,
    stolen: Option<((String, String), String)>,
    close: Option<((String, String), String)>,
}

/// What no question reaches, and what is doubtful.
#[derive(Debug, PartialEq, Serialize)]
pub struct Report {
    /// How many questions there were.
    pub questions: u64,
    /// Entries, and those that answered none.
    pub entries: Part,
    /// Wordings of entries, and those that were nearest to none.
    pub phrases: Part,
    /// Responders, and those that answered none.
    pub responders: Part,
    /// Functions of plugins, and those that were never run.
    pub functions: Part,
    /// Questions of one entry, by their recordings, that another one answers.
    pub stolen: Vec<Pair>,
    /// Pairs of entries between which little decided, the most frequent first.
    pub close: Vec<Pair>,
}

/// How much of something is reached.
#[derive(Debug, PartialEq, Serialize)]
pub struct Part {
    /// How many there are.
    pub all: usize,
    /// How many were reached.
    pub reached: usize,
    /// The others.
    pub missing: Vec<String>,
}

/// Two entries and questions between them.
#[derive(Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The entry that answered.
    pub won: String,
    /// The entry whose question it is, or that was close.
    pub lost: String,
    /// How often.
    pub count: u64,
    /// Some of the questions.
    pub questions: Vec<String>,
}

impl Reached {
    /// What an answered question reached.
    pub fn of(turn: &Turn, answered: &Answered, stage: &Stage) -> Reached {
        let provenance = &answered.message.provenance;
        // Whoever answered, or had the turn handed over, was reached; who only passed was not.
        let took =
            answered.trace.iter().filter(|step| !step.said.starts_with("pass") && !step.said.starts_with("yields"));
        let mut responders: Vec<String> = took.map(|step| step.responder.clone()).collect();
        responders.push(provenance.responder.as_ref().to_owned());
        let Some(entry) = &provenance.entry else { return Reached { responders, ..Reached::default() } };
        let nearest = turn.choice.is_none().then(|| stage.faq.nearest(turn, entry)).flatten();
        let Nearest { phrase, second, score } = nearest.unwrap_or_default();
        let close = second.filter(|(_, other)| *other >= score * CLOSE && score > 0.0);
        Reached {
            responders,
            phrase: phrase.map(|phrase| (entry.as_ref().to_owned(), phrase)),
            close: close.map(|(other, _)| ((entry.as_ref().to_owned(), other), turn.text.as_ref().to_owned())),
            entry: Some(entry.as_ref().to_owned()),
            stolen: None,
        }
    }

    /// What the questions of a replayed recording reached. An answer of another entry than the recording says is stolen.
    pub fn of_replay(replayed: &Replayed, stage: &Stage) -> Vec<Reached> {
        let turns = replayed.turns.iter().filter_map(|turned| {
            let (turn, answered) = (turned.turn.as_ref()?, turned.answered.as_ref()?);
            let mut reached = Reached::of(turn, answered, stage);
            let wanted = turned.failures.iter().find(|failure| failure.what == "entry" && failure.why.is_none());
            if let (Some(wanted), Some(won)) = (wanted, &reached.entry) {
                reached.stolen = Some(((won.clone(), wanted.expected.clone()), turn.text.as_ref().to_owned()));
            }
            Some(reached)
        });
        turns.collect()
    }
}

impl Coverage {
    /// Takes in what a question reached.
    pub fn add(&mut self, reached: Reached) {
        self.questions += 1;
        let responders: BTreeSet<String> = reached.responders.into_iter().collect();
        responders.into_iter().for_each(|responder| *self.responders.entry(responder).or_default() += 1);
        reached.entry.into_iter().for_each(|entry| *self.entries.entry(entry).or_default() += 1);
        self.phrases.extend(reached.phrase);
        if let Some((pair, question)) = reached.stolen {
            let questions = self.stolen.entry(pair).or_default();
            if questions.len() < PAIRS {
                questions.push(question);
            }
        }
        if let Some((pair, question)) = reached.close
            && (self.close.len() < PAIRS || self.close.contains_key(&pair))
        {
            let (count, questions) = self.close.entry(pair).or_default();
            *count += 1;
            if questions.len() < EXAMPLES && !questions.contains(&question) {
                questions.push(question);
            }
        }
    }

    /// Takes in the functions of plugins that were run: plugin and function.
    pub fn add_functions(&mut self, functions: impl IntoIterator<Item = (String, String)>) {
        self.functions.extend(functions);
    }

    /// What is missing of what there is. `responders` are those that are asked, `functions` all of the plugins.
    pub fn report(self, stage: &Stage, responders: &[String], functions: &[(String, String)]) -> Report {
        let entries: Vec<String> = stage.faq.ids().into_iter().map(str::to_owned).collect();
        let phrases = stage.faq.wordings();
        let shown = |(entry, phrase): &(String, String)| format!("{entry}: {phrase}");
        let called = |(plugin, function): &(String, String)| format!("{plugin}: {function}");
        let stolen = self.stolen.into_iter().map(|((won, lost), questions)| Pair {
            won,
            lost,
            count: questions.len() as u64,
            questions,
        });
        let close =
            self.close.into_iter().map(|((won, lost), (count, questions))| Pair { won, lost, count, questions });
        let mut close: Vec<Pair> = close.collect();
        close.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (&a.won, &a.lost).cmp(&(&b.won, &b.lost))));
        Report {
            questions: self.questions,
            entries: Part::of(&entries, |entry| self.entries.contains_key(entry), String::clone),
            phrases: Part::of(&phrases, |phrase| self.phrases.contains(phrase), shown),
            responders: Part::of(responders, |name| self.responders.contains_key(name), String::clone),
            functions: Part::of(functions, |function| self.functions.contains(function), called),
            stolen: stolen.collect(),
            close,
        }
    }
}

impl Part {
    fn of<T>(all: &[T], is_reached: impl Fn(&T) -> bool, shown: impl Fn(&T) -> String) -> Part {
        let missing: Vec<String> = all.iter().filter(|item| !is_reached(item)).map(shown).collect();
        Part { all: all.len(), reached: all.len() - missing.len(), missing }
    }

    /// In percent; nothing is reached wholly.
    pub fn percent(&self) -> f64 {
        if self.all == 0 { 100.0 } else { self.reached as f64 * 100.0 / self.all as f64 }
    }
}
