//! For whoever watches: does the process live, does it take customers, and what did it do.

use salvo::http::HeaderValue;
use salvo::http::StatusCode;
use salvo::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use salvo::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::admission::{check_watcher, may_watch};
use super::metrics::{MEDIA_TYPE, all};
use super::{Door, door};
use crate::fanout::Reach;

/// How this node is.
#[derive(Serialize, JsonSchema)]
pub struct Health {
    /// Always `alive`: a process that is not does not answer.
    pub status: &'static str,
    /// Everything else, for those who may watch.
    #[serde(flatten)]
    pub state: Option<State>,
}

/// The state of a node and its parts.
#[derive(Serialize, JsonSchema)]
pub struct State {
    /// The version that runs.
    pub version: &'static str,
    /// Whether it is about to stop.
    pub draining: bool,
    /// Chats that are open on it.
    pub connections: usize,
    /// The store.
    pub store: StoreState,
    /// What connects it to other nodes.
    pub redis: RedisState,
    /// Whether other nodes' events come late, since Redis is configured and away.
    pub alone: bool,
    /// The other nodes that were heard of lately.
    pub others: Vec<Other>,
    /// What it answers from.
    pub content: ContentState,
}

/// The store.
#[derive(Serialize, JsonSchema)]
pub struct StoreState {
    /// Whether it answers.
    pub up: bool,
    /// Which database it is.
    pub database: String,
    /// Appends that wait for the writer.
    pub waiting: usize,
}

/// What connects a node to others.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisState {
    /// None is configured.
    Unset,
    /// It carries events.
    Joined,
    /// It is away.
    Away,
}

/// Another node.
#[derive(Serialize, JsonSchema)]
pub struct Other {
    /// Names it until it stops.
    pub node: String,
    /// The version that it runs.
    pub version: String,
    /// The content that it answers from.
    pub revision: String,
    /// Whether that has been other content than here for too long.
    pub differs: bool,
}

/// What a node answers from.
#[derive(Serialize, JsonSchema)]
pub struct ContentState {
    /// Names the content.
    pub revision: String,
    /// Errors in its files.
    pub errors: usize,
    /// Warnings about its files.
    pub warnings: usize,
    /// Files that are not in force as they are saved.
    pub held: Vec<String>,
}

/// Whether a node takes customers.
#[derive(Serialize, JsonSchema)]
pub struct Ready {
    /// Whether it does.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
}

/// `GET /health`: 200 as long as the process lives.
#[handler]
pub async fn health(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let state = may_watch(&door, req).then(|| State::of(&door));
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    res.render(Json(Health { status: "alive", state }));
    Ok(())
}

/// `GET /ready`: 200 while customers are welcome, 503 while they are not.
#[handler]
pub async fn ready(depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let why = if door.draining.is_cancelled() {
        Some("draining")
    } else if door.store.is_away() {
        Some("the store is away")
    } else {
        None
    };
    if why.is_some() {
        res.status_code(StatusCode::SERVICE_UNAVAILABLE);
    }
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    res.render(Json(Ready { ready: why.is_none(), why }));
    Ok(())
}

/// `GET /metrics`, for those who may watch.
#[handler]
pub async fn metrics(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    check_watcher(&door, req)?;
    let text = all(&door).map_err(|_| StatusError::internal_server_error())?;
    res.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    res.body(text);
    Ok(())
}

impl State {
    fn of(door: &Door) -> State {
        let (snapshot, findings) = (door.content.in_force(), door.content.findings());
        let errors = findings.iter().filter(|finding| finding.is_error()).count();
        let reach = door.fanout.reach();
        let others = door.fanout.others().into_iter().map(|other| Other {
            node: other.node.to_string(),
            version: other.version,
            revision: other.revision.to_string(),
            differs: other.differs,
        });
        State {
            version: env!("CARGO_PKG_VERSION"),
            draining: door.draining.is_cancelled(),
            connections: door.open(),
            store: StoreState {
                up: !door.store.is_away(),
                database: door.store.describe(),
                waiting: door.store.waiting(),
            },
            redis: match reach {
                Reach::Unset => RedisState::Unset,
                Reach::Joined => RedisState::Joined,
                Reach::Alone => RedisState::Away,
            },
            alone: reach == Reach::Alone,
            others: others.collect(),
            content: ContentState {
                revision: snapshot.revision.to_string(),
                errors,
                warnings: findings.len() - errors,
                held: door.content.held().to_vec(),
            },
        }
    }
}
