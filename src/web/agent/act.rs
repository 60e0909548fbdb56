//! `POST /agent/act`: what an agent does.

use salvo::http::StatusCode;
use salvo::prelude::*;
use serde_json::json;

use super::board::HERE;
use super::door::agent;
use super::frames::Act;
use crate::conversation::{Author, ConversationId, NotYours, Reply, Text, To};
use crate::desk::{Agent, DeskError};
use crate::fanout::{Signal, What};
use crate::store::{Account, AccountChange, Role, Shelf, StoreError};
use crate::web::{Door, door};

/// The largest body: a text of 4,000 code points and what stands around it.
const LONGEST: usize = 32 * 1024;
/// How many tags a conversation has, and how long each is, in characters.
const TAGS: usize = 12;
const TAG: usize = 32;
/// How many chats an agent may want at once.
const MAX_CHATS: u32 = 100;

/// Why something was not done.
enum Refused {
    /// Somebody else has it, or it is over.
    NotTheirs(String),
    /// What was sent cannot be taken.
    Unfit(String),
    /// The store is away.
    Away,
}

/// Does it: 200, 409 with who has the conversation, 422 with what is wrong, or 503.
#[handler]
pub async fn act(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let account = agent(depot)?;
    let body = req.payload_with_max_size(LONGEST).await.map_err(|_| StatusError::payload_too_large())?;
    let wanted = serde_json::from_slice(body).map_err(|_| StatusError::bad_request().brief("this is nothing to do"))?;
    // Its own task: a console that goes away does not take with it what it began.
    let done = tokio::spawn(async move { perform(&door, &account, wanted).await });
    let (status, answer) = match done.await.map_err(|_| StatusError::internal_server_error())? {
        Ok(seq) => (StatusCode::OK, json!({ "seq": seq })),
        Err(Refused::NotTheirs(why)) => (StatusCode::CONFLICT, json!({ "error": why })),
        Err(Refused::Unfit(why)) => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "error": why })),
        Err(Refused::Away) => {
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "it cannot be stored at the moment, please try again" }))
        }
    };
    res.status_code(status);
    res.render(Json(answer));
    Ok(())
}

async fn perform(door: &Door, account: &Account, wanted: Act) -> Result<Option<u32>, Refused> {
    let desk = &door.desk;
    let agent = person(account);
    match wanted {
        Act::Take { conversation, over } => {
            has_room(door, account, "You").await?;
            if over {
                desk.take_over(conversation, &agent).await?;
            } else {
                desk.take(conversation, &agent).await?;
            }
        }
        Act::Reply { conversation, id, text, attachments } => {
            let attachments = desk.attached_by(agent.id, conversation, &attachments).await?;
            let text = if text.is_empty() && !attachments.is_empty() { Text::none() } else { checked(&text)? };
            return Ok(Some(desk.reply(conversation, &agent, Reply { id, text, attachments }).await?));
        }
        Act::Note { conversation, id, text } => {
            return Ok(Some(desk.note_down(conversation, &agent, id, checked(&text)?).await?));
        }
        Act::Transfer { conversation, to: None, team: None } => desk.transfer(conversation, &agent, &To::Queue).await?,
        Act::Transfer { conversation, to: None, team: Some(team) } => {
            let agents = door.store.agents().await?;
            if !agents.iter().any(|agent| !agent.disabled && agent.teams.contains(&team)) {
                return Err(Refused::Unfit("nobody is in this team".to_owned()));
            }
            desk.transfer(conversation, &agent, &To::Team(team)).await?;
        }
        Act::Transfer { conversation, to: Some(to), .. } => {
            let others = door.store.agents().await?;
            let other = others.iter().find(|other| other.id == to && !other.disabled);
            let other = other.ok_or_else(|| Refused::Unfit("there is no such agent".to_owned()))?;
            if other.away || desk.now() - other.seen_at > HERE {
                return Err(Refused::Unfit(format!("{} is not here", other.name)));
            }
            has_room(door, other, &other.name).await?;
            desk.transfer(conversation, &agent, &To::Agent(person(other))).await?;
        }
        Act::Back { conversation } => desk.give_back(conversation, &agent).await?,
        Act::Close { conversation } => desk.close(conversation, &agent).await?,
        Act::Tags { conversation, tags } => {
            desk.tag(conversation, &agent, checked_tags(tags)?).await?;
            changed(door, conversation);
        }
        Act::Block { conversation } => {
            desk.block(conversation, &agent).await?;
            door.fanout.signal(Signal { conversation, what: What::Blocked });
        }
        Act::Unblock { conversation } => {
            desk.unblock(conversation, &agent).await?;
            door.fanout.signal(Signal { conversation, what: What::Blocked });
        }
        Act::Typing { conversation } => {
            door.fanout.signal(Signal { conversation, what: What::Typing(Author::Agent) });
        }
        Act::Seen { conversation, seq } => {
            if door.store.note_agent_seen(conversation, account.id, seq).await? {
                changed(door, conversation);
            }
        }
        Act::Duty { away, max_chats } => {
            if !(1..=MAX_CHATS).contains(&max_chats) {
                return Err(Refused::Unfit(format!("from 1 to {MAX_CHATS} chats are possible")));
            }
            door.store.change_account(AccountChange::Duty(account.id, away, max_chats)).await?;
            changed(door, ConversationId::new());
        }
    }
    Ok(None)
}

/// The agent of an account.
pub fn person(account: &Account) -> Agent {
    Agent { id: account.id, name: account.name.clone(), leads: account.role >= Role::Admin }
}

/// What the lists show has changed, and no event says so.
fn changed(door: &Door, conversation: ConversationId) {
    door.fanout.signal(Signal { conversation, what: What::Changed });
}

/// Whether an agent may get one more chat.
async fn has_room(door: &Door, account: &Account, name: &str) -> Result<(), Refused> {
    let taken = door.store.attended(Shelf::Taken, super::board::ROWS).await?;
    let theirs = taken.iter().filter(|listed| listed.head.agent() == Some(account.id)).count();
    if theirs < usize::try_from(account.max_chats).unwrap_or(usize::MAX) {
        return Ok(());
    }
    Err(Refused::NotTheirs(format!("{name} cannot take more than {} chats at once", account.max_chats)))
}

fn checked(text: &str) -> Result<Text, Refused> {
    Text::new(text).map_err(|error| Refused::Unfit(error.to_string()))
}

fn checked_tags(tags: Vec<String>) -> Result<Vec<String>, Refused> {
    let mut checked: Vec<String> = Vec::with_capacity(tags.len());
    for tag in tags {
        let tag = tag.trim().to_lowercase();
        if !(1..=TAG).contains(&tag.chars().count()) || tag.chars().any(char::is_control) {
            return Err(Refused::Unfit(format!("a tag has 1 to {TAG} characters")));
        }
        if !checked.contains(&tag) {
            checked.push(tag);
        }
    }
    if checked.len() > TAGS {
        return Err(Refused::Unfit(format!("a conversation has at most {TAGS} tags")));
    }
    Ok(checked)
}

impl From<DeskError> for Refused {
    fn from(error: DeskError) -> Refused {
        match error {
            DeskError::NotTheirs(why @ (NotYours::Taken(_) | NotYours::NotTaken | NotYours::Over)) => {
                Refused::NotTheirs(why.to_string())
            }
            DeskError::NotYours | DeskError::NoAnswer | DeskError::NoChat | DeskError::Blocked => {
                Refused::NotTheirs(NotYours::Over.to_string())
            }
            DeskError::NoAttachment => {
                Refused::Unfit("the file is not there any more, please choose it again".to_owned())
            }
            DeskError::Unavailable(_) | DeskError::Busy => Refused::Away,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        tracing::warn!(%error, "something that an agent did cannot be stored");
        Refused::Away
    }
}
