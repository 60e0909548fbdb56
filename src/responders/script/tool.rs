//! A plugin as a tool of a model: its `tool(turn, arguments)` is run as its `answer(turn)` is.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::manifest::ToolSpec;
use super::{Plugin, Script};
use crate::responders::parameters::Parameters;
use crate::responders::{Answer, BoxFuture, Tool, Turn};
use crate::sources::LookUp;

/// A plugin whose manifest has a `tool`.
pub struct ScriptTool {
    script: Script,
    plugin: Arc<Plugin>,
}

impl ScriptTool {
    /// The tool that a plugin is, if it is one; it looks things up in these sources.
    pub fn new(plugin: &Arc<Plugin>, sources: &Arc<dyn LookUp>) -> Option<ScriptTool> {
        plugin.manifest().tool.as_ref()?;
        Some(ScriptTool { script: Script::new(plugin.clone(), sources.clone()), plugin: plugin.clone() })
    }

    fn spec(&self) -> &ToolSpec {
        self.plugin.manifest().tool.as_ref().expect("it was looked at when this was made")
    }
}

impl Tool for ScriptTool {
    fn name(&self) -> &str {
        self.plugin.name()
    }

    fn description(&self) -> &str {
        &self.spec().description
    }

    fn parameters(&self) -> &Parameters {
        &self.spec().parameters
    }

    fn call<'a>(&'a self, turn: &'a Turn, arguments: Map<String, Value>) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move { self.script.answer(turn, Some(&arguments)).await })
    }
}
