//! What is the visitor's own: earlier conversations, what is known of them, and all of it to take along or to delete.

use salvo::http::HeaderValue;
use salvo::http::header::CACHE_CONTROL;
use salvo::prelude::*;

use super::admission::{Guest, Place, Stay};
use super::protocol::{Download, DownloadedConversation, ErrorCode, PastConversation, ServerFrame, Unread};
use super::session::{Session, Wire};
use super::typed::{self, Answered, code, requests};
use super::{door, protocol, session};
use crate::conversation::{Author, Conversation, ConversationId, Seq};
use crate::desk::Seat;
use crate::store::Export;

/// How many conversations a page of the list holds.
const LISTED: u32 = 20;
/// So much of the first message shows in the list, in characters.
const FIRST_WORDS: usize = 120;

/// Tells what is known of the visitor.
pub async fn known<W: Wire>(session: &mut Session<W>) -> Answered {
    let seat = requests(session)?;
    knows(session, &seat).await
}

async fn knows<W: Wire>(session: &mut Session<W>, seat: &Seat) -> Answered {
    let head = session.door.store.conversation(seat.conversation()).await.map_err(|_| ErrorCode::NotStored)?;
    let account = session.profile();
    let remembered = head.map(|head| head.kept.attributes).unwrap_or_default();
    Ok(Some(ServerFrame::Known { account: &account, remembered: &remembered }.frame()))
}

/// Has something forgotten, and tells what is known then.
pub async fn forget<W: Wire>(session: &mut Session<W>, name: &str) -> Answered {
    let seat = requests(session)?;
    session.door.desk.forget(&seat, name).await.map_err(code)?;
    knows(session, &seat).await
}

/// Lists the visitor's other conversations.
pub async fn conversations<W: Wire>(session: &mut Session<W>, skip: u32) -> Answered {
    let seat = requests(session)?;
    list(session, &seat, skip, None).await
}

async fn list<W: Wire>(session: &mut Session<W>, seat: &Seat, skip: u32, erased: Option<ConversationId>) -> Answered {
    let found = session.door.store.past(seat.visitor(), seat.conversation(), skip, LISTED + 1).await;
    let mut found = found.map_err(|_| ErrorCode::NotStored)?;
    let more = found.len() > LISTED as usize;
    found.truncate(LISTED as usize);
    let conversations = found
        .into_iter()
        .map(|past| PastConversation {
            id: past.id,
            created_at: past.created_at,
            last_at: past.last_at,
            text: past.first.chars().take(FIRST_WORDS).collect(),
        })
        .collect();
    Ok(Some(ServerFrame::Conversations { conversations, more, erased }.frame()))
}

/// Reads in another conversation of the visitor: the page before `before`, or the last one.
pub async fn read<W: Wire>(session: &mut Session<W>, conversation: ConversationId, before: Option<Seq>) -> Answered {
    let seat = requests(session)?;
    let head = own(session, &seat, conversation).await?;
    let before = before.unwrap_or(head.last_seq.saturating_add(1));
    let page = typed::page(&session.door, session.form, conversation, before, |events, more| {
        ServerFrame::Read { conversation, events, more }.frame()
    });
    Ok(Some(page.await.map_err(|_| ErrorCode::NotStored)?))
}

/// A conversation of the visitor. What is somebody else's is not there.
async fn own<W: Wire>(
    session: &mut Session<W>,
    seat: &Seat,
    conversation: ConversationId,
) -> Result<Conversation, ErrorCode> {
    let head = session.door.store.conversation(conversation).await.map_err(|_| ErrorCode::NotStored)?;
    head.filter(|head| head.visitor == seat.visitor()).ok_or(ErrorCode::NoConversation)
}

/// Deletes another conversation of the visitor, and lists those that are left.
pub async fn erase_past<W: Wire>(session: &mut Session<W>, conversation: ConversationId) -> Answered {
    let seat = requests(session)?;
    own(session, &seat, conversation).await?;
    session.door.desk.erase_one_for(conversation, seat.visitor(), Author::Visitor).await.map_err(code)?;
    list(session, &seat, 0, Some(conversation)).await
}

/// Deletes all of the visitor's conversations.
pub async fn erase_everything<W: Wire>(session: &mut Session<W>) -> Answered {
    let seat = requests(session)?;
    session.door.desk.erase_visitor_for(seat.visitor(), Author::Visitor).await.map_err(code)?;
    Ok(None)
}

/// `POST /api/chat/export` with `{"token"}`, and the `identity` of a signed-in customer: everything that is the
/// visitor's, to take along. The body may come as plain text, as for the unread count.
#[handler]
pub async fn export(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let place = Place::take(&door, guest.address, Stay::Short).await;
    let _place = place.map_err(|_| StatusError::service_unavailable())?;
    let body = req.payload_with_max_size(protocol::MAX_UNREAD).await.map_err(|_| StatusError::bad_request())?;
    let asked = serde_json::from_slice::<Unread>(body);
    let asked = asked.map_err(|_| StatusError::bad_request().brief("the body is {\"token\": \"…\"}"))?;
    let token = typed::visitor(&asked.token).map_err(|_| StatusError::bad_request().brief("this is no token"))?;
    session::may_request(&door, guest.address, token)
        .map_err(|_| StatusError::too_many_requests().brief("this is asked too often"))?;
    let (visitor, account) = match &asked.identity {
        None => (token, None),
        Some(vouched) => match typed::customer(&door, vouched) {
            Ok(customer) => (customer.visitor(), Some(customer.profile)),
            Err(_) => return Err(StatusError::unauthorized().brief("nobody vouches for this customer")),
        },
    };
    let exported = door.store.export(visitor, Export::Visitors).await.map_err(|error| {
        tracing::warn!(%error, "a visitor's conversations cannot be read");
        StatusError::service_unavailable()
    })?;
    let conversations = exported.iter().filter(|one| !one.is_erased()).map(DownloadedConversation::of).collect();
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    res.render(Json(Download { at: door.desk.now(), account: account.unwrap_or_default(), conversations }));
    Ok(())
}
