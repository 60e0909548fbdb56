//! Turns, each a question and its answer, of conversations of which nothing changes but that they go on.
//!
//! A batch of nothing else is one statement and its own transaction: on two cores each further round trip puts both the writer
//! and the workers out of theirs. What could be in its way, that something was deleted since, is looked at within it.

use std::sync::LazyLock;

use sqlx::Arguments;
use uuid::Uuid;

use super::append::Append;
use super::batch::{Columns, EVENTS, sorted};
use super::error::Fault;
use super::pool::{Link, on};
use super::statement::{Statement, Utf8, add, values};
use super::{belongings, deletions, outbox};
use crate::conversation::{Author, Event, Kind, Posting};

/// As long as nothing more was deleted than is bound after the first conversation. Otherwise the first event has no number, which
/// is an error, because `seq` must not be NULL. MariaDB holds the row until the statement is committed. What is the same in all turns need not be bound, which would cost MariaDB a twentieth more.
static GO_ON_LITE: LazyLock<Statement> =
    LazyLock::new(|| unless_deleted("COALESCE((SELECT number FROM deletions WHERE one = 1), 0)"));
static GO_ON_MARIA: LazyLock<Statement> =
    LazyLock::new(|| unless_deleted("(SELECT number FROM deletions WHERE one = 1 LOCK IN SHARE MODE)"));

fn unless_deleted(number: &str) -> Statement {
    let message = Kind::Message.as_str();
    let (visitor, bot) = (Author::Visitor.as_str(), Author::Bot.as_str());
    let turn = |seq: &str| {
        format!(
            "(?,{seq},?,?,'{message}','{visitor}',?,?,NULL,NULL,NULL,NULL,?),\
             (?,?,?,?,'{message}','{bot}',?,?,?,?,?,?,?)"
        )
    };
    Statement::of_twos(EVENTS, &turn(&format!("CASE WHEN {number} = ? THEN ? END")), &turn("?"))
}

/// The number of deletions that all of these appends know of, if they only go on with logs that were seen since this
/// connection was made, nothing else is to be written with them, and they are one statement.
pub(super) fn only_go_on(appends: &[Append], posting: &Posting, connections: u64) -> Option<i64> {
    let known = appends.first()?.decision.goes_on?;
    let number = deletions::number(known, connections)?;
    let goes_on = |append: &Append| {
        append.decision.goes_on == Some(known)
            && !outbox::is_told(append, posting)
            && !belongings::has_attachments(append)
    };
    (GO_ON_MARIA.of(appends.len()).is_some() && appends.iter().all(goes_on)).then_some(number)
}

/// Writes appends that only go on, and commits, as long as there were no more than so many deletions. False, and nothing is
/// written, if there were. No transaction may be open.
pub(super) async fn go_on(link: &mut Link, appends: &[Append], deletions: i64) -> Result<bool, sqlx::Error> {
    let turns: Option<Vec<Turn>> = sorted(appends).into_iter().map(Turn::of).collect();
    let statement = match link {
        Link::Lite(_) => &GO_ON_LITE,
        Link::Maria(_) => &GO_ON_MARIA,
    };
    let (Some(turns), Some(text)) = (turns, statement.of(appends.len())) else { return Ok(false) };
    match insert_turns(link, text, &turns, deletions).await {
        Ok(()) => Ok(true),
        Err(error) if Fault::is_missing_value(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A question and its answer, each with its small print.
struct Turn<'a> {
    conversation: Uuid,
    question: (&'a Event, Option<Utf8<'a>>),
    answer: (&'a Event, Option<Utf8<'a>>),
}

impl Turn<'_> {
    fn of(append: &Append) -> Option<Turn<'_>> {
        let ([question, answer], [asked, told]) = (append.decision.events.as_slice(), append.metas.as_slice()) else {
            return None;
        };
        // The statement says of all of them what they are.
        let is_by = |event: &Event, author: Author| event.kind == Kind::Message && event.author == author;
        let is_turn = is_by(question, Author::Visitor) && question.provenance.is_none() && is_by(answer, Author::Bot);
        is_turn.then(|| Turn {
            conversation: append.decision.next.id.0,
            question: (question, asked.as_deref().map(Utf8)),
            answer: (answer, told.as_deref().map(Utf8)),
        })
    }
}

/// All of them in one statement, if there were so many deletions and no more.
async fn insert_turns(
    link: &mut Link,
    text: &'static str,
    turns: &[Turn<'_>],
    deletions: i64,
) -> Result<(), sqlx::Error> {
    let mut deletions = Some(deletions);
    on!(Link, link, connection => {
        let mut values = values(&**connection, 2 * turns.len() + 1, 9);
        for &Turn { conversation, question: (question, asked), answer: (answer, told) } in turns {
            add!(values, conversation);
            if let Some(number) = deletions.take() {
                add!(values, number);
            }
            add!(
                values,
                i64::from(question.seq),
                question.id.0,
                question.at,
                Utf8(&question.body),
                question.client_id.as_deref().map(Utf8),
                asked,
            );
            let provenance = Columns::of(answer);
            add!(
                values,
                conversation,
                i64::from(answer.seq),
                answer.id.0,
                answer.at,
                Utf8(&answer.body),
                answer.client_id.as_deref().map(Utf8),
                provenance.responder,
                provenance.entry,
                provenance.revision,
                provenance.micros,
                told,
            );
        }
        sqlx::query_with(text, values).execute(&mut **connection).await?;
    });
    Ok(())
}
