//! The post office: mail to customers who have gone and to agents, and calls of the site's webhooks.
//!
//! What is to be sent stands in the store's outbox since the commit of the event that it is about ([`Posting`] says
//! what leads to what). The courier finds it due, has it prepared here, claims it, and has it sent. A node that dies in
//! between leaves it to the next, which sends the same once more under the same id: nothing is lost, and whoever gets it
//! can tell a repeat.

mod letter;
mod smtp;
mod ticket;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::conversation::{Author, Conversation, ConversationId, Event, Kind, Millis, Occasion, Posting, Sending, Seq};
use crate::sources::{Attempt, Hook, HookSpec};
use crate::store::{Due, Store, StoreError};
use letter::{Letter, Link, Writer, is_said};
use smtp::Smtp;
use ticket::Tickets;

pub use letter::Render;
pub use smtp::{Privacy, Server, is_address};

/// Replies that follow each other are waited for, up to so many times the wait for the first.
const GATHERED: Millis = 3;
/// So many events are looked through for a letter.
const LOOKED_AT: u32 = 1_000;
/// So many messages of the customer stand in a notice.
const NOTICED: usize = 5;

/// What the site sends by mail, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct MailSpec {
    /// The mail server.
    pub server: Server,
    /// The page of the site with the chat, for links to customers.
    pub page: Option<String>,
    /// The address of purser itself, for links to agents.
    pub console: Option<String>,
    /// The addresses that hear of messages that were left.
    pub notify: Vec<String>,
    /// How long after a reply its mail is sent, unless the customer sees it until then.
    pub after: Millis,
    /// What tickets are signed with; `None`: a link opens the page and nothing else.
    pub key: Option<Key>,
}

/// A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// All that the site sends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PostSpec {
    /// Mail.
    pub mail: Option<MailSpec>,
    /// Webhooks, by name.
    pub hooks: BTreeMap<String, HookSpec>,
}

impl PostSpec {
    /// What of a conversation leads to something that is sent.
    pub fn posting(&self) -> Posting {
        let occasions = |hook: &HookSpec| hook.events.iter().filter_map(|word| Occasion::from_word(word)).collect();
        Posting {
            customers: self.mail.as_ref().map(|mail| mail.after),
            agents: self.mail.as_ref().is_some_and(|mail| !mail.notify.is_empty()),
            hooks: self.hooks.iter().map(|(name, hook)| (name.clone(), occasions(hook))).collect(),
        }
    }
}

/// See the head of this file.
pub struct Office {
    store: Store,
    clock: Clock,
    /// The site's own language.
    language: String,
    render: Render,
    mail: Option<Mail>,
    hooks: BTreeMap<String, Hook>,
    tickets: Option<Tickets>,
    counts: Counts,
}

struct Mail {
    smtp: Smtp,
    spec: MailSpec,
}

/// What became of what was sent, since the start.
#[derive(Debug, Default)]
pub struct Counts(Family<[(&'static str, &'static str); 2], Counter>);

impl Counts {
    /// One of this kind was `sent`, `failed` and is tried again, or was `given_up`.
    pub fn sent(&self, what: &'static str, outcome: &'static str) {
        self.0.get_or_create(&[("kind", what), ("outcome", outcome)]).inc();
    }

    /// All of it, for metrics.
    pub fn all(&self) -> Family<[(&'static str, &'static str); 2], Counter> {
        self.0.clone()
    }
}

/// What is to be done with something that is due.
pub enum Ready {
    /// It is to be sent, and what goes with it up to this event.
    Send(Box<Post>, Seq),
    /// Nobody needs it any more.
    Unneeded,
    /// More may be about to come: it is looked at again then.
    At(Millis),
}

/// Something that is ready to be sent.
pub struct Post {
    /// Names it, however often it is tried.
    id: String,
    content: Content,
}

enum Content {
    Letter { letter: Letter, to: Vec<String>, at: Millis },
    Call { hook: String, body: String },
}

impl Office {
    /// How long sending something may take in all.
    pub const TIME: Duration = Duration::from_secs(120);
    /// For how long it is tried: three days.
    pub const PATIENCE: Millis = 3 * 24 * 60 * 60 * 1_000;

    /// An office that sends this. An error says what is wrong with it.
    pub fn new(
        spec: &PostSpec,
        store: Store,
        clock: Clock,
        language: String,
        render: Render,
    ) -> Result<Office, String> {
        let mail = spec.mail.as_ref().map(|mail| Smtp::new(&mail.server).map(|smtp| Mail { smtp, spec: mail.clone() }));
        let mail = mail.transpose().map_err(|why| format!("mail: {why}"))?;
        let key = spec.mail.as_ref().and_then(|mail| mail.key.as_ref());
        let tickets = key.map(|key| Tickets::new(&key.0));
        let hook = |(name, hook): (&String, &HookSpec)| match Hook::new(hook.clone()) {
            Ok(hook) => Ok((name.clone(), hook)),
            Err(why) => Err(format!("webhooks: {name}: {why}")),
        };
        let hooks = spec.hooks.iter().map(hook).collect::<Result<_, _>>()?;
        Ok(Office { store, clock, language, render, mail, hooks, tickets, counts: Counts::default() })
    }

    /// Whether mail can be sent like this. An error says what is wrong with how it is described.
    pub fn check(spec: &MailSpec) -> Result<(), String> {
        Smtp::new(&spec.server).map(drop)
    }

    /// Whether it sends mail.
    pub fn has_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Whether it calls webhooks.
    pub fn has_hooks(&self) -> bool {
        !self.hooks.is_empty()
    }

    /// What became of what was sent.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How long after its event something of this kind is first due.
    pub fn delay(&self, sending: &Sending) -> Millis {
        self.mail.as_ref().filter(|_| *sending == Sending::Reply).map_or(0, |mail| mail.spec.after)
    }

    /// The conversation that a ticket of a link is to, and the event that its mail was about.
    pub fn admitted(&self, ticket: &str) -> Option<(ConversationId, Seq)> {
        self.tickets.as_ref()?.read(ticket, self.clock.now())
    }

    /// Makes ready what is due.
    pub async fn prepare(&self, due: &Due, sending: &Sending) -> Result<Ready, StoreError> {
        let Some(head) = self.store.conversation(due.conversation).await? else { return Ok(Ready::Unneeded) };
        if let Sending::Hook(name) = sending {
            return self.call(due, &head, name).await;
        }
        let Some(mail) = &self.mail else { return Ok(Ready::Unneeded) };
        let language = head.language.as_deref().unwrap_or(&self.language);
        let writer = Writer::new(language, mail.smtp.site(), &self.render);
        match sending {
            Sending::Reply => self.reply(due, &head, mail, &writer).await,
            Sending::Transcript => {
                let Some(to) = self.wanted_by(due).await?.or_else(|| head.email().map(str::to_owned)) else {
                    return Ok(Ready::Unneeded);
                };
                let said = self.store.events_before(due.conversation, due.seq, LOOKED_AT).await?;
                let said: Vec<_> = said.into_iter().filter(|event| is_said(event)).collect();
                Ok(due.letter(writer.transcript(&said), vec![to], due.seq))
            }
            _ => {
                let said = self.store.events_before(due.conversation, due.seq, LOOKED_AT).await?;
                let visitors =
                    said.iter().filter(|event| event.kind == Kind::Message && event.author == Author::Visitor);
                let mut said: Vec<_> = visitors.rev().take(NOTICED).cloned().collect();
                said.reverse();
                let contact = head.email().or_else(|| head.kept.attributes.get("phone").map(String::as_str));
                let console = mail.spec.console.as_ref().map(|at| format!("{at}/agent#{}", due.conversation));
                let writer = Writer::new(&self.language, mail.smtp.site(), &self.render);
                let letter = writer.notice(&said, contact, console.as_deref());
                Ok(due.letter(letter, mail.spec.notify.clone(), due.seq))
            }
        }
    }

    /// What agents have answered since, unless the customer is back.
    async fn reply(
        &self,
        due: &Due,
        head: &Conversation,
        mail: &Mail,
        writer: &Writer<'_>,
    ) -> Result<Ready, StoreError> {
        let Some(to) = head.email() else { return Ok(Ready::Unneeded) };
        let since = self.store.events_after(due.conversation, due.seq - 1, LOOKED_AT).await?;
        let is_reply = |event: &&Arc<Event>| event.kind == Kind::Message && event.author == Author::Agent;
        let upto = match due.upto {
            // It was tried before: the same goes out.
            Some(upto) => upto,
            None => {
                let here = since.iter().rfind(|event| event.author == Author::Visitor).map_or(0, |event| event.seq);
                let seen = self.store.seen(due.conversation).await?.max(here);
                let Some(last) = since.iter().rfind(is_reply).filter(|last| last.seq > seen) else {
                    return Ok(Ready::Unneeded);
                };
                if seen >= due.seq {
                    // Only what came later is unseen, and has its own place in the outbox.
                    return Ok(Ready::Unneeded);
                }
                let (after, now) = (mail.spec.after, self.clock.now());
                let at = (last.at + after).min(due.made_at + GATHERED * after);
                if at > now {
                    return Ok(Ready::At(at));
                }
                last.seq
            }
        };
        let said: Vec<_> = since.iter().filter(is_reply).filter(|event| event.seq <= upto).cloned().collect();
        // Who signs in to the site comes back by signing in: a link alone must not do as much.
        let ticket = self.tickets.as_ref().filter(|_| head.kept.account_email.is_none());
        let ticket = ticket.map(|tickets| tickets.make(due.conversation, due.seq, self.clock.now()));
        let to_page = mail.spec.page.as_ref().map(|page| match &ticket {
            Some(ticket) => format!("{page}#purser={ticket}"),
            None => format!("{page}#purser"),
        });
        let days = ticket.is_some().then_some(ticket::DAYS);
        let link = to_page.as_deref().map(|to| Link { to, days });
        Ok(due.letter(writer.reply(&said, link.as_ref()), vec![to.to_owned()], upto))
    }

    /// The address that the visitor wants a transcript at.
    async fn wanted_by(&self, due: &Due) -> Result<Option<String>, StoreError> {
        let event = self.store.events_after(due.conversation, due.seq - 1, 1).await?;
        let event = event.first().filter(|event| event.seq == due.seq && event.kind == Kind::Transcript);
        Ok(event.and_then(|event| event.meta.attribute.as_ref()?.value.clone()))
    }

    async fn call(&self, due: &Due, head: &Conversation, name: &str) -> Result<Ready, StoreError> {
        if !self.hooks.contains_key(name) {
            tracing::warn!(hook = name, "there is no such webhook any more, so it is told of nothing");
            return Ok(Ready::Unneeded);
        }
        let event = self.store.events_after(due.conversation, due.seq - 1, 1).await?;
        let Some(event) = event.first().filter(|event| event.seq == due.seq) else { return Ok(Ready::Unneeded) };
        let Some(occasion) = Occasion::of(event) else { return Ok(Ready::Unneeded) };
        let body = told(occasion, event, head).to_string();
        let content = Content::Call { hook: name.to_owned(), body };
        Ok(Ready::Send(Box::new(Post { id: due.id.to_string(), content }), due.seq))
    }

    /// Sends it once.
    pub async fn send(&self, post: &Post) -> Attempt {
        let sent = async {
            match (&post.content, &self.mail) {
                (Content::Letter { letter, to, at }, Some(mail)) => mail.smtp.send(letter, to, &post.id, *at).await,
                (Content::Letter { .. }, None) => Attempt::Refused("there is no mail server any more".to_owned()),
                (Content::Call { hook, body }, _) => match self.hooks.get(hook) {
                    Some(hook) => hook.call(&post.id, self.clock.now() / 1_000, body.clone()).await,
                    None => Attempt::Refused("there is no such webhook any more".to_owned()),
                },
            }
        };
        match tokio::time::timeout(Office::TIME, sent).await {
            Ok(attempt) => attempt,
            Err(_) => Attempt::Again(format!("it took longer than {:?}", Office::TIME)),
        }
    }
}

impl Due {
    fn letter(&self, letter: Letter, to: Vec<String>, upto: Seq) -> Ready {
        let content = Content::Letter { letter, to, at: self.made_at };
        Ready::Send(Box::new(Post { id: self.id.to_string(), content }), upto)
    }
}

/// What a webhook is told. Nothing that anybody said stands in it, except where a message was left: then where the answer
/// goes.
fn told(occasion: Occasion, event: &Event, head: &Conversation) -> Value {
    let mut told = json!({
        "type": format!("conversation.{}", occasion.word()),
        "conversation": head.id,
        "event": event.id,
        "seq": event.seq,
        "at": event.at,
        "by": event.author,
    });
    let mut add = |name: &str, value: Value| {
        if !value.is_null() {
            told[name] = value;
        }
    };
    add("language", json!(head.language));
    add("reason", json!(event.meta.reason));
    add("agent", json!(event.meta.name));
    add("rated", json!(event.meta.rated));
    add("stars", json!(event.meta.stars));
    if occasion == Occasion::MessageLeft {
        add("email", json!(head.email()));
        add("phone", json!(head.kept.attributes.get("phone")));
    }
    told
}
