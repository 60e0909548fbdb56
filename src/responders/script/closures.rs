//! Closures that capture variables may only be handed to functions that use them at once, such as `filter`.
//!
//! What a closure captures escapes the engine's limits on the sizes of values, so a list of closures could hoard any
//! amount of memory. A closure that is used on the spot cannot.

use rhai::{AST, ASTNode, Expr, Stmt};

use super::fault::place;
use crate::finding::Finding;

/// The functions that call a closure and do not keep it.
const AT_ONCE: [&str; 19] = [
    "all",
    "dedup",
    "drain",
    "filter",
    "find",
    "find_map",
    "for_each",
    "index_of",
    "map",
    "none",
    "reduce",
    "reduce_rev",
    "retain",
    "some",
    "sort",
    "sort_by",
    "sort_desc",
    "splice",
    "zip",
];

/// A finding for each closure that could be kept.
pub(super) fn check(file: &str, text: &str, ast: &AST) -> Vec<Finding> {
    let mut findings = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some((ASTNode::Stmt(Stmt::Share(shared)), above)) = path.split_last()
            && !is_used_at_once(above)
        {
            let position = shared.first().map_or(rhai::Position::NONE, |(name, _)| name.pos);
            let names: Vec<&str> = shared.iter().map(|(name, _)| name.name.as_str()).collect();
            let (line, column) = place(position);
            let message = format!("this closure captures `{}` and could be kept", names.join("`, `"));
            findings.push(
                Finding::error(file, message).at(text, line, column).hint(
                    "hand it straight to filter, map, find, sort or the like, or write a function with parameters",
                ),
            );
        }
        true
    });
    findings
}

/// The closure's own block lies in the arguments of a call.
fn is_used_at_once(above: &[ASTNode]) -> bool {
    let mut calls = above.iter().rev().filter(|node| !matches!(node, ASTNode::Expr(Expr::Stmt(_))));
    match calls.next() {
        Some(
            ASTNode::Expr(Expr::MethodCall(call, _) | Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)),
        ) => AT_ONCE.contains(&call.name.as_str()),
        _ => false,
    }
}
