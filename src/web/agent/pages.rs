//! `GET /agent`: the console, or the log-in for whoever is not logged in.

use minijinja::context;
use salvo::http::HeaderValue;
use salvo::http::header::CONTENT_SECURITY_POLICY;
use salvo::prelude::*;

use super::door::who;
use crate::web::door;
use crate::web::pages::{STRICT_POLICY, render};

#[handler]
pub async fn page(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let html = match who(&door, req).await? {
        Some(_) => render(&door, "agent.html", context! {})?,
        None => {
            let staffed = door.store.has_agents().await.unwrap_or(true);
            render(&door, "login.html", context! { staffed })?
        }
    };
    res.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(STRICT_POLICY));
    res.render(Text::Html(html));
    Ok(())
}
