//! A stored conversation as a recording: what the visitor and agents did, the answers as they were given, and what sources
//! said.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Action, Expected, Recording, STEP, Step, Stub};
use crate::conversation::{Author, Errand, Event, Kind, Millis, Reason, Seq, Settled};
use crate::responders::person::Person;

/// Who has the conversation in a recording while it waits for somebody of whom nothing is known yet.
const SOMEBODY: &str = "agent";

impl Recording {
    /// The recording of a stored conversation.
    pub fn from_events(events: &[Arc<Event>]) -> Recording {
        let mut log = Log::default();
        for event in events.iter().filter(|event| event.kind == Kind::Message && event.author == Author::Bot) {
            if let Some(question) = event.meta.question {
                // Of two answers to one question, which no log should have, the first counts.
                log.answers.entry(question).or_insert(event);
            }
        }
        for pair in events.windows(2).filter(|pair| pair[1].kind == Kind::Handover) {
            log.calls.extend(pair[0].meta.question);
        }
        for (at, event) in events.iter().enumerate() {
            log.take(event, &events[at..]);
        }
        log.recording
    }
}

/// A log that is being read.
#[derive(Default)]
struct Log<'a> {
    recording: Recording,
    /// The answers, by their questions.
    answers: HashMap<Seq, &'a Event>,
    /// Questions whose answers called a person.
    calls: Vec<Seq>,
    /// When the next message would be said if nothing were waited for, and the language of the page.
    clock: Option<(Millis, Option<String>)>,
    /// Whether a person is asked for or has it, so that purser is silent.
    is_called: bool,
    /// Whether the recording says so by now.
    has_joined: bool,
}

impl<'a> Log<'a> {
    /// Takes in an event; `rest` begins with it.
    fn take(&mut self, event: &'a Event, rest: &[Arc<Event>]) {
        if let Some(Errand::Settled(Settled { outcome, fields, .. })) = event.meta.errand.as_deref() {
            let is_told = |event: &&Arc<Event>| event.author == Author::Bot && event.meta.question.is_none();
            let told = rest.iter().filter(|event| event.kind == Kind::Message).find(is_told);
            self.pass(event);
            let action = Action::Errand { outcome: *outcome, fields: fields.clone() };
            return self.step(action, told.map(|event| Expected::as_told(event)));
        }
        match event.kind {
            Kind::Message => self.message(event),
            // Where only word was left, purser goes on answering.
            Kind::Handover => self.is_called = event.meta.reason != Some(Reason::Message),
            Kind::Joined => {
                self.pass(event);
                self.joins(event.meta.name.as_deref());
            }
            Kind::Left | Kind::Closed => self.leaves(event.meta.name.as_deref()),
            _ => {}
        }
    }

    fn message(&mut self, event: &'a Event) {
        let text = event.body.as_ref().to_owned();
        let attachments: Vec<String> = event.meta.attachments.iter().map(|file| file.name.clone()).collect();
        // What was said without a word is nothing that could be said again.
        if text.is_empty() && attachments.is_empty() && matches!(event.author, Author::Visitor | Author::Agent) {
            return;
        }
        match event.author {
            Author::Bot => {
                let behind = event.meta.behind.iter().flat_map(|behind| &behind.lookups);
                self.recording.lookups.extend(behind.map(Stub::from_log));
            }
            Author::Agent => {
                self.pass(event);
                (self.is_called, self.has_joined) = (true, true);
                self.step(Action::Agent { text, attachments }, None);
            }
            Author::Visitor => self.said(event, text, attachments),
            Author::System => {}
        }
    }

    fn said(&mut self, event: &'a Event, text: String, attachments: Vec<String>) {
        // Its own buttons come and go with those who are there; what they lead to is said by what follows.
        let is_persons = |choice: &str| choice.strip_prefix(Person::NAME).is_some_and(|rest| rest.starts_with('/'));
        if event.meta.choice.as_deref().is_some_and(is_persons) {
            return;
        }
        let answer = self.answers.get(&event.seq).copied();
        match answer {
            // Where the bot answers again, the person has left.
            Some(_) => self.leaves(None),
            None if self.is_called && !self.has_joined => self.joins(None),
            None => {}
        }
        self.pass(event);
        let before = self.clock.as_ref().and_then(|(_, language)| language.clone());
        let language = event.meta.language.as_deref().map(str::to_owned);
        self.clock = Some((event.at + STEP, language.clone()));
        let action = match event.meta.choice {
            Some(_) => Action::Press(text),
            None => Action::Say { text, language: language.filter(|new| Some(new) != before.as_ref()), attachments },
        };
        let expected = answer.and_then(|answer| self.expected(event, answer));
        self.step(action, expected);
    }

    /// What an answer must be. What is said to somebody who wants a person depends on who is there, and on how many wait.
    fn expected(&self, question: &Event, answer: &Event) -> Option<Expected> {
        let given = Expected::as_given(answer);
        let is_persons = given.responder.as_deref() == Some(Person::NAME);
        if !is_persons && !self.calls.contains(&question.seq) {
            return Some(given);
        }
        // It asks where an answer may go only while nobody is there.
        let is_asked = !is_persons || given.entry.is_some() || question.meta.choice.is_some();
        let Expected { responder, entry, .. } = given;
        is_asked.then(|| Expected { responder, entry, ..Expected::default() })
    }

    fn joins(&mut self, name: Option<&str>) {
        (self.is_called, self.has_joined) = (true, true);
        self.step(Action::Joined(name.unwrap_or(SOMEBODY).to_owned()), None);
    }

    fn leaves(&mut self, name: Option<&str>) {
        if self.has_joined {
            self.step(Action::Left(name.unwrap_or(SOMEBODY).to_owned()), None);
        }
        (self.is_called, self.has_joined) = (false, false);
    }

    fn step(&mut self, action: Action, answer: Option<Expected>) {
        self.recording.conversation.push(Step { line: 0, action, answer });
    }

    /// Lets the time pass until this event; with the first one it begins.
    fn pass(&mut self, event: &Event) {
        match &mut self.clock {
            None => {
                self.recording.start.now = Some(event.at);
                let language = event.meta.language.as_deref().map(str::to_owned);
                self.recording.start.language.clone_from(&language);
                self.clock = Some((event.at, language));
            }
            Some((due, _)) => {
                // Finer than a second would only be noise in the file.
                let wait = (event.at - *due) / 1_000 * 1_000;
                *due = event.at + STEP;
                if wait > 0 {
                    self.step(Action::Wait(wait), None);
                }
            }
        }
    }
}
