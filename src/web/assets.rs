//! The static files: all inside the binary, compressed once, and told apart by a hash of what they hold.
//!
//! The sources are plain modules that a browser could load as they are. What is served is a little less: the window
//! is put into one file with its texts, so that opening it costs one round trip, and comments stay here.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use salvo::http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    VARY,
};
use salvo::http::{HeaderName, HeaderValue, StatusCode};
use salvo::prelude::*;
use sha2::{Digest, Sha256};

use crate::hex::hex;

const SCRIPT: &str = "text/javascript; charset=utf-8";
/// A module is UTF-8 whatever is said of it.
const MODULE: &str = "text/javascript";
const STYLE: &str = "text/css; charset=utf-8";

/// What the window says: its language, its file with and without the window.
const TEXTS: [(&str, &str, &str); 2] = [
    ("text.de.js", "window.de.js", include_str!("../../static/chat/text.de.js")),
    ("text.en.js", "window.en.js", include_str!("../../static/chat/text.en.js")),
];

/// The modules of the window, each after those that it needs.
const WINDOW: [&str; 6] = [
    include_str!("../../static/chat/look.js"),
    include_str!("../../static/chat/nodes.js"),
    include_str!("../../static/chat/kept.js"),
    include_str!("../../static/chat/link.js"),
    include_str!("../../static/chat/log.js"),
    include_str!("../../static/chat/window.js"),
];

/// What is fetched only when it is needed.
const LATER: [(&str, &str); 11] = [
    ("later.js", include_str!("../../static/chat/later.js")),
    ("draft.js", include_str!("../../static/chat/draft.js")),
    ("files.js", include_str!("../../static/chat/files.js")),
    ("http.js", include_str!("../../static/chat/http.js")),
    ("identity.js", include_str!("../../static/chat/identity.js")),
    ("person.js", include_str!("../../static/chat/person.js")),
    ("review.js", include_str!("../../static/chat/review.js")),
    ("back.js", include_str!("../../static/chat/back.js")),
    ("transcript.js", include_str!("../../static/chat/transcript.js")),
    ("mine.js", include_str!("../../static/chat/mine.js")),
    ("nodes.js", include_str!("../../static/chat/nodes.js")),
];

/// The modules of the agents' console, each after those that it needs.
const CONSOLE: [&str; 9] = [
    include_str!("../../static/chat/nodes.js"),
    include_str!("../../static/agent/unsent.js"),
    include_str!("../../static/agent/net.js"),
    include_str!("../../static/agent/alerts.js"),
    include_str!("../../static/agent/board.js"),
    include_str!("../../static/agent/draft.js"),
    include_str!("../../static/agent/files.js"),
    include_str!("../../static/agent/talk.js"),
    include_str!("../../static/agent/console.js"),
];

const LOADER: &str = include_str!("../../static/widget.js");
/// What the loader says for the folder of the window's files; the revision goes there.
const FOLDER: &str = "\"chat/\"";

/// How long a browser takes the loader from its cache; it asks again meanwhile for a day.
const LOADER_KEPT: &str = "max-age=300, stale-while-revalidate=86400";
/// The revision is in the path, so what stands there never changes.
const KEPT_FOREVER: &str = "max-age=31536000, immutable";
/// Whether it is still the same is asked each time.
const ASKED: &str = "no-cache";

struct Asset {
    kind: &'static str,
    plain: Vec<u8>,
    /// Made when it is first asked for: that takes some tens of milliseconds.
    gzip: OnceLock<Vec<u8>>,
    etag: String,
}

struct Assets {
    /// Of the window's files.
    revision: String,
    /// By name: of the window's files and of the others.
    window: HashMap<&'static str, Asset>,
    others: HashMap<&'static str, Asset>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mut window: Vec<(&str, String)> = LATER.iter().map(|(name, source)| (*name, squeezed(source))).collect();
    for (name, with_window, source) in TEXTS {
        window.push((name, squeezed(source)));
        window.push((with_window, joined(&[&[source], &WINDOW[..]].concat())));
    }
    let mut hash = Sha256::new();
    for (name, text) in &window {
        hash.update(name);
        hash.update(text);
    }
    let revision = hex(&hash.finalize()[..6]);
    let loader = squeezed(LOADER).replace(FOLDER, &format!("\"{revision}/\""));
    let others = [
        ("widget.js", Asset::new(SCRIPT, &loader)),
        ("agent.js", Asset::new(MODULE, &joined(&CONSOLE))),
        ("ratings.js", Asset::new(MODULE, &squeezed(include_str!("../../static/agent/ratings.js")))),
        ("agent.css", Asset::new(STYLE, include_str!("../../static/agent/agent.css"))),
        ("login.js", Asset::new(MODULE, &squeezed(include_str!("../../static/agent/login.js")))),
        ("demo.js", Asset::new(SCRIPT, include_str!("../../static/demo.js"))),
        ("demo.css", Asset::new(STYLE, include_str!("../../static/demo.css"))),
        ("api.css", Asset::new(STYLE, include_str!("../../static/api.css"))),
        ("plain.js", Asset::new(SCRIPT, include_str!("../../static/plain.js"))),
        ("plain.css", Asset::new(STYLE, include_str!("../../static/plain.css"))),
    ];
    Assets {
        revision,
        window: window.into_iter().map(|(name, text)| (name, Asset::new(MODULE, &text))).collect(),
        others: others.into(),
    }
});

impl Asset {
    fn new(kind: &'static str, text: &str) -> Asset {
        let etag = format!("\"{}\"", hex(&Sha256::digest(text)[..8]));
        Asset { kind, plain: text.into(), gzip: OnceLock::new(), etag }
    }

    fn gzip(&self) -> Option<&[u8]> {
        let gzip = self.gzip.get_or_init(|| {
            let mut gzip = Vec::new();
            // Writing to memory does not fail; if it did, the file would be sent as it is.
            let done = zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, &self.plain[..], &mut gzip);
            if done.is_ok() { gzip } else { Vec::new() }
        });
        (!gzip.is_empty()).then_some(gzip)
    }
}

/// `GET /static/{name}`
#[handler]
pub async fn file(req: &mut Request, res: &mut Response) -> Result<(), StatusError> {
    let name = req.param::<&str>("name").unwrap_or_default();
    let asset = ASSETS.others.get(name).ok_or_else(StatusError::not_found)?;
    send(req, res, asset, if name == "widget.js" { LOADER_KEPT } else { ASKED })
}

/// `GET /static/{revision}/{name}`: a file of the window. A loader that was kept from before an upgrade gets the file
/// of today.
#[handler]
pub async fn window_file(req: &mut Request, res: &mut Response) -> Result<(), StatusError> {
    let revision = req.param::<&str>("revision").unwrap_or_default();
    let asset = ASSETS.window.get(req.param::<&str>("name").unwrap_or_default()).ok_or_else(StatusError::not_found)?;
    send(req, res, asset, if revision == ASSETS.revision { KEPT_FOREVER } else { ASKED })
}

fn send(req: &Request, res: &mut Response, asset: &'static Asset, cache: &'static str) -> Result<(), StatusError> {
    let header = |name| req.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let known = header(IF_NONE_MATCH).split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag);
    let takes_gzip = takes_gzip(header(ACCEPT_ENCODING));
    let headers = [
        (CACHE_CONTROL, cache),
        (VARY, "Accept-Encoding"),
        // The files are for pages of every site; what a chat may do from there is another question.
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (ETAG, &asset.etag),
    ];
    // Nobody asks whether a file that never changes has changed, and a module is always asked for with CORS.
    let needed = if cache == KEPT_FOREVER { 3 } else { headers.len() };
    for (name, value) in headers.into_iter().take(needed) {
        let value = HeaderValue::try_from(value).map_err(|_| StatusError::internal_server_error())?;
        res.headers_mut().insert(name, value);
    }
    if known {
        res.status_code(StatusCode::NOT_MODIFIED);
        return Ok(());
    }
    res.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    let gzip = if takes_gzip { asset.gzip() } else { None };
    if gzip.is_some() {
        res.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    res.write_body(gzip.unwrap_or(&asset.plain)).map_err(|_| StatusError::internal_server_error())
}

fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The modules as one: each keeps its names, imports of each other fall away, and only the last one exports.
fn joined(modules: &[&str]) -> String {
    let mut text = String::new();
    for (at, module) in modules.iter().enumerate() {
        let last = at + 1 == modules.len();
        for line in squeezed(module).lines().filter(|line| !line.starts_with("import {")) {
            text.push_str(line.strip_prefix("export ").filter(|_| !last).unwrap_or(line));
            text.push('\n');
        }
    }
    text
}

/// Without comment lines and indentation.
fn squeezed(source: &str) -> String {
    let lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.fold(String::with_capacity(source.len()), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_become_one() {
        let a = "// Says a.\nexport const a = () => {\n  // Here.\n  return `//`;\n};\n";
        let b = "import { a } from \"./a.js\";\n\nexport const b = a();\n";
        assert_eq!(joined(&[a, b]), "const a = () => {\nreturn `//`;\n};\nexport const b = a();\n");
    }

    #[test]
    fn the_loader_names_the_revision() {
        let loader = std::str::from_utf8(&ASSETS.others["widget.js"].plain).expect("text");
        assert_eq!(loader.matches(&format!("\"{}/\"", ASSETS.revision)).count(), 1);
        assert!(!loader.contains(FOLDER));
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (accepted, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(accepted), takes, "{accepted}");
        }
    }
}
