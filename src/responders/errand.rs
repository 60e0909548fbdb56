//! What a customer is told of an errand in the end.

use serde_json::{Map, Value};

use super::markdown::escaped;
use crate::conversation::{Outcome, Proposal};

/// What the other side says is shown to the customer up to this, in characters a field.
const MAX_FIELD: usize = 500;

/// The words for this outcome, with the fields of what the other side answered in the places of their names.
pub fn told(proposal: &Proposal, outcome: Outcome, fields: &Map<String, Value>) -> String {
    let mut out = String::new();
    let mut rest = proposal.words.of(outcome);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        match fields.get(name) {
            Some(Value::String(text)) => out.push_str(&escaped(text, MAX_FIELD)),
            Some(Value::Number(number)) => out.push_str(&number.to_string()),
            _ => {}
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::{EventId, Words};

    #[test]
    fn what_the_other_side_says_is_shown_as_text() {
        let done = "It comes on **{day}**, {window}{nothing}{map}. {open".to_owned();
        let words = Words { done, refused: "no {day}".to_owned(), unknown: String::new(), person: None };
        let (action, button) = ("x".to_owned(), "Yes".to_owned());
        let proposal = Proposal { id: EventId::new(), action, params: Map::new(), button, words, language: None };
        let fields = json!({ "day": "*Friday* <b>", "window": 9, "map": {} });
        let fields = fields.as_object().unwrap();
        assert_eq!(told(&proposal, Outcome::Done, fields), "It comes on **\\*Friday\\* \\<b\\>**, 9. {open");
        assert_eq!(told(&proposal, Outcome::Refused, &Map::new()), "no ");
    }
}
