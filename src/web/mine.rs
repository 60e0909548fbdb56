//! What is the visitor's own: earlier conversations, what is known of them, and all of it to take along or to delete.

use salvo::http::HeaderValue;
use salvo::http::header::CACHE_CONTROL;
use salvo::prelude::*;

use super::admission::{Guest, Place, Stay};
use super::protocol::{Download, DownloadedConversation, ErrorCode, PastConversation, ServerFrame, Unread};
use super::session::{Gone, Session, Wire};
use super::typed::{self, code, refuse, requests};
use super::{door, protocol, session};
use crate::conversation::{Author, ConversationId, Seq};
use crate::store::Export;

/// How many conversations a page of the list holds.
const LISTED: u32 = 20;
/// So much of the first message shows in the list, in characters.
const FIRST_WORDS: usize = 120;

/// Tells what is known of the visitor.
pub async fn known<W: Wire>(session: &mut Session<W>) -> Result<(), Gone> {
    let seat = match requests(session) {
        Ok(seat) => seat,
        Err(refused) => return refuse(session, refused, None).await,
    };
    let head = match session.door.store.conversation(seat.conversation()).await {
        Ok(head) => head,
        Err(_) => return refuse(session, ErrorCode::NotStored, None).await,
    };
    let account = session.profile();
    let remembered = head.map(|head| head.kept.attributes).unwrap_or_default();
    session.wire.feed(ServerFrame::Known { account: &account, remembered: &remembered }.frame()).await
}

/// Has something forgotten, and tells what is known then.
pub async fn forget<W: Wire>(session: &mut Session<W>, name: &str) -> Result<(), Gone> {
    let seat = match requests(session) {
        Ok(seat) => seat,
        Err(refused) => return refuse(session, refused, None).await,
    };
    match session.door.desk.forget(&seat, name).await {
        Ok(()) => known(session).await,
        Err(error) => refuse(session, code(error), None).await,
    }
}

/// Lists the visitor's other conversations.
pub async fn conversations<W: Wire>(session: &mut Session<W>, skip: u32) -> Result<(), Gone> {
    let seat = match requests(session) {
        Ok(seat) => seat,
        Err(refused) => return refuse(session, refused, None).await,
    };
    let found = session.door.store.past(seat.visitor(), seat.conversation(), skip, LISTED + 1).await;
    let Ok(mut found) = found else { return refuse(session, ErrorCode::NotStored, None).await };
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
    session.wire.feed(ServerFrame::Conversations { conversations, more }.frame()).await
}

/// Reads in another conversation of the visitor: the page before `before`, or the last one.
pub async fn read<W: Wire>(
    session: &mut Session<W>,
    conversation: ConversationId,
    before: Option<Seq>,
) -> Result<(), Gone> {
    let seat = match requests(session) {
        Ok(seat) => seat,
        Err(refused) => return refuse(session, refused, None).await,
    };
    let head = match session.door.store.conversation(conversation).await {
        Ok(head) => head.filter(|head| head.visitor == seat.visitor()),
        Err(_) => return refuse(session, ErrorCode::NotStored, None).await,
    };
    // What is somebody else's is not there.
    let Some(head) = head else { return refuse(session, ErrorCode::NoConversation, None).await };
    let before = before.unwrap_or(head.last_seq.saturating_add(1));
    let page = typed::page(&session.door, session.form, conversation, before, |events, more| {
        ServerFrame::Read { conversation, events, more }.frame()
    });
    match page.await {
        Ok(page) => session.wire.feed(page).await,
        Err(_) => refuse(session, ErrorCode::NotStored, None).await,
    }
}

/// Deletes all of the visitor's conversations.
pub async fn erase_everything<W: Wire>(session: &mut Session<W>) -> Result<(), Gone> {
    let seat = match requests(session) {
        Ok(seat) => seat,
        Err(refused) => return refuse(session, refused, None).await,
    };
    match session.door.desk.erase_visitor_for(seat.visitor(), Author::Visitor).await {
        Ok(_) => Ok(()),
        Err(error) => refuse(session, code(error), None).await,
    }
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
