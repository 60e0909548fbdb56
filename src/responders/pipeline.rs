//! Asks the responders in order, holds them to their time, and says where an answer came from.
//!
//! A turn goes to each responder of the order until one answers. An entry of the FAQ may hand the turn to another
//! responder (`then:`); its own answer is kept and used if that one passes, fails or is off. A suggestion is kept
//! aside until everybody has passed. When nothing is left, the pipeline speaks the last line itself, so there is an
//! answer to every question.
//!
//! A responder that asked something back (a [`Focus`]) gets the next message before everybody else. It may pass: the
//! customer may change the subject once and come back, or say "cancel".

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::lines::{Line, Lines, bare};
use super::person::Person;
use super::{Answer, Asked, Presence, Proposed, Reply, Responder, Suggestions, Turn};
use crate::conversation::{BotMessage, Button, Buttons, Effects, Focus, Proposal, Provenance, Words, is_verdict};
use crate::patience::within;

/// The name under which the pipeline's own lines stand in the provenance.
pub const PIPELINE: &str = "pipeline";

/// The longest answer with what stands on its buttons, in bytes.
pub const MAX_ANSWER: usize = 32 * 1024;

/// The ordered responders over one content revision. It never changes; new content brings a new pipeline.
pub struct Pipeline {
    revision: Arc<str>,
    /// Those that are asked for every turn, in order.
    order: Vec<Arc<dyn Responder>>,
    /// Those that only get turns handed to them.
    handed: Vec<Arc<dyn Responder>>,
    /// All their names and the pipeline's own, as the provenance of answers has them.
    names: Vec<Arc<str>>,
    lines: Arc<Lines>,
    /// The longest that one responder may take.
    limit: Duration,
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A responder answered.
    Answer,
    /// A responder asked something back.
    Ask,
    /// Entries are suggested.
    Suggest,
    /// Nobody had an answer.
    Pass,
    /// A person is wanted.
    Handover,
}

/// An answered turn: the message, and how it came about.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What came of it.
    pub outcome: Outcome,
    /// What the customer gets.
    pub message: BotMessage,
    /// How sure the answering or suggesting responder was, 0 to 1.
    pub score: Option<f32>,
    /// Who was asked, in order, and what each made of it; only failures where the turn is untraced.
    pub trace: Vec<Step>,
}

impl Answered {
    /// The entries that were suggested.
    pub fn suggested(&self) -> impl Iterator<Item = &str> {
        let buttons: &[Button] = if self.outcome == Outcome::Suggest { &self.message.buttons } else { &[] };
        buttons.iter().filter_map(|button| button.choice.as_deref())
    }
}

/// One responder's part in a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Who was asked.
    pub responder: String,
    /// What it made of the turn: `pass`, `reply shipping-cost`, `failed`, ….
    pub said: String,
    /// How long it took, in microseconds.
    pub micros: u32,
}

impl Pipeline {
    /// A pipeline over content of this revision. `order` are asked for every turn, `handed` only for turns that
    /// another responder hands to them by name.
    pub fn new(
        revision: Arc<str>,
        order: Vec<Arc<dyn Responder>>,
        handed: Vec<Arc<dyn Responder>>,
        lines: Arc<Lines>,
        limit: Duration,
    ) -> Pipeline {
        let names = order.iter().chain(&handed).map(|responder| responder.name()).chain([PIPELINE]);
        Pipeline { names: names.map(Arc::from).collect(), revision, order, handed, lines, limit }
    }

    /// The content that its answers come from.
    pub fn revision(&self) -> &Arc<str> {
        &self.revision
    }

    /// The lines that purser itself says.
    pub fn lines(&self) -> &Arc<Lines> {
        &self.lines
    }

    /// The names of all responders, those first that are asked first.
    pub fn responders(&self) -> Vec<String> {
        self.order.iter().chain(&self.handed).map(|responder| responder.name().to_owned()).collect()
    }

    /// Whether anybody here writes drafts.
    pub fn writes_drafts(&self) -> bool {
        self.order.iter().chain(&self.handed).any(|responder| responder.writes_drafts())
    }

    /// Answers a turn. There is always an answer; a responder that fails or takes too long counts as a pass.
    ///
    /// Ready at the first poll unless a responder really waits for something: the desk then commits question and
    /// answer together.
    pub async fn answer(&self, turn: &Turn) -> Answered {
        let answered = self.ask_in_order(turn).await;
        if let Some(notes) = &turn.notes {
            notes.answered(turn, &answered.trace);
        }
        answered
    }

    async fn ask_in_order(&self, turn: &Turn) -> Answered {
        let mut course = Course::new(Vec::new());
        // In a conversation a message without a word has something attached.
        if turn.text.is_empty() && turn.choice.is_none() && turn.seq > 0 {
            return self.attached(turn, course);
        }
        let mut suggestions = None;
        // Whoever had the turn before the others is not asked again.
        let mut first = turn.choice.as_deref().and_then(|choice| self.pressed(choice));
        let focused = self.focused(turn);
        if let Some(verdict) = self.verdict(turn, focused.as_ref().map(|(_, focus)| focus)) {
            return self.judged(verdict, turn, course);
        }
        if let Some((responder, focus)) = focused {
            // A pressed button says what it means: it is no answer to a question.
            if turn.choice.is_none() {
                if self.lines.is_cancel(&turn.text, &turn.languages) {
                    return self.own_line(Line::Cancelled, Outcome::Answer, turn, course);
                }
                if let Some(yields) = self.order.first().filter(|yields| yields.name() != responder.name()) {
                    course.trace.push(step(yields, &format!("yields to {}", responder.name()), Instant::now()));
                }
                first = Some(responder);
            }
            course.held = Some(focus);
        }
        if let Some(responder) = first {
            match self.ask(responder, turn, &mut course).await {
                Answer::Pass | Answer::Suggest(_) => {}
                answer => return self.given(responder, answer, turn, course).await,
            }
        }
        let first = first.map(|responder| responder.name());
        for responder in self.order.iter().filter(|responder| first != Some(responder.name())) {
            match self.ask(responder, turn, &mut course).await {
                Answer::Pass => {}
                Answer::Suggest(some) => {
                    suggestions.get_or_insert((responder.name(), some));
                }
                answer => return self.given(responder, answer, turn, course).await,
            }
        }
        match suggestions {
            Some((responder, some)) => self.suggest(responder, some, turn, course),
            None => self.missed(turn, course).await,
        }
    }

    /// What a message says to the proposal that is open, or to one that was. A typed word counts right below the
    /// question only.
    fn verdict(&self, turn: &Turn, focus: Option<&Focus>) -> Option<Verdict> {
        let proposal = focus.and_then(|focus| focus.proposal.as_deref());
        if let Some(choice) = turn.choice.as_deref() {
            return match proposal {
                Some(proposal) if choice == proposal.agreeing() => Some(Verdict::Agreed),
                Some(proposal) if choice == proposal.declining() => Some(Verdict::Declined),
                _ => is_verdict(choice).then_some(Verdict::Over),
            };
        }
        let (focus, proposal) = (focus?, proposal?);
        if focus.interposed > 0 || turn.seq <= focus.seq {
            return None;
        }
        let said = bare(&turn.text);
        // A button may be a sign alone, and so may a message: they are not the same for that.
        let is_button = !said.is_empty() && said == bare(&proposal.button);
        if is_button || self.lines.agrees(&turn.text, &turn.languages) {
            return Some(Verdict::Agreed);
        }
        self.lines.declines(&turn.text, &turn.languages).then_some(Verdict::Declined)
    }

    fn judged(&self, verdict: Verdict, turn: &Turn, course: Course) -> Answered {
        match (verdict, &turn.focus) {
            (Verdict::Agreed, Some(focus)) => {
                let mut answered = self.own_line(Line::Agreed, Outcome::Answer, turn, course);
                answered.message.effects.agreed = focus.proposal.as_ref().map(|proposal| proposal.id);
                answered.message.provenance.responder.clone_from(&focus.responder);
                answered
            }
            (Verdict::Declined | Verdict::Agreed, _) => self.own_line(Line::Cancelled, Outcome::Answer, turn, course),
            (Verdict::Over, focus) => {
                let mut answered = self.own_line(Line::ProposalOver, Outcome::Answer, turn, course);
                // What is open now stays open.
                answered.message.effects.focus = focus.clone().map(Box::new);
                answered
            }
        }
    }

    /// What a responder proposes, with all that is said of it.
    fn proposal(&self, proposed: Proposed, turn: &Turn, language: Option<&Arc<str>>) -> Proposal {
        let spoken: Vec<Arc<str>> = language.into_iter().chain(&turn.languages).cloned().collect();
        let line = |own: Option<String>, line| own.unwrap_or_else(|| self.lines.say(line, &spoken).0.trim().to_owned());
        let person = self.responder(Person::NAME).map(|_| self.person_button(&spoken));
        let Proposed { action, params, button, done, refused, unknown } = proposed;
        Proposal {
            id: turn.question,
            action,
            params,
            button: line(button, Line::AgreeButton),
            words: Words {
                done: line(done, Line::ErrandDone),
                refused: line(refused, Line::ErrandRefused),
                unknown: line(unknown, Line::ErrandUnknown),
                person,
            },
            language: language.cloned(),
        }
    }

    fn verdict_buttons(&self, proposal: &Proposal, turn: &Turn) -> [Button; 2] {
        let spoken: Vec<Arc<str>> = proposal.language.iter().chain(&turn.languages).cloned().collect();
        let (decline, _) = self.lines.say(Line::DeclineButton, &spoken);
        let button = |text: &str, choice| Button { text: text.to_owned(), choice: Some(choice), ..Button::default() };
        [button(&proposal.button, proposal.agreeing()), button(decline, proposal.declining())]
    }

    fn person_button(&self, languages: &[Arc<str>]) -> Button {
        let (text, _) = self.lines.say(Line::PersonButton, languages);
        Button { text: text.to_owned(), choice: Some(Person::NAME.to_owned()), ..Button::default() }
    }

    /// Who gets the press of a button: `person`, or `cost` for `cost/express`.
    fn pressed(&self, choice: &str) -> Option<&Arc<dyn Responder>> {
        match choice.split_once('/') {
            Some((name, _)) => self.responder(name),
            None => self.handed.iter().find(|responder| responder.name() == choice),
        }
    }

    /// The responder whose question waits for an answer, if it still does.
    fn focused(&self, turn: &Turn) -> Option<(&Arc<dyn Responder>, Focus)> {
        let focus = turn.focus.as_ref().filter(|focus| !focus.is_over(turn.now))?;
        let responder = self.responder(&focus.responder)?;
        responder.resumes(focus.version).then(|| (responder, focus.clone()))
    }

    fn responder(&self, name: &str) -> Option<&Arc<dyn Responder>> {
        self.order.iter().chain(&self.handed).find(|responder| responder.name() == name)
    }

    /// The line that apologises for a question that could not be answered.
    pub fn apologise(&self, turn: &Turn) -> Answered {
        let course = Course { held: turn.focus.clone(), ..Course::new(Vec::new()) };
        self.own_line(Line::Apology, Outcome::Pass, turn, course)
    }

    /// Why each responder answers or passes, for `--why`.
    pub fn explain(&self, turn: &Turn) -> Vec<(String, Vec<String>)> {
        let all = self.order.iter().chain(&self.handed);
        all.map(|responder| (responder.name().to_owned(), responder.explain(turn))).collect()
    }

    async fn ask(&self, responder: &Arc<dyn Responder>, turn: &Turn, course: &mut Course) -> Answer {
        let started = Instant::now();
        let drafts = turn.drafts.as_deref().filter(|_| responder.writes_drafts());
        // Whatever a responder does, the customer gets an answer: a panic counts as a failure.
        let responding = AssertUnwindSafe(async { responder.respond(turn).await }).catch_unwind();
        let limit = responder.limit().unwrap_or(self.limit);
        let responding = within(limit, responding);
        let given = match drafts {
            None => responding.await,
            Some(drafts) => {
                tokio::select! {
                    given = responding => given,
                    () = drafts.unwanted() => {
                        drafts.withdraw();
                        course.trace.push(step(responder, "not wanted", started));
                        return Answer::Pass;
                    }
                }
            }
        };
        let given = given.map(|given| given.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked"))));
        let given = given.map(|given| given.and_then(bounded));
        if let (Some(drafts), Ok(Ok(Answer::Pass | Answer::Suggest(_))) | Ok(Err(_)) | Err(_)) = (drafts, &given) {
            drafts.withdraw();
        }
        let answer = match given {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                // Without its causes, which may quote the customer.
                tracing::warn!(
                    conversation = %turn.conversation, responder = responder.name(), %error,
                    "responder {} failed, the next one is asked", responder.name()
                );
                course.trace.push(step(responder, "failed", started));
                return Answer::Pass;
            }
            Err(_) => {
                tracing::warn!(
                    conversation = %turn.conversation, responder = responder.name(),
                    "responder {} took longer than {:?}, the next one is asked", responder.name(), limit
                );
                course.trace.push(step(responder, "too slow", started));
                return Answer::Pass;
            }
        };
        if turn.untraced {
            return answer;
        }
        let said = match &answer {
            Answer::Pass => "pass".to_owned(),
            Answer::Suggest(some) => {
                let entries: Vec<_> = some.buttons.iter().filter_map(|button| button.choice.as_deref()).collect();
                format!("suggest {}", entries.join(", "))
            }
            Answer::Reply(Reply { entry, then, .. }) => {
                let entry = entry.as_deref().unwrap_or("");
                match &then[..] {
                    [] => format!("reply {entry}"),
                    then => format!("reply {entry} then {}", then.join(", ")),
                }
            }
            Answer::Ask(..) => "ask".to_owned(),
            Answer::HandOver(_) => "hand over".to_owned(),
        };
        course.trace.push(step(responder, said.trim_end(), started));
        answer
    }

    /// Gives a responder's answer; of a reply that names others, first the answer of one of those.
    async fn given(&self, responder: &Arc<dyn Responder>, answer: Answer, turn: &Turn, mut course: Course) -> Answered {
        let Answer::Reply(Reply { then, language, entry, .. }) = &answer else {
            return self.said(responder, answer, None, turn, course).await;
        };
        // `person/claims`: whoever is named, and the team.
        let others = then.iter().filter_map(|to| {
            let (name, team) = to.split_once('/').map_or((&**to, None), |(name, team)| (name, Some(team)));
            Some((self.responder(name)?, team))
        });
        for (to, team) in others.filter(|(to, _)| to.name() != responder.name()) {
            // It goes on in the language that the words were understood in.
            let spoken = language.iter().chain(&turn.languages).cloned().collect();
            let team = team.map(str::to_owned);
            let turn = &Turn { languages: spoken, entry: entry.clone(), team, ..turn.clone() };
            let handed = self.ask(to, turn, &mut course).await;
            if !matches!(handed, Answer::Pass | Answer::Suggest(_)) {
                return self.said(to, handed, entry.clone(), turn, course).await;
            }
        }
        self.said(responder, answer, None, turn, course).await
    }

    /// The message that an answer becomes. `entry` is the one that handed the turn on.
    async fn said(
        &self,
        responder: &Arc<dyn Responder>,
        answer: Answer,
        entry: Option<Arc<str>>,
        turn: &Turn,
        mut course: Course,
    ) -> Answered {
        let (outcome, mut reply, focus) = match answer {
            Answer::Reply(mut reply) => {
                let others = course.held.take().filter(|focus| *focus.responder != *responder.name());
                let focus = match reply.expects.take() {
                    Some(Asked { state, version, .. }) => {
                        Some(Focus::new(self.shared_name(responder.name()), version, state, turn.now))
                    }
                    None => others.and_then(Focus::interposed),
                };
                (Outcome::Answer, reply, focus)
            }
            Answer::Ask(mut reply, Asked { state, version, proposed }) => {
                let mut focus = Focus::new(self.shared_name(responder.name()), version, state, turn.now);
                if let Some(proposed) = proposed {
                    let proposal = self.proposal(*proposed, turn, reply.language.as_ref());
                    let first = self.verdict_buttons(&proposal, turn);
                    reply.buttons = first.into_iter().chain(reply.buttons.iter().cloned()).collect();
                    focus.proposal = Some(Arc::new(proposal));
                }
                (Outcome::Ask, reply, Some(focus))
            }
            Answer::HandOver(reply) => {
                // Boxed, as it is rare, or every turn would hold as much.
                let (reply, focus) = Box::pin(self.with_person(responder, reply, turn, &mut course)).await;
                (Outcome::Handover, reply, focus)
            }
            // Never given: the callers look further.
            Answer::Pass | Answer::Suggest(_) => return self.last_line(turn, course),
        };
        let provenance = self.provenance(responder.name(), reply.entry.take().or(entry), &course);
        let message = BotMessage {
            text: reply.text,
            buttons: reply.buttons,
            language: reply.language,
            provenance,
            effects: Effects {
                focus: focus.map(Box::new),
                attributes: reply.attributes,
                lookups: reply.lookups,
                usage: reply.usage,
                sources: reply.sources,
                agreed: None,
                hand_over: reply.hand_over,
                team: reply.team,
                calls: responder.name() == Person::NAME,
                missed: false,
            },
        };
        Answered { outcome, message, score: reply.score, trace: course.trace }
    }

    /// Whoever hands over says why; `person` says how it goes on, and may ask something back.
    async fn with_person(
        &self,
        by: &Arc<dyn Responder>,
        reply: Reply,
        turn: &Turn,
        course: &mut Course,
    ) -> (Reply, Option<Focus>) {
        let Some(person) = self.responder(Person::NAME).filter(|person| person.name() != by.name()) else {
            return (reply, None);
        };
        // It is the conversation that is handed over, not what stands on a button of the one before.
        let turn = &Turn { focus: None, choice: None, team: reply.team.clone(), ..turn.clone() };
        let (how, focus) = match self.ask(person, turn, course).await {
            Answer::HandOver(how) => (how, None),
            Answer::Ask(how, Asked { state, version, .. }) => {
                (how, Some(Focus::new(Person::NAME, version, state, turn.now)))
            }
            _ => return (reply, None),
        };
        let text = match reply.text.trim_end() {
            "" => how.text,
            why => format!("{why}\n\n{}", how.text).into(),
        };
        let buttons = reply.buttons.iter().chain(how.buttons.iter()).cloned().collect();
        (Reply { text, buttons, hand_over: how.hand_over, ..reply }, focus)
    }

    fn suggest(&self, responder: &str, some: Suggestions, turn: &Turn, course: Course) -> Answered {
        // The line is wanted in the language of the suggestions.
        let (text, _) = match &some.language {
            Some(language) => self.lines.say(Line::DidYouMean, std::slice::from_ref(language)),
            None => self.lines.say(Line::DidYouMean, &turn.languages),
        };
        let provenance = self.provenance(responder, None, &course);
        // Suggestions are a guess; they do not change the language of the conversation.
        let (text, buttons) = (text.into(), some.buttons.into());
        let message = BotMessage { text, buttons, language: None, provenance, effects: course.effects() };
        Answered { outcome: Outcome::Suggest, message, score: some.score, trace: course.trace }
    }

    /// Nobody answered: after several times a person is called.
    async fn missed(&self, turn: &Turn, mut course: Course) -> Answered {
        let person = self.responder(Person::NAME).filter(|_| turn.call_if_missed && turn.choice.is_none());
        if let Some(person) = person
            && let answer @ (Answer::HandOver(_) | Answer::Ask(..)) = self.ask(person, turn, &mut course).await
        {
            return self.said(person, answer, None, turn, course).await;
        }
        self.last_line(turn, course)
    }

    /// There is no word that anybody could answer, only what was attached: a person can look at that.
    fn attached(&self, turn: &Turn, course: Course) -> Answered {
        let mut answered = self.own_line(Line::Attached, Outcome::Answer, turn, course);
        // What was asked back still is.
        answered.message.effects.focus = turn.focus.clone().map(Box::new);
        if self.responder(Person::NAME).is_some() {
            answered.message.buttons.push(self.person_button(&turn.languages));
        }
        answered
    }

    /// Nobody answered: say so and offer what can be done.
    fn last_line(&self, turn: &Turn, course: Course) -> Answered {
        let mut answered = self.own_line(Line::NothingFound, Outcome::Pass, turn, course);
        answered.message.effects.missed = turn.people != Presence::Never;
        if self.responder(Person::NAME).is_some() {
            answered.message.buttons.push(self.person_button(&turn.languages));
        }
        answered
    }

    fn own_line(&self, line: Line, outcome: Outcome, turn: &Turn, course: Course) -> Answered {
        let (text, _) = self.lines.say(line, &turn.languages);
        let provenance = self.provenance(PIPELINE, None, &course);
        let (text, buttons) = (text.into(), Buttons::default());
        let message = BotMessage { text, buttons, language: None, provenance, effects: course.effects() };
        Answered { outcome, message, score: None, trace: course.trace }
    }

    /// The name of a responder as all its answers share it.
    fn shared_name(&self, name: &str) -> Arc<str> {
        self.names.iter().find(|known| ***known == *name).cloned().unwrap_or_else(|| name.into())
    }

    fn provenance(&self, responder: &str, entry: Option<Arc<str>>, course: &Course) -> Provenance {
        Provenance {
            responder: self.shared_name(responder),
            entry,
            revision: self.revision.clone(),
            micros: micros(course.started),
        }
    }
}

/// What a customer says to a proposal.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Agreed,
    Declined,
    /// It is not open any more.
    Over,
}

/// How far a turn has come.
struct Course {
    started: Instant,
    trace: Vec<Step>,
    /// The question of a responder that was not answered with this turn.
    held: Option<Focus>,
}

impl Course {
    fn new(trace: Vec<Step>) -> Course {
        Course { started: Instant::now(), trace, held: None }
    }

    /// What an answer does that somebody else gives than who asked back.
    fn effects(&self) -> Effects {
        Effects { focus: self.held.clone().and_then(Focus::interposed).map(Box::new), ..Effects::default() }
    }
}

/// The answer, unless it is longer than any customer reads and any page of history holds.
fn bounded(answer: Answer) -> anyhow::Result<Answer> {
    let (Answer::Reply(reply) | Answer::Ask(reply, _) | Answer::HandOver(reply)) = &answer else { return Ok(answer) };
    // Whoever calls a person may leave the words to the site's own line.
    let is_said = !reply.text.trim().is_empty() || matches!(answer, Answer::HandOver(_));
    anyhow::ensure!(is_said, "its answer is empty");
    let on = |button: &Button| {
        button.text.len() + [&button.choice, &button.link].into_iter().flatten().map(String::len).sum::<usize>()
    };
    let bytes = reply.text.len() + reply.buttons.iter().map(on).sum::<usize>();
    anyhow::ensure!(bytes <= MAX_ANSWER, "its answer has {bytes} bytes, more than {MAX_ANSWER}");
    Ok(answer)
}

fn step(responder: &Arc<dyn Responder>, said: &str, started: Instant) -> Step {
    Step { responder: responder.name().to_owned(), said: said.to_owned(), micros: micros(started) }
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}
