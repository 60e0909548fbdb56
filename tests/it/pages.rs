//! Pages and static files over the wire: languages, policies, caches, compression, other origins.

use crate::harness::{TestDatabase, TestPurser, http_client, within};

/// `GET path`, with its status, its headers in lines and its body.
async fn head_of(purser: &TestPurser, path: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
    let mut request = http_client().get(format!("http://{}{path}", purser.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = within("a response", request.send()).await.expect("a response");
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let head = headers.map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or_default())).collect();
    let body = within("a body", response.bytes()).await.expect("a body");
    (status, head, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_demo_shop_speaks_the_browsers_language() {
    let purser = TestPurser::start(&TestDatabase::sqlite()).await;
    for (accepted, lang, word) in [
        ("de-CH,de;q=0.9,en;q=0.8", "lang=\"de\"", "Pakete, die ankommen."),
        ("en-GB,en;q=0.9", "lang=\"en\"", "Parcels that arrive."),
        ("", "lang=\"en\"", "Parcels that arrive."),
    ] {
        let (status, head, body) = head_of(&purser, "/", &[("Accept-Language", accepted)]).await;
        assert_eq!(status, 200);
        assert!(body.contains(lang) && body.contains(word) && body.to_lowercase().contains("chat"), "{accepted}");
        assert!(head.contains("vary: Accept-Language"), "{head}");
    }
    purser.stop().await;
}

#[tokio::test]
async fn whoever_only_asks_for_the_head_gets_it() {
    let purser = TestPurser::start(&TestDatabase::sqlite()).await;
    for path in ["/", "/plain", "/static/widget.js"] {
        let request = http_client().head(format!("http://{}{path}", purser.address)).send();
        let response = within("a response", request).await.expect("a response");
        assert_eq!(response.status().as_u16(), 200, "{path}");
        assert_eq!(within("a body", response.bytes()).await.expect("a body").len(), 0, "{path}");
    }
    purser.stop().await;
}

#[tokio::test]
async fn every_page_has_a_policy_without_unsafe_words() {
    let purser = TestPurser::start(&TestDatabase::sqlite()).await;
    for path in ["/", "/plain", "/nowhere", "/api/protocol.json"] {
        let (_, head, _) = head_of(&purser, path, &[]).await;
        for part in
            ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff", "referrer-policy"]
        {
            assert!(head.contains(part), "{path} without {part}: {head}");
        }
        assert!(!head.contains("unsafe"), "{path}: {head}");
    }
    let (_, head, _) = head_of(&purser, "/static/plain.js", &[]).await;
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    let (_, head, _) = head_of(&purser, "/", &[]).await;
    assert!(head.contains("require-trusted-types-for 'script'"), "{head}");
    purser.stop().await;
}

#[tokio::test]
async fn static_files_are_compressed_kept_and_open_to_other_sites() {
    let purser = TestPurser::start(&TestDatabase::sqlite()).await;
    let (status, head, loader) = head_of(&purser, "/static/widget.js", &[]).await;
    assert_eq!(status, 200);
    assert!(!head.contains("content-encoding") && head.contains("access-control-allow-origin: *"), "{head}");
    assert!(head.contains("cross-origin-resource-policy: cross-origin"), "{head}");
    let (_, zipped, _) = head_of(&purser, "/static/widget.js", &[("Accept-Encoding", "gzip, br")]).await;
    assert!(zipped.contains("content-encoding: gzip") && zipped.contains("vary: Accept-Encoding"), "{zipped}");

    // The same file again is not sent again.
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an etag").to_owned();
    let (status, _, body) = head_of(&purser, "/static/widget.js", &[("If-None-Match", &etag)]).await;
    assert_eq!((status, body.as_str()), (304, ""));

    // The window's files are kept for good under the revision that the loader names, and found under any other.
    let revision = loader.split('"').find_map(|part| part.strip_suffix('/').filter(|name| name.len() == 12));
    let revision = revision.expect("the loader names the revision");
    for name in ["window.en.js", "window.de.js", "text.en.js", "text.de.js", "later.js", "http.js"] {
        let (status, head, _) = head_of(&purser, &format!("/static/{revision}/{name}"), &[]).await;
        assert_eq!(status, 200, "{name}");
        assert!(head.contains("immutable"), "{head}");
        let (status, head, _) = head_of(&purser, &format!("/static/0123456789ab/{name}"), &[]).await;
        assert_eq!(status, 200, "{name}");
        assert!(head.contains("no-cache"), "{head}");
    }
    for path in ["/static/nothing.js", "/static/chat/link.js", "/static/a/b/c.js"] {
        assert_eq!(head_of(&purser, path, &[]).await.0, 404, "{path}");
    }
    purser.stop().await;
}
