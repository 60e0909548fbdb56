//! A YAML file as a tree whose every node knows its place.
//!
//! It is put together from the parser's events, so a text is what stands in the file: nothing on the way takes "no" for
//! a boolean or "007" for a number.

use std::collections::{HashMap, HashSet};

use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, Tag, options};

use super::placed::At;

/// What is nested deeper, or has more nodes, bytes of text or aliases, is a mistake or an attack. What an alias stands for
/// counts each time, and once more where it is named: both are copies.
const DEEPEST: usize = 32;
const MOST_NODES: usize = 2_000_000;
const MOST_BYTES: usize = 64 << 20;
const MOST_ALIASES: usize = 1_000;

/// A node of a file.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    pub at: At,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// No value: `answer:` and nothing after it.
    Empty,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Why a file is no tree, and where.
#[derive(Debug)]
pub struct Broken {
    pub at: At,
    pub why: Why,
}

/// Why a file is no tree.
#[derive(Debug)]
pub enum Why {
    /// The parser's complaint.
    Syntax(ErrorKind),
    /// This key stands in a block twice.
    DoubledKey(String),
    /// An alias of what is not there, or of what it is a part of.
    UnknownAlias,
    SecondDocument,
    TooLarge,
}

impl Node {
    /// The tree of a file.
    pub fn parse(text: &str) -> Result<Node, Broken> {
        let mut parser = Parser::new_from_str_with_options(text, options! { emit_comments: false });
        let mut tree = Tree::default();
        let mut end = At { line: 1, column: 1 };
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let at = At::new(error.marker().line(), error.marker().col() + 1);
                Broken { at, why: Why::Syntax(error.kind().clone()) }
            })?;
            end = start(span);
            tree.grow(event, end)?;
        }
        Ok(tree.root.unwrap_or(Node { kind: Kind::Empty, at: end }))
    }

    /// What a message calls it.
    pub fn is(&self) -> &'static str {
        match self.kind {
            Kind::Empty => "nothing",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a block of keys",
        }
    }

    /// How much it is, with all below it.
    fn extent(&self) -> Extent {
        let around = |all: Extent, below: Extent| Extent {
            nodes: all.nodes + below.nodes,
            bytes: all.bytes + below.bytes,
            depth: all.depth.max(below.depth + 1),
        };
        match &self.kind {
            Kind::Empty => Extent::of_text(""),
            Kind::Text(text) => Extent::of_text(text),
            Kind::List(list) => list.iter().map(Node::extent).fold(Extent::EMPTY_LIST, around),
            Kind::Map(pairs) => {
                let nodes = pairs.iter().flat_map(|(key, value)| [key, value]);
                nodes.map(Node::extent).fold(Extent::EMPTY_LIST, around)
            }
        }
    }
}

/// How much a node is.
#[derive(Clone, Copy)]
struct Extent {
    nodes: usize,
    /// Of all texts.
    bytes: usize,
    /// How many lists and blocks are in each other.
    depth: usize,
}

impl Extent {
    const EMPTY_LIST: Extent = Extent { nodes: 1, bytes: 0, depth: 1 };

    fn of_text(text: &str) -> Extent {
        Extent { nodes: 1, bytes: text.len(), depth: 0 }
    }
}

fn start(span: Span) -> At {
    At::new(span.start.line(), span.start.col() + 1)
}

/// A tree that grows.
#[derive(Default)]
struct Tree {
    root: Option<Node>,
    /// The lists and blocks around the place that was reached, outermost first.
    open: Vec<Open>,
    /// Anchor → what it names, once that is whole, and how much that is.
    named: HashMap<usize, (Node, Extent)>,
    /// What all of it takes so far.
    nodes: usize,
    bytes: usize,
    aliases: usize,
}

/// A list or block that has not ended yet.
struct Open {
    node: Node,
    /// A key that has no value yet.
    key: Option<Node>,
    anchor: usize,
}

impl Tree {
    fn grow(&mut self, event: Event<'_>, at: At) -> Result<(), Broken> {
        let broken = |why| Err(Broken { at, why });
        match event {
            Event::DocumentStart(..) if self.root.is_some() => return broken(Why::SecondDocument),
            Event::Scalar(text, style, anchor, tag) => {
                let kind =
                    if is_empty(&text, style, tag.as_deref()) { Kind::Empty } else { Kind::Text(text.into_owned()) };
                let node = Node { kind, at };
                self.make_room(node.extent(), at)?;
                self.add(node, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(Kind::List(Vec::new()), at, anchor)?,
            Event::MappingStart(_, anchor, _) => self.open(Kind::Map(Vec::new()), at, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { node, anchor, .. }) = self.open.pop() {
                    if let Some(key) = doubled_key(&node) {
                        return Err(key);
                    }
                    self.add(node, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let Some((named, extent)) = self.named.get(&anchor) else { return broken(Why::UnknownAlias) };
                let (node, extent) = (Node { at, ..named.clone() }, *extent);
                self.aliases += 1;
                if self.aliases > MOST_ALIASES {
                    return broken(Why::TooLarge);
                }
                self.make_room(extent, at)?;
                self.add(node, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, at: At, anchor: usize) -> Result<(), Broken> {
        self.make_room(Extent::EMPTY_LIST, at)?;
        self.open.push(Open { node: Node { kind, at }, key: None, anchor });
        Ok(())
    }

    /// Makes sure that there is room for so much at the place that was reached.
    fn make_room(&mut self, extent: Extent, at: At) -> Result<(), Broken> {
        self.nodes += extent.nodes;
        self.bytes += extent.bytes;
        let is_too_large = self.nodes > MOST_NODES || self.bytes > MOST_BYTES;
        if is_too_large || self.open.len() + extent.depth > DEEPEST {
            return Err(Broken { at, why: Why::TooLarge });
        }
        Ok(())
    }

    /// Adds a node that is whole to the innermost list or block.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Broken> {
        // An anchor that names nothing is 0.
        if anchor > 0 {
            let extent = node.extent();
            self.make_room(extent, node.at)?;
            self.named.insert(anchor, (node.clone(), extent));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { node: Node { kind: Kind::Map(pairs), .. }, key, .. }) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
            Some(Open { node: Node { kind: Kind::List(list), .. }, .. }) => list.push(node),
            Some(_) => {}
        }
        Ok(())
    }
}

/// Whether a scalar stands for no value.
fn is_empty(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    style == ScalarStyle::Plain
        && matches!(text, "" | "~" | "null" | "Null" | "NULL")
        && !tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"))
}

/// The first key of a block that stands there a second time.
fn doubled_key(node: &Node) -> Option<Broken> {
    let Kind::Map(pairs) = &node.kind else { return None };
    let mut known = HashSet::with_capacity(pairs.len());
    pairs.iter().find_map(|(key, _)| match &key.kind {
        Kind::Text(text) if !known.insert(text.as_str()) => {
            Some(Broken { at: key.at, why: Why::DoubledKey(text.clone()) })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree on one line.
    fn shown(node: &Node) -> String {
        let all = |nodes: &mut dyn Iterator<Item = String>| nodes.collect::<Vec<_>>().join(" ");
        match &node.kind {
            Kind::Empty => "-".to_owned(),
            Kind::Text(text) => format!("{text:?}"),
            Kind::List(list) => format!("[{}]", all(&mut list.iter().map(shown))),
            Kind::Map(pairs) => {
                let pair = |(key, value): &(Node, Node)| format!("{}={}", shown(key), shown(value));
                format!("{{{}}}", all(&mut pairs.iter().map(pair)))
            }
        }
    }

    #[test]
    fn a_text_is_what_stands_in_the_file() {
        for (yaml, expected) in [
            ("", "-"),
            (
                "a: no\nb: 007\nc: 1_000\nd: .inf\ne: 1.50\n",
                r#"{"a"="no" "b"="007" "c"="1_000" "d"=".inf" "e"="1.50"}"#,
            ),
            ("[null, ~, '', 'null', !!str null, \"a\\tb\"]", r#"[- - "" "null" "null" "a\tb"]"#),
            ("- a\n  b\n- >\n  c\n  d\n- |\n  e\n  f\n-", r#"["a b" "c d\n" "e\nf\n" -]"#),
            (
                "a: &x [1, {b: c}]\nd: *x\ne: &y f\ng: *y\n",
                r#"{"a"=["1" {"b"="c"}] "d"=["1" {"b"="c"}] "e"="f" "g"="f"}"#,
            ),
            ("? [a, b]\n: c\n", r#"{["a" "b"]="c"}"#),
            ("--- # a comment\na: b # another\n...\n", r#"{"a"="b"}"#),
        ] {
            assert_eq!(shown(&Node::parse(yaml).unwrap()), expected, "{yaml}");
        }
    }

    #[test]
    fn what_is_no_tree_is_said() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Node::parse(&deep(DEEPEST)).is_ok());
        // Each line has ten times what the one before it has.
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (last, next) in ('a'..='f').zip('b'..='g') {
            laughs += &format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 10].join(", "));
        }
        // Each line stands in the one after it, so they are far deeper than any of them is written.
        let mut chain = "- &a0 [x]\n".to_owned();
        (1..MOST_ALIASES)
            .for_each(|at| chain += &format!("- &a{at} {}*a{}{}\n", "[".repeat(20), at - 1, "]".repeat(20)));
        // A thousand times four megabytes; and thirty times all that is in the file.
        let long = format!("- &a {}\n{}", "x".repeat(4 << 20), "- *a\n".repeat(MOST_ALIASES));
        let named: String = (0..30).map(|at| format!("&a{at} [")).collect();
        let named = format!("{named}{}{}", "x, ".repeat(200_000), "]".repeat(30));
        for (yaml, place, expected) in [
            (deep(DEEPEST + 1), (1, 33), "TooLarge"),
            (deep(300), (1, 256), "Syntax(RecursionLimitExceeded)"),
            (chain, (3, 27), "TooLarge"),
            (long, (16, 3), "TooLarge"),
            (named, (1, 122), "TooLarge"),
            (laughs, (6, 7), "TooLarge"),
            (format!("- &a x\n{}", "- *a\n".repeat(MOST_ALIASES + 1)), (1002, 3), "TooLarge"),
            ("a: *x\n".to_owned(), (1, 4), "Syntax(UnknownAnchor)"),
            ("a: &x [*x]\n".to_owned(), (1, 8), "UnknownAlias"),
            ("a: b\nc: d\na: e\n".to_owned(), (3, 1), "DoubledKey(\"a\")"),
            ("a\n--- b\n".to_owned(), (2, 1), "SecondDocument"),
            ("a: 'b\n".to_owned(), (1, 4), "Syntax(UnclosedQuotedScalar)"),
        ] {
            let Err(broken) = Node::parse(&yaml) else { panic!("not {expected} at {place:?}") };
            assert_eq!((broken.at.line, broken.at.column), place, "{expected}");
            assert_eq!(format!("{:?}", broken.why), expected);
        }
    }
}
