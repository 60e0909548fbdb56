//! `GET /agent/ratings?days=30`: what customers gave their chats with agents, averaged by day, agent, responder and entry.
//! For editors and admins.

use std::collections::BTreeMap;

use salvo::prelude::*;
use serde::Serialize;

use super::door::agent;
use super::look::away;
use crate::conversation::{AgentId, ConversationId, Millis};
use crate::store::Role;
use crate::web::door;

const DAY: Millis = 24 * 60 * 60 * 1_000;
/// The longest time that is looked at, in days.
const LONGEST: i64 = 366;
/// So many chats are averaged: the last ones.
const CHATS: u32 = 20_000;
/// Answers and words are looked for in so many chats.
const READ: u32 = 2_000;
/// So many comments are shown.
const COMMENTS: usize = 50;

/// How many ratings there are, and their average.
#[derive(Default, Clone, Copy)]
struct Mean {
    chats: u32,
    stars: u32,
}

impl Mean {
    fn add(&mut self, stars: u8, chats: u32) {
        self.chats += chats;
        self.stars += u32::from(stars) * chats;
    }
}

impl Serialize for Mean {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            chats: u32,
            average: f64,
        }
        let average = f64::from(self.stars) / f64::from(self.chats.max(1));
        Shown { chats: self.chats, average: (average * 100.0).round() / 100.0 }.serialize(serializer)
    }
}

/// The averages. Each has `chats`, how many were rated, and `average`, from 1 to 5.
#[derive(Serialize)]
struct Ratings<'a> {
    /// The time that is looked at, in days.
    days: i64,
    #[serde(flatten)]
    all: Mean,
    /// How many chats were given 1, 2, 3, 4 and 5 stars.
    stars: [u32; 5],
    by_day: Vec<Of<String>>,
    by_agent: Vec<Of<&'a str>>,
    by_answer: Vec<Of<(&'a str, Option<&'a str>)>>,
    comments: Vec<Comment<'a>>,
}

#[derive(Serialize)]
struct Of<T> {
    of: T,
    #[serde(flatten)]
    mean: Mean,
}

#[derive(Serialize)]
struct Comment<'a> {
    conversation: ConversationId,
    at: Millis,
    stars: Option<u8>,
    agent: Option<&'a str>,
    text: &'a str,
}

/// 200 with the averages, or 403 for a mere agent.
#[handler]
pub async fn ratings(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    if agent(depot)?.role < Role::Editor {
        return Err(StatusError::forbidden().brief("only editors and admins see the ratings"));
    }
    let days = req.query::<i64>("days").unwrap_or(30).clamp(1, LONGEST);
    let since = door.desk.now() - days * DAY;
    let reviews = door.store.reviews(since, CHATS).await.map_err(away)?;
    let answers = door.store.reviewed_answers(since, READ).await.map_err(away)?;
    let comments = door.store.review_comments(since, READ).await.map_err(away)?;
    let agents = door.store.agents().await.map_err(away)?;

    let mut all = Mean::default();
    let mut stars = [0; 5];
    let mut by_day: BTreeMap<String, Mean> = BTreeMap::new();
    let mut by_agent: BTreeMap<AgentId, Mean> = BTreeMap::new();
    for review in &reviews {
        all.add(review.stars, 1);
        if let Some(count) = stars.get_mut(usize::from(review.stars).wrapping_sub(1)) {
            *count += 1;
        }
        by_day.entry(door.desk.day(review.ended_at)).or_default().add(review.stars, 1);
        by_agent.entry(review.agent).or_default().add(review.stars, 1);
    }
    let mut by_answer: BTreeMap<(&str, Option<&str>), Mean> = BTreeMap::new();
    for answer in &answers {
        let of = (answer.responder.as_str(), answer.entry.as_deref());
        by_answer.entry(of).or_default().add(answer.stars, answer.chats);
    }
    let name = |id: AgentId| agents.iter().find(|agent| agent.id == id).map_or("", |agent| &*agent.name);
    let mut by_agent: Vec<_> = by_agent.into_iter().map(|(id, mean)| Of { of: name(id), mean }).collect();
    by_agent.sort_by_key(|of| std::cmp::Reverse(of.mean.chats));
    let mut by_answer: Vec<_> = by_answer.into_iter().map(|(of, mean)| Of { of, mean }).collect();
    by_answer.sort_by_key(|of| std::cmp::Reverse(of.mean.chats));
    res.render(Json(Ratings {
        days,
        all,
        stars,
        by_day: by_day.into_iter().rev().map(|(of, mean)| Of { of, mean }).collect(),
        by_agent,
        by_answer,
        comments: comments
            .iter()
            .take(COMMENTS)
            .map(|(conversation, event)| Comment {
                conversation: *conversation,
                at: event.at,
                stars: event.meta.stars,
                agent: event.meta.name.as_deref(),
                text: &event.body,
            })
            .collect(),
    }));
    Ok(())
}
