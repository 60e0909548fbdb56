//! One client's place in a conversation: frames in, events out, whatever carries them.
//!
//! A session understands frames and words events in one of the two dialects. How its frames leave is the wire's
//! matter: a WebSocket (`socket.rs`), a stream of server-sent events or the reply to one POST (`http.rs`). Events that
//! were committed meanwhile wait in the subscription, which is bounded: whoever reads too slowly is cut off and told
//! to come back with the last seq it saw.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Door;
use super::admission::{Guest, Place, Stay};
use super::draft::Reading;
use super::protocol::{ErrorCode, Form, Frame, Refused, ServerFrame};
use super::{plain, typed};
use crate::conversation::{Author, ConversationId, Event, Kind, Reason, Said, Seq, VisitorId};
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
    pub languages: Vec<Arc<str>>,
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
    /// Whether a person is asked for or there.
    pub person: bool,
    /// The last message of the visitor that may want an answer, and the last one that needs none any more.
    pub asked: Seq,
    pub answered: Seq,
    /// What is of the moment, while that matters.
    moment: Option<Box<Moment>>,
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
            person: false,
            asked: 0,
            answered: 0,
            moment: None,
            sent: None,
            typed: None,
        }
    }

    /// The same session over another wire.
    pub fn over<V>(self, wire: V) -> Session<V> {
        let Session {
            door, languages, seat, address, customer, noted, dialect, form, seen, subscription, sent, ..
        } = self;
        let Session { person, asked, answered, moment, typed, .. } = self;
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
            person,
            asked,
            answered,
            moment,
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

    /// What the host site says of who it is.
    pub fn profile(&self) -> Arc<BTreeMap<String, String>> {
        self.customer.as_ref().map(|customer| customer.profile.clone()).unwrap_or_default()
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

    /// Whoever was signed in here is not any more.
    pub fn sign_out(&mut self) {
        if let Some(seat) = self.customers_seat() {
            self.leave();
            self.signed_out(&seat);
        }
    }

    /// The seat of a customer whom the host site vouches for.
    pub fn customers_seat(&self) -> Option<Arc<Seat>> {
        self.seat.clone().filter(|_| self.is_signed_in())
    }

    /// The customer of this seat, who has left it, does not wait for what is being written there.
    pub fn signed_out(&self, seat: &Seat) {
        self.door.fanout.signal(Signal { conversation: seat.conversation(), what: What::Left });
    }

    /// Leaves the conversation: from now on nothing is said and heard in it here.
    pub fn leave(&mut self) {
        self.note_seen();
        self.seat = None;
        self.customer = None;
        self.subscription = None;
        self.moment = None;
        self.person = false;
        self.sent = None;
        self.seen = 0;
    }

    /// Takes a frame of the client, and sends what it leads to.
    pub async fn hear(&mut self, frame: &str) -> Result<(), Gone> {
        match self.dialect {
            Dialect::Plain(visitor) => plain::hear(self, visitor, frame).await?,
            Dialect::Typed => typed::hear(self, frame).await?,
            Dialect::Echo => self.wire.feed(Frame { json: frame.into(), seq: None, refused: None }).await?,
        }
        self.deliver_waiting().await
    }

    /// What happens next in the conversation that is followed (`None` when the client fell too far behind), and the
    /// wire, to wait for both at a time.
    pub fn next(&mut self) -> (impl Future<Output = Option<News>>, &mut W) {
        (next_news(&mut self.subscription, &mut self.moment), &mut self.wire)
    }

    /// Sends what has happened.
    pub async fn hear_news(&mut self, news: News) -> Result<(), Gone> {
        match news {
            News::Event(event) => self.tell(event).await,
            News::Typing(Author::Agent) if self.person => self.wire.feed(ServerFrame::Typing.frame()).await,
            News::Typing(Author::Bot) if self.waits() => self.read_along().await,
            News::Typing(_) => Ok(()),
            News::Part => self.part().await,
        }
    }

    /// Whether the visitor waits for an answer of the pipeline.
    fn waits(&self) -> bool {
        self.asked > self.answered && !self.person
    }

    /// Listens to what is of the moment as long as that matters: to a person, and to an answer that takes a while.
    pub async fn attend(&mut self) -> Result<(), Gone> {
        let waits = self.waits() && self.door.desk.writes_drafts();
        let matters = matches!(self.dialect, Dialect::Typed) && (self.person || waits);
        if matters == self.moment.is_some() {
            return Ok(());
        }
        self.moment = match &self.subscription {
            Some(subscription) if matters => {
                let signals = self.door.fanout.listen_to(subscription.conversation());
                Some(Box::new(Moment { signals, reading: None }))
            }
            _ => None,
        };
        if waits { self.read_along().await } else { Ok(()) }
    }

    /// Sends what is written of the answer. Where that cannot be read here, somebody is typing.
    async fn read_along(&mut self) -> Result<(), Gone> {
        let Some(moment) = &mut self.moment else { return Ok(()) };
        if moment.reading.is_some() {
            return Ok(());
        }
        let Some(conversation) = self.subscription.as_ref().map(Subscription::conversation) else { return Ok(()) };
        let draft = self.door.fanout.read(conversation).map(Reading::of);
        match draft.filter(|reading| reading.question > self.answered) {
            Some(reading) => {
                moment.reading = Some(reading);
                self.part().await
            }
            None => {
                // Whoever writes it learns that somebody is there.
                self.door.fanout.signal(Signal { conversation, what: What::Reading });
                self.wire.feed(ServerFrame::Typing.frame()).await
            }
        }
    }

    async fn part(&mut self) -> Result<(), Gone> {
        if self.is_over() {
            let withdrawn = self.stop_reading().and_then(|mut reading| reading.withdrawn());
            self.sign_out();
            if let Some(frame) = withdrawn {
                self.wire.feed(frame).await?;
            }
            return typed::refuse(self, ErrorCode::SignInExpired, None).await;
        }
        let Some(reading) = self.moment.as_mut().and_then(|moment| moment.reading.as_mut()) else { return Ok(()) };
        let frames = reading.frames(self.form);
        let is_over = reading.is_over;
        for frame in frames {
            self.wire.feed(frame).await?;
        }
        if is_over {
            self.stop_reading();
        }
        Ok(())
    }

    fn stop_reading(&mut self) -> Option<Reading> {
        self.moment.as_mut().and_then(|moment| moment.reading.take())
    }

    /// Takes notice of what an event means for an answer that is waited for.
    async fn follow_answer(&mut self, event: &Event) -> Result<(), Gone> {
        if event.kind.changes_owner() {
            // After word was left, the pipeline goes on.
            self.person = matches!(event.kind, Kind::Handover | Kind::Joined | Kind::Transferred)
                && event.meta.reason != Some(Reason::Message);
            self.answered = event.seq;
            // A draft never stands beside somebody else's word.
            if let Some(frame) = self.stop_reading().and_then(|mut reading| reading.withdrawn()) {
                self.wire.feed(frame).await?;
            }
        } else if event.kind == Kind::Message && event.author == Author::Visitor {
            self.asked = event.seq;
        } else if let Some(question) = event.meta.question {
            self.answered = self.answered.max(question);
            // The answer takes the place of its draft.
            let moment = self.moment.as_mut();
            if let Some(moment) = moment
                && moment.reading.as_ref().is_some_and(|reading| reading.question <= question)
            {
                moment.reading = None;
            }
        }
        Ok(())
    }

    /// Whether a person is asked for or there.
    pub fn attends(&self) -> bool {
        self.person
    }

    /// The visitor is typing, which only a person wants to know, and not more often than every other second.
    pub fn types(&mut self) {
        if let (true, Some(subscription)) = (self.person, &self.subscription)
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
        self.moment = None;
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
        self.attend().await
    }

    async fn deliver(&mut self, event: Arc<Event>) -> Result<(), Gone> {
        if self.is_over() {
            self.sign_out();
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
        self.follow_answer(event).await?;
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
    /// Somebody is typing.
    Typing(Author),
    /// There is more of an answer that is being written.
    Part,
}

/// What is of the moment in a conversation.
struct Moment {
    signals: broadcast::Receiver<Signal>,
    /// The answer that is being written on this node.
    reading: Option<Reading>,
}

async fn next_news(subscription: &mut Option<Subscription>, moment: &mut Option<Box<Moment>>) -> Option<News> {
    let Some(subscription) = subscription else { return std::future::pending().await };
    match moment {
        None => subscription.next().await.map(News::Event),
        // Whoever waits without one should not keep the room for it.
        Some(moment) => Box::pin(next_of_the_moment(subscription, moment)).await,
    }
}

async fn next_of_the_moment(subscription: &mut Subscription, moment: &mut Moment) -> Option<News> {
    let Moment { signals, reading } = moment;
    loop {
        let part = async {
            match reading {
                Some(reading) => reading.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Of an answer and the last pieces of its draft, the answer comes first.
            biased;
            event = subscription.next() => return event.map(News::Event),
            signal = signals.recv() => match signal {
                Ok(Signal { what: What::Typing(author @ (Author::Agent | Author::Bot)), .. }) => {
                    return Some(News::Typing(author));
                }
                // It may have been among those that were missed.
                Err(RecvError::Lagged(_)) => return Some(News::Typing(Author::Bot)),
                Ok(_) => {}
                Err(RecvError::Closed) => return subscription.next().await.map(News::Event),
            },
            () = part => return Some(News::Part),
        }
    }
}
