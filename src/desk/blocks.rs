//! Visitors who may not write. What is known of them is in the store; each node keeps the list, which it reads again
//! whenever an agent has changed it, and every few seconds.

use std::collections::HashSet;

use arc_swap::ArcSwap;

use super::agents::Agent;
use super::{ConversationId, Desk, DeskError, Line, VisitorId};

/// The visitors who may not write, as this node knows.
#[derive(Default)]
pub(super) struct Blocks(ArcSwap<HashSet<VisitorId>>);

impl Blocks {
    /// Whether this visitor may not write. Where nobody is blocked this costs nothing.
    pub(super) fn hold(&self, visitor: VisitorId) -> bool {
        let blocked = self.0.load();
        !blocked.is_empty() && blocked.contains(&visitor)
    }
}

impl Desk {
    /// An agent sees to it that the visitor of a conversation can write no more, there or elsewhere.
    pub async fn block(&self, id: ConversationId, agent: &Agent) -> Result<(), DeskError> {
        self.act(id, |head| {
            if self.blocks.hold(head.visitor) {
                return Ok(None);
            }
            // No word of writing again.
            Ok(Some(head.block(agent, self.line(head, Line::Blocked), self.clock.now())?))
        })
        .await?;
        self.look_for_blocked().await;
        Ok(())
    }

    /// An agent lets the visitor of a conversation write again.
    pub async fn unblock(&self, id: ConversationId, agent: &Agent) -> Result<(), DeskError> {
        self.act(id, |head| {
            if !self.blocks.hold(head.visitor) {
                return Ok(None);
            }
            Ok(Some(head.unblock(agent, self.clock.now())?))
        })
        .await?;
        self.look_for_blocked().await;
        Ok(())
    }

    /// Whether this visitor may not write.
    pub fn is_blocked(&self, visitor: VisitorId) -> bool {
        self.blocks.hold(visitor)
    }

    /// Reads who may not write.
    pub async fn look_for_blocked(&self) {
        match self.store.blocked().await {
            Ok(blocked) => self.blocks.0.store(std::sync::Arc::new(blocked.into_iter().collect())),
            Err(error) => tracing::debug!(%error, "who is blocked cannot be looked up"),
        }
    }
}
