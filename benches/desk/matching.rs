//! What it costs to find the entry that a message asks for, and to load the content.
//!
//! The content is made up, the same in every run: words of 2 to 10 letters out of syllables, drawn from a Zipf
//! distribution (exponent 1) over a vocabulary of 20,000; phrases of 3 to 8 words, ten an entry. A question is 60
//! characters of the same words; every second one begins with a phrase of the content.

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use purser::content::{Folders, Good, load};
use purser::responders::faq::matcher::{EntryWordings, Matcher, Mode, Outcome, Wordings};

use super::report::Report;

const VOCABULARY: usize = 20_000;
const PHRASES: usize = 10;
const QUESTIONS: usize = 5_000;
const LENGTH: usize = 60;
const ROUNDS: usize = 9;
/// Entries of the two contents that are matched against.
const SIZES: [usize; 2] = [1_000, 10_000];
const GOAL_MICROS: f64 = 5.0;
const GOAL_TIMES: f64 = 2.0;
const GOAL_LOAD: f64 = 300.0;

pub fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.note("matching");
    let mut rows = Vec::new();
    let mut smaller = None;
    for entries in SIZES {
        let mut language = Language::new();
        let phrases: Vec<Vec<String>> =
            (0..entries).map(|_| (0..PHRASES).map(|_| language.phrase()).collect()).collect();
        let questions: Vec<String> = (0..QUESTIONS).map(|number| language.question(number, &phrases)).collect();
        let entry = |phrases: Vec<String>| EntryWordings { phrases: phrases.into(), mode: Mode::Wording, priority: 0 };
        let wordings = Wordings {
            language: "en".to_owned(),
            entries: phrases.into_iter().map(entry).collect(),
            words: Vec::new(),
            ignore: Vec::new(),
            not_ours: Vec::new(),
        };
        let begin = Instant::now();
        let matcher = Matcher::build(&wordings);
        let built = begin.elapsed().as_secs_f64() * 1e3;
        let (micros, sure) = find_all(&matcher, &questions);
        let (value, goal) = match smaller {
            None => {
                smaller = Some(micros);
                let [value, goal] = report.at_most("µs a question, 10,000 phrases", micros, GOAL_MICROS, 2);
                (value, format!("{goal} µs"))
            }
            Some(smaller) => {
                let name = "times the µs of 10,000 phrases with 100,000";
                let [times, goal] = report.at_most(name, micros / smaller, GOAL_TIMES, 2);
                (format!("{micros:.2} ({times} times)"), format!("{goal} times"))
            }
        };
        let phrases = entries * PHRASES;
        rows.push(vec![
            format!("{phrases} phrases in {entries} entries"),
            value,
            goal,
            sure.to_string(),
            format!("{built:.0}"),
        ]);
    }
    report.print(
        &format!("Matching: {QUESTIONS} questions of {LENGTH} characters, one language"),
        &["", "µs a question", "goal", "answered", "built in ms"],
        &rows,
    );
    load_folder(report)
}

/// The microseconds of one question, as the middle of some rounds, and how many were answered.
fn find_all(matcher: &Matcher, questions: &[String]) -> (f64, usize) {
    let mut rounds = Vec::new();
    let mut sure = 0;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let found = questions.iter().filter(|text| matches!(matcher.find(black_box(text)).outcome, Outcome::Sure(_)));
        sure = found.count();
        rounds.push(begin.elapsed().as_secs_f64() * 1e6 / questions.len() as f64);
    }
    rounds.sort_by(f64::total_cmp);
    (rounds[ROUNDS / 2], sure)
}

/// Files with the same kind of content, an `ask:` sample an entry, read as at the start.
fn load_folder(report: &mut Report) -> anyhow::Result<()> {
    const FILES: usize = 20;
    let entries = SIZES[0];
    let home = tempfile::Builder::new().prefix("purser-bench-content-").tempdir()?;
    let folder = home.path().join("faq");
    fs::create_dir(&folder)?;
    let mut language = Language::new();
    for file in 0..FILES {
        let mut text = "language: en\nentries:\n".to_owned();
        for number in 0..entries / FILES {
            writeln!(text, "  - id: entry-{file}-{number}\n    phrases:")?;
            let mut phrases: Vec<String> = (0..PHRASES).map(|_| language.phrase()).collect();
            // What the entry is about: a word of its own in half of its phrases, as in real content. Without one its
            // sample may be lost to another entry of the same common words.
            let about = own_word(file * entries / FILES + number);
            phrases.iter_mut().step_by(2).for_each(|phrase| *phrase = format!("{about} {phrase}"));
            for phrase in &phrases {
                writeln!(text, "      - {phrase}")?;
            }
            writeln!(text, "    answer: |\n      {} {}.", language.phrase(), language.phrase())?;
            writeln!(text, "    ask:\n      - {}", phrases[0])?;
        }
        fs::write(folder.join(format!("file-{file}.yaml")), text)?;
    }
    let folders = Folders {
        faq: folder,
        plugins: home.path().join("plugins"),
        site_language: "en".to_owned(),
        pipeline: vec!["faq".to_owned()],
        limit: Duration::from_secs(8),
    };
    let mut times = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        let loaded = load(&folders, &Good::default());
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        let errors: Vec<_> = loaded.findings.iter().filter(|finding| finding.is_error()).collect();
        ensure!(errors.is_empty(), "{} errors in the made-up content, the first: {}", errors.len(), errors[0]);
        let snapshot = loaded.snapshot.context("the made-up content does not load")?;
        ensure!(snapshot.faq.entries() == entries, "{} of {entries} entries were loaded", snapshot.faq.entries());
    }
    times.sort_by(f64::total_cmp);
    let [middle, goal] = report.at_most("ms to load 1,000 entries", times[times.len() / 2], GOAL_LOAD, 0);
    report.print(
        &format!(
            "Loading {entries} entries with {PHRASES} phrases and a sample each, from {FILES} files, ms (5 times)"
        ),
        &["", "fastest", "middle", "slowest", "goal"],
        &[vec!["load".into(), format!("{:.0}", times[0]), middle, format!("{:.0}", times[times.len() - 1]), goal]],
    );
    Ok(())
}

/// A word that no other number has.
fn own_word(mut number: usize) -> String {
    let mut word = "qu".to_owned();
    for _ in 0..4 {
        word.push(char::from(b'b' + u8::try_from(number % 8).unwrap_or(0) * 3));
        word.push(['a', 'e', 'i', 'o', 'u'][number / 8 % 5]);
        number /= 40;
    }
    word
}

/// Made-up words and their frequencies.
struct Language {
    dice: Dice,
    words: Vec<String>,
    /// The sums of the weights up to each word.
    sums: Vec<f64>,
}

impl Language {
    fn new() -> Language {
        const FIRST: [&str; 20] =
            ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "ch", ""];
        const THEN: [&str; 12] = ["a", "e", "i", "o", "u", "an", "er", "il", "on", "ut", "ea", "oo"];
        let mut dice = Dice(0x0005_DEEC_E66D_0B0B);
        let mut seen = std::collections::HashSet::new();
        let mut words = Vec::with_capacity(VOCABULARY);
        while words.len() < VOCABULARY {
            let syllables = 1 + dice.below(3);
            let word: String =
                (0..syllables).flat_map(|_| [FIRST[dice.below(FIRST.len())], THEN[dice.below(THEN.len())]]).collect();
            if (2..=10).contains(&word.len()) && seen.insert(word.clone()) {
                words.push(word);
            }
        }
        let mut sum = 0.0;
        let sums = (1..=VOCABULARY).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        let sums = sums.collect();
        Language { dice, words, sums }
    }

    fn word(&mut self) -> &str {
        let at = self.dice.part() * self.sums[VOCABULARY - 1];
        &self.words[self.sums.partition_point(|&sum| sum <= at).min(VOCABULARY - 1)]
    }

    fn phrase(&mut self) -> String {
        let words = 3 + self.dice.below(6);
        let mut phrase = self.word().to_owned();
        for _ in 1..words {
            phrase.push(' ');
            phrase.push_str(self.word());
        }
        phrase
    }

    fn question(&mut self, number: usize, phrases: &[Vec<String>]) -> String {
        let mut question = String::new();
        if number.is_multiple_of(2) {
            let entry = &phrases[self.dice.below(phrases.len())];
            question.push_str(&entry[self.dice.below(PHRASES)]);
        }
        while question.len() < LENGTH {
            question.push(' ');
            question.push_str(self.word());
        }
        question.truncate(LENGTH);
        question
    }
}

/// Marsaglia's xorshift: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    /// From 0 to less than 1.
    fn part(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.part() * end as f64) as usize
    }
}
