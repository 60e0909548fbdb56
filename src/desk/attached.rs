//! What is attached to messages: only what its sender has sent, and nobody else's.

use super::{Desk, DeskError, Seat};
use crate::conversation::{AgentId, Attachment, AttachmentId, ConversationId};
use crate::store::Filed;

/// So many attachments a message has at most.
const A_MESSAGE: usize = 10;

impl Desk {
    /// What the visitor of this seat attaches to a message, in this order.
    pub async fn attached(&self, seat: &Seat, ids: &[AttachmentId]) -> Result<Vec<Attachment>, DeskError> {
        // Said again, it is there already.
        self.filed(ids, |filed| match filed.said {
            Some((_, visitor)) => visitor == seat.visitor,
            None => filed.owner == seat.visitor.0,
        })
        .await
    }

    /// What an agent attaches to a message in this conversation, in this order.
    pub async fn attached_by(
        &self,
        agent: AgentId,
        conversation: ConversationId,
        ids: &[AttachmentId],
    ) -> Result<Vec<Attachment>, DeskError> {
        self.filed(ids, |filed| {
            filed.owner == agent.0.into_bytes() && filed.said.is_none_or(|(said, _)| said == conversation)
        })
        .await
    }

    async fn filed(&self, ids: &[AttachmentId], may: impl Fn(&Filed) -> bool) -> Result<Vec<Attachment>, DeskError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if ids.len() > A_MESSAGE {
            return Err(DeskError::NoAttachment);
        }
        let filed = self.store.filed(ids).await.map_err(DeskError::Unavailable)?;
        let find = |id: &AttachmentId| filed.iter().find(|filed| filed.attachment.id == *id && may(filed));
        let found = ids.iter().map(|id| find(id).map(|filed| filed.attachment.clone()));
        found.collect::<Option<_>>().ok_or(DeskError::NoAttachment)
    }
}
