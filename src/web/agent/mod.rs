//! The console of the people who answer: `/agent`.
//!
//! A page (`pages.rs`) with a login (`door.rs`). What an agent sees comes over one stream of server-sent events
//! (`live.rs`): the lists, which a node makes once for all its consoles (`board.rs`), and the open conversation. What an
//! agent does are POSTs (`act.rs`), which all go through the desk. Each request asks the store whose session it is, so
//! that a session which has ended is over everywhere.

mod act;
mod board;
mod door;
mod export;
mod frames;
mod live;
mod look;
mod pages;
mod ratings;
mod replies;

use salvo::prelude::*;

use super::attachments;
pub use board::Board;
pub use door::agent;

/// Every address of the console.
pub fn routes() -> Router {
    Router::with_path("agent")
        .hoop(door::never_kept)
        .get(pages::page)
        .push(Router::with_path("login").hoop(door::own_site).post(door::log_in))
        .push(Router::with_path("logout").hoop(door::own_site).post(door::log_out))
        .push(Router::with_path("live").hoop(door::only_agents).get(live::live))
        .push(Router::with_path("list").hoop(door::only_agents).get(look::list))
        .push(Router::with_path("older").hoop(door::only_agents).get(look::older))
        .push(Router::with_path("recording").hoop(door::only_agents).get(look::recording))
        .push(Router::with_path("replies").hoop(door::only_agents).get(look::often))
        .push(Router::with_path("export").hoop(door::only_agents).get(export::export))
        .push(Router::with_path("ratings").hoop(door::only_agents).get(ratings::ratings))
        .push(
            Router::with_path("attachments")
                .push(Router::new().hoop(door::own_site).hoop(door::only_agents).post(attachments::send_as_agent))
                .push(Router::with_path("{id}").hoop(door::only_agents).get(attachments::fetch_as_agent)),
        )
        .push(Router::with_path("act").hoop(door::own_site).hoop(door::only_agents).post(act::act))
}
