//! Pages and static files: all inside the binary; a site may lay its own templates over ours.

use std::path::Path;

use minijinja::{Environment, context};
use salvo::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use salvo::http::{HeaderName, HeaderValue};
use salvo::prelude::*;

use super::admission::accepted_languages;
use super::door;

/// The templates in the binary.
const TEMPLATES: &[(&str, &str)] = &[("plain.html", include_str!("../../templates/plain.html"))];

/// The static files in the binary: name, type, bytes.
const ASSETS: &[(&str, &str, &[u8])] = &[
    ("plain.js", "text/javascript; charset=utf-8", include_bytes!("../../static/plain.js")),
    ("plain.css", "text/css; charset=utf-8", include_bytes!("../../static/plain.css")),
];

/// Everything comes from here, nothing may be framed, and no script but our own files runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Puts the security headers on every answer.
#[handler]
pub async fn security_headers(res: &mut Response) {
    let headers: [(HeaderName, &str); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "strict-origin-when-cross-origin"),
    ];
    for (name, value) in headers {
        res.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// `GET /`: a page that proves in a browser that purser answers.
#[handler]
pub async fn front(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let header = req.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let german = accepted_languages(header.unwrap_or_default()).first().is_some_and(|tag| tag.starts_with("de"));
    let page = page(door.templates.as_deref(), "plain.html", if german { "de" } else { "en" });
    match page {
        Ok(html) => res.render(Text::Html(html)),
        Err(error) => {
            tracing::error!(%error, "the template plain.html cannot be rendered");
            return Err(StatusError::internal_server_error());
        }
    }
    Ok(())
}

/// `GET /static/{name}`
#[handler]
pub async fn asset(req: &mut Request, res: &mut Response) -> Result<(), StatusError> {
    let name = req.param::<&str>("name").unwrap_or_default();
    let (_, kind, bytes) = ASSETS.iter().find(|(known, ..)| *known == name).ok_or_else(StatusError::not_found)?;
    res.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    res.write_body(*bytes).map_err(|_| StatusError::internal_server_error())
}

/// Renders a template: the site's own file of that name if there is one, else ours.
fn page(folder: Option<&Path>, name: &str, language: &str) -> Result<String, minijinja::Error> {
    let own = folder.and_then(|folder| std::fs::read_to_string(folder.join(name)).ok());
    let ours = TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, source)| *source);
    let source = own.as_deref().or(ours).unwrap_or_default();
    Environment::new().render_named_str(name, source, context! { language })
}
