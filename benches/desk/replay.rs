//! What replay and compare handle a second, and what a corpus in the store takes.
//!
//! The questions are those of the shipped content (its phrases), each made different by words before it that say
//! nothing; entries of the FAQ answer them, and recordings say which, as `purser record --expect entry` does. On this
//! machine's cores.

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use purser::config::Config;
use purser::content::{Good, Snapshot, load};
use purser::conversation::{ClientId, Conversation, ConversationId, EventId, Said, Text, VisitorId};
use purser::recording::compare::{Material, Sides, run};
use purser::recording::{Action, Expected, Recording, Stage, Start, Step, crew};
use purser::responders::Turn;
use purser::store::{DatabaseUrl, Logged, Store};

use super::report::Report;

/// Questions in the store.
const CORPUS: usize = 100_000;
/// Questions of a conversation.
const LONG: usize = 4;
/// Conversations that are read from the store at a time.
const PAGE: u32 = 256;
/// Recordings as files.
const FILES: usize = 5_000;
const GOAL_A_SECOND: f64 = 100_000.0;
const GOAL_SECONDS: f64 = 3.0;
const GOAL_OF_PARSING: f64 = 2.0;
/// Questions for which memory must be flat, and what is flat.
const MANY: usize = 1_000_000;
const GOAL_FLAT: f64 = 1.2;
const START: i64 = 1_772_442_000_000;

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.note("replay");
    let config = Config::default();
    let loaded = load(&purser::app::folders(&config), &Good::default());
    let snapshot = loaded.snapshot.context("the shipped content does not load")?;
    let stage = purser::app::stage(&config, &snapshot);
    let changed = changed(&config, &snapshot)?;
    let questions = questions(&stage).await?;
    ensure!(questions.len() > 100, "only {} phrases of the shipped content are answered", questions.len());

    let threads = crew::threads();
    let recordings: Vec<Recording> = (0..CORPUS / LONG).map(|number| recording(&questions, number)).collect();
    let parsed = replay_parsed(&recordings, &stage, threads)?;
    let (reading, replaying) = replay_files(&recordings[..FILES], &stage, threads)?;
    drop(recordings);

    let home = tempfile::Builder::new().prefix("purser-bench-replay-").tempdir()?;
    let url = format!("sqlite://{}", home.path().join("purser.db").display()).parse()?;
    report.note("replay: a corpus for the store");
    fill(&url, &questions, 0..CORPUS).await?;
    report.note("replay: compare from the store");
    let sides = Sides { before: &stage, after: &changed };
    let mut seconds = Vec::new();
    for _ in 0..3 {
        seconds.push(compare_store(&url, &sides, threads, CORPUS).await?);
    }
    seconds.sort_by(f64::total_cmp);
    let compared = seconds[1];

    let a_second = CORPUS as f64 / parsed;
    // A goal is met from above here: the share of it that is missing is what may not be more than one.
    let short = |got: f64| GOAL_A_SECOND / got;
    let [_, goal] = report.at_most("times too slow, replay of parsed recordings", short(a_second), 1.0, 2);
    let mut rows = vec![vec![
        "replay, parsed recordings".to_owned(),
        format!("{a_second:.0}"),
        format!("{:.2}", parsed),
        if goal.contains("MISSED") { "≥ 100000 MISSED".to_owned() } else { "≥ 100000".to_owned() },
    ]];
    let from_store = CORPUS as f64 / compared;
    let [_, goal] = report.at_most("s to compare 100,000 questions in the store", compared, GOAL_SECONDS, 2);
    rows.push(vec![
        "compare, from the store".to_owned(),
        format!("{from_store:.0}"),
        format!("{compared:.2}"),
        format!("{goal} s"),
    ]);
    let times = replaying / reading;
    let [shown, goal] = report.at_most("times the parsing, replay of YAML files", times, GOAL_OF_PARSING, 2);
    rows.push(vec![
        "replay, YAML files".to_owned(),
        format!("{:.0}", (FILES * LONG) as f64 / replaying),
        format!("{shown} times parsing"),
        format!("{goal} times"),
    ]);
    report.print(
        &format!("Replay and compare: {CORPUS} distinct questions, {threads} threads, {} MB at most", peak()),
        &["", "questions a second", "s", "goal"],
        &rows,
    );
    Ok(())
}

/// Whether comparing ten times as many questions takes more memory.
pub async fn measure_million(report: &mut Report) -> anyhow::Result<()> {
    let config = Config::default();
    let loaded = load(&purser::app::folders(&config), &Good::default());
    let snapshot = loaded.snapshot.context("the shipped content does not load")?;
    let stage = purser::app::stage(&config, &snapshot);
    let changed = changed(&config, &snapshot)?;
    let questions = questions(&stage).await?;
    let home = tempfile::Builder::new().prefix("purser-bench-million-").tempdir()?;
    let url = format!("sqlite://{}", home.path().join("purser.db").display()).parse()?;
    let sides = Sides { before: &stage, after: &changed };
    let (mut rows, mut peaks) = (Vec::new(), Vec::new());
    report.note(&format!("million: {MANY} questions for the store"));
    fill(&url, &questions, 0..MANY).await?;
    for count in [CORPUS, MANY] {
        report.note(&format!("million: comparing {count} of them"));
        // Both begin with what filling the store has left; from here on the peak is that of the comparison.
        std::fs::write("/proc/self/clear_refs", "5").context("this bench needs Linux")?;
        let seconds = compare_store(&url, &sides, crew::threads(), count).await?;
        peaks.push(peak() as f64);
        rows.push(vec![format!("{count} questions"), format!("{seconds:.1}"), format!("{}", peak())]);
    }
    let [times, goal] =
        report.at_most("times the memory for ten times the questions", peaks[1] / peaks[0], GOAL_FLAT, 2);
    rows.push(vec!["times the memory".to_owned(), String::new(), format!("{times} ({goal})")]);
    report.print("Compare from the store: memory", &["", "s", "MB at most"], &rows);
    Ok(())
}

/// The most memory that this process had at a time, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// The shipped content with one answer in other words.
fn changed(config: &Config, snapshot: &Snapshot) -> anyhow::Result<Stage> {
    let mut files = snapshot.files.clone();
    let file = files.get_mut("faq/en/delivery.yaml").context("faq/en/delivery.yaml")?;
    let text = String::from_utf8(file.clone())?;
    *file = text.replacen("answer: |\n      ", "answer: |\n      Changed. ", 1).into_bytes();
    let loaded = purser::content::load_files(&purser::app::folders(config), files);
    let changed = loaded.snapshot.context("the changed content does not load")?;
    ensure!(changed.revision != snapshot.revision, "the changed content is in force already");
    Ok(purser::app::stage(config, &changed))
}

/// A wording, and the entry that answers it.
type Asked = (Arc<str>, Arc<str>);

/// The wordings of the shipped content in English that the FAQ answers by itself.
async fn questions(stage: &Stage) -> anyhow::Result<Vec<Asked>> {
    let mut answered = Vec::new();
    for (_, phrase) in stage.faq.wordings() {
        let turn = Turn { text: phrase.into(), languages: vec!["en".into()], now: START, ..Turn::default() };
        let said = stage.pipeline.answer(&turn).await;
        let provenance = said.message.provenance;
        if let (Some(entry), "faq", Some("en")) =
            (provenance.entry, provenance.responder.as_ref(), said.message.language.as_deref())
        {
            answered.push((turn.text, entry));
        }
    }
    Ok(answered)
}

/// A question that nobody asked before in these words.
fn question(questions: &[Asked], number: usize) -> String {
    const BEFORE: [&str; 8] = ["hi", "hello", "please", "hey", "ok", "so", "well", "thanks"];
    let round = number / questions.len();
    let (a, b) = (BEFORE[round % 8], BEFORE[round / 8 % 8]);
    format!("{a} {b}, {} {}", questions[number % questions.len()].0, "!".repeat(round / 64 % 4))
}

fn recording(questions: &[Asked], number: usize) -> Recording {
    let step = |at: usize| {
        let number = number * LONG + at;
        let (_, entry) = &questions[number % questions.len()];
        let answer =
            Expected { responder: Some("faq".to_owned()), entry: Some(entry.to_string()), ..Expected::default() };
        let action = Action::Say { text: question(questions, number), language: None, attachments: Vec::new() };
        Step { line: 0, action, answer: Some(answer) }
    };
    let start = Start { language: Some("en".to_owned()), now: Some(START), ..Start::default() };
    Recording { start, conversation: (0..LONG).map(step).collect(), ..Recording::default() }
}

/// The seconds that all of them take.
fn replay_parsed(recordings: &[Recording], stage: &Stage, threads: usize) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut turns = 0;
    crew::in_order(
        threads,
        recordings.chunks(64),
        |runtime, some| {
            runtime.block_on(async {
                let mut turns = 0;
                for recording in some {
                    turns += recording.replay(stage).await.turns.len();
                }
                turns
            })
        },
        |some| {
            turns += some;
            ControlFlow::<()>::Continue(())
        },
    );
    ensure!(turns == recordings.len() * LONG, "{turns} questions were answered");
    Ok(begin.elapsed().as_secs_f64())
}

/// The seconds that reading the files takes, and reading and replaying.
fn replay_files(recordings: &[Recording], stage: &Stage, threads: usize) -> anyhow::Result<(f64, f64)> {
    let home = tempfile::Builder::new().prefix("purser-bench-recordings-").tempdir()?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for (number, recording) in recordings.iter().enumerate() {
        let path = home.path().join(format!("{number:05}.yaml"));
        std::fs::write(&path, recording.to_string())?;
        paths.push(path);
    }
    let begin = Instant::now();
    let mut read = 0;
    crew::in_order(
        threads,
        paths.iter(),
        |_, path| Recording::read(path).is_ok(),
        |ok| {
            read += usize::from(ok);
            ControlFlow::<()>::Continue(())
        },
    );
    let reading = begin.elapsed().as_secs_f64();
    ensure!(read == paths.len(), "{read} of {} files were read", paths.len());
    let begin = Instant::now();
    let tally = purser::cli::replay::replay(&[home.path().to_owned()], stage, threads, &mut std::io::sink())?;
    // The words before a question say nothing, and now and then something all the same.
    ensure!(tally.ok * 10 > paths.len() * 8 && tally.unreadable == 0, "{tally:?}");
    Ok((reading, begin.elapsed().as_secs_f64()))
}

/// Has these questions asked and answered in a database.
async fn fill(url: &DatabaseUrl, questions: &[Asked], numbers: Range<usize>) -> anyhow::Result<()> {
    let config = Config::default();
    let loaded = load(&purser::app::folders(&config), &Good::default());
    let stage = Arc::new(purser::app::stage(&config, &*loaded.snapshot.context("no content")?));
    let store = Store::open(url, |_| ()).await?;
    let mut writing = tokio::task::JoinSet::new();
    for number in numbers.start / LONG..numbers.end / LONG {
        let (store, stage) = (store.clone(), stage.clone());
        let texts: Vec<String> = (0..LONG).map(|at| question(questions, number * LONG + at)).collect();
        while writing.len() >= 256 {
            writing.join_next().await.context("a writer")???;
        }
        writing.spawn(async move {
            let mut visitor = [0; 16];
            visitor[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let mut head = Conversation::new(ConversationId::new(), VisitorId(visitor));
            for (at, text) in (0..).zip(texts) {
                let (id, now) = (EventId::new(), START + at * 1_000);
                let turn = Turn { text: text.clone().into(), languages: vec!["en".into()], now, ..Turn::default() };
                let answered = stage.pipeline.answer(&turn).await;
                let text = Text::new(&text).map_err(|error| anyhow::anyhow!("{error}"))?;
                let said = Said {
                    id,
                    client_id: ClientId::new(),
                    text,
                    choice: None,
                    language: Some("en".into()),
                    attachments: Vec::new(),
                };
                let asked = head.say(said, now, 10_000);
                let seq = asked.next.last_seq;
                let answer = asked.next.answer(id, seq, answered.message, now, 10_000).context("no answer")?;
                let decision = asked.then(answer);
                head = (*decision.next).clone();
                store.append(decision).await.map_err(|error| anyhow::anyhow!("{error}"))?;
            }
            Ok::<(), anyhow::Error>(())
        });
    }
    while let Some(done) = writing.join_next().await {
        done??;
    }
    store.close().await;
    Ok(())
}

/// The seconds from opening the store to the report on so many questions in it, the first ones.
async fn compare_store(url: &DatabaseUrl, sides: &Sides<'_>, threads: usize, questions: usize) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let report = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            let store = runtime.block_on(Store::open_to_read(url))?;
            let (sender, mut pages) = tokio::sync::mpsc::channel::<Vec<Logged>>(4);
            let reader = store.clone();
            runtime.spawn(async move { reader.stream(i64::MIN, PAGE, sender).await });
            let material = std::iter::from_fn(|| pages.blocking_recv()).map(Material::Stored);
            let enough =
                |done: u64| if done < questions as u64 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            let report = run(material, sides, i64::MIN, threads, enough);
            runtime.block_on(store.close());
            anyhow::Ok(report)
        });
        working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    // A page of the store is compared as a whole.
    let more = report.questions.checked_sub(questions as u64);
    ensure!(
        more.is_some_and(|more| more < u64::from(PAGE) * LONG as u64),
        "{} of {questions} questions were compared",
        report.questions
    );
    ensure!(report.changed > 0, "the change was not seen");
    Ok(begin.elapsed().as_secs_f64())
}
