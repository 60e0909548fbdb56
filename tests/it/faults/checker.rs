//! Compares what customers typed, what was acknowledged, what every tab showed and what is stored.
//!
//! It knows nothing of how purser works: only what was promised. Every message has a text of its own, so a message is
//! recognised whatever id it was stored under.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// An event, as it was shown or as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub seq: u64,
    pub id: String,
    /// `visitor` or `bot`.
    pub author: String,
    pub text: String,
    /// On an answer: the seq of its question.
    pub question: Option<u64>,
}

/// What one tab of one visitor showed, in the order of the screen.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub visitor: usize,
    pub tab: usize,
    pub shown: Vec<Shown>,
    /// The answer that is being read while it is written: the seq of its question, and what there is.
    pub draft: Option<(u64, String)>,
    /// All that was read of answers that way, the latest of each piece.
    pub read: Vec<(u64, String)>,
    /// Questions of which a piece came after their answer, or behind a hole.
    pub misplaced: Vec<u64>,
}

impl View {
    /// A piece of an answer that is being written: it goes on from `offset` letters.
    pub fn read(&mut self, question: u64, offset: usize, text: &str) {
        let before = self.draft.take().filter(|(of, _)| *of == question).map(|(_, text)| text).unwrap_or_default();
        let is_answered = self.shown.iter().any(|event| event.question == Some(question));
        if is_answered || offset > before.chars().count() {
            self.misplaced.push(question);
        }
        let text: String = before.chars().take(offset).chain(text.chars()).collect();
        self.read.push((question, text.clone()));
        self.draft = Some((question, text));
    }

    /// An event, which takes the place of its draft.
    pub fn show(&mut self, event: Shown) {
        if event.question.is_some() && event.question >= self.draft.as_ref().map(|(question, _)| *question) {
            self.draft = None;
        }
        self.shown.push(event);
    }
}

/// A message that a customer was told is stored.
#[derive(Debug, Clone)]
pub struct Acked {
    pub visitor: usize,
    pub text: String,
    /// The number that the acknowledgement named.
    pub seq: u64,
}

/// All that is known at the end, when everything that was broken is whole again and time has passed.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// By visitor.
    pub typed: Vec<(usize, String)>,
    pub acked: Vec<Acked>,
    pub views: Vec<View>,
    /// The log of each visitor.
    pub stored: BTreeMap<usize, Vec<Shown>>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    AcknowledgedMissing { visitor: usize, text: String },
    AcknowledgedElsewhere { visitor: usize, text: String, told: u64, stored: u64 },
    Lost { visitor: usize, text: String },
    StoredTwice { visitor: usize, text: String },
    NeverSaid { visitor: usize, text: String },
    HoleInTheLog { visitor: usize, after: u64 },
    Unanswered { visitor: usize, question: String },
    AnsweredTwice { visitor: usize, question: String },
    WrongAnswer { visitor: usize, question: String, answer: String },
    ShownTwice { visitor: usize, tab: usize, seq: u64 },
    OutOfOrder { visitor: usize, tab: usize, seq: u64, after: u64 },
    NotShown { visitor: usize, tab: usize, seq: u64 },
    ShownOtherwise { visitor: usize, tab: usize, seq: u64 },
    DraftStays { visitor: usize, tab: usize, question: u64 },
    DraftMisplaced { visitor: usize, tab: usize, question: u64 },
    DraftOfNothing { visitor: usize, tab: usize, question: u64, text: String },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a question is answered with.
pub fn answer_to(question: &str) -> String {
    format!("You said: {question}")
}

/// Every promise that was not kept.
pub fn check(seen: &Seen) -> Vec<Violation> {
    let mut found = Vec::new();
    for (visitor, log) in &seen.stored {
        check_log(*visitor, log, seen, &mut found);
    }
    let nothing = Vec::new();
    let log = |visitor: &usize| seen.stored.get(visitor).unwrap_or(&nothing);
    for (visitor, text) in &seen.typed {
        if !log(visitor).iter().any(|event| is_of_visitor(event) && event.text == *text) {
            found.push(Violation::Lost { visitor: *visitor, text: text.clone() });
        }
    }
    for Acked { visitor, text, seq } in &seen.acked {
        let (visitor, text) = (*visitor, text.clone());
        match log(&visitor).iter().find(|event| is_of_visitor(event) && event.text == text) {
            None => found.push(Violation::AcknowledgedMissing { visitor, text }),
            Some(event) if event.seq != *seq => {
                let (told, stored) = (*seq, event.seq);
                found.push(Violation::AcknowledgedElsewhere { visitor, text, told, stored });
            }
            Some(_) => {}
        }
    }
    for view in &seen.views {
        check_view(view, log(&view.visitor), &mut found);
    }
    found
}

fn is_of_visitor(event: &Shown) -> bool {
    event.author == "visitor"
}

/// Numbers without holes, each message once and of somebody's, each question with its one answer.
fn check_log(visitor: usize, log: &[Shown], seen: &Seen, found: &mut Vec<Violation>) {
    for (number, event) in log.iter().enumerate() {
        if event.seq != number as u64 + 1 {
            found.push(Violation::HoleInTheLog { visitor, after: number as u64 });
            break;
        }
    }
    let mut times: HashMap<&str, usize> = HashMap::new();
    for message in log.iter().filter(|event| is_of_visitor(event)) {
        *times.entry(&message.text).or_default() += 1;
        let answers: Vec<_> = log.iter().filter(|event| event.question == Some(message.seq)).collect();
        let question = message.text.clone();
        match answers.as_slice() {
            [] => found.push(Violation::Unanswered { visitor, question }),
            [answer] if answer.text != answer_to(&question) => {
                found.push(Violation::WrongAnswer { visitor, question, answer: answer.text.clone() });
            }
            [_] => {}
            _ => found.push(Violation::AnsweredTwice { visitor, question }),
        }
    }
    for (text, times) in times {
        let text = text.to_owned();
        if !seen.typed.contains(&(visitor, text.clone())) {
            found.push(Violation::NeverSaid { visitor, text });
        } else if times > 1 {
            found.push(Violation::StoredTwice { visitor, text });
        }
    }
}

/// Everything that is stored, once, in its order, and nothing else.
fn check_view(view: &View, log: &[Shown], found: &mut Vec<Violation>) {
    let View { visitor, tab, shown, draft, read, misplaced } = view;
    let (visitor, tab) = (*visitor, *tab);
    if let Some((question, _)) = draft {
        found.push(Violation::DraftStays { visitor, tab, question: *question });
    }
    let misplaced = misplaced.iter().map(|question| Violation::DraftMisplaced { visitor, tab, question: *question });
    found.extend(misplaced);
    for (question, text) in read {
        let asked = log.iter().find(|event| event.seq == *question);
        if !asked.is_some_and(|asked| answer_to(&asked.text).starts_with(text)) {
            let (question, text) = (*question, text.clone());
            found.push(Violation::DraftOfNothing { visitor, tab, question, text });
        }
    }
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut last = 0;
    for event in shown {
        let seq = event.seq;
        if places.insert(seq, 1).is_some() {
            found.push(Violation::ShownTwice { visitor, tab, seq });
        } else if seq < last {
            found.push(Violation::OutOfOrder { visitor, tab, seq, after: last });
        }
        last = last.max(seq);
        if !log.iter().any(|stored| stored == event) {
            found.push(Violation::ShownOtherwise { visitor, tab, seq });
        }
    }
    for stored in log.iter().filter(|stored| !places.contains_key(&stored.seq)) {
        found.push(Violation::NotShown { visitor, tab, seq: stored.seq });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: u64, author: &str, text: &str, question: Option<u64>) -> Shown {
        Shown { seq, id: format!("id-{seq}"), author: author.to_owned(), text: text.to_owned(), question }
    }

    /// Two messages and their answers, seen by two tabs.
    fn good() -> Seen {
        let log = vec![
            event(1, "visitor", "a", None),
            event(2, "bot", &answer_to("a"), Some(1)),
            event(3, "visitor", "b", None),
            event(4, "bot", &answer_to("b"), Some(3)),
        ];
        let acked = |text: &str, seq| Acked { visitor: 0, text: text.to_owned(), seq };
        let view = |tab| View { visitor: 0, tab, shown: log.clone(), ..View::default() };
        Seen {
            typed: vec![(0, "a".to_owned()), (0, "b".to_owned())],
            acked: vec![acked("a", 1), acked("b", 3)],
            views: vec![view(0), view(1)],
            stored: BTreeMap::from([(0, log.clone())]),
        }
    }

    fn found(spoil: impl FnOnce(&mut Seen)) -> Vec<Violation> {
        let mut seen = good();
        spoil(&mut seen);
        check(&seen)
    }

    #[test]
    fn nothing_is_wrong_with_what_is_right() {
        assert_eq!(found(|_| ()), []);
    }

    #[test]
    fn each_broken_promise_is_found() {
        let (visitor, tab) = (0, 1);
        let text = |text: &str| text.to_owned();
        // Acknowledged before the commit, which never came.
        let lost = found(|seen| {
            seen.stored.get_mut(&0).unwrap().truncate(2);
            seen.views.iter_mut().for_each(|view| view.shown.truncate(2));
        });
        let missing = Violation::AcknowledgedMissing { visitor, text: text("b") };
        assert_eq!(lost, [Violation::Lost { visitor, text: text("b") }, missing]);
        // Not recognised when it was sent again.
        let twice = found(|seen| {
            for log in seen.stored.values_mut().chain(seen.views.iter_mut().map(|view| &mut view.shown)) {
                log.extend([event(5, "visitor", "b", None), event(6, "bot", &answer_to("b"), Some(5))]);
            }
        });
        assert_eq!(twice, [Violation::StoredTwice { visitor, text: text("b") }]);
        // A gap that was not filled, a tail that was not healed.
        let gap = found(|seen| drop(seen.views[1].shown.remove(2)));
        assert_eq!(gap, [Violation::NotShown { visitor, tab, seq: 3 }]);
        let tail = found(|seen| drop(seen.views[1].shown.pop()));
        assert_eq!(tail, [Violation::NotShown { visitor, tab, seq: 4 }]);
        // Two answers, none, and another question's.
        let answers = found(|seen| {
            for log in seen.stored.values_mut().chain(seen.views.iter_mut().map(|view| &mut view.shown)) {
                log.push(event(5, "bot", &answer_to("b"), Some(3)));
            }
        });
        assert_eq!(answers, [Violation::AnsweredTwice { visitor, question: text("b") }]);
        let none = found(|seen| {
            for log in seen.stored.values_mut().chain(seen.views.iter_mut().map(|view| &mut view.shown)) {
                log.pop();
            }
        });
        assert_eq!(none, [Violation::Unanswered { visitor, question: text("b") }]);
        let wrong = found(|seen| {
            for log in seen.stored.values_mut().chain(seen.views.iter_mut().map(|view| &mut view.shown)) {
                log[3].text = answer_to("a");
            }
        });
        let answer = answer_to("a");
        assert_eq!(wrong, [Violation::WrongAnswer { visitor, question: text("b"), answer }]);
        // A page out of order, an event shown twice, another one than the stored.
        let swapped = found(|seen| seen.views[1].shown.swap(1, 2));
        assert_eq!(swapped, [Violation::OutOfOrder { visitor, tab, seq: 2, after: 3 }]);
        let repeated = found(|seen| {
            let again = seen.views[1].shown[3].clone();
            seen.views[1].shown.push(again);
        });
        assert_eq!(repeated, [Violation::ShownTwice { visitor, tab, seq: 4 }]);
        let other = found(|seen| seen.views[1].shown[0].id = text("id-7"));
        assert_eq!(other, [Violation::ShownOtherwise { visitor, tab, seq: 1 }]);
        // An answer that could be read while it was written: it stays, comes late, has a hole, is another one.
        let stays = found(|seen| seen.views[1].draft = Some((3, text("You"))));
        assert_eq!(stays, [Violation::DraftStays { visitor, tab, question: 3 }]);
        let late = found(|seen| {
            seen.views[1].read(3, 0, "You");
            seen.views[1].draft = None;
        });
        assert_eq!(late, [Violation::DraftMisplaced { visitor, tab, question: 3 }]);
        let goes_on = |seen: &mut Seen, offset, text: &str| {
            let view = &mut seen.views[1];
            let answer = view.shown.pop().unwrap();
            view.read(3, 0, "You ");
            view.read(3, offset, text);
            view.show(answer);
        };
        assert_eq!(found(|seen| goes_on(seen, 4, "said: b")), []);
        assert_eq!(found(|seen| goes_on(seen, 3, " said")), []);
        let hole = found(|seen| goes_on(seen, 6, "aid"));
        assert_eq!(hole[0], Violation::DraftMisplaced { visitor, tab, question: 3 });
        let other = found(|seen| goes_on(seen, 4, "lied"));
        let other_text = text("You lied");
        assert_eq!(other, [Violation::DraftOfNothing { visitor, tab, question: 3, text: other_text }]);
        // A log with a hole, a message of nobody, an acknowledgement with another number.
        let hole = found(|seen| {
            for log in seen.stored.values_mut().chain(seen.views.iter_mut().map(|view| &mut view.shown)) {
                log[3].seq = 5;
            }
        });
        assert_eq!(hole, [Violation::HoleInTheLog { visitor, after: 3 }]);
        let nobody = found(|seen| {
            seen.typed.pop();
            seen.acked.pop();
        });
        assert_eq!(nobody, [Violation::NeverSaid { visitor, text: text("b") }]);
        let elsewhere = found(|seen| seen.acked[1].seq = 1);
        assert_eq!(elsewhere, [Violation::AcknowledgedElsewhere { visitor, text: text("b"), told: 1, stored: 3 }]);
    }
}
