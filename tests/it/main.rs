//! The integration tests: one binary, one harness.
//!
//! Every test starts the real thing and talks to it through real sockets; it waits on frames, never on sleeps. What
//! touches the store runs on SQLite and on MariaDB.

mod actions;
pub mod agents;
mod arrows;
mod attachments;
mod backup;
mod balancers;
mod bombs;
pub mod browser;
mod chat;
mod cli;
mod compare;
mod config;
mod content;
mod conversations;
mod convert;
mod demo;
mod django;
mod drafts;
mod fanout;
mod faults;
mod frames;
mod harness;
mod http_api;
mod https;
mod identity;
mod limits;
mod llm;
mod log;
mod moving;
mod nodes;
mod own;
mod pages;
mod plugins;
mod post;
mod privacy;
mod properties;
mod proxy;
mod questions;
mod record;
mod replay;
mod restart;
mod safety;
mod servers;
mod shipping;
mod shutdown;
mod sources;
mod store_contract;
mod watch;
