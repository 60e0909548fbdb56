//! Calls of functions that are not there. The engine would notice them only when a customer's message comes that way.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use rhai::{AST, ASTNode, Expr, Stmt};

use super::engine::engine;
use super::fault::place;
use crate::finding::Finding;
use crate::yaml;

/// What the language itself understands as calls.
const LANGUAGE: [&str; 8] = ["call", "Fn", "curry", "is_def_fn", "is_def_var", "is_shared", "print", "type_of"];

static NATIVE: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let named = engine().gen_fn_signatures(true);
    let name = |signature: &String| signature.split(['(', ' ']).next().map(str::to_owned);
    named.iter().filter_map(name).chain(LANGUAGE.map(str::to_owned)).collect()
});

/// The names of all functions that every script has.
pub(super) fn native() -> &'static BTreeSet<String> {
    &NATIVE
}

/// A finding for each call of a function that neither purser nor the script has.
pub(super) fn check(file: &str, text: &str, ast: &AST, own: &HashSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        // A method may be a function that a map holds.
        if let Some(ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))) =
            path.last()
            && call.op_token.is_none()
            && !native().contains(call.name.as_str())
            && !own.contains(call.name.as_str())
            && call.namespace.is_empty()
        {
            let (line, column) = place(*position);
            let finding = Finding::error(file, format!("there is no function `{}`", call.name)).at(text, line, column);
            let known = native().iter().map(String::as_str).chain(own.iter().map(String::as_str));
            findings.push(match yaml::nearest(&call.name, known) {
                Some(meant) => finding.hint(format!("did you mean `{meant}`?")),
                None => finding.hint("docs/plugins.md lists all that there are"),
            });
        }
        true
    });
    findings
}
