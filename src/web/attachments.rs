//! Attachments over HTTP: files of customers and agents come in, and go out so that nothing in them can run.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use salvo::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY,
};
use salvo::http::{HeaderName, HeaderValue, StatusCode};
use salvo::prelude::*;
use serde_json::json;
use tokio::time::timeout;

use super::admission::{Guest, Place, Stay, header};
use super::protocol::Vouched;
use super::{Door, agent, back, door};
use crate::attachments::{Attachments, Unfit};
use crate::conversation::{Attachment, AttachmentId, ClientId, VisitorId};
use crate::limits::Address;
use crate::store::{Filed, Owner};

/// Who the host site says its customer is, beside the token: as in `hello`, a JWT or JSON.
pub const IDENTITY: &str = "purser-identity";
/// Nothing in a file runs, even if a browser takes it for a page.
const INERT: &str = "default-src 'none'; sandbox";
/// The longest name that is looked at, in bytes.
const LONGEST_NAME: usize = 1_024;
/// How long a file may take to come in…
const SENDING: Duration = Duration::from_secs(300);
/// …and how long nothing of it may come: a phone that has left the network does not hold its place.
const SILENT: Duration = Duration::from_secs(20);
/// So much of a file that is too large is read before it is refused, in bytes.
const THROWN_AWAY: usize = 64 * 1024 * 1024;

/// `POST /api/chat/attachments?client_id=…&name=…` with `Authorization: Bearer <token>` and the file as its body: 201 and
/// what a message then names.
#[handler]
pub async fn send(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let _place = place(&door, &guest).await?;
    let visitor = visitor(&door, &guest, req)?;
    if door.desk.is_blocked(visitor) {
        return Err(StatusError::forbidden().brief("this visitor is blocked"));
    }
    // Anybody can be any number of visitors, and every file takes room for some hours.
    if let (Some(limits), Some(address)) = (&door.limits, guest.address) {
        limits.attachment(address).map_err(|_| back::too_often())?;
    }
    take(&door, visitor.0, guest.address.map(Address::bits), req, res).await
}

/// `GET /api/chat/attachments/{id}` with the same `Authorization`: a file of one of the visitor's conversations.
#[handler]
pub async fn fetch(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let _place = place(&door, &guest).await?;
    let visitor = visitor(&door, &guest, req)?;
    let filed = filed(&door, req).await?;
    // A stranger learns not even that it is there.
    if !filed.said.is_some_and(|(_, whose)| whose == visitor) {
        return Err(StatusError::not_found());
    }
    res.headers_mut().append(VARY, HeaderValue::from_static("Authorization, Purser-Identity"));
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    give(&door, &filed.attachment, res).await
}

/// `POST /agent/attachments?client_id=…&name=…`: a file of an agent, for a reply.
#[handler]
pub async fn send_as_agent(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let account = agent::agent(depot)?;
    take(&*door(depot)?, account.id.0.into_bytes(), Some(account.id.0.as_u128()), req, res).await
}

/// `GET /agent/attachments/{id}`: a file of any conversation, for agents.
#[handler]
pub async fn fetch_as_agent(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let filed = filed(&door, req).await?;
    if filed.said.is_none() {
        return Err(StatusError::not_found());
    }
    give(&door, &filed.attachment, res).await
}

async fn place(door: &Arc<Door>, guest: &Guest) -> Result<Place, StatusError> {
    Place::take(door, guest.address, Stay::Short).await.map_err(|_| StatusError::service_unavailable())
}

fn visitor(door: &Door, guest: &Guest, req: &Request) -> Result<VisitorId, StatusError> {
    let token = header(req, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let identity = header(req, HeaderName::from_static(IDENTITY)).filter(|identity| !identity.is_empty());
    let identity = identity.map(|identity| match identity.starts_with('{') {
        true => serde_json::from_str(identity).map_err(|_| StatusError::bad_request()),
        false => Ok(Vouched::Token(identity.to_owned())),
    });
    back::visitor(door, guest.address, token, identity.transpose()?.as_ref())
}

fn attachments(door: &Door) -> Result<&Arc<Attachments>, StatusError> {
    door.attachments.as_ref().ok_or_else(nothing)
}

fn nothing() -> StatusError {
    StatusError::not_found().brief("nothing can be attached here")
}

async fn take(
    door: &Door,
    owner: Owner,
    sender: Option<u128>,
    req: &mut Request,
    res: &mut Response,
) -> Result<(), StatusError> {
    let attachments = attachments(door)?.clone();
    let client_id = req.query::<String>("client_id").and_then(|id| ClientId::try_from(id).ok());
    let client_id = client_id.ok_or_else(|| StatusError::bad_request().brief("the file needs a client_id"))?;
    let name = req.query::<String>("name").filter(|name| name.len() <= LONGEST_NAME).unwrap_or_default();
    let most = attachments.rules().ok_or_else(nothing)?.max_bytes;
    let taken = match attachments.admit(sender) {
        Err(unfit) => Err(unfit),
        Ok(admitted) => match timeout(SENDING, body(req, most as usize)).await.unwrap_or_else(|_| Err(silent()))? {
            Some(file) => {
                // Its own task: what has come in is kept, also for a client that goes away.
                let taking = tokio::spawn(async move {
                    let _admitted = admitted;
                    attachments.take(owner, &client_id, &name, file).await
                });
                taking.await.map_err(|_| StatusError::internal_server_error())?
            }
            None => Err(Unfit::TooLarge(most)),
        },
    };
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match taken {
        Ok(attachment) => {
            res.status_code(StatusCode::CREATED);
            res.render(Json(attachment));
        }
        Err(unfit) => {
            let (status, code) = told(unfit);
            res.status_code(status);
            res.render(Json(json!({ "code": code, "text": unfit.to_string() })));
        }
    }
    Ok(())
}

/// The body; nothing if it is larger than `most`. What is too much is read and thrown away, up to a bound: many clients
/// hear no answer before all is sent.
async fn body(req: &mut Request, most: usize) -> Result<Option<Vec<u8>>, StatusError> {
    let mut body = req.take_body();
    let (mut file, mut read) = (Vec::new(), 0);
    while let Some(frame) = timeout(SILENT, body.next()).await.map_err(|_| silent())? {
        let frame = frame.map_err(|_| StatusError::bad_request().brief("the file did not come to its end"))?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        match read {
            _ if read <= most => file.extend_from_slice(&data),
            _ if read <= most + THROWN_AWAY => file = Vec::new(),
            _ => break,
        }
    }
    Ok((read <= most).then_some(file))
}

fn silent() -> StatusError {
    StatusError::request_timeout().brief("the file did not come to its end")
}

/// Why a file is not taken, for clients.
fn told(unfit: Unfit) -> (StatusCode, &'static str) {
    match unfit {
        Unfit::Empty => (StatusCode::UNPROCESSABLE_ENTITY, "empty"),
        Unfit::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Unfit::TooMany(_) => (StatusCode::CONFLICT, "too_many"),
        Unfit::Kind => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "kind"),
        Unfit::Broken => (StatusCode::UNPROCESSABLE_ENTITY, "broken"),
        Unfit::TooManyPixels => (StatusCode::UNPROCESSABLE_ENTITY, "too_many_pixels"),
        Unfit::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Unfit::Away => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    }
}

async fn filed(door: &Door, req: &Request) -> Result<Filed, StatusError> {
    let id = req.param::<&str>("id").and_then(|id| id.parse().ok()).map(AttachmentId);
    let id = id.ok_or_else(StatusError::not_found)?;
    let filed = door.store.filed(&[id]).await.map_err(|error| {
        tracing::warn!(%error, "an attachment cannot be looked up");
        StatusError::service_unavailable()
    })?;
    filed.into_iter().next().ok_or_else(StatusError::not_found)
}

async fn give(door: &Door, attachment: &Attachment, res: &mut Response) -> Result<(), StatusError> {
    let content = attachments(door)?.content(attachment.id).await.map_err(|_| StatusError::service_unavailable())?;
    let content = content.ok_or_else(StatusError::not_found)?;
    let disposition =
        HeaderValue::try_from(disposition(attachment)).map_err(|_| StatusError::internal_server_error())?;
    let headers = res.headers_mut();
    headers.insert(CONTENT_DISPOSITION, disposition);
    for (name, value) in [
        (CONTENT_TYPE, attachment.media.as_str()),
        (CONTENT_SECURITY_POLICY, INERT),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    res.write_body(content).map_err(|_| StatusError::internal_server_error())
}

/// A picture, which we wrote ourselves, may be shown; a document is only saved. Its name as RFC 6266 has it.
fn disposition(attachment: &Attachment) -> String {
    let way = if attachment.media.is_picture() { "inline" } else { "attachment" };
    let plain: String = attachment.name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in attachment.name.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{way}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || " ._-()+,=@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Media;

    #[test]
    fn a_name_cannot_leave_its_header() {
        let attachment = Attachment {
            id: AttachmentId::new(),
            name: "a\"; x=\r\né<.pdf".to_owned(),
            media: Media::Pdf,
            bytes: 1,
            width: None,
            height: None,
        };
        let expected = "attachment; filename=\"a__ x=____.pdf\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A%C3%A9%3C.pdf";
        assert_eq!(disposition(&attachment), expected);
    }
}
