//! purser: a chat desk for a shipping company's website.
//!
//! One binary takes the messages of customers over WebSockets, answers what it can at once from FAQ files that staff
//! edit while it runs, and keeps every message in SQLite or MariaDB.
//!
//! # The way of one message
//!
//! [`web`] takes a frame from a socket, or from a POST, and hands the text to the [`desk`]. The desk reads the state of the
//! conversation, lets [`conversation`] decide what the message does to it, asks the
//! [`pipeline`](responders::pipeline) for the answer, and gives question and answer to the [`store`] in one append.
//! The store's writer commits them together with whatever else has come meanwhile, hands them to the [`fanout`] in
//! the order of the commits, and only then tells the desk, which acknowledges. The sockets that follow the
//! conversation get the events from the fan-out.
//!
//! # The map
//!
//! - [`conversation`]: ids, events, and the pure decisions. It imports nothing of the crate.
//! - [`desk`]: the asynchronous shell around the decisions; the one place where messages come in.
//! - [`courier`]: carries out what customers have agreed to, once, and takes along what is sent, whatever breaks meanwhile.
//! - [`post`]: mail to customers who have gone and to agents, and calls of the site's webhooks.
//! - [`responders`]: the trait, the pipeline, the FAQ with its matcher, plugins in Rhai, the LLM, the request for a person.
//! - [`attachments`]: pictures and documents that go with messages, in a folder or a bucket.
//! - [`sources`]: the named outside look-ups that plugins may use.
//! - [`content`]: the files in force: loaded, checked, kept, swapped while everything runs.
//! - [`accounts`]: agents' passwords and sessions.
//! - [`people`]: opening hours of the agents, and how long everybody waits.
//! - [`text`]: what is said in a sentence: numbers of parcels, amounts, places, days.
//! - [`store`]: the log on two engines, and the one writer.
//! - [`fanout`]: committed events to those who follow, on this node and, by way of Redis, on others.
//! - [`identity`]: who the customer is, as the host site signs it.
//! - [`limits`]: how much one visitor, and one address, may do in a while.
//! - [`web`]: routes, sessions over sockets and over HTTP, the wire protocol. Only it knows salvo.
//! - [`recording`]: conversations as files, run through the same decisions.
//! - [`outbound`]: what all clients of other servers have in common.
//! - [`memory`]: the allocator that counts, for the limits of scripts.
//! - [`app`]: builds the parts and runs them. [`config`], [`cli`], [`clock`], [`hex`], [`log`], [`yaml`] are what their names say.
//!
//! # Invariants
//!
//! - Nothing is acknowledged, and no answer is shown, before it is committed. A draft of one is shown as a draft, kept
//!   nowhere, and replaced or withdrawn.
//! - An append names the seq that the log must still end at. Order, deduplication and one answer a question follow.
//! - A responder gets data and returns a value; it holds no store and no socket.
//! - Content is swapped whole. What does not load never replaces what works.
//! - A script is a pure function of the turn and of what it looked up; it runs within limits.
//! - `web` alone uses salvo, `store` alone sqlx, `responders::script` alone rhai. Nothing points back up: a test holds the arrows.

pub mod accounts;
pub mod app;
pub mod attachments;
pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod conversation;
pub mod courier;
pub mod demo;
pub mod desk;
pub mod fanout;
pub mod finding;
pub mod hex;
pub mod identity;
pub mod limits;
pub mod log;
pub mod memory;
pub mod outbound;
mod patience;
pub mod people;
pub mod post;
pub mod recording;
pub mod responders;
pub mod sources;
pub mod store;
pub mod text;
pub mod web;
pub mod yaml;
