//! Tools: what a model may call. There is nothing else that its text can set going.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::wire::Call;
use crate::responders::Tool;

/// The tool that purser itself has.
pub(super) const HAND_OVER: &str = "hand_over";

/// A call as it may be carried out.
pub(super) enum Wanted<'a> {
    Tool(&'a Arc<dyn Tool>, Map<String, Value>),
    HandOver,
    /// Why it is not, for the model.
    Refused(String),
}

/// The tools as a model is told of them.
pub(super) fn told(tools: &[Arc<dyn Tool>], hands_over: bool) -> Vec<Value> {
    let function = |name: &str, description: &str, parameters: &Value| {
        let function = json!({ "name": name, "description": description, "parameters": parameters });
        json!({ "type": "function", "function": function })
    };
    let tools = tools.iter().filter(|tool| tool.name() != HAND_OVER);
    let mut all: Vec<Value> =
        tools.map(|tool| function(tool.name(), tool.description(), tool.parameters().schema())).collect();
    if hands_over {
        let nothing = json!({ "type": "object", "properties": {} });
        all.push(function(HAND_OVER, "Passes the conversation on to a person of the company.", &nothing));
    }
    all
}

/// What a call asks for, if it may.
pub(super) fn wanted<'a>(call: &Call, tools: &'a [Arc<dyn Tool>], hands_over: bool) -> Wanted<'a> {
    if call.name == HAND_OVER && hands_over {
        return Wanted::HandOver;
    }
    let Some(tool) = tools.iter().find(|tool| tool.name() == call.name) else {
        return Wanted::Refused("there is no such tool".to_owned());
    };
    let Some(arguments) = call.parsed() else {
        return Wanted::Refused("the arguments are not a JSON object".to_owned());
    };
    match tool.parameters().check(&arguments) {
        Ok(()) => Wanted::Tool(tool, arguments),
        Err(why) => Wanted::Refused(why),
    }
}
