//! Conversations of an earlier chat become logs like any other: over, with nothing that waits for an answer.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::{
    Author, Conversation, ConversationId, Decision, Draft, EventId, Kind, Meta, Millis, Seq, Status, VisitorId,
};

/// Something that was said there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Names it there: the same however often it is taken over.
    pub key: String,
    /// When.
    pub at: Millis,
    /// By whom.
    pub author: Author,
    /// A visitor's plain text, or Markdown of everybody else.
    pub text: String,
}

impl Earlier {
    /// The client id that it gets. No visitor's message can have it.
    pub fn client_id(&self) -> String {
        let key: &str = &self.key;
        // What is longer than such an id may be is named by its hash.
        let short = key.len() <= 40 && key.bytes().all(|b| b.is_ascii_graphic());
        let key = if short { key.to_owned() } else { dated(0, key).simple().to_string() };
        format!("re:earlier:{key}")
    }
}

impl ConversationId {
    /// The conversation that an earlier chat had begun at `at` (0 or later) under the name `key`: always the same.
    pub fn of_earlier(at: Millis, key: &str) -> ConversationId {
        ConversationId(dated(at, key))
    }
}

impl VisitorId {
    /// The visitor of an earlier conversation of whom nobody knows who it was. No token and no account is this one's.
    pub fn of_unknown(conversation: ConversationId) -> VisitorId {
        VisitorId::of_token(&format!("unknown:{conversation}"))
    }
}

/// A UUIDv7 whose random part comes from `key`.
fn dated(at: Millis, key: &str) -> Uuid {
    let mut random = [0; 10];
    random.copy_from_slice(&Sha256::digest(format!("earlier:{at}:{key}"))[..10]);
    Builder::from_unix_timestamp_millis(at.unsigned_abs(), &random).into_uuid()
}

impl Conversation {
    /// Takes over what was said before, in its order. It is over afterwards, nothing waits, and nobody is told.
    /// `None` for nothing, and where somebody has said something here meanwhile.
    pub fn take_in(&self, said: &[Earlier]) -> Option<Decision> {
        if said.is_empty() || !(self.last_seq == 0 || (self.status == Status::Closed && self.kept.over)) {
            return None;
        }
        let mut draft = Draft::on(self, 0);
        let mut asked: Seq = self.asked_seq;
        for earlier in said {
            let client_id = earlier.client_id();
            let id = EventId(dated(earlier.at, &format!("{}:{client_id}", self.id)));
            draft.at = draft.next.last_at.max(earlier.at);
            draft.add(
                id,
                Kind::Message,
                earlier.author,
                earlier.text.as_str().into(),
                Some(client_id.into()),
                None,
                Meta::default(),
            );
            if earlier.author == Author::Visitor {
                asked = draft.next.last_seq;
            }
        }
        let next = &mut draft.next;
        (next.asked_seq, next.answered_seq) = (asked, asked);
        (next.status, next.wake_at) = (Status::Closed, None);
        next.kept.over = true;
        Some(draft.done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(key: &str, at: Millis, author: Author) -> Earlier {
        Earlier { key: key.to_owned(), at, author, text: format!("text {key}") }
    }

    #[test]
    fn it_is_over_and_nothing_waits() {
        let id = ConversationId::of_earlier(500, "17");
        assert_eq!(id, ConversationId::of_earlier(500, "17"));
        assert_ne!(id, ConversationId::of_earlier(500, "18"));
        let begun = Conversation::new(id, VisitorId::of_account("4711"));
        let all = [said("1", 500, Author::Visitor), said("2", 400, Author::Bot), said("3", 600, Author::Visitor)];
        let taken = begun.take_in(&all).expect("something");
        assert_eq!(taken.expected_seq, 0);
        assert_eq!(
            taken.events.iter().map(|event| (event.seq, event.at)).collect::<Vec<_>>(),
            [(1, 500), (2, 500), (3, 600)]
        );
        let next = &taken.next;
        assert_eq!((next.status, next.wake_at, next.created_at), (Status::Closed, None, 500));
        assert!(!next.has_pending() && next.kept.over);
        // What came later goes to the end, and twice is the same.
        let more = next.take_in(&[said("4", 700, Author::Agent)]).expect("more");
        assert_eq!((more.expected_seq, more.next.last_seq, more.next.asked_seq), (3, 4, 3));
        assert_eq!(begun.take_in(&all).map(|again| again.events[0].id), Some(taken.events[0].id));
    }

    #[test]
    fn what_goes_on_or_was_deleted_is_left_alone() {
        let begun = Conversation::new(ConversationId::of_earlier(1, "1"), VisitorId::of_account("4711"));
        let taken = begun.take_in(&[said("1", 1, Author::Visitor)]).expect("something").next;
        let open = Conversation { status: Status::Bot, ..(*taken).clone() };
        assert!(open.take_in(&[said("2", 2, Author::Visitor)]).is_none());
        let erased = taken.erase(3).expect("something to erase").next;
        assert!(erased.take_in(&[said("2", 2, Author::Visitor)]).is_none());
    }

    #[test]
    fn every_key_makes_an_id_that_fits() {
        for key in ["17", "0193d1f2a3b4c5d6e7f8091a2b3c4d5e", &"x".repeat(300), "a b", "é"] {
            let client_id = said(key, 1, Author::Bot).client_id();
            assert!(client_id.len() <= 64 && client_id.is_ascii(), "{client_id}");
        }
    }
}
