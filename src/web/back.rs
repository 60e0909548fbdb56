//! What a page asks for a customer who leaves, or comes back: a transcript by mail, and the way back from a mail.

use salvo::http::header::CACHE_CONTROL;
use salvo::http::{HeaderValue, StatusCode};
use salvo::prelude::*;
use serde::de::DeserializeOwned;

use super::admission::{Guest, Place, Stay};
use super::protocol::{Back, Vouched, WantsTranscript, WentBack};
use super::{Door, door, protocol, session, typed};
use crate::conversation::VisitorId;
use crate::desk::{DeskError, NotReached};
use crate::limits::Address;
use crate::post;

/// More is no request of ours.
const LONGEST: usize = 2_048 + protocol::MAX_IDENTITY;

/// `POST /api/chat/transcript`: what was said is sent by mail. 202 when that is durable.
#[handler]
pub async fn transcript(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let _place = place(&door, &guest).await?;
    let asked: WantsTranscript = read(req).await?;
    if !door.office.has_mail() {
        return Err(StatusError::not_found().brief("no mail is sent from here"));
    }
    if asked.email.as_deref().is_some_and(|email| !post::is_address(email)) {
        return Err(StatusError::unprocessable_entity().brief("this is no e-mail address"));
    }
    let visitor = visitor(&door, guest.address, &asked.token, asked.identity.as_ref())?;
    // Whoever makes conversations by the hundred must not have mail sent by the hundred.
    if let (Some(limits), Some(address)) = (&door.limits, guest.address) {
        limits.conversation(address).map_err(|_| too_often())?;
    }
    let seat = door.desk.seat(asked.conversation, visitor).await.map_err(|error| refused(&error.into()))?;
    door.desk.send_transcript(&seat, asked.email).await.map_err(|error| refused(&error))?;
    res.status_code(StatusCode::ACCEPTED);
    Ok(())
}

/// `POST /api/chat/back`: takes over the conversation that the ticket of a mail is to.
#[handler]
pub async fn back(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let _place = place(&door, &guest).await?;
    let asked: Back = read(req).await?;
    let visitor = visitor(&door, guest.address, &asked.token, asked.identity.as_ref())?;
    let admitted = door.office.admitted(&asked.ticket);
    let admitted = admitted.ok_or_else(|| StatusError::not_found().brief("this link is not good any more"))?;
    let conversation = door.desk.come_back(admitted, visitor).await.map_err(|error| refused(&error))?;
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    res.render(Json(WentBack { conversation }));
    Ok(())
}

async fn place(door: &std::sync::Arc<Door>, guest: &Guest) -> Result<Place, StatusError> {
    Place::take(door, guest.address, Stay::Short).await.map_err(|_| StatusError::service_unavailable())
}

async fn read<T: DeserializeOwned>(req: &mut Request) -> Result<T, StatusError> {
    let body = req.payload_with_max_size(LONGEST).await.map_err(|_| StatusError::bad_request())?;
    serde_json::from_slice(body).map_err(|_| StatusError::bad_request().brief("the body is not what the API says"))
}

/// The visitor of a request, who may have something of the store now.
pub(super) fn visitor(
    door: &Door,
    address: Option<Address>,
    token: &str,
    identity: Option<&Vouched>,
) -> Result<VisitorId, StatusError> {
    let token = typed::visitor(token).map_err(|_| StatusError::bad_request().brief("this is no token"))?;
    session::may_request(door, address, token).map_err(|_| too_often())?;
    match identity {
        None => Ok(token),
        Some(vouched) => match typed::customer(door, vouched) {
            Ok(customer) => Ok(customer.visitor()),
            Err(_) => Err(StatusError::unauthorized().brief("nobody vouches for this customer")),
        },
    }
}

fn refused(error: &NotReached) -> StatusError {
    match error {
        NotReached::Gone => StatusError::not_found().brief("this conversation is not there any more"),
        NotReached::NoAddress => StatusError::unprocessable_entity().brief("no address is known to send it to"),
        NotReached::TooOften => too_often(),
        NotReached::Desk(DeskError::NotYours) => {
            StatusError::forbidden().brief("this conversation is another visitor's")
        }
        NotReached::Desk(error) => {
            tracing::warn!(%error, "what a customer asked for could not be done");
            StatusError::service_unavailable()
        }
    }
}

pub(super) fn too_often() -> StatusError {
    StatusError::too_many_requests().brief("this is asked too often")
}
