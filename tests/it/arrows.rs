//! Who may use whom, held by reading the `use` lines: one crate cannot ask Cargo for it.

use std::path::{Path, PathBuf};

/// A part of the crate and the parts that it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("conversation", &[]),
    ("clock", &["conversation"]),
    ("yaml", &["finding"]),
    ("finding", &[]),
    ("text", &["conversation"]),
    ("store", &["conversation", "hex"]),
    ("limits", &["conversation"]),
    ("identity", &["conversation", "hex"]),
    ("fanout", &["conversation", "limits", "store"]),
    ("outbound", &[]),
    ("hex", &[]),
    ("sources", &["outbound"]),
    ("attachments", &["clock", "conversation", "hex", "outbound", "store"]),
    ("demo", &["conversation", "sources", "store", "text"]),
    ("people", &["conversation"]),
    (
        "responders",
        &["conversation", "finding", "limits", "memory", "outbound", "patience", "people", "sources", "text", "yaml"],
    ),
    ("content", &["clock", "conversation", "finding", "hex", "recording", "responders", "sources", "store", "yaml"]),
    ("desk", &["clock", "conversation", "fanout", "hex", "patience", "people", "responders", "store", "text"]),
    ("post", &["clock", "conversation", "sources", "store"]),
    ("courier", &["clock", "conversation", "desk", "post", "responders", "sources", "store"]),
    ("accounts", &["clock", "conversation", "hex", "limits", "people", "store"]),
    ("log", &[]),
    ("memory", &[]),
    ("patience", &[]),
    (
        "config",
        &[
            "attachments",
            "conversation",
            "fanout",
            "finding",
            "identity",
            "log",
            "people",
            "post",
            "responders",
            "sources",
            "store",
            "yaml",
        ],
    ),
    (
        "web",
        &[
            "accounts",
            "attachments",
            "clock",
            "config",
            "content",
            "conversation",
            "desk",
            "fanout",
            "finding",
            "hex",
            "identity",
            "limits",
            "patience",
            "post",
            "recording",
            "responders",
            "store",
            "yaml",
        ],
    ),
    (
        "app",
        &[
            "accounts",
            "attachments",
            "clock",
            "config",
            "content",
            "courier",
            "demo",
            "desk",
            "fanout",
            "identity",
            "limits",
            "post",
            "recording",
            "responders",
            "sources",
            "store",
            "web",
        ],
    ),
    ("recording", &["clock", "conversation", "finding", "hex", "responders", "sources", "store", "text", "yaml"]),
    (
        "cli",
        &[
            "accounts",
            "app",
            "attachments",
            "clock",
            "config",
            "content",
            "conversation",
            "demo",
            "desk",
            "fanout",
            "finding",
            "hex",
            "log",
            "outbound",
            "recording",
            "responders",
            "sources",
            "store",
            "text",
            "web",
            "yaml",
        ],
    ),
];

/// A library and the parts that may use it.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("salvo", &["web"]),
    ("redis", &["fanout"]),
    ("lettre", &["post"]),
    ("ammonia", &["web"]),
    ("notify", &["content"]),
    ("clap", &["cli"]),
    ("aho_corasick", &["responders"]),
    ("rhai", &["responders"]),
    ("sqlx", &["store", "sources"]),
    ("reqwest", &["attachments", "cli", "outbound", "responders", "sources"]),
    ("zune_jpeg", &["attachments"]),
    ("jpeg_encoder", &["attachments"]),
    ("png", &["attachments"]),
    ("image_webp", &["attachments"]),
];

#[test]
fn nothing_points_back_up() {
    let mut wrong = Vec::new();
    for (part, file, text) in sources() {
        let (_, allowed) =
            ARROWS.iter().find(|(name, _)| *name == part).unwrap_or_else(|| panic!("{part} has no arrows"));
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let names = used.strip_prefix('{').unwrap_or(used);
                let name: String = names.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = ARROWS.iter().any(|(part, _)| *part == name);
                if known && name != part && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{}:{}: {part} uses {name}", file.display(), number + 1));
                }
            }
            for (library, owners) in LIBRARIES {
                if !owners.contains(&part.as_str()) && line.contains(&format!("{library}::")) {
                    wrong.push(format!("{}:{}: {part} uses the library {library}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn responders_do_not_know_each_other() {
    for (_, file, text) in sources().into_iter().filter(|(part, ..)| part == "responders") {
        let path = file.to_string_lossy().into_owned();
        if path.contains("/faq/") {
            assert!(
                !text.contains("super::super::person") && !text.contains("responders::person"),
                "{path} uses person"
            );
        }
        if path.contains("/script/") {
            assert!(!text.contains("responders::faq") && !text.contains("responders::person"), "{path} uses a sibling");
        }
        if path.ends_with("person.rs") {
            assert!(!text.contains("faq"), "{path} uses faq");
        }
    }
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    collect(Path::new("src"), &mut found);
    let sources = found.into_iter().filter_map(|file| {
        let part = file
            .strip_prefix("src")
            .ok()?
            .components()
            .next()?
            .as_os_str()
            .to_str()?
            .trim_end_matches(".rs")
            .to_owned();
        (part != "lib" && part != "main").then(|| {
            let text = std::fs::read_to_string(&file).expect("a source file");
            (part, file, text)
        })
    });
    sources.collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
