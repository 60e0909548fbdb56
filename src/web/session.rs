//! One client's place in a conversation: frames in, events out, whatever carries them.
//!
//! A session understands frames and words events in one of the two dialects. How its frames leave is the wire's
//! matter: a WebSocket (`socket.rs`), a stream of server-sent events or the reply to one POST (`http.rs`). Events that
//! were committed meanwhile wait in the subscription, which is bounded: whoever reads too slowly is cut off and told
//! to come back with the last seq it saw.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Door;
use super::admission::{Guest, Place, Stay};
use super::protocol::{ErrorCode, Form, Frame, Refused, ServerFrame};
use super::{plain, typed};
use crate::conversation::{Author, ConversationId, Event, Kind, Said, Seq, VisitorId};
use crate::desk::{Ack, DeskError, Seat};
use crate::fanout::{Signal, Subscription, What};
use crate::identity::Customer;
use crate::limits::Address;
use crate::responders::lines::Line;

/// How many events are read from the store at once to fill a gap.
const FILL: u32 = 200;
/// A visitor's typing is told at most this often.
const TYPES_EVERY: Duration = Duration::from_secs(2);

/// The connection is over; there is nobody to tell.
pub struct Gone;

/// What carries a session's frames to its client.
pub trait Wire: Send {
    /// Takes a frame. Waits for a slow client, and gives it up after a while.
    fn feed(&mut self, frame: Frame) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// How frames are understood and events are worded.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// `{"message": …}` in the conversation of this visitor, whom the browser's cookie names.
    Plain(VisitorId),
    /// `purser.v1`: the client says who the visitor is.
    Typed,
    /// What comes goes back: for trying the WebSocket itself.
    Echo,
}

/// What goes on in every session, whatever its dialect and its wire.
pub struct Session<W> {
    pub door: Arc<Door>,
    /// The languages of the customer's browser, most wanted first, with the site's own at the end.
    pub languages: Vec<String>,
    pub seat: Option<Arc<Seat>>,
    /// Where the customer is; `None` if that cannot be counted.
    address: Option<Address>,
    /// The customer whom the host site vouches for.
    customer: Option<Box<Customer>>,
    /// Whether the store was told which account that is.
    noted: bool,
    pub wire: W,
    pub dialect: Dialect,
    /// How the client wants what others say.
    pub form: Form,
    /// How far the visitor has seen the conversation.
    pub seen: Seq,
    subscription: Option<Subscription>,
    /// What is of the moment, while a person is asked for or there.
    signals: Option<Box<broadcast::Receiver<Signal>>>,
    /// The last seq that went out; `None` until there is a place to start from.
    sent: Option<Seq>,
    /// When the visitor was typing last.
    typed: Option<Instant>,
}

impl<W: Wire> Session<W> {
    /// A session in no conversation yet.
    pub fn new(door: Arc<Door>, dialect: Dialect, guest: Guest, wire: W) -> Session<W> {
        let Guest { languages, address } = guest;
        Session {
            door,
            languages,
            seat: None,
            address,
            customer: None,
            noted: false,
            wire,
            dialect,
            form: Form::default(),
            seen: 0,
            subscription: None,
            signals: None,
            sent: None,
            typed: None,
        }
    }

    /// The same session over another wire.
    pub fn over<V>(self, wire: V) -> Session<V> {
        let Session {
            door,
            languages,
            seat,
            address,
            customer,
            noted,
            dialect,
            form,
            seen,
            subscription,
            signals,
            sent,
            typed,
            ..
        } = self;
        Session {
            door,
            languages,
            seat,
            address,
            customer,
            noted,
            wire,
            dialect,
            form,
            seen,
            subscription,
            signals,
            sent,
            typed,
        }
    }

    /// Begins with what the dialect knows before anything is said.
    pub fn begin(&mut self) {
        if let Dialect::Plain(visitor) = self.dialect {
            plain::begin(self, visitor);
        }
    }

    /// The host site says who it is that comes.
    pub fn signed_in(&mut self, customer: Customer) {
        self.customer = Some(Box::new(customer));
        self.noted = false;
    }

    /// Whether the host site says who it is.
    pub fn is_signed_in(&self) -> bool {
        self.customer.is_some()
    }

    /// Takes the seat.
    pub fn take(&mut self, seat: Arc<Seat>) {
        if let Some(customer) = &self.customer {
            seat.introduce(customer.profile.clone());
        }
        self.seat = Some(seat);
    }

    /// Whether the host site vouches no longer for who is here.
    pub fn is_over(&self) -> bool {
        let until = self.customer.as_ref().and_then(|customer| customer.until);
        until.is_some_and(|until| until <= self.door.desk.now())
    }

    /// Leaves the conversation: from now on nothing is said and heard in it here.
    pub fn leave(&mut self) {
        self.note_seen();
        self.seat = None;
        self.customer = None;
        self.subscription = None;
        self.signals = None;
        self.sent = None;
        self.seen = 0;
    }

    /// Takes a frame of the client, and sends what it leads to.
    pub async fn hear(&mut self, frame: &str) -> Result<(), Gone> {
        match self.dialect {
            Dialect::Plain(visitor) => plain::hear(self, visitor, frame).await?,
            Dialect::Typed => typed::hear(self, frame).await?,
            Dialect::Echo => self.wire.feed(Frame { json: frame.to_owned(), seq: None, refused: None }).await?,
        }
        self.deliver_waiting().await
    }

    /// What happens next in the conversation that is followed (`None` when the client fell too far behind), and the
    /// wire, to wait for both at a time.
    pub fn next(&mut self) -> (impl Future<Output = Option<News>>, &mut W) {
        (next_news(&mut self.subscription, &mut self.signals), &mut self.wire)
    }

    /// Sends what has happened.
    pub async fn hear_news(&mut self, news: News) -> Result<(), Gone> {
        match news {
            News::Event(event) => self.tell(event).await,
            News::AgentTypes if matches!(self.dialect, Dialect::Typed) => {
                self.wire.feed(ServerFrame::Typing.frame()).await
            }
            News::AgentTypes => Ok(()),
        }
    }

    /// Listens to what is of the moment from now on, or does not.
    pub fn attend(&mut self, person: bool) {
        self.signals = match (&self.subscription, person) {
            (Some(subscription), true) => Some(Box::new(self.door.fanout.listen_to(subscription.conversation()))),
            _ => None,
        };
    }

    /// Whether a person is asked for or there.
    pub fn attends(&self) -> bool {
        self.signals.is_some()
    }

    /// The visitor is typing, which only a person wants to know, and not more often than every other second.
    pub fn types(&mut self) {
        if let (Some(_), Some(subscription)) = (&self.signals, &self.subscription)
            && self.typed.is_none_or(|typed| typed.elapsed() >= TYPES_EVERY)
        {
            self.typed = Some(Instant::now());
            let conversation = subscription.conversation();
            self.door.fanout.signal(Signal { conversation, what: What::Typing(Author::Visitor) });
        }
    }

    /// Has it noted how far the visitor has seen the conversation: once a visit, not once a message.
    pub fn note_seen(&self) {
        if let Some(seat) = &self.seat
            && self.seen > 0
        {
            self.door.store.note_seen(seat.conversation(), self.seen);
        }
    }

    /// Follows a conversation from `sent` on, or from its next event on.
    pub fn follow(&mut self, conversation: ConversationId, sent: Option<Seq>) {
        self.subscription = Some(self.door.fanout.subscribe(conversation));
        self.sent = sent;
    }

    /// Ready when nothing that is committed from now on can be missed: the log may be read.
    pub async fn heard(&mut self) {
        if let Some(subscription) = &self.subscription {
            subscription.heard().await;
        }
    }

    /// Says where the log ended when it was read.
    pub fn starts_at(&self, last: Seq) {
        if let Some(subscription) = &self.subscription {
            subscription.starts_at(last);
        }
    }

    /// Says that everything up to `seq` is out.
    pub fn sent(&mut self, seq: Seq) {
        self.sent = Some(seq);
    }

    /// Takes a place, or says why there is none.
    pub async fn place(&self, stay: Stay) -> Result<Place, Refused> {
        Place::take(&self.door, self.address, stay).await
    }

    /// Whether this visitor may have something of the store now that is no message.
    pub fn may_request(&self, visitor: VisitorId) -> Result<(), Refused> {
        may_request(&self.door, self.address, visitor)
    }

    /// Whether this visitor may say something now.
    pub fn may_say(&self, visitor: VisitorId) -> Result<(), Refused> {
        let Some(limits) = &self.door.limits else { return Ok(()) };
        limits.message(visitor).map_err(|wait| Refused::wait(ErrorCode::TooFast, wait))
    }

    /// Says something in the conversation of this seat; refused if too many begin from this address.
    pub async fn say(&mut self, seat: &Arc<Seat>, said: Said) -> Result<Result<Ack, DeskError>, Refused> {
        let mut begins = None;
        if let (Some(limits), Some(address), false) = (&self.door.limits, self.address, seat.has_begun()) {
            limits.conversation(address).map_err(|wait| Refused::wait(ErrorCode::TooMany, wait))?;
            begins = Some((limits, address));
        }
        let said = self.door.desk.say(seat, said).await;
        // While the store is away nothing begins, however often it is tried.
        if let (Err(_), Some((limits, address))) = (&said, begins) {
            limits.no_conversation(address);
        }
        if let (Some(customer), Ok(_), false) = (&self.customer, &said, self.noted) {
            self.noted = self.door.store.note_customer(seat.visitor(), &customer.account);
        }
        Ok(said)
    }

    /// A line of purser's own in the customer's language.
    pub fn line(&self, line: Line) -> String {
        self.door.desk.pipeline().lines().say(line, &self.languages).0.to_owned()
    }

    /// Sends an event once and in order, with whatever is missing before it and whatever has come since.
    pub async fn tell(&mut self, event: Arc<Event>) -> Result<(), Gone> {
        self.deliver(event).await?;
        self.deliver_waiting().await
    }

    /// Sends the events that have come meanwhile, so that one flush carries them all.
    async fn deliver_waiting(&mut self) -> Result<(), Gone> {
        while let Some(event) = self.subscription.as_mut().and_then(Subscription::waiting) {
            self.deliver(event).await?;
        }
        Ok(())
    }

    async fn deliver(&mut self, event: Arc<Event>) -> Result<(), Gone> {
        if self.is_over() {
            self.leave();
            return typed::refuse(self, ErrorCode::SignInExpired, None).await;
        }
        match self.sent {
            Some(sent) if event.seq <= sent => return Ok(()),
            Some(sent) if event.seq > sent + 1 => {
                if let Some(subscription) = &self.subscription {
                    self.fill(subscription.conversation(), sent, event.seq).await?;
                }
            }
            _ => {}
        }
        self.word(&event).await?;
        self.sent = Some(event.seq);
        // Clients of the plain dialect do not say what they have shown.
        if let (Author::Agent, Dialect::Plain(_), Some(subscription)) = (event.author, self.dialect, &self.subscription)
        {
            self.door.store.note_seen(subscription.conversation(), event.seq);
        }
        Ok(())
    }

    /// Sends what the store has between two seqs.
    pub async fn fill(&mut self, conversation: ConversationId, mut after: Seq, before: Seq) -> Result<(), Gone> {
        while after + 1 < before {
            let page = match self.door.store.events_after(conversation, after, FILL).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%conversation, %error, "a gap cannot be filled, the client is sent away");
                    return Err(Gone);
                }
            };
            let Some(last) = page.last().map(|event| event.seq) else { return Ok(()) };
            for event in page.iter().filter(|event| event.seq < before) {
                self.word(event).await?;
            }
            self.sent = Some(last.min(before - 1));
            after = last;
        }
        Ok(())
    }

    async fn word(&mut self, event: &Event) -> Result<(), Gone> {
        // With the last that was said the account is forgotten, too.
        self.noted &= event.kind != Kind::Erased;
        if event.kind.changes_owner() {
            let goes_on = matches!(event.kind, Kind::Handover | Kind::Joined | Kind::Transferred);
            if goes_on != self.signals.is_some() {
                self.attend(goes_on);
            }
        }
        let worded = match self.dialect {
            Dialect::Plain(_) => plain::word(event),
            Dialect::Typed => typed::word(event, self.form),
            Dialect::Echo => None,
        };
        match worded {
            Some(frame) => self.wire.feed(frame).await,
            None => Ok(()),
        }
    }
}

/// Whether this visitor, at this address, may have something of the store now that is no message.
pub fn may_request(door: &Door, address: Option<Address>, visitor: VisitorId) -> Result<(), Refused> {
    let Some(limits) = &door.limits else { return Ok(()) };
    if let Some(address) = address {
        limits.address_request(address).map_err(|wait| Refused::wait(ErrorCode::TooMany, wait))?;
    }
    limits.request(visitor).map_err(|wait| Refused::wait(ErrorCode::TooFast, wait))
}

/// Something that happens in a conversation.
pub enum News {
    /// An event of its log.
    Event(Arc<Event>),
    /// The agent is typing.
    AgentTypes,
}

async fn next_news(
    subscription: &mut Option<Subscription>,
    signals: &mut Option<Box<broadcast::Receiver<Signal>>>,
) -> Option<News> {
    let Some(subscription) = subscription else { return std::future::pending().await };
    let Some(signals) = signals else { return subscription.next().await.map(News::Event) };
    loop {
        tokio::select! {
            event = subscription.next() => return event.map(News::Event),
            signal = signals.recv() => match signal {
                Ok(Signal { what: What::Typing(Author::Agent), .. }) => return Some(News::AgentTypes),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return subscription.next().await.map(News::Event),
            },
        }
    }
}
