//! The one request of a page whose chat nobody has opened yet: is there anything to read?

use salvo::http::HeaderValue;
use salvo::http::header::CACHE_CONTROL;
use salvo::prelude::*;

use super::admission::{Guest, Place, Stay};
use super::{door, protocol, session, typed};

/// `POST /api/chat/unread` with `{"token", "seen"}`: answers `{"unread": n}`, at most 99. The body may come as plain
/// text, so that a page of another site needs no second request for permission.
#[handler]
pub async fn unread(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let place = Place::take(&door, guest.address, Stay::Short).await;
    let _place = place.map_err(|_| StatusError::service_unavailable())?;
    let body = req.payload_with_max_size(protocol::MAX_UNREAD).await.map_err(|_| StatusError::bad_request())?;
    let asked = serde_json::from_slice::<protocol::Unread>(body);
    let asked = asked.map_err(|_| StatusError::bad_request().brief("the body is {\"token\": \"…\", \"seen\": 7}"))?;
    let token = typed::visitor(&asked.token).map_err(|_| StatusError::bad_request().brief("this is no token"))?;
    session::may_request(&door, guest.address, token)
        .map_err(|_| StatusError::too_many_requests().brief("this is asked too often"))?;
    let visitor = match &asked.identity {
        None => token,
        Some(vouched) => match typed::customer(&door, vouched) {
            Ok(customer) => customer.visitor(),
            Err(_) => return Err(StatusError::unauthorized().brief("nobody vouches for this customer")),
        },
    };
    let count = door.store.unread(visitor, asked.seen).await.map_err(|error| {
        tracing::warn!(%error, "unread messages cannot be counted");
        StatusError::service_unavailable()
    })?;
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    res.render(Json(protocol::UnreadCount { unread: count }));
    Ok(())
}
