//! One run of a script: from the turn to what it returned, or to what it wants looked up, within its limits.
//!
//! A run stays on one thread, so what the script's functions need of it is kept beside the thread.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rhai::{CallFnOptions, Dynamic, EvalAltResult, Map, Scope};

use super::answers::Given;
use super::engine::engine;
use super::fault::{self, Fault};
use super::library::{Result, fail};
use super::lookups::{Known, UnderWay};
use super::plugin::Plugin;
use super::turn::ScriptTurn;
use super::value::to_script;
use crate::memory;

/// How long a run may take. A build without optimisation is ten times as slow.
pub(super) const TIME: Duration = Duration::from_millis(if cfg!(debug_assertions) { 50 } else { 5 });
/// How often a run that took too long is tried in all. A virtual machine's thread may lose time that its clock counts
/// all the same, and the first run of a script finds cold caches; scripts are pure, so another run does no harm.
pub(super) const TRIES: u32 = 2;
/// The same where nobody waits: while a plugin's own tests decide whether it goes live.
pub(super) const TRIES_IN_TESTS: u32 = 6;
/// After this the thread's own time is looked at; nearly all runs end before, and asking for it is a system call.
const BRIEF: Duration = Duration::from_millis(1);
/// The clock is looked at once in so many operations. One operation may take milliseconds, where it compares long lists.
const LOOK_EVERY: u64 = 16;
/// The most memory that a run may hold, in bytes. A single operation can take some times as much before it is noticed.
pub(super) const MOST_HELD: isize = 4 << 20;
/// A longer line of `print` is cut, in characters.
const MAX_PRINT: usize = 500;
/// At most so many lines are printed.
const MAX_PRINTED: usize = 20;

/// What came of a run.
pub(super) enum Ran {
    /// The script returned an answer.
    Answered(Given, Effects),
    /// It cannot go on without these.
    Wants(Wanted),
    /// It is broken, at the place that the finding names.
    Failed(Box<Fault>),
}

/// What a run cannot go on without.
#[derive(Default)]
pub(super) struct Wanted {
    /// What is being looked up.
    pub lookups: Vec<UnderWay>,
    /// Whether the last messages of the conversation are to be read.
    pub messages: bool,
}

/// What a run does beyond its answer. It counts only if the run is the last one.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Attributes to remember, or with no value to forget.
    pub attributes: Vec<(String, Option<String>)>,
    /// What was printed.
    pub printed: Vec<String>,
}

/// What the functions of a script know of the run that they are called in.
pub(super) struct Run {
    pub plugin: Arc<Plugin>,
    /// What was found out before.
    pub known: Known,
    /// What is missing.
    pub wanted: Wanted,
    pub effects: Effects,
}

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What the thread had spent when it was first looked at in this run.
    static SPENT: Cell<Option<Duration>> = const { Cell::new(None) };
    static LATE: Cell<bool> = const { Cell::new(false) };
    /// What the thread held when the run began.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Why a run was stopped. A script cannot catch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// It took too long.
    Time,
    /// It held too much memory.
    Memory,
}

/// The arguments of a plugin that is called as a tool.
pub(super) type Arguments = serde_json::Map<String, serde_json::Value>;

/// Runs a plugin's `answer(turn)`, or with arguments its `tool(turn, arguments)`, with what is known; at most `tries`
/// times if it takes too long. `known` may be more
/// afterwards.
pub(super) fn run(
    plugin: &Arc<Plugin>,
    turn: &ScriptTurn,
    arguments: Option<&Arguments>,
    known: &mut Known,
    tries: u32,
) -> Ran {
    for _ in 1..tries {
        let ran = run_once(plugin, turn, arguments, known);
        if !LATE.get() {
            return ran;
        }
    }
    run_once(plugin, turn, arguments, known)
}

fn run_once(plugin: &Arc<Plugin>, turn: &ScriptTurn, arguments: Option<&Arguments>, known: &mut Known) -> Ran {
    let run = Run {
        plugin: plugin.clone(),
        known: std::mem::take(known),
        wanted: Wanted::default(),
        effects: Effects::default(),
    };
    RUN.set(Some(run));
    start_clock();
    let called = catch_unwind(AssertUnwindSafe(|| call(plugin, turn.clone(), arguments)));
    DEADLINE.set(None);
    let Some(run) = RUN.take() else { return Ran::Failed(Box::new(Fault::of_engine(plugin, "the run was lost"))) };
    *known = run.known;
    if !run.wanted.lookups.is_empty() || run.wanted.messages {
        return Ran::Wants(run.wanted);
    }
    match called {
        Ok(Ok(value)) => match value.try_cast_result::<Given>() {
            Ok(given) => Ran::Answered(given, run.effects),
            Err(other) => Ran::Failed(Box::new(fault::no_answer(plugin, &other))),
        },
        Ok(Err(error)) => Ran::Failed(Box::new(fault::of(plugin, *error))),
        Err(_) => {
            let what = "the script made the engine fail; please report it to purser";
            Ran::Failed(Box::new(Fault::of_engine(plugin, what)))
        }
    }
}

fn call(plugin: &Plugin, turn: ScriptTurn, arguments: Option<&Arguments>) -> Result<Dynamic> {
    // Statements outside of functions only make constants; without any there is nothing to do each time.
    let options = CallFnOptions::new().eval_ast(plugin.has_statements());
    let (engine, scope, ast) = (engine(), &mut Scope::new(), plugin.ast());
    match arguments {
        None => engine.call_fn_with_options(options, scope, ast, "answer", (turn,)),
        Some(arguments) => {
            let arguments: Map =
                arguments.iter().map(|(name, value)| (name.as_str().into(), to_script(value))).collect();
            engine.call_fn_with_options(options, scope, ast, "tool", (turn, arguments))
        }
    }
}

/// Lets a function of the script use the run that it is called in.
pub(super) fn with<T>(function: impl FnOnce(&mut Run) -> Result<T>) -> Result<T> {
    RUN.with_borrow_mut(|run| match run {
        Some(run) => function(run),
        None => fail("this is possible only while a message is answered"),
    })
}

/// Lets a function look at what is known in the run that it is called in; `None` outside of runs.
pub(super) fn known<T>(function: impl FnOnce(&mut Known) -> T) -> Option<T> {
    RUN.with_borrow_mut(|run| run.as_mut().map(|run| function(&mut run.known)))
}

/// Stops the script without a fault; it cannot catch this.
pub(super) fn stop<T>() -> Result<T> {
    Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, rhai::Position::NONE).into())
}

/// Takes down what the script prints.
pub(super) fn print(text: &str) {
    RUN.with_borrow_mut(|run| {
        if let Some(run) = run
            && run.effects.printed.len() < MAX_PRINTED
        {
            run.effects.printed.push(text.chars().take(MAX_PRINT).collect());
        }
    });
}

fn start_clock() {
    HELD.set(memory::held());
    LATE.set(false);
    SPENT.set(None);
    DEADLINE.set(Some(Instant::now() + BRIEF));
}

/// The limit that the run has come to, if there is one. The sizes of values are the engine's own concern; this is about all
/// that a run holds, wherever it keeps it.
pub(super) fn limit(operations: u64) -> Option<Limit> {
    if DEADLINE.get().is_some() && memory::held().wrapping_sub(HELD.get()) > MOST_HELD {
        return Some(Limit::Memory);
    }
    (operations.is_multiple_of(LOOK_EVERY) && is_late()).then_some(Limit::Time)
}

/// Whether the run has had its time. A busy machine may take the thread away in the middle of a run; only the
/// thread's own time counts against the script.
fn is_late() -> bool {
    let Some(deadline) = DEADLINE.get() else { return false };
    let now = Instant::now();
    if now < deadline {
        return false;
    }
    let time = thread_time();
    let began = SPENT.get().unwrap_or_else(|| time.saturating_sub(BRIEF));
    SPENT.set(Some(began));
    let spent = time.saturating_sub(began);
    if spent >= TIME {
        LATE.set(true);
        return true;
    }
    DEADLINE.set(Some(now + (TIME - spent)));
    false
}

/// How long this thread has been at work.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
