//! Which functions of a plugin are run, for the coverage of recordings: scripts that were marked for it say so.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use rhai::{Engine, ImmutableString};

use super::library::Result;
use super::run;

/// What a marked function calls first.
const MARK: &str = "reach__";

/// Lets marked scripts say what is run.
pub(super) fn register(engine: &mut Engine) {
    engine.register_fn(MARK, |function: ImmutableString| -> Result<()> {
        run::with(|run| {
            run.plugin.reach(&function);
            Ok(())
        })
    });
}

/// The same files of content with every function of the scripts marked. Lines stay where they are.
pub fn marked(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    static FUNCTION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?m)^([ \t]*fn\s+(\w+)\s*\([^)]*\)\s*\{)").ok());
    let mark = |(path, bytes): (&String, &Vec<u8>)| {
        let is_script = path.starts_with("plugins/") && path.ends_with(".rhai");
        let marked = match (FUNCTION.as_ref(), std::str::from_utf8(bytes)) {
            (Some(function), Ok(text)) if is_script => {
                function.replace_all(text, format!("$1 {MARK}(\"$2\");")).into_owned().into_bytes()
            }
            _ => bytes.clone(),
        };
        (path.clone(), marked)
    };
    files.iter().map(mark).collect()
}
