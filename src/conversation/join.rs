//! What was said before signing in becomes part of the customer's conversation.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Conversation, Decision, Draft, Errand, Event, EventId, Kind, Millis, Seq, Status};

impl Conversation {
    /// Takes over `events`, the log of `other`, at the end of this log: in their order, with their ids, so that a
    /// message which its client sends again is known here too. What waits for an answer there waits here. `None` while a
    /// question waits in this conversation (its answer would be taken for one to a later question), and if there is
    /// nothing to take over.
    pub fn take_over(&self, other: &Conversation, events: &[Arc<Event>], now: Millis) -> Option<Decision> {
        if self.has_pending() {
            return None;
        }
        let mut draft = Draft::on(self, now);
        let mut seqs: BTreeMap<Seq, Seq> = BTreeMap::new();
        // Nothing is ordered a second time; errands that are under way are waited for.
        for event in events.iter().filter(|event| !matches!(event.kind, Kind::Erased | Kind::Errand | Kind::Transcript))
        {
            let mut meta = event.meta.clone();
            // What a number stands for may be gone; then it is about nothing.
            meta.question = meta.question.and_then(|seq| seqs.get(&seq).copied());
            meta.rated = meta.rated.and_then(|rated| Some(super::Rated { answer: *seqs.get(&rated.answer)?, ..rated }));
            let Event { id, kind, author, body, client_id, provenance, .. } = Event::clone(event);
            draft.at = draft.next.last_at.max(event.at);
            draft.add(id, kind, author, body, client_id, provenance, meta);
            seqs.insert(event.seq, draft.next.last_seq);
        }
        if seqs.is_empty() {
            return None;
        }
        let here = |seq: Seq| seqs.range(..=seq).next_back().map_or(self.last_seq, |(_, here)| *here);
        let next = &mut draft.next;
        // One that is over ends nothing that goes on here.
        if self.status == Status::Bot && (other.status != Status::Closed || self.last_seq == 0) {
            next.status = other.status;
            next.kept.over = other.kept.over;
            next.kept.person = other.kept.person.clone().or(next.kept.person.take());
        }
        next.asked_seq = here(other.asked_seq);
        next.answered_seq = here(other.answered_seq);
        // People have both now, and answer what was asked.
        let people = matches!(next.status, Status::Waiting | Status::Agent);
        if people {
            next.answered_seq = next.asked_seq;
        }
        next.wake_at = (people || next.has_pending()).then_some(now);
        next.language = other.language.clone().or(next.language.take());
        let mut asked = other.kept.focus.clone();
        if let Some(focus) = &mut asked {
            focus.seq = here(focus.seq);
        }
        next.kept.focus = asked.or(next.kept.focus.take());
        next.kept.account = true;
        let attributes = other.kept.attributes.iter().map(|(name, value)| (name.clone(), value.clone()));
        Arc::make_mut(&mut next.kept.attributes).extend(attributes);
        let tags = other.kept.tags.iter().filter(|tag| !self.kept.tags.contains(tag));
        next.kept.tags.extend(tags.cloned());
        Some(Decision { copied: true, ..draft.done() })
    }
}

/// Whether an errand that was ordered in this log has no outcome in it.
pub fn has_open_errand(events: &[Arc<Event>]) -> bool {
    let errands = || events.iter().filter_map(|event| event.meta.errand.as_deref());
    let is_settled =
        |id: EventId| errands().any(|errand| matches!(errand, Errand::Settled(settled) if settled.errand == id));
    errands().any(|errand| matches!(errand, Errand::Ordered(proposal) if !is_settled(proposal.id)))
}

#[cfg(test)]
mod tests {
    use super::super::{
        BotMessage, Buttons, ClientId, ConversationId, Effects, Provenance, Rated, Said, Text, Thumb, VisitorId,
    };
    use super::*;

    fn begun(visitor: &str) -> Conversation {
        Conversation::new(ConversationId::new(), VisitorId::of_token(visitor))
    }

    fn asks(head: &Conversation, text: &str, now: Millis) -> (Conversation, Arc<Event>) {
        let text = Text::new(text).expect("a text");
        let said = Said {
            id: EventId::new(),
            client_id: ClientId::new(),
            text,
            choice: None,
            language: None,
            attachments: Vec::new(),
        };
        let decision = head.say(said, now, 10);
        (Arc::unwrap_or_clone(decision.next), decision.events.last().expect("an event").clone())
    }

    fn answered(head: &Conversation, question: &Event, now: Millis) -> (Conversation, Arc<Event>) {
        let provenance = Provenance { responder: "faq".into(), entry: None, revision: "".into(), micros: 0 };
        let effects = Effects { attributes: vec![("order".to_owned(), Some("7".to_owned()))], ..Effects::default() };
        let message =
            BotMessage { text: "yes".into(), buttons: Buttons::default(), language: None, provenance, effects };
        let decision = head.answer(question.id, question.seq, message, now, 10).expect("an answer");
        (Arc::unwrap_or_clone(decision.next), decision.events.last().expect("an event").clone())
    }

    #[test]
    fn the_log_goes_on_with_what_is_taken_over() {
        let (account, first) = asks(&begun("account"), "first", 100);
        let (account, _) = answered(&account, &first, 100);
        let (guest, question) = asks(&begun("guest"), "second", 50);
        let (guest, answer) = answered(&guest, &question, 60);
        let rating = guest.rate(Rated { answer: answer.seq, thumb: Some(Thumb::Up) }, 70);
        let (guest, waiting) = asks(&rating.next, "third", 200);
        let log = [question.clone(), answer.clone(), rating.events[0].clone(), waiting.clone()];

        let joined = account.take_over(&guest, &log, 300).expect("something to take over");
        assert_eq!(joined.expected_seq, account.last_seq);
        let ids: Vec<EventId> = joined.events.iter().map(|event| event.id).collect();
        assert_eq!(ids, log.each_ref().map(|event| event.id));
        let seqs: Vec<Seq> = joined.events.iter().map(|event| event.seq).collect();
        let end = account.last_seq;
        assert_eq!(seqs, [end + 1, end + 2, end + 3, end + 4]);
        // Never before what stands in front of it.
        assert_eq!(joined.events.iter().map(|event| event.at).collect::<Vec<_>>(), [100, 100, 100, 200]);
        assert_eq!(joined.events[1].meta.question, Some(end + 1));
        assert_eq!(joined.events[2].meta.rated.map(|rated| rated.answer), Some(end + 2));
        let next = joined.next;
        assert_eq!((next.visitor, next.id), (account.visitor, account.id));
        assert_eq!((next.asked_seq, next.answered_seq, next.wake_at), (end + 4, end + 1, Some(300)));
        assert_eq!(next.kept.attributes["order"], "7");
    }

    #[test]
    fn a_question_that_waits_comes_first() {
        let (account, _) = asks(&begun("account"), "first", 100);
        let (guest, question) = asks(&begun("guest"), "second", 50);
        assert!(account.take_over(&guest, &[question], 300).is_none());
    }
}
