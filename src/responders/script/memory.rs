//! What a plugin remembers of the visitor.

use rhai::{Dynamic, ImmutableString};

use super::library::{Library, Result, fail};
use super::run::{self, Run};

/// The longest value of an attribute, in characters.
const MAX_VALUE: usize = 500;

/// Registers `remember` and `forget`.
pub(super) fn register(library: &mut Library) {
    library.section(
        "Memory",
        "What is remembered is there in later messages of the conversation, as `turn.visitor.name` and in answers of the \
         FAQ as `{{ visitor.name }}`. The attributes of a plugin are listed in its plugin.yaml.",
    );
    library.function(
        "fn remember(name: String, value: ?)",
        "Remembers an attribute: a text, a number or a bool; it is kept as text. It counts when the answer does.",
        &[],
        |name: &str, value: Dynamic| -> Result<()> {
            let text = match value.as_immutable_string_ref() {
                Ok(text) => text.to_string(),
                Err(_) if value.is_int() || value.is_float() || value.is_bool() => value.to_string(),
                Err(other) => return fail(format!("an attribute is a text, a number or a bool, not a {other}")),
            };
            let length = text.chars().count();
            if length > MAX_VALUE {
                return fail(format!("an attribute has at most {MAX_VALUE} characters, `{name}` has {length}"));
            }
            run::with(|run| attribute(run, name, Some(text)))
        },
    );
    library.function("fn forget(name: String)", "Forgets an attribute.", &[], |name: ImmutableString| {
        run::with(|run| attribute(run, &name, None))
    });
}

fn attribute(run: &mut Run, name: &str, value: Option<String>) -> Result<()> {
    if !run.plugin.manifest().attributes.iter().any(|known| known == name) {
        return fail(format!("`{name}` is not among the `attributes` of plugin.yaml"));
    }
    let attributes = &mut run.effects.attributes;
    attributes.retain(|(known, _)| known != name);
    attributes.push((name.to_owned(), value));
    Ok(())
}
