//! The turn as scripts see it.

use std::sync::{Arc, OnceLock};

use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::Value;

use super::library::{Library, Result};
use super::plugin::Plugin;
use super::run;
use super::value::{Data, to_script};
use crate::conversation::Event;
use crate::responders::Turn;
use crate::sources::LookUp;

/// So many of the last messages can be read.
pub(super) const MOST_MESSAGES: usize = 10;
/// A longer one is cut, in characters.
const LONGEST_MESSAGE: usize = 1_000;

/// A turn, with what this plugin may know of it.
#[derive(Clone)]
pub(super) struct ScriptTurn(Arc<Inner>);

struct Inner {
    text: ImmutableString,
    /// Its words, once a script has asked for them.
    words: OnceLock<Array>,
    language: ImmutableString,
    choice: Option<ImmutableString>,
    languages: Vec<Arc<str>>,
    entry: Option<ImmutableString>,
    now: i64,
    state: Option<Arc<Value>>,
    visitor: Data,
    /// Whether anything can have been said before.
    has_past: bool,
    plugin: Arc<Plugin>,
    /// For a plugin with actions: what knows whether the site has them.
    sources: Option<Arc<dyn LookUp>>,
}

impl ScriptTurn {
    /// The turn for this plugin, with what it looks things up in.
    pub fn new(turn: &Turn, plugin: &Arc<Plugin>, sources: &Arc<dyn LookUp>) -> ScriptTurn {
        let manifest = plugin.manifest();
        let seen = manifest.visitor.iter().chain(&manifest.attributes);
        let visitor = seen.filter_map(|name| Some((name.clone(), Value::from(turn.visitor.get(name)?.as_str()))));
        ScriptTurn(Arc::new(Inner {
            text: (&*turn.text).into(),
            words: OnceLock::new(),
            language: language(&turn.languages),
            choice: own_choice(turn, plugin).map(ImmutableString::from),
            languages: turn.languages.clone(),
            entry: turn.entry.as_deref().map(ImmutableString::from),
            now: turn.now,
            state: state(turn, plugin),
            visitor: Data::new(&visitor.collect()),
            has_past: turn.past.is_some() && turn.seq > 1,
            plugin: plugin.clone(),
            sources: (!manifest.actions.is_empty()).then(|| sources.clone()),
        }))
    }
}

/// The value of this plugin's own button, if that was pressed.
pub(super) fn own_choice<'a>(turn: &'a Turn, plugin: &Plugin) -> Option<&'a str> {
    turn.choice.as_deref()?.strip_prefix(plugin.name())?.strip_prefix('/')
}

/// The state of this plugin's own question, if this turn may be its answer.
fn state(turn: &Turn, plugin: &Plugin) -> Option<Arc<Value>> {
    turn.focus.as_ref().filter(|_| is_answer(turn, plugin)).map(|focus| focus.state.clone())
}

/// Whether this plugin has asked something that this turn may be the answer to.
pub(super) fn is_answer(turn: &Turn, plugin: &Plugin) -> bool {
    turn.focus.as_ref().is_some_and(|focus| {
        let own = &*focus.responder == plugin.name() && focus.version == plugin.manifest().state_version;
        own && !focus.is_over(turn.now)
    })
}

/// Of texts.yaml what it holds for a language, or else for English.
pub(super) fn texts<'a>(plugin: &'a Plugin, language: &str) -> Option<&'a Data> {
    let texts = plugin.data().map("texts")?;
    texts.map(language).or_else(|| texts.map("en"))
}

/// Registers the turn's properties.
pub(super) fn register(library: &mut Library) {
    library.section("The turn", "A customer's message, and what is known about it. Nothing of it can be changed.");
    library.value::<ScriptTurn>("Turn");
    library.property("get text(turn: Turn) -> String", "What the customer wrote.", &[], |turn: &mut ScriptTurn| {
        turn.0.text.clone()
    });
    library.property(
        "get words(turn: Turn) -> Array",
        "The words of the message in small letters, without punctuation.",
        &[],
        |turn: &mut ScriptTurn| turn.0.words.get_or_init(|| words(&turn.0.text)).clone(),
    );
    library.property(
        "get choice(turn: Turn) -> ?",
        "The value of the button of this plugin that was pressed, else `()`.",
        &[],
        |turn: &mut ScriptTurn| turn.0.choice.clone().map_or(Dynamic::UNIT, Dynamic::from),
    );
    library.property(
        "get language(turn: Turn) -> String",
        "The language to answer in, such as `en` or `de`: the first part of the one that is wanted most.",
        &[],
        |turn: &mut ScriptTurn| turn.0.language.clone(),
    );
    library.property(
        "get languages(turn: Turn) -> Array",
        "All languages that the customer may understand, the most wanted first, as they were given (`de-AT`).",
        &[],
        |turn: &mut ScriptTurn| -> Array {
            turn.0.languages.iter().map(|language| Dynamic::from(ImmutableString::from(&**language))).collect()
        },
    );
    library.property(
        "get visitor(turn: Turn) -> Data",
        "What is known of the customer: the `attributes` and `visitor` of plugin.yaml, as texts. What is not known is `()`.",
        &[],
        |turn: &mut ScriptTurn| turn.0.visitor.clone(),
    );
    library.property(
        "get state(turn: Turn) -> ?",
        "The state that this plugin gave to `ask`, if this message may be the answer; else `()`.",
        &[],
        |turn: &mut ScriptTurn| turn.0.state.as_deref().map_or(Dynamic::UNIT, to_script),
    );
    library.property(
        "get entry(turn: Turn) -> ?",
        "The id of the FAQ entry that handed the turn on with `then:`, else `()`.",
        &[],
        |turn: &mut ScriptTurn| turn.0.entry.clone().map_or(Dynamic::UNIT, Dynamic::from),
    );
    library.property(
        "get messages(turn: Turn) -> Array",
        "The last messages before this one, the oldest first, at most ten: maps with `author` (`visitor`, `bot` or \
         `agent`), `text` (at most 1,000 characters of it), `at` (UTC milliseconds) and `entry` (of the FAQ, or `()`). \
         They are read when a script asks for them, so ask when the rest of the message is for this plugin.",
        &[],
        |turn: &mut ScriptTurn| -> Result<Array> {
            if !turn.0.has_past {
                return Ok(Array::new());
            }
            run::with(|run| match &run.known.messages {
                Some(messages) => Ok(messages.clone()),
                None => {
                    run.wanted.messages = true;
                    run::stop()
                }
            })
        },
    );
    library.property(
        "get now(turn: Turn) -> int",
        "When the message was sent, in UTC milliseconds since 1970. There is no other clock.",
        &[],
        |turn: &mut ScriptTurn| turn.0.now,
    );
    library.property(
        "get actions(turn: Turn) -> Array",
        "Those of the `actions` of plugin.yaml that this site has: what the plugin can propose with `act`.",
        &[],
        |turn: &mut ScriptTurn| -> Array {
            let Some(sources) = &turn.0.sources else { return Array::new() };
            let there = turn.0.plugin.manifest().actions.iter().filter(|action| sources.can_act(action));
            there.map(|action| Dynamic::from(ImmutableString::from(action.as_str()))).collect()
        },
    );
    library.property(
        "get settings(turn: Turn) -> Data",
        "The `settings` of plugin.yaml, with the values of settings.yaml where that has others.",
        &[],
        |turn: &mut ScriptTurn| turn.0.plugin.settings().clone(),
    );
    library.property(
        "get texts(turn: Turn) -> ?",
        "Of the data file texts.yaml what it holds for the language to answer in, or else for English: \
         `turn.texts.greeting` is `turn.data.texts.de.greeting` for who reads German. `()` without such a file.",
        &[],
        |turn: &mut ScriptTurn| -> Dynamic {
            texts(&turn.0.plugin, &turn.0.language).map_or(Dynamic::UNIT, |texts| Dynamic::from(texts.clone()))
        },
    );
    library.property(
        "get data(turn: Turn) -> Data",
        "The data files of plugin.yaml by their names: `turn.data.rates` is what rates.yaml holds.",
        &[],
        |turn: &mut ScriptTurn| turn.0.plugin.data().clone(),
    );
}

/// Messages as scripts see them.
pub(super) fn messages(events: &[Arc<Event>]) -> Array {
    let message = |event: &Arc<Event>| {
        let entry = event.provenance.as_ref().and_then(|provenance| provenance.entry.as_deref());
        let end = event.body.char_indices().nth(LONGEST_MESSAGE).map_or(event.body.len(), |(at, _)| at);
        let mut map = Map::new();
        map.insert("author".into(), event.author.as_str().into());
        map.insert("text".into(), event.body[..end].into());
        map.insert("at".into(), event.at.into());
        map.insert("entry".into(), entry.map_or(Dynamic::UNIT, |entry| ImmutableString::from(entry).into()));
        Dynamic::from_map(map)
    };
    events.iter().map(message).collect()
}

/// The first part of the language that is wanted most.
pub(super) fn language(languages: &[Arc<str>]) -> ImmutableString {
    let wanted = languages.first().map_or("en", |language| language);
    wanted.split(['-', '_']).next().unwrap_or(wanted).to_ascii_lowercase().into()
}

fn words(text: &str) -> Array {
    words_of(&text.to_lowercase()).map(|word| Dynamic::from(ImmutableString::from(word))).collect()
}

/// The words of a text in small letters.
pub(super) fn words_of(lower: &str) -> impl Iterator<Item = &str> {
    lower.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').filter(|word| !word.is_empty())
}
