//! The functions for scripts as a page, and as definitions for editors.

use super::engine::reference;
use super::library::{Function, name};

/// The reference in Markdown: a heading for each group, each function with its signature, text and examples.
pub fn markdown() -> String {
    let mut out = String::new();
    for section in reference() {
        out.push_str(&format!("\n### {}\n", section.title));
        if !section.intro.is_empty() {
            out.push_str(&format!("\n{}\n", section.intro));
        }
        for function in &section.functions {
            out.push_str(&format!("\n`{}`\n", shown(function)));
            if !function.text.is_empty() {
                out.push_str(&format!(": {}\n", function.text));
            }
            for example in function.examples {
                out.push_str(&format!(
                    "\n  ```rhai\n  {}\n  ```\n",
                    example.trim_end_matches("; true").replace('\n', "\n  ")
                ));
            }
        }
    }
    out
}

/// `turn.text: String` for a property, else the signature without its `fn`.
fn shown(function: &Function) -> String {
    match function.signature.strip_prefix("get ") {
        None => function.signature.trim_start_matches("fn ").to_owned(),
        Some(rest) => {
            let owner = rest.split_once('(').and_then(|(_, rest)| rest.split_once(':')).map_or("", |(owner, _)| owner);
            let kind = rest.rsplit_once("-> ").map_or("?", |(_, kind)| kind);
            format!("{owner}.{}: {kind}", name(function.signature))
        }
    }
}

/// `plugins/purser.d.rhai`: what editors with support for Rhai read.
pub fn definitions() -> String {
    let mut out = "module static;\n\n// What scripts for purser can call besides the language itself. Made from the program: do not edit.\n".to_owned();
    for section in reference() {
        out.push_str(&format!("\n// {}\n", section.title));
        for function in &section.functions {
            out.push('\n');
            if !function.text.is_empty() {
                out.push_str(&format!("/// {}\n", function.text));
            }
            for example in function.examples {
                let lines = example.trim_end_matches("; true").lines().map(|line| format!("/// {line}\n"));
                out.push_str(&format!("///\n/// ```\n{}/// ```\n", lines.collect::<String>()));
            }
            out.push_str(&format!("{};\n", function.signature.replacen("get ", "fn get$", 1)));
        }
    }
    out
}
