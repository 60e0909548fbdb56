//! The decisions, whatever is said in whatever order.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

const LIMIT: Millis = 10_000;

/// What may happen to a conversation.
#[derive(Debug, Clone)]
enum Step {
    Say,
    /// The pipeline answers the question with this number, whether it is pending or not.
    Answer(Seq),
    Close,
    Rate,
    Erase,
    /// Something is proposed with the answer to the question with this number.
    Propose(Seq),
    /// The question with this number is answered as one that agrees to what is proposed.
    Agree(Seq),
    /// The errand that was ordered first has its outcome.
    Settle,
    /// The clock goes on, or is set back.
    Clock(Millis),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Say),
        4 => (1..20_u32).prop_map(Step::Answer),
        1 => Just(Step::Close),
        2 => (1..20_u32).prop_map(Step::Propose),
        2 => (1..20_u32).prop_map(Step::Agree),
        1 => Just(Step::Settle),
        1 => Just(Step::Rate),
        1 => Just(Step::Erase),
        1 => (-5_000..5_000_i64).prop_map(Step::Clock),
    ];
    prop::collection::vec(step, 0..60)
}

fn said() -> Said {
    let text = Text::new("where is it").expect("a text");
    Said { id: EventId::new(), client_id: ClientId::new(), text, choice: None, language: None, attachments: Vec::new() }
}

fn message() -> BotMessage {
    let provenance = Provenance { responder: "faq".into(), entry: None, revision: "0".into(), micros: 1 };
    BotMessage {
        text: "here".into(),
        buttons: Buttons::default(),
        language: None,
        provenance,
        effects: Effects::default(),
    }
}

/// An answer that proposes something to whoever asked this.
fn proposing(question: EventId) -> BotMessage {
    let (done, refused, unknown) = ("done".to_owned(), "refused".to_owned(), "unknown".to_owned());
    let words = Words { done, refused, unknown, person: None };
    let (action, button) = ("redeliver".to_owned(), "Yes".to_owned());
    let proposal = Proposal { id: question, action, params: Map::new(), button, words, language: None };
    let mut focus = Focus::new("tracking", 0, Value::Null, 1);
    focus.proposal = Some(Arc::new(proposal));
    BotMessage { effects: Effects { focus: Some(Box::new(focus)), ..Effects::default() }, ..message() }
}

/// An answer that agrees to what is proposed, or to something that never was.
fn agreeing(conversation: &Conversation) -> BotMessage {
    let open = conversation.kept.focus.as_ref().and_then(|focus| focus.proposal.as_ref());
    let agreed = open.map_or_else(EventId::new, |proposal| proposal.id);
    BotMessage { effects: Effects { agreed: Some(agreed), ..Effects::default() }, ..message() }
}

proptest! {
    /// Seqs have no gaps, times never go back, every question is answered once at most and in order, and a pending
    /// question always has somebody who will look at it.
    #[test]
    fn every_sequence_leaves_a_legal_log(steps in steps()) {
        let visitor = VisitorId::of_token("somebody");
        let mut orders = std::collections::HashSet::new();
        let mut now = 1_000_000;
        let mut conversation = Conversation::new(ConversationId::new(), visitor);
        let mut log: Vec<Arc<Event>> = Vec::new();
        for step in steps {
            let decision = match step {
                Step::Say => Some(conversation.say(said(), now, LIMIT)),
                Step::Answer(seq) | Step::Propose(seq) | Step::Agree(seq) => {
                    let asked = |event: &&Arc<Event>| event.kind == Kind::Message && event.author == Author::Visitor;
                    let question = log.iter().filter(asked).find(|event| event.seq == seq);
                    question.and_then(|question| {
                        let message = match step {
                            Step::Propose(_) => proposing(question.id),
                            Step::Agree(_) => agreeing(&conversation),
                            _ => message(),
                        };
                        conversation.answer(question.id, seq, message, now, LIMIT)
                    })
                }
                Step::Settle => {
                    let ordered = log.iter().find(|event| event.kind == Kind::Errand);
                    let settled = Settled { errand: EventId::new(), outcome: Outcome::Done, fields: Map::new() };
                    ordered.and_then(|ordered| conversation.settle(ordered, settled, "done".to_owned(), now))
                }
                Step::Close => {
                    conversation.status = Status::Closed;
                    None
                }
                Step::Rate => Some(conversation.rate(Rated { answer: 1, thumb: None }, now)),
                Step::Erase => conversation.erase(now),
                Step::Clock(by) => {
                    now += by;
                    None
                }
            };
            if let Some(decision) = decision {
                for event in &decision.events {
                    if let Some(Errand::Ordered(proposal)) = event.meta.errand.as_deref() {
                        prop_assert!(orders.insert(proposal.id), "ordered twice");
                    }
                }
                prop_assert_eq!(decision.expected_seq, conversation.last_seq);
                log.extend(decision.events);
                conversation = Arc::unwrap_or_clone(decision.next);
            }
        }
        for (i, event) in log.iter().enumerate() {
            prop_assert_eq!(event.seq as usize, i + 1);
            prop_assert!(i == 0 || log[i - 1].at <= event.at);
        }
        let answered: Vec<Seq> = log.iter().filter_map(|event| event.meta.question).collect();
        prop_assert!(answered.windows(2).all(|pair| pair[0] < pair[1]), "{answered:?}");
        prop_assert_eq!(conversation.last_seq as usize, log.len());
        prop_assert_eq!(conversation.last_at, log.last().map_or(0, |event| event.at));
        let open = conversation.status == Status::Bot;
        prop_assert!(!open || conversation.has_pending() == conversation.wake_at.is_some());
    }

    /// A text is taken exactly if it has 1 to 4,000 code points and not only blanks, and comes out as it went in but
    /// for the line ends.
    #[test]
    fn a_text_stays_as_it_was_written(text in "\\PC{0,50}(\r?\n)?\\PC{0,50}") {
        match Text::new(&text) {
            Ok(taken) => prop_assert_eq!(taken.as_str(), text.replace("\r\n", "\n")),
            Err(error) => prop_assert!(error == TextError::Empty && text.trim().is_empty()),
        }
    }

    #[test]
    fn a_client_id_is_never_an_answers_key(id in "\\PC{0,70}") {
        let question = EventId::new();
        if let Ok(id) = ClientId::try_from(id) {
            prop_assert_ne!(id.as_str(), &*question.answer_key());
            prop_assert!(!id.as_str().starts_with("re:"));
        }
    }
}

#[test]
fn the_length_of_a_text_is_counted_in_code_points() {
    for (text, expected) in [
        ("ü".repeat(4_000), Ok(())),
        ("🚢".repeat(4_000), Ok(())),
        ("a".repeat(4_001), Err(TextError::TooLong(4_001))),
        ("a\r\n".repeat(2_000), Ok(())),
        (" \r\n".to_owned(), Err(TextError::Empty)),
    ] {
        assert_eq!(Text::new(&text).map(|_| ()), expected);
    }
}

#[test]
fn a_late_answer_to_an_answered_question_is_dropped() {
    let asked = Conversation::new(ConversationId::new(), VisitorId::of_token("x")).say(said(), 1, LIMIT);
    let question = asked.events[0].id;
    let answered = asked.next.answer(question, 1, message(), 2, LIMIT).expect("the first answer counts");
    assert_eq!(answered.events[0].client_id, Some(question.answer_key()));
    assert!(answered.next.answer(question, 1, message(), 3, LIMIT).is_none());
}

#[test]
fn an_answer_that_was_under_way_does_not_open_a_proposal_again() {
    let new = Conversation::new(ConversationId::new(), VisitorId::of_token("x"));
    let asked = new.say(said(), 1, LIMIT);
    let question = asked.events[0].id;
    let proposed = asked.next.answer(question, 1, proposing(question), 2, LIMIT).expect("an answer").next;
    let kept = |state: &Conversation| state.kept.focus.as_ref().is_some_and(|focus| focus.proposal.is_some());
    assert!(kept(&proposed));
    // Another tab asks something else, which leaves the proposal open, and meanwhile this one agrees.
    let answer = |state: Arc<Conversation>, message: BotMessage| {
        let asked = state.say(said(), 3, LIMIT);
        let event = asked.events.last().expect("a message");
        asked.next.answer(event.id, event.seq, message, 4, LIMIT).expect("an answer").next
    };
    let stale =
        BotMessage { effects: Effects { focus: proposed.kept.focus.clone(), ..Effects::default() }, ..message() };
    assert!(kept(&answer(proposed.clone(), stale.clone())), "nobody has agreed yet");
    let agreed = answer(proposed.clone(), agreeing(&proposed));
    assert!(!kept(&answer(agreed, stale)));
}

#[test]
fn a_message_into_a_closed_conversation_reopens_it() {
    let mut conversation =
        Conversation::new(ConversationId::new(), VisitorId::of_token("x")).say(said(), 1, LIMIT).next;
    Arc::make_mut(&mut conversation).status = Status::Closed;
    let decision = conversation.say(said(), 2, LIMIT);
    let kinds: Vec<_> = decision.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Reopened, Kind::Message]);
    assert_eq!(decision.next.status, Status::Bot);
}

#[test]
fn a_deleted_conversation_is_closed_and_its_question_gets_no_answer() {
    let new = Conversation::new(ConversationId::new(), VisitorId::of_token("x"));
    assert!(new.erase(1).is_none(), "there is nothing to delete");
    let asked = new.say(said(), 1, LIMIT);
    let question = asked.events[0].id;
    let erased = asked.next.erase(2).expect("something to delete");
    let state = &erased.next;
    assert_eq!((state.status, state.has_pending(), state.wake_at), (Status::Closed, false, None));
    // Not even when the visitor has said something new meanwhile.
    let goes_on = state.say(said(), 3, LIMIT);
    assert!(goes_on.next.answer(question, 1, message(), 4, LIMIT).is_none());
    let next = goes_on.events.last().expect("a message");
    assert!(goes_on.next.answer(next.id, next.seq, message(), 4, LIMIT).is_some());
}

#[test]
fn the_plain_dialects_conversation_is_always_the_same() {
    let (one, two) = (VisitorId::of_token("one"), VisitorId::of_token("two"));
    assert_eq!(ConversationId::of_visitor(one), ConversationId::of_visitor(one));
    assert_ne!(ConversationId::of_visitor(one), ConversationId::of_visitor(two));
}

#[test]
fn the_key_of_an_answer_is_what_older_nodes_have_stored() {
    let question = EventId(uuid::Uuid::from_u128(0x01a2_1dda_5598_7190_bfcc_ffce_0b6d_adae));
    assert_eq!(&*question.answer_key(), "re:01a21dda55987190bfccffce0b6dadae");
}
