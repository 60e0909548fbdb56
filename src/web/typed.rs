//! The typed dialect, `purser.v1`: a client says who it is and what it has seen, and gets the rest.

use std::sync::Arc;

use super::protocol::{
    ClientFrame, ErrorCode, EventFrame, Form, Frame, Hello, PAGE, PAGE_BYTES, Refused, Say, ServerFrame, Shown, Site,
    Vouched, WithPerson,
};
use super::session::{Gone, Session, Wire};
use super::{Door, mine};
use crate::conversation::{
    Button, ClientId, ConversationId, Event, EventId, MAX_TEXT, Rated, Said, Seq, Stars, Text, TextError, VisitorId,
};
use crate::desk::{DeskError, Seat};
use crate::identity::{Customer, Hashed, Refusal};
use crate::responders::lines::Line;
use crate::store::StoreError;

/// A token holds at least 256 bits: 43 characters of base64url.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 43..=128;
/// The longest name of a language, in bytes.
const MAX_LANGUAGE: usize = 35;

/// Takes a frame as it came.
pub async fn hear<W: Wire>(session: &mut Session<W>, frame: &str) -> Result<(), Gone> {
    match serde_json::from_str(frame) {
        Ok(frame) => take(session, frame).await,
        Err(_) => refuse(session, ErrorCode::Unreadable, None).await,
    }
}

/// Takes a frame.
pub async fn take<W: Wire>(session: &mut Session<W>, frame: ClientFrame) -> Result<(), Gone> {
    if session.is_over() && !matches!(frame, ClientFrame::Hello(_)) {
        session.sign_out();
        let client_id = match &frame {
            ClientFrame::Say(said) => Some(&said.client_id),
            _ => None,
        };
        return refuse(session, ErrorCode::SignInExpired, client_id).await;
    }
    match frame {
        ClientFrame::Hello(hello) => match meet(session, hello).await {
            Ok((seat, seen)) => enter(session, seat, seen).await,
            Err(refused) => refuse(session, refused, None).await,
        },
        ClientFrame::Say(said) => say(session, said).await,
        ClientFrame::Older { before } => answer(older(session, before).await, session).await,
        ClientFrame::Seen { seq } => {
            session.seen = seq.max(session.seen);
            // A mail about an agent's reply is not sent to who has seen it.
            if session.attends() {
                session.note_seen();
            }
            Ok(())
        }
        ClientFrame::Rate { seq, thumb } => answer(rate(session, Rated { answer: seq, thumb }).await, session).await,
        ClientFrame::Review { stars, comment } => answer(review(session, stars, comment).await, session).await,
        ClientFrame::Erase { everything: true, .. } => answer(mine::erase_everything(session).await, session).await,
        ClientFrame::Erase { conversation: Some(conversation), .. } => {
            answer(mine::erase_past(session, conversation).await, session).await
        }
        ClientFrame::Erase { .. } => answer(erase(session).await, session).await,
        ClientFrame::Known => answer(mine::known(session).await, session).await,
        ClientFrame::Forget { name } => answer(mine::forget(session, &name).await, session).await,
        ClientFrame::Conversations { skip } => answer(mine::conversations(session, skip).await, session).await,
        ClientFrame::Read { conversation, before } => {
            answer(mine::read(session, conversation, before).await, session).await
        }
        ClientFrame::Typing => {
            session.types();
            Ok(())
        }
        ClientFrame::Ping => session.wire.feed(ServerFrame::Pong.frame()).await,
    }
}

/// Finds the seat of whoever says hello, and the last seq that its client has of that conversation.
pub async fn meet<W: Wire>(session: &mut Session<W>, hello: Hello) -> Result<(Arc<Seat>, Seq), Refused> {
    let signs_in = hello.identity.is_some();
    let visitor = arrive(session, &hello.token, hello.identity).await?;
    speak(session, hello.language);
    session.form = hello.form;
    let met = meeting_place(&session.door, visitor, hello.conversation).await;
    let seat = match met {
        // It is the one of before the sign-in.
        Err(DeskError::NotYours) if signs_in => meeting_place(&session.door, visitor, None).await,
        met => met,
    };
    let seat = seat.map_err(code)?;
    let same = hello.conversation == Some(seat.conversation());
    Ok((seat, if same { hello.seq } else { 0 }))
}

/// Whose conversations these are: those of the token, or of the customer whom the host site vouches for. What is open
/// with the token becomes the customer's.
pub async fn arrive<W: Wire>(
    session: &mut Session<W>,
    token: &str,
    identity: Option<Vouched>,
) -> Result<VisitorId, Refused> {
    let token = visitor(token)?;
    // Who asks too often stays where it is.
    session.may_request(token)?;
    // Whoever it was before, it is nobody until this is known.
    let before = session.customers_seat();
    session.leave();
    let arrived = vouch(session, token, identity).await;
    if let Some(seat) = before
        && arrived.as_ref().ok() != Some(&seat.visitor())
    {
        session.signed_out(&seat);
    }
    arrived
}

async fn vouch<W: Wire>(
    session: &mut Session<W>,
    token: VisitorId,
    identity: Option<Vouched>,
) -> Result<VisitorId, Refused> {
    let Some(vouched) = identity else { return Ok(token) };
    let customer = customer(&session.door, &vouched)?;
    let visitor = customer.visitor();
    session.door.desk.sign_in(token, visitor).await.map_err(code)?;
    speak(session, customer.language().map(str::to_owned));
    session.signed_in(customer);
    Ok(visitor)
}

/// The customer whom the host site vouches for.
pub fn customer(door: &Door, vouched: &Vouched) -> Result<Customer, Refused> {
    let customer = match vouched {
        Vouched::Token(token) => door.identity.customer(token, door.desk.now()),
        Vouched::Hashed { identifier, identifier_hash, name, email } => {
            let (name, email) = (name.as_deref(), email.as_deref());
            door.identity.hashed(Hashed { identifier, hash: identifier_hash, name, email })
        }
    };
    customer.map_err(|refusal| match refusal {
        Refusal::Expired => ErrorCode::SignInExpired.into(),
        other => {
            tracing::info!(why = %other, "a sign-in was refused");
            Refused { why: Some(other), ..ErrorCode::SignInRefused.into() }
        }
    })
}

/// The visitor whose token this is.
pub fn visitor(token: &str) -> Result<VisitorId, ErrorCode> {
    let fits = TOKEN_LENGTH.contains(&token.len())
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    if fits { Ok(VisitorId::of_token(token)) } else { Err(ErrorCode::BadToken) }
}

/// The page speaks this language.
pub fn speak<W: Wire>(session: &mut Session<W>, language: Option<String>) {
    if let Some(language) = language
        && language.len() <= MAX_LANGUAGE
    {
        session.languages.insert(0, language.into());
        session.languages.truncate(4);
    }
}

/// Enters a conversation: welcome, what was missed, and from then on what happens.
pub async fn enter<W: Wire>(session: &mut Session<W>, seat: Arc<Seat>, seen: Seq) -> Result<(), Gone> {
    let id = seat.conversation();
    // Following comes before reading: what is committed in between is heard twice and sent once.
    session.follow(id, Some(seen));
    session.heard().await;
    // What was seen was seen of the conversation before.
    session.note_seen();
    session.seen = 0;
    session.take(seat);
    let head = match session.door.store.conversation(id).await {
        Ok(head) => head,
        Err(_) => return refuse(session, ErrorCode::NotStored, None).await,
    };
    let last = head.as_ref().map_or(0, |head| head.last_seq);
    let person = head.as_ref().and_then(|head| WithPerson::of(head, session.door.desk.now()));
    let with_person = person.as_ref().is_some_and(|person| person.ended.is_none());
    let pending = head.as_ref().filter(|head| head.has_pending()).map(|head| (head.asked_seq, head.answered_seq));
    session.starts_at(last);
    let knows = seen > 0 && seen <= last;
    // Read before anything is sent: a client that is welcome and gets no history would show an empty window.
    let page = match knows || last == 0 {
        true => None,
        false => match page(&session.door, session.form, id, last + 1, history).await {
            Ok(page) => Some(page),
            Err(_) => return refuse(session, ErrorCode::NotStored, None).await,
        },
    };
    let site = site(session);
    let mail = session.door.office.has_mail();
    let attachments = session.door.attachments.as_ref().and_then(|attachments| Some(attachments.rules()?.max_bytes));
    let welcome =
        ServerFrame::Welcome { conversation: id, seq: last, max_text: MAX_TEXT, site, person, mail, attachments };
    session.wire.feed(welcome.frame()).await?;
    match page {
        Some(page) => session.wire.feed(page).await?,
        None if knows => session.fill(id, seen, last + 1).await?,
        None => {}
    }
    session.sent(last);
    session.person = with_person;
    (session.asked, session.answered) = pending.unwrap_or_default();
    session.attend().await
}

async fn say<W: Wire>(session: &mut Session<W>, say: Say) -> Result<(), Gone> {
    let Some(here) = session.seat.clone() else {
        return refuse(session, ErrorCode::HelloFirst, Some(&say.client_id)).await;
    };
    let text = match Text::new(&say.text) {
        Ok(text) => text,
        Err(TextError::Empty) if !say.attachments.is_empty() => Text::none(),
        Err(TextError::Empty) => return refuse(session, ErrorCode::Empty, Some(&say.client_id)).await,
        Err(TextError::TooLong(_)) => return refuse(session, ErrorCode::TooLong, Some(&say.client_id)).await,
    };
    let client_id = say.client_id;
    if let Err(refused) = session.may_say(here.visitor()) {
        return refuse(session, refused, Some(&client_id)).await;
    }
    let desk = session.door.desk.clone();
    let seat = match say.conversation {
        // It was sent before; then the visitor's open conversation became another one.
        Some(first) if first != here.conversation() => match desk.seat(first, here.visitor()).await {
            Ok(seat) => seat,
            // It was said before signing in, and what was stored of it is here now.
            Err(DeskError::NotYours) if session.is_signed_in() => here.clone(),
            Err(error) => return refuse(session, code(error), Some(&client_id)).await,
        },
        _ => here.clone(),
    };
    let attachments = match desk.attached(&seat, &say.attachments).await {
        Ok(attachments) => attachments,
        Err(error) => return refuse(session, code(error), Some(&client_id)).await,
    };
    let said = Said {
        id: EventId::new(),
        client_id: client_id.clone(),
        text,
        choice: say.choice.filter(|choice| choice.len() <= 128).map(Arc::from),
        language: session.languages.first().cloned(),
        attachments,
    };
    let ack = match session.say(&seat, said).await {
        Ok(Ok(ack)) => ack,
        Ok(Err(error)) => return refuse(session, code(error), Some(&client_id)).await,
        Err(refused) => return refuse(session, refused, Some(&client_id)).await,
    };
    session.wire.feed(ServerFrame::ack(&ack).frame()).await?;
    if ack.conversation == here.conversation() {
        return Ok(());
    }
    match desk.open_seat(here.visitor()).await {
        Ok(Some(open)) if open.conversation() != here.conversation() => enter(session, open, 0).await,
        Ok(_) => Ok(()),
        Err(_) => Err(Gone),
    }
}

/// The seat of whoever wants something of the store, if they may.
pub fn requests<W: Wire>(session: &Session<W>) -> Result<Arc<Seat>, Refused> {
    let seat = session.seat.clone().ok_or(ErrorCode::HelloFirst)?;
    session.may_request(seat.visitor())?;
    Ok(seat)
}

/// What a request is answered with, if it is answered here, or why it is refused.
pub type Answered = Result<Option<Frame>, Refused>;

async fn answer<W: Wire>(answered: Answered, session: &mut Session<W>) -> Result<(), Gone> {
    match answered {
        Ok(Some(frame)) => session.wire.feed(frame).await,
        Ok(None) => Ok(()),
        Err(refused) => refuse(session, refused, None).await,
    }
}

async fn rate<W: Wire>(session: &mut Session<W>, rated: Rated) -> Answered {
    let seat = requests(session)?;
    session.door.desk.rate(&seat, rated).await.map_err(code)?;
    Ok(None)
}

async fn review<W: Wire>(session: &mut Session<W>, stars: u8, comment: Option<String>) -> Answered {
    let comment = match comment.as_deref().map(Text::new) {
        None | Some(Err(TextError::Empty)) => None,
        Some(Ok(text)) => Some(text),
        Some(Err(TextError::TooLong(_))) => return Err(ErrorCode::TooLong.into()),
    };
    let seat = requests(session)?;
    let stars = Stars::new(stars).ok_or(ErrorCode::NoChat)?;
    session.door.desk.review(&seat, stars, comment).await.map_err(code)?;
    Ok(None)
}

async fn erase<W: Wire>(session: &mut Session<W>) -> Answered {
    let seat = requests(session)?;
    session.door.desk.erase(&seat).await.map_err(code)?;
    Ok(None)
}

async fn older<W: Wire>(session: &mut Session<W>, before: Seq) -> Answered {
    let seat = requests(session)?;
    let page = page(&session.door, session.form, seat.conversation(), before, history).await;
    Ok(Some(page.map_err(|_| ErrorCode::NotStored)?))
}

/// The page of history before `before`, cut by events and by bytes.
pub async fn page(
    door: &Door,
    form: Form,
    conversation: ConversationId,
    before: Seq,
    worded: impl for<'e> FnOnce(Vec<EventFrame<'e>>, bool) -> Frame,
) -> Result<Frame, StoreError> {
    let mut first = before;
    let read = loop {
        let read = door.store.events_before(conversation, first, PAGE).await;
        let read = read.inspect_err(|error| tracing::warn!(%conversation, %error, "history cannot be read"))?;
        first = read.first().map_or(1, |event| event.seq);
        // Agents may have noted more than a page holds: behind that it goes on.
        if first <= 1 || read.iter().any(|event| !event.kind.is_internal()) {
            break read;
        }
    };
    let mut events = Vec::with_capacity(read.len());
    let mut bytes = 0;
    for event in read.iter().rev().filter(|event| !event.kind.is_internal()) {
        let worded = EventFrame::of(event, form);
        bytes += worded.bytes();
        if bytes > PAGE_BYTES && !events.is_empty() {
            first = event.seq + 1;
            break;
        }
        events.push(worded);
    }
    if !door.pages_backwards {
        events.reverse();
    }
    Ok(worded(events, first > 1))
}

fn history(events: Vec<EventFrame<'_>>, more: bool) -> Frame {
    ServerFrame::History { events, more }.frame()
}

/// An event as this dialect words it; nothing for one that is not for visitors.
pub fn word(event: &Event, form: Form) -> Option<Frame> {
    (!event.kind.is_internal()).then(|| ServerFrame::Event(EventFrame::of(event, form)).frame())
}

/// What the site says around the messages, in the customer's language.
fn site<W: Wire>(session: &Session<W>) -> Site {
    let starters = session.line(Line::Starters);
    let starters = starters.lines().map(str::trim).filter(|line| !line.is_empty());
    Site {
        greeting: Shown::of(&session.line(Line::Greeting).into(), session.form),
        starters: starters.map(|text| Button { text: text.to_owned(), ..Button::default() }).collect(),
        privacy: Shown::of(&session.line(Line::Privacy).into(), session.form),
    }
}

/// The visitor's open conversation before the one that the client names, so that all tabs meet in it.
async fn meeting_place(door: &Door, visitor: VisitorId, named: Option<ConversationId>) -> Result<Arc<Seat>, DeskError> {
    match door.desk.open_seat(visitor).await? {
        Some(open) => Ok(open),
        None => door.desk.seat(named.unwrap_or_default(), visitor).await,
    }
}

/// What a client is told when the desk could not do it.
pub fn code(error: DeskError) -> ErrorCode {
    match error {
        DeskError::NotYours => ErrorCode::NotYours,
        DeskError::NoAnswer => ErrorCode::NoAnswer,
        DeskError::NoChat => ErrorCode::NoChat,
        DeskError::NoAttachment => ErrorCode::NoAttachment,
        DeskError::Blocked => ErrorCode::Blocked,
        // Only agents are told that something is not theirs.
        DeskError::Unavailable(_) | DeskError::Busy | DeskError::NotTheirs(_) => ErrorCode::NotStored,
    }
}

/// Says that something could not be done.
pub async fn refuse<W: Wire>(
    session: &mut Session<W>,
    refused: impl Into<Refused>,
    client_id: Option<&ClientId>,
) -> Result<(), Gone> {
    let refused = refused.into();
    let Refused { code, retry_after, why } = refused;
    session.door.counts.refused(code);
    let line = match code {
        ErrorCode::Empty => Line::Empty,
        ErrorCode::TooLong => Line::TooLong,
        ErrorCode::NotStored => Line::NotStored,
        ErrorCode::TooFast => Line::TooFast,
        ErrorCode::TooMany => Line::TooMany,
        ErrorCode::Full => Line::Full,
        ErrorCode::Unreadable
        | ErrorCode::HelloFirst
        | ErrorCode::BadToken
        | ErrorCode::NotYours
        | ErrorCode::NoAnswer
        | ErrorCode::NoChat
        | ErrorCode::NoConversation => Line::Unreadable,
        ErrorCode::Blocked => Line::Blocked,
        ErrorCode::NoAttachment => Line::AttachmentGone,
        ErrorCode::SignInExpired | ErrorCode::SignInRefused => Line::SignIn,
    };
    let text = session.line(line);
    let text = refused.worded(&text);
    let client_id = client_id.map(ClientId::as_str);
    let reason = why.map(|why| format!("purser: the sign-in was refused: {why}"));
    let error = ServerFrame::Error { code, client_id, text: &text, reason: reason.as_deref(), retry_after };
    session.wire.feed(error.frame()).await
}
