//! The pages: inside the binary; a site may lay its own templates over ours.

use minijinja::{Environment, Value, context};
use salvo::http::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use salvo::http::{HeaderName, HeaderValue};
use salvo::prelude::*;

use super::admission::accepted_languages;
use super::{Door, door};

/// The templates in the binary.
const TEMPLATES: &[(&str, &str)] = &[
    ("agent.html", include_str!("../../templates/agent.html")),
    ("api.html", include_str!("../../templates/api.html")),
    ("demo.html", include_str!("../../templates/demo.html")),
    ("export.html", include_str!("../../templates/export.html")),
    ("login.html", include_str!("../../templates/login.html")),
    ("plain.html", include_str!("../../templates/plain.html")),
];

/// Everything comes from here, nothing may be framed, and no script but our own files runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The same, and no text ever becomes HTML or script. The plain page shows the HTML that it gets.
pub const STRICT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                             require-trusted-types-for 'script'; trusted-types 'none'";

/// Puts the security headers on every answer. Those that only mean something on a page are left out of the files and
/// the handshake that a customer's browser waits for.
#[handler]
pub async fn security_headers(req: &mut Request, res: &mut Response) {
    let path = req.uri().path();
    if path.starts_with("/ws/") {
        return;
    }
    res.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if path.starts_with("/static/") {
        return;
    }
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
    ];
    for (name, value) in headers {
        res.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// `GET /`: a made-up shipping company with the chat on its page.
#[handler]
pub async fn demo(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    show(req, depot, res, "demo.html")?;
    res.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(STRICT_POLICY));
    Ok(())
}

/// `GET /plain`: the ten lines of the plain dialect.
#[handler]
pub async fn plain(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    show(req, depot, res, "plain.html")
}

fn show(req: &Request, depot: &Depot, res: &mut Response, name: &'static str) -> Result<(), StatusError> {
    let door = door(depot)?;
    let header = req.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let german = accepted_languages(header.unwrap_or_default()).first().is_some_and(|tag| tag.starts_with("de"));
    let language = if german { "de" } else { "en" };
    let html = render(&door, name, context! { language, samples => door.samples.clone() })?;
    res.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Language"));
    res.render(Text::Html(html));
    Ok(())
}

/// Renders a template: the site's own file of that name if there is one, else ours.
pub fn render(door: &Door, name: &str, values: impl Into<Value>) -> Result<String, StatusError> {
    let own = door.templates.as_ref().and_then(|folder| std::fs::read_to_string(folder.join(name)).ok());
    let ours = TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, source)| *source);
    let source = own.as_deref().or(ours).unwrap_or_default();
    Environment::new().render_named_str(name, source, values).map_err(|error| {
        tracing::error!(%error, "the template {name} cannot be rendered");
        StatusError::internal_server_error()
    })
}
