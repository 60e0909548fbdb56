//! What a server of models sends, put together: text, calls of tools, and what it cost.
//!
//! Servers differ, so nothing is expected that need not be: a piece may have no choices, a call no index, arguments may
//! be a text or an object, and the count of tokens may come at the end, in between or never. What a model thinks before it
//! answers is not taken in, where the server tells it apart; [`super::thoughts`] finds it where it does not.

use serde_json::{Map, Value};

/// The most calls of tools in one go; what is more is left out.
const MOST_CALLS: usize = 8;
/// The longest arguments of a call, in bytes.
const MOST_ARGUMENTS: usize = 16 << 10;
/// Where servers put what a model thinks.
const THOUGHTS: [&str; 3] = ["reasoning_content", "reasoning", "thinking"];
/// How an answer ends that the model, or a filter before it, will not give.
pub(super) const REFUSED: &str = "content_filter";

/// All that the model has said in one go.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Said {
    pub text: String,
    pub calls: Vec<Call>,
    /// Why it ended, in the server's word.
    pub finish: Option<String>,
    /// The model that answered, if the server says so.
    pub model: Option<String>,
    /// Tokens that were read and written, if the server says so.
    pub tokens: Option<(u32, u32)>,
    /// Whether there was anything of an answer, were it empty.
    pub has_choice: bool,
}

/// What a piece adds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct More {
    pub text: String,
    /// Whether the model got on by it, with text, with a call or in its thoughts.
    pub is_something: bool,
}

/// A call of a tool.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Call {
    index: Option<u64>,
    pub id: String,
    pub name: String,
    /// JSON, as the model wrote it.
    pub arguments: String,
}

impl Call {
    pub fn new(id: &str, name: &str, arguments: &str) -> Call {
        Call { index: None, id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() }
    }

    /// The arguments as they must be: an object. None at all are an empty one.
    pub fn parsed(&self) -> Option<Map<String, Value>> {
        match self.arguments.trim() {
            "" => Some(Map::new()),
            text => serde_json::from_str(text).ok(),
        }
    }
}

impl Said {
    /// Takes in a piece, or a whole answer; gives what it adds. `Err` has what the server says is wrong.
    pub fn take(&mut self, piece: &Value) -> Result<More, String> {
        if let Some(error) = piece.get("error").filter(|error| !error.is_null()) {
            let told = error.get("message").and_then(Value::as_str).or(error.as_str()).unwrap_or("no reason");
            return Err(told.chars().take(200).collect());
        }
        if let Some(model) = piece.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()) {
            self.model = Some(model.chars().take(100).collect());
        }
        if let Some(tokens) = piece.get("usage").and_then(tokens) {
            self.tokens = Some(tokens);
        }
        let mut more = More::default();
        for choice in piece.get("choices").and_then(Value::as_array).into_iter().flatten() {
            // One answer was asked for; some servers put its text and its calls into several.
            if choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0 {
                self.choice(choice, &mut more)?;
            }
        }
        self.text.push_str(&more.text);
        Ok(more)
    }

    fn choice(&mut self, choice: &Value, more: &mut More) -> Result<(), String> {
        self.has_choice = true;
        match choice.get("finish_reason").and_then(Value::as_str) {
            Some("error") => return Err("no reason".to_owned()),
            Some(finish) if self.finish.as_deref() != Some(REFUSED) => self.finish = Some(finish.to_owned()),
            _ => {}
        }
        let message = ["delta", "message"].into_iter().find_map(|name| choice.get(name).filter(|it| it.is_object()));
        let Some(message) = message else { return Ok(()) };
        let has_text = |name: &str| message.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if has_text("refusal") {
            self.finish = Some(REFUSED.to_owned());
        }
        let calls = message.get("tool_calls").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        calls.iter().for_each(|call| self.call(call));
        let text = text(message.get("content").unwrap_or(&Value::Null));
        more.is_something |= !text.is_empty() || !calls.is_empty() || THOUGHTS.into_iter().any(has_text);
        more.text.push_str(&text);
        Ok(())
    }

    fn call(&mut self, piece: &Value) {
        let word = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let function = piece.get("function").unwrap_or(&Value::Null);
        let (index, id) = (piece.get("index").and_then(Value::as_u64), word(piece.get("id")));
        let name = word(function.get("name"));
        let arguments = match function.get("arguments") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(object) => object.to_string(),
        };
        let at = self.place_of(index, &id, &name);
        if at == self.calls.len() {
            if at == MOST_CALLS {
                return;
            }
            self.calls.push(Call { index, ..Call::default() });
        }
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        if call.arguments.len() + arguments.len() <= MOST_ARGUMENTS {
            call.arguments.push_str(&arguments);
        } else {
            // Not JSON any more, so the call is refused.
            call.arguments = "{".to_owned();
        }
    }

    /// Which call a piece belongs to; a new one is behind the last.
    fn place_of(&self, index: Option<u64>, id: &str, name: &str) -> usize {
        let new = self.calls.len();
        let other = |call: &Call| !id.is_empty() && !call.id.is_empty() && call.id != id;
        if index.is_some() {
            // Some servers number all calls 0 and tell them apart by their ids.
            let same = self.calls.iter().rposition(|call| call.index == index && !other(call));
            return same.unwrap_or(new);
        }
        if !id.is_empty() {
            return self.calls.iter().position(|call| call.id == id).unwrap_or(new);
        }
        match self.calls.last() {
            Some(last) if name.is_empty() || last.name.is_empty() => new - 1,
            _ => new,
        }
    }
}

/// Text, which may come in parts. Parts of another kind are thoughts, or pictures.
fn text(content: &Value) -> String {
    let is_text = |part: &&Value| part.get("type").and_then(Value::as_str).is_none_or(|kind| kind == "text");
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter(is_text).filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        _ => String::new(),
    }
}

fn tokens(usage: &Value) -> Option<(u32, u32)> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    match (count("prompt_tokens"), count("completion_tokens")) {
        (None, None) => None,
        (read, written) => Some((read.unwrap_or(0), written.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(pieces: &[Value]) -> Said {
        let mut said = Said::default();
        for piece in pieces {
            said.take(piece).expect("no error");
        }
        said
    }

    fn calling(piece: Value) -> Value {
        json!({ "choices": [{ "delta": { "tool_calls": [piece] } }] })
    }

    #[test]
    fn text_and_usage_come_in_any_form() {
        let said = taken(&[
            json!({ "model": "m-1", "choices": [{ "delta": { "role": "assistant", "content": null } }] }),
            json!({ "choices": [{ "delta": { "content": "Hel" } }] }),
            json!({ "choices": [{ "delta": { "content": [{ "type": "text", "text": "lo" }] }, "finish_reason": null }] }),
            json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }),
            json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 2 } }),
            json!({ "usage": null }),
            json!({ "x": 1 }),
            json!([]),
        ]);
        assert_eq!((said.text.as_str(), said.finish.as_deref()), ("Hello", Some("stop")));
        assert_eq!((said.tokens, said.model.as_deref()), (Some((7, 2)), Some("m-1")));
        let whole = taken(&[json!({ "choices": [{ "message": { "content": "Hi" }, "finish_reason": "stop" }] })]);
        assert_eq!(whole.text, "Hi");
        assert!(!taken(&[json!({ "choices": [] }), json!({ "detail": "no" })]).has_choice && whole.has_choice);
        let error = Said::default().take(&json!({ "error": { "message": "overloaded" } }));
        assert_eq!(error, Err("overloaded".to_owned()));
    }

    #[test]
    fn thoughts_are_no_text() {
        let thinks = |delta: Value| json!({ "choices": [{ "delta": delta }] });
        let mut said = Said::default();
        for thought in [
            thinks(json!({ "reasoning_content": "The rules say" })),
            thinks(json!({ "content": "", "reasoning": "that" })),
            thinks(json!({ "content": null, "thinking": "I" })),
        ] {
            assert_eq!(said.take(&thought), Ok(More { text: String::new(), is_something: true }), "{thought}");
        }
        let parts = json!([
            { "type": "thinking", "thinking": [{ "type": "text", "text": "must" }] },
            { "type": "reasoning", "text": "not" },
            { "type": "text", "text": "[1] Yes" },
            { "text": "." },
        ]);
        assert_eq!(said.take(&thinks(json!({ "content": parts }))).expect("no error").text, "[1] Yes.");
        for nothing in [json!({ "role": "assistant", "content": "" }), json!({ "reasoning_content": null }), json!({})]
        {
            assert_eq!(said.take(&thinks(nothing)), Ok(More::default()));
        }
        assert_eq!(said.text, "[1] Yes.");
    }

    #[test]
    fn a_refusal_is_no_answer_and_several_choices_are_one() {
        let refused = taken(&[
            json!({ "choices": [{ "delta": { "content": null, "refusal": "I can" } }] }),
            json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }),
        ]);
        assert_eq!((refused.text.as_str(), refused.finish.as_deref()), ("", Some(REFUSED)));
        let error = Said::default().take(&json!({ "choices": [{ "delta": {}, "finish_reason": "error" }] }));
        assert!(error.is_err());
        let call = json!({ "id": "a", "function": { "name": "track", "arguments": "{}" } });
        let split = taken(&[json!({ "choices": [
            { "message": { "content": "I look." }, "finish_reason": "tool_calls" },
            { "message": { "tool_calls": [call] }, "finish_reason": "tool_calls" },
        ] })]);
        assert_eq!((split.text.as_str(), split.calls.len()), ("I look.", 1));
        // Another answer, which nobody asked for.
        let other = taken(&[json!({ "choices": [
            { "index": 1, "delta": { "content": "No" } },
            { "index": 0, "delta": { "content": "Yes" } },
        ] })]);
        assert_eq!(other.text, "Yes");
    }

    #[test]
    fn calls_are_put_together_with_and_without_index() {
        let expected = [("a", "track", r#"{"number":"1"}"#), ("b", "cost", "{}")];
        let expected: Vec<_> = expected.iter().map(|(id, name, args)| (*id, *name, *args)).collect();
        let with_index = [
            calling(json!({ "index": 0, "id": "a", "function": { "name": "track", "arguments": "" } })),
            calling(json!({ "index": 1, "id": "b", "function": { "name": "cost", "arguments": "{}" } })),
            calling(json!({ "index": 0, "function": { "arguments": "{\"number\":" } })),
            calling(json!({ "index": 0, "function": { "arguments": "\"1\"}" } })),
        ];
        let without = [
            calling(json!({ "id": "a", "function": { "name": "track", "arguments": "{\"number\":" } })),
            calling(json!({ "function": { "arguments": "\"1\"}" } })),
            calling(json!({ "id": "b", "function": { "name": "cost", "arguments": {} } })),
        ];
        let all_zero = [
            calling(json!({ "index": 0, "id": "a", "function": { "name": "track", "arguments": { "number": "1" } } })),
            calling(json!({ "index": 0, "id": "b", "function": { "name": "cost", "arguments": "{}" } })),
        ];
        for pieces in [&with_index[..], &without, &all_zero] {
            let said = taken(pieces);
            let calls: Vec<_> = said.calls.iter().map(|call| (&*call.id, &*call.name, &*call.arguments)).collect();
            assert_eq!(calls, expected);
        }
        // Neither index nor id: a name begins another call.
        let bare = taken(&[
            calling(json!({ "function": { "name": "track", "arguments": "{}" } })),
            calling(json!({ "function": { "name": "cost" } })),
        ]);
        assert_eq!(bare.calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["track", "cost"]);
        assert_eq!(bare.calls[1].parsed(), Some(Map::new()));
        assert_eq!(Call::new("", "x", "[1]").parsed(), None);
        let many: Vec<_> =
            (0..50).map(|id| calling(json!({ "id": id.to_string(), "function": { "name": "x" } }))).collect();
        assert_eq!(taken(&many).calls.len(), MOST_CALLS);
        let long =
            calling(json!({ "id": "a", "function": { "name": "x", "arguments": "x".repeat(MOST_ARGUMENTS + 1) } }));
        assert_eq!(taken(&[long]).calls[0].parsed(), None);
    }
}
