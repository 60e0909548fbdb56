//! Tickets: what stands behind the link in a mail. Whoever has one may take the conversation over until it expires.
//!
//! A ticket names the conversation, the event that the mail is about and its end, and is signed (HMAC-SHA256), so that
//! nobody can make one or stretch it. When that event is deleted, the ticket is worth nothing any more. It stands behind the `#` of the link: no server and no log of a proxy gets to see it, and who only fetches the page, as
//! scanners of mail do, has not used it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use uuid::Uuid;

use crate::conversation::{ConversationId, Millis, Seq};

/// How long a ticket is good.
pub const DAYS: u32 = 7;
const LASTS: Millis = DAYS as Millis * 24 * 60 * 60 * 1_000;
/// The conversation, the number of the event, the end in milliseconds; then the signature.
const SIGNED: usize = 16 + 4 + 8;
const LENGTH: usize = SIGNED + 32;

/// Makes tickets and knows its own.
pub struct Tickets(hmac::Key);

impl Tickets {
    /// Tickets that are signed with this key. Nodes on one database have the same.
    pub fn new(key: &[u8]) -> Tickets {
        // The same key may sign something else elsewhere.
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"purser ticket");
        Tickets(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    /// A ticket to this conversation, for a mail about this event.
    pub fn make(&self, conversation: ConversationId, seq: Seq, now: Millis) -> String {
        let mut ticket = conversation.0.as_bytes().to_vec();
        ticket.extend(seq.to_be_bytes());
        ticket.extend((now + LASTS).to_be_bytes());
        let signature = hmac::sign(&self.0, &ticket);
        ticket.extend(signature.as_ref());
        URL_SAFE_NO_PAD.encode(ticket)
    }

    /// The conversation that a ticket is to and the event that it is about, if it is one and has not expired.
    pub fn read(&self, ticket: &str, now: Millis) -> Option<(ConversationId, Seq)> {
        let ticket = URL_SAFE_NO_PAD.decode(ticket).ok().filter(|ticket| ticket.len() == LENGTH)?;
        let (signed, signature) = ticket.split_at(SIGNED);
        hmac::verify(&self.0, signed, signature).ok()?;
        let (conversation, rest) = signed.split_at(16);
        let (seq, until) = rest.split_at(4);
        let seq = Seq::from_be_bytes(seq.try_into().ok()?);
        let until = Millis::from_be_bytes(until.try_into().ok()?);
        (now < until).then_some((ConversationId(Uuid::from_slice(conversation).ok()?), seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_conversation_until_it_expires_and_nobody_can_make_one() {
        let tickets = Tickets::new(&[7; 32]);
        let (conversation, now) = (ConversationId::new(), 1_772_442_000_000);
        let ticket = tickets.make(conversation, 7, now);
        assert_eq!(tickets.read(&ticket, now), Some((conversation, 7)));
        assert_eq!(tickets.read(&ticket, now + LASTS - 1), Some((conversation, 7)));
        assert_eq!(tickets.read(&ticket, now + LASTS), None);
        assert_eq!(Tickets::new(&[8; 32]).read(&ticket, now), None);
        for at in 0..ticket.len() {
            let mut forged = ticket.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("letters");
            assert_eq!(tickets.read(&forged, now), None, "{at}");
        }
        for no in ["", "AAAA", &ticket[1..], &format!("{ticket}A"), "ü"] {
            assert_eq!(tickets.read(no, now), None);
        }
    }
}
