//! Answers: Markdown with placeholders.
//!
//! `{{ facts.phone }}` is put in when the files are loaded; what depends on the visitor when it is said. A value that
//! a visitor gave is text, whatever it looks like: it is escaped for Markdown.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};

use crate::responders::markdown::escaped;

/// The longest value of a visitor that is put into an answer, in characters.
const MAX_VALUE: usize = 200;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment
});

/// A text that is ready to be said, or nearly.
#[derive(Debug)]
pub enum Text {
    /// The same for everybody.
    Fixed(Arc<str>),
    /// Asks for what is known of the visitor.
    Personal { template: String, facts: Value },
}

/// What is wrong with a text's placeholders.
#[derive(Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The line of the text, from 0.
    pub line: usize,
    pub message: String,
    pub hint: String,
}

impl Text {
    /// Puts in the facts and tries the rest with a visitor of whom nothing is known.
    pub fn new(template: &str, facts: &BTreeMap<String, String>) -> Result<Text, Misplaced> {
        let template = template.trim_end();
        if !template.contains("{{") && !template.contains("{%") && !template.contains("{#") {
            return Ok(Text::Fixed(template.into()));
        }
        let compiled = TEMPLATES.template_from_str(template).map_err(|error| Misplaced {
            line: error.line().map_or(0, |line| line.saturating_sub(1)),
            message: format!("this placeholder cannot be read: {}", error.detail().unwrap_or("it is not complete")),
            hint: "write {{ facts.phone }} or {{ visitor.name | default(\"there\") }}".to_owned(),
        })?;
        if let Some((line, word)) = forbidden(template) {
            return Err(Misplaced {
                line,
                message: format!("`{{% {word} %}}` is not possible in an answer"),
                hint: "only if, elif, else and endif are; write the rest out".to_owned(),
            });
        }
        for name in sorted(compiled.undeclared_variables(true)) {
            check_name(template, &name, facts)?;
        }
        let personal = compiled.undeclared_variables(false).contains("visitor");
        let facts = values(facts.iter());
        let nobody = values([].into_iter());
        let rendered = compiled.render(context! { facts => facts.clone(), visitor => nobody });
        match rendered {
            Ok(text) if !personal && text.trim().is_empty() => Err(Misplaced {
                line: 0,
                message: "nothing is left of this text when its placeholders are filled".to_owned(),
                hint: "write what is to be said".to_owned(),
            }),
            Ok(text) if !personal => Ok(Text::Fixed(text.trim_end().into())),
            Ok(_) => Ok(Text::Personal { template: template.to_owned(), facts }),
            Err(error) if error.kind() == ErrorKind::UndefinedError => Err(without_default(template, &error)),
            Err(error) => Err(Misplaced {
                line: error.line().map_or(0, |line| line.saturating_sub(1)),
                message: format!("this placeholder does not work: {error}"),
                hint: "write {{ facts.phone }} or {{ visitor.name | default(\"there\") }}".to_owned(),
            }),
        }
    }

    /// The text for this visitor.
    pub fn say(&self, visitor: &BTreeMap<String, String>) -> anyhow::Result<Arc<str>> {
        match self {
            Text::Fixed(text) => Ok(text.clone()),
            Text::Personal { template, facts } => {
                let escaped: BTreeMap<_, _> =
                    visitor.iter().map(|(name, value)| (name.clone(), escaped(value, MAX_VALUE))).collect();
                let visitor = values(escaped.iter());
                let said =
                    TEMPLATES.template_from_str(template)?.render(context! { facts => facts, visitor => visitor })?;
                Ok(said.trim_end().into())
            }
        }
    }
}

/// A statement that answers do not need, such as a loop that never ends.
fn forbidden(template: &str) -> Option<(usize, &str)> {
    let statements = template.match_indices("{%").map(|(at, _)| {
        let word = template[at + 2..].trim_start_matches(['-', '+', ' ', '\t', '\n']);
        (at, word.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
    });
    let mut statements = statements.filter(|(_, word)| !["if", "elif", "else", "endif"].contains(word));
    statements.next().map(|(at, word)| (template[..at].matches('\n').count(), word))
}

fn values<'a>(texts: impl Iterator<Item = (&'a String, &'a String)>) -> Value {
    Value::from_pairs(texts.map(|(name, text)| (name.as_str(), text.as_str())))
}

fn check_name(template: &str, name: &str, facts: &BTreeMap<String, String>) -> Result<(), Misplaced> {
    // Only the first two parts are looked at: a fact is a text and has no parts.
    let mut parts = name.split('.');
    let (root, key) = (parts.next().unwrap_or_default(), parts.next());
    let problem = match (root, key) {
        ("visitor", Some(_)) => None,
        ("facts", Some(key)) if facts.contains_key(key) || asks_first(template, name) => None,
        ("facts", Some(key)) => {
            let hint = match crate::yaml::nearest(key, facts.keys().map(String::as_str)) {
                Some(meant) => format!("did you mean {{{{ facts.{meant} }}}}?"),
                None if facts.is_empty() => format!("no file has facts; add `facts:` with `{key}: …`"),
                None => format!("add `{key}: …` below `facts:`"),
            };
            Some((format!("there is no fact `{key}`"), hint))
        }
        _ => {
            let hint = if facts.contains_key(root) {
                format!("did you mean {{{{ facts.{root} }}}}?")
            } else {
                "a placeholder begins with facts. or visitor.".to_owned()
            };
            Some((format!("unknown placeholder `{name}`"), hint))
        }
    };
    match problem {
        None => Ok(()),
        Some((message, hint)) => Err(Misplaced { line: line_of(template, name), message, hint }),
    }
}

/// Whether a template copes with the fact's absence.
fn asks_first(template: &str, name: &str) -> bool {
    template.contains(&format!("{name} is defined"))
        || template.contains(&format!("{name} | default"))
        || template.contains(&format!("{name}|default"))
}

fn without_default(template: &str, error: &minijinja::Error) -> Misplaced {
    let line = error.line().map_or(0, |line| line.saturating_sub(1));
    let said = template.lines().nth(line).unwrap_or_default();
    let name = said.split("visitor.").nth(1).unwrap_or_default();
    let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Misplaced {
        line,
        message: format!("`visitor.{name}` is not known of every visitor and has no default"),
        hint: format!("write {{{{ visitor.{name} | default(\"…\") }}}} with what to say to the others"),
    }
}

fn line_of(template: &str, name: &str) -> usize {
    template.lines().position(|line| line.contains(name)).unwrap_or(0)
}

fn sorted(names: std::collections::HashSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> BTreeMap<String, String> {
        [("phone", "+44 20"), ("email", "a@b.example")].map(|(name, fact)| (name.to_owned(), fact.to_owned())).into()
    }

    fn said(template: &str, name: Option<&str>) -> Arc<str> {
        let visitor = name.map(|name| ("name".to_owned(), name.to_owned())).into_iter().collect();
        Text::new(template, &facts()).unwrap().say(&visitor).unwrap()
    }

    #[test]
    fn facts_are_put_in_at_load_and_visitors_when_it_is_said() {
        assert!(
            matches!(Text::new("Call {{ facts.phone }}.\n", &facts()), Ok(Text::Fixed(text)) if &*text == "Call +44 20.")
        );
        let greeting = "Hello {{ visitor.name | default(\"there\") }}, call {{ facts.phone }}";
        assert_eq!(&*said(greeting, None), "Hello there, call +44 20");
        assert_eq!(&*said(greeting, Some("Ann")), "Hello Ann, call +44 20");
        let asks = "{% if visitor.name is defined %}Hello {{ visitor.name }}{% else %}Hello{% endif %}";
        assert_eq!(&*said(asks, None), "Hello");
        assert_eq!(&*said(asks, Some("Ann")), "Hello Ann");
        assert_eq!(
            &*said("{% if facts.fax is defined %}Fax {{ facts.fax }}{% else %}No fax{% endif %}", None),
            "No fax"
        );
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        for (template, line, message, hint) in [
            ("a\nCall {{ facts.phon }}", 1, "there is no fact `phon`", "did you mean {{ facts.phone }}?"),
            ("{{ facts.office_hours }}", 0, "there is no fact `office_hours`", "add `office_hours: …` below `facts:`"),
            ("{{ phone }}", 0, "unknown placeholder `phone`", "did you mean {{ facts.phone }}?"),
            ("{{ user.name }}", 0, "unknown placeholder `user.name`", "a placeholder begins with facts. or visitor."),
            (
                "Hello {{ visitor.name }}",
                0,
                "`visitor.name` is not known of every visitor and has no default",
                "write {{ visitor.name | default(\"…\") }} with what to say to the others",
            ),
        ] {
            let misplaced = Text::new(template, &facts()).unwrap_err();
            let expected = Misplaced { line, message: message.to_owned(), hint: hint.to_owned() };
            assert_eq!(misplaced, expected, "{template}");
        }
        let looping = Text::new("a\n{% for i in range(9) %}x{% endfor %}", &facts()).unwrap_err();
        assert_eq!((looping.line, looping.message.as_str()), (1, "`{% for %}` is not possible in an answer"));
        let broken = Text::new("a\n{{ facts.phone ", &facts()).unwrap_err();
        assert_eq!(broken.line, 1);
        assert!(broken.message.starts_with("this placeholder cannot be read: "), "{}", broken.message);
    }
}
