//! What a script returns: `pass()`, `reply("…")`, `ask("…", state)`, `act("…", #{…}, "…?")`, `hand_over("…")`.

use std::sync::Arc;

use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::Value;

use super::engine::MAX_TEXT;
use super::library::{Library, Result, fail};
use super::run;
use super::value::{fits, from_script};
use crate::conversation::Button;
use crate::responders::Proposed;

/// At most so many buttons.
const MAX_BUTTONS: usize = 12;
/// The longest text of a button, in characters.
const MAX_BUTTON: usize = 80;
/// The longest link and value of a button, in bytes.
const MAX_LINK: usize = 2_000;
const MAX_VALUE: usize = 64;
/// The longest state of a question, in bytes of JSON.
const MAX_STATE: usize = 8_000;
/// The longest text about the outcome of an action, in characters.
const MAX_WORDS: usize = 2_000;
/// The largest table.
const MAX_COLUMNS: usize = 6;
const MAX_ROWS: usize = 30;

/// A script's answer.
#[derive(Debug, Clone)]
pub(super) enum Given {
    /// Not mine, and perhaps why.
    Pass(Option<ImmutableString>),
    /// An answer, a question back or a hand-over. Each call that adds to it gives it once more; it is not copied.
    Say(Arc<Said>),
}

/// An answer that the customer sees.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub act: Act,
    pub text: String,
    pub buttons: Vec<Button>,
    pub language: Option<String>,
    /// Of a reply: what to have back with a message that adds to it.
    pub expects: Option<Value>,
}

/// What comes with the words.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Reply,
    /// With the state to have back.
    Ask(Value),
    /// With what is done if the customer agrees, and the state to have back if they say something else.
    Propose(Box<Proposed>, Value),
    /// To this team, or to everybody.
    HandOver(Option<String>),
}

impl Given {
    fn said(act: Act, text: &str) -> Given {
        Given::Say(Arc::new(Said { act, text: text.to_owned(), buttons: Vec::new(), language: None, expects: None }))
    }

    fn change(&mut self, change: impl FnOnce(&mut Said) -> Result<()>) -> Result<Given> {
        match self {
            Given::Say(said) => {
                change(Arc::make_mut(said))?;
                let bytes = said.text.len();
                if bytes > MAX_TEXT {
                    return fail(format!("the answer has {bytes} bytes, at most {MAX_TEXT} are possible"));
                }
            }
            Given::Pass(_) => return fail("pass() says nothing, so it cannot have buttons or tables"),
        }
        Ok(self.clone())
    }

    fn button(&mut self, button: Button) -> Result<Given> {
        self.change(|said| {
            let length = button.text.chars().count();
            if button.text.trim().is_empty() || length > MAX_BUTTON {
                return fail(format!("the text of a button has 1 to {MAX_BUTTON} characters, this one {length}"));
            }
            if said.buttons.len() == MAX_BUTTONS {
                return fail(format!("an answer has at most {MAX_BUTTONS} buttons"));
            }
            said.buttons.push(button);
            Ok(())
        })
    }
}

/// Registers the answers.
pub(super) fn register(library: &mut Library) {
    library.section(
        "Answers",
        "`answer(turn)` returns one of these. Texts are Markdown; what comes from a customer or a source goes through \
         `plain()` first.",
    );
    library.value::<Given>("Answer");
    library.function(
        "fn pass() -> Answer",
        "Not mine: the next responder is asked. With a reason, `--why` shows it.",
        &[],
        || Given::Pass(None),
    );
    library.function(
        "fn pass(why: String) -> Answer",
        "",
        &[r#"pass("no weight in it"); true"#],
        |why: ImmutableString| Given::Pass(Some(why)),
    );
    library.function(
        "fn reply(text: String) -> Answer",
        "Answers with this text.",
        &[r#"reply("We are **open** until six.").button("Where is that?"); true"#],
        |text: &str| Given::said(Act::Reply, text),
    );
    library.function(
        "fn ask(text: String, state: ?) -> Answer",
        "Asks something back. The customer's next message comes to this plugin first, with `turn.state` as it is given \
         here. The plugin may `pass()` it; after two answers of others, fifteen minutes or a \"cancel\" the question is \
         forgotten. The state is data: text, numbers, lists, maps.",
        &[r#"ask("How heavy is it?", #{ from: "DE", to: "FR" }); true"#],
        |text: &str, state: Dynamic| -> Result<Given> { Ok(Given::said(Act::Ask(kept(&state)?), text)) },
    );
    library.function(
        "fn expecting(answer: Answer, state: ?) -> Answer",
        "Says that the customer may add to a reply: their next message comes to this plugin first, as after `ask`, and \
         what it is not for the plugin may `pass()`. So \"no, 3 kg\" can correct a price.",
        &[r#"reply("2 kg to France: £8.49").expecting(#{ to: "FR", kg: 2 }); true"#],
        |answer: &mut Given, state: Dynamic| -> Result<Given> {
            let state = kept(&state)?;
            answer.change(|said| match said.act {
                Act::Reply => {
                    said.expects = Some(state);
                    Ok(())
                }
                // A proposal that is talked over comes back with what the plugin needs to make another one.
                Act::Propose(_, ref mut before) => {
                    *before = state;
                    Ok(())
                }
                Act::Ask(_) => fail("ask() expects an answer by itself"),
                Act::HandOver(_) => fail("after hand_over() a person gets the next message"),
            })
        },
    );
    library.function(
        "fn act(action: String, params: Map, question: String) -> Answer",
        "Proposes to have something done: `act(\"redeliver\", #{ number: n, day: day }, \"Deliver it on Friday?\")`. The customer \
         gets the question with two buttons; if they agree, the action is carried out once, and they are told what came of it. \
         An action is something that the operator has configured under a name in purser.yaml; plugin.yaml lists those that \
         a plugin may use, and `turn.actions` has those that this site has. If the customer says something else than yes or \
         no, it comes to this plugin first, as after `ask`.",
        &[],
        |action: &str, params: Map, question: &str| proposal(action, &params, question),
    );
    for (signature, text, told) in [
        (
            "fn when_done(answer: Answer, text: String) -> Answer",
            "What the customer is told when a proposed action is done. `{name}` stands for a field of what the other side \
             answered, as plain text; one that is not there is left out.",
            (|proposed: &mut Proposed| &mut proposed.done) as fn(&mut Proposed) -> &mut Option<String>,
        ),
        (
            "fn when_refused(answer: Answer, text: String) -> Answer",
            "What the customer is told when the other side does not do it.",
            |proposed: &mut Proposed| &mut proposed.refused,
        ),
        (
            "fn when_unknown(answer: Answer, text: String) -> Answer",
            "What the customer is told when nobody could find out whether it is done.",
            |proposed: &mut Proposed| &mut proposed.unknown,
        ),
        (
            "fn agree_button(answer: Answer, text: String) -> Answer",
            "What stands on the button that agrees to a proposed action, such as `Yes, on Friday`.",
            |proposed: &mut Proposed| &mut proposed.button,
        ),
    ] {
        let most = if signature.contains("agree_button") { MAX_BUTTON } else { MAX_WORDS };
        library.function(signature, text, &[], move |answer: &mut Given, text: &str| -> Result<Given> {
            let length = text.chars().count();
            if text.trim().is_empty() || length > most {
                return fail(format!("this text has 1 to {most} characters, not {length}"));
            }
            answer.change(|said| match &mut said.act {
                Act::Propose(proposed, _) => {
                    *told(proposed) = Some(text.to_owned());
                    Ok(())
                }
                _ => fail("only act() proposes something"),
            })
        });
    }
    library.function(
        "fn hand_over(text: String) -> Answer",
        "Hands the conversation to a person. The text says why; how it goes on is said after it.",
        &[r#"hand_over("Your parcel is late. A colleague will look into it."); true"#],
        |text: &str| Given::said(Act::HandOver(None), text),
    );
    library.function(
        "fn hand_over(text: String, team: String) -> Answer",
        "Hands it to a team of people, such as `claims`: small letters, digits and hyphens.",
        &[r#"hand_over("Somebody who knows about damages will look into it.", "claims"); true"#],
        |text: &str, team: &str| -> Result<Given> {
            if !crate::people::is_team(team) {
                return fail(format!("`{team}` cannot be a team: write small letters, digits and hyphens"));
            }
            Ok(Given::said(Act::HandOver(Some(team.to_owned())), text))
        },
    );
    library.function(
        "fn button(answer: Answer, text: String) -> Answer",
        "Adds a button that says its text for the customer.",
        &[r#"reply("Done.").button("Another parcel"); true"#],
        |answer: &mut Given, text: &str| answer.button(Button { text: text.to_owned(), ..Button::default() }),
    );
    library.function(
        "fn button(answer: Answer, text: String, value: String) -> Answer",
        "Adds a button whose press comes straight to this plugin, with `turn.choice` as the value.",
        &[r#"ask("How fast?", ()).button("Express", "express").button("Standard", "standard"); true"#],
        |answer: &mut Given, text: &str, value: &str| -> Result<Given> {
            if value.is_empty() || value.len() > MAX_VALUE || value.chars().any(char::is_control) {
                return fail(format!("the value of a button has 1 to {MAX_VALUE} bytes"));
            }
            answer.button(Button { text: text.to_owned(), choice: Some(value.to_owned()), ..Button::default() })
        },
    );
    library.function(
        "fn link(answer: Answer, text: String, address: String) -> Answer",
        "Adds a button that opens a page: an address with https, or a path of the site such as `/order?weight=2`.",
        &[r#"reply("€ 9.80").link("Order it", "/order?weight=2&to=FR"); true"#],
        |answer: &mut Given, text: &str, address: &str| -> Result<Given> {
            if !is_page(address) {
                return fail("a link is an address that begins with https:// or a path that begins with one /");
            }
            answer.button(Button { text: text.to_owned(), link: Some(address.to_owned()), ..Button::default() })
        },
    );
    library.function(
        "fn table(answer: Answer, head: Array, rows: Array) -> Answer",
        "Adds a small table below the text: the head's texts, and a list of cells for each row. The cells are shown as \
         they are, not as Markdown.",
        &[r#"reply("Prices:").table(["Service", "Price"], [["Standard", "€ 9.80"], ["Express", "€ 19.80"]]); true"#],
        |answer: &mut Given, head: Array, rows: Array| -> Result<Given> {
            let table = table(&head, &rows)?;
            answer.change(|said| {
                said.text.truncate(said.text.trim_end().len());
                said.text.push_str("\n\n");
                said.text.push_str(&table);
                Ok(())
            })
        },
    );
    library.function(
        "fn add(answer: Answer, text: String) -> Answer",
        "Adds a paragraph below what is there.",
        &[r#"reply("Prices:").table(["Service"], [["Express"]]).add("All prices include VAT."); true"#],
        |answer: &mut Given, text: &str| {
            answer.change(|said| {
                said.text.truncate(said.text.trim_end().len());
                said.text.push_str("\n\n");
                said.text.push_str(text);
                Ok(())
            })
        },
    );
    library.function(
        "fn in_language(answer: Answer, language: String) -> Answer",
        "Says which language the text is in, if it is not the turn's. The conversation goes on in it.",
        &[r#"reply("Guten Tag").in_language("de"); true"#],
        |answer: &mut Given, language: &str| -> Result<Given> {
            let code = language.len() <= 35 && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if language.is_empty() || !code {
                return fail(format!("`{language}` is not the code of a language; write such as en, de or pt-BR"));
            }
            answer.change(|said| {
                said.language = Some(language.to_owned());
                Ok(())
            })
        },
    );
    library.function(
        "fn plain(text: String) -> String",
        "A text as Markdown that shows just this text, on one line: for what a customer or a source gives.",
        &[r#"plain("a *b* <c>") == "a \\*b\\* \\<c\\>""#],
        |text: &str| crate::responders::markdown::escaped(text, usize::MAX),
    );
}

/// A proposal, if the plugin may make it.
fn proposal(action: &str, params: &Map, question: &str) -> Result<Given> {
    run::with(|run| match run.plugin.manifest().actions.iter().any(|known| known == action) {
        true => Ok(()),
        false => fail(format!("`{action}` is not among the `actions` of plugin.yaml")),
    })?;
    let params = fields(params, "the parameter")?;
    if let Some((name, _)) = params.iter().find(|(_, value)| value.is_array() || value.is_object()) {
        return fail(format!("the parameter `{name}` is a list or a map; an action takes single values"));
    }
    let size = Value::Object(params.clone()).to_string().len();
    if size > MAX_STATE {
        return fail(format!("the parameters have {size} bytes as JSON, at most {MAX_STATE} are taken"));
    }
    let proposed = Proposed { action: action.to_owned(), params, ..Proposed::default() };
    Ok(Given::said(Act::Propose(Box::new(proposed), Value::Null), question))
}

/// The state of a question as data.
fn kept(state: &Dynamic) -> Result<Value> {
    let state = from_script(state).or_else(|why| fail(format!("the state of a question: {why}")))?;
    if !fits(&state, MAX_STATE) {
        let size = state.to_string().len();
        return fail(format!("the state of a question has {size} bytes as JSON, at most {MAX_STATE} are kept"));
    }
    Ok(state)
}

/// Whether a button may open this.
fn is_page(address: &str) -> bool {
    let inner = address.len() <= MAX_LINK && !address.chars().any(|c| c.is_control() || c.is_whitespace());
    let own = address.starts_with('/') && !address.starts_with("//") && !address.starts_with("/\\");
    let host = address.strip_prefix("https://").is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric()));
    inner && (own || host)
}

fn table(head: &Array, rows: &Array) -> Result<String> {
    if head.is_empty() || head.len() > MAX_COLUMNS || rows.len() > MAX_ROWS {
        return fail(format!("a table has 1 to {MAX_COLUMNS} columns and at most {MAX_ROWS} rows"));
    }
    let line = |cells: &Array| -> Result<String> {
        if cells.len() != head.len() {
            return fail(format!("a row of the table has {} cells, its head {}", cells.len(), head.len()));
        }
        let cell = |cell: &Dynamic| Ok(crate::responders::markdown::escaped(&shown(cell)?, usize::MAX));
        Ok(format!("| {} |\n", cells.iter().map(cell).collect::<Result<Vec<_>>>()?.join(" | ")))
    };
    let mut out = line(head)?;
    out.push_str(&format!("|{}\n", " --- |".repeat(head.len())));
    for row in rows {
        match row.as_array_ref() {
            Ok(cells) if out.len() <= MAX_TEXT => out.push_str(&line(&cells)?),
            Ok(_) => return fail(format!("the table has more than {MAX_TEXT} bytes")),
            Err(other) => return fail(format!("a row of a table is a list of cells, not a {other}")),
        }
    }
    Ok(out)
}

/// A single value as a customer reads it.
pub(super) fn shown(value: &Dynamic) -> Result<String> {
    match value {
        value if value.is_unit() => Ok(String::new()),
        value if value.is_array() || value.is_map() => fail("a list or a map cannot be shown to a customer"),
        value => Ok(value.to_string()),
    }
}

/// The fields of a map, for a function whose parameter is one.
pub(super) fn fields(map: &Map, what: &str) -> Result<serde_json::Map<String, Value>> {
    let field = |(name, value): (&rhai::Identifier, &Dynamic)| match from_script(value) {
        Ok(value) => Ok((name.to_string(), value)),
        Err(why) => fail(format!("{what} `{name}`: {why}")),
    };
    map.iter().map(field).collect()
}
