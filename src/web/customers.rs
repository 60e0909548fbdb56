//! What the host site may have done about its customers, with a token that it signs for that alone.

use salvo::http::HeaderValue;
use salvo::http::header::CACHE_CONTROL;
use salvo::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::admission::{Guest, Place, Stay};
use super::protocol::MAX_IDENTITY;
use super::{door, session};
use crate::conversation::{Author, VisitorId};

/// What was deleted.
#[derive(Serialize, JsonSchema)]
pub struct Deleted {
    /// Whether the customer had a conversation.
    pub erased: bool,
}

/// `POST /api/customers/erase`: deletes the conversation of the customer whom the token in the body is about. Done twice,
/// it is done once.
#[handler]
pub async fn erase(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let place = Place::take(&door, guest.address, Stay::Short).await;
    let _place = place.map_err(|_| StatusError::service_unavailable())?;
    let body = req.payload_with_max_size(MAX_IDENTITY).await.map_err(|_| StatusError::bad_request())?;
    let token = str::from_utf8(body).map_err(|_| StatusError::bad_request().brief("the body is a token"))?;
    let account = door.identity.to_erase(token.trim(), door.desk.now()).map_err(|refusal| {
        tracing::info!(why = %refusal, "a deletion was refused");
        StatusError::unauthorized().brief(format!("the token is not taken: {refusal}"))
    })?;
    let customer = VisitorId::of_account(&account);
    session::may_request(&door, guest.address, customer)
        .map_err(|_| StatusError::too_many_requests().brief("this is asked too often"))?;
    let erased = door.desk.erase_visitor_for(customer, Author::System).await.map_err(|error| {
        tracing::warn!(%error, "a customer cannot be deleted now");
        StatusError::service_unavailable().brief("the store is away, please ask again")
    })?;
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    res.render(Json(Deleted { erased }));
    Ok(())
}
