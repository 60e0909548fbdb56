//! How long what was said is kept.

use super::{Conversation, Millis, Status};

/// How long a conversation is kept after its last event, in milliseconds; `None`: for good. Of several that fit, the
/// shortest counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Every conversation.
    pub all: Option<Millis>,
    /// One that an agent, or time, has closed.
    pub closed: Option<Millis>,
    /// One whose visitor never signed in.
    pub anonymous: Option<Millis>,
}

impl Retention {
    /// Whether this conversation has been kept long enough.
    pub fn is_over(&self, conversation: &Conversation, now: Millis) -> bool {
        let closed = self.closed.filter(|_| conversation.status == Status::Closed);
        let anonymous = self.anonymous.filter(|_| !conversation.kept.account);
        let kept = [self.all, closed, anonymous].into_iter().flatten().min();
        kept.is_some_and(|kept| now.saturating_sub(conversation.last_at) >= kept)
    }

    /// After this long at the soonest something is deleted; `None`: never.
    pub fn shortest(&self) -> Option<Millis> {
        [self.all, self.closed, self.anonymous].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConversationId, VisitorId};
    use super::*;

    #[test]
    fn the_shortest_time_that_fits_counts() {
        let retention = Retention { all: Some(100), closed: Some(50), anonymous: Some(10) };
        for (account, status, kept) in [
            (true, Status::Bot, 100),
            (true, Status::Closed, 50),
            (false, Status::Bot, 10),
            (false, Status::Closed, 10),
        ] {
            let new = Conversation::new(ConversationId::new(), VisitorId::of_token("x"));
            let mut conversation = Conversation { status, last_at: 1_000, ..new };
            conversation.kept.account = account;
            assert!(!retention.is_over(&conversation, 1_000 + kept - 1));
            assert!(retention.is_over(&conversation, 1_000 + kept));
            assert!(!Retention::default().is_over(&conversation, Millis::MAX));
        }
        assert_eq!((retention.shortest(), Retention::default().shortest()), (Some(10), None));
    }
}
