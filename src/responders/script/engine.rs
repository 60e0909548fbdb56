//! The one engine that all scripts run in: what it has, what was taken out of it, and its limits.
//!
//! Scripts are trusted not to be hostile and expected to be clumsy. A script has no clock, no randomness, no files
//! and no network. It is stopped by a number of operations, by time and by what it holds in all; the sizes of its values
//! are bounded, and what the engine's own functions make of them ([`sizes`](super::sizes)). Closures could hold themselves
//! and so stay for ever, so [`closures`](super::closures) keeps them where they cannot be hoarded.

use std::sync::LazyLock;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LanguageCorePackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Dynamic, Engine, INT, def_package};

use super::library::{Library, Result, Section, fail};
use super::{answers, lookups, memory, run, sentences, turn, value};

/// The most operations of a run.
pub(super) const MAX_OPERATIONS: u64 = 500_000;
/// The longest text that a script can hold, and all the text in one list or map, in bytes.
pub(super) const MAX_TEXT: usize = 64 << 10;
/// The most items of a list, and of all lists in it.
pub(super) const MAX_ITEMS: usize = 4_096;
/// The most fields of a map, and of all maps in it.
pub(super) const MAX_FIELDS: usize = 2_048;
/// How deep functions may call each other.
const MAX_CALLS: usize = 32;
/// How many variables may be in view at a time.
const MAX_VARIABLES: usize = 128;
/// How many functions a script may have.
const MAX_FUNCTIONS: usize = 256;
/// How deep expressions may be nested, in functions too.
const MAX_NESTING: usize = 48;

/// Words of the language that scripts for purser do without.
pub(super) const REMOVED: [&str; 6] = ["eval", "import", "export", "debug", "curry", "private"];

def_package! {
    /// The standard packages without blobs and time. In one module: where a function is called for the first time in
    /// a run, it is looked for in each module.
    StandardParts(module) :
        LanguageCorePackage, ArithmeticPackage, BasicStringPackage, BasicIteratorPackage, BasicFnPackage, LogicPackage,
        BasicMathPackage, BasicArrayPackage, BasicMapPackage, MoreStringPackage
    {
    }
}

static SHARED: LazyLock<(Engine, Vec<Section>)> = LazyLock::new(build);

/// The engine.
pub(super) fn engine() -> &'static Engine {
    &SHARED.0
}

/// The functions for scripts, as the reference shows them.
pub fn reference() -> &'static [Section] {
    &SHARED.1
}

fn build() -> (Engine, Vec<Section>) {
    let mut engine = Engine::new_raw();
    engine.register_global_module(StandardParts::new().as_shared_module());
    for symbol in REMOVED {
        engine.disable_symbol(symbol);
    }
    engine.register_fn("sleep", |_: INT| -> Result<()> { fail("a script cannot sleep") });
    engine.register_fn("sleep", |_: f64| -> Result<()> { fail("a script cannot sleep") });
    super::reach::register(&mut engine);
    super::sizes::register(&mut engine);
    limit(&mut engine);
    let mut library = Library::new(&mut engine);
    turn::register(&mut library);
    answers::register(&mut library);
    lookups::register(&mut library);
    memory::register(&mut library);
    sentences::register(&mut library);
    value::register(&mut library);
    let reference = library.finish();
    (engine, reference)
}

fn limit(engine: &mut Engine) {
    engine.set_max_operations(MAX_OPERATIONS);
    engine.set_max_string_size(MAX_TEXT);
    engine.set_max_array_size(MAX_ITEMS);
    engine.set_max_map_size(MAX_FIELDS);
    engine.set_max_call_levels(MAX_CALLS);
    engine.set_max_variables(MAX_VARIABLES);
    engine.set_max_functions(MAX_FUNCTIONS);
    engine.set_max_expr_depths(MAX_NESTING, MAX_NESTING);
    engine.set_max_modules(0);
    // Scripts on several threads would meet at its lock.
    engine.set_max_strings_interned(0);
    // A variable that is not there is found when the script is loaded.
    engine.set_strict_variables(true);
    engine.set_fast_operators(true);
    engine.on_progress(|operations| run::limit(operations).map(Dynamic::from));
    engine.on_print(run::print);
}
