//! An answer that is being written, as one client has it.
//!
//! A client gets what has come since the last part, with a pause in between: many small pieces become one frame, and a
//! client that takes its frames slowly gets fewer.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::markdown::draft_nodes;
use super::protocol::{Form, Frame, ServerFrame};
use crate::conversation::Seq;
use crate::fanout::{Draft, DraftEnd};

/// Between two parts: more often nobody sees it.
const PAUSE: Duration = Duration::from_millis(40);

/// What a client has of a draft.
pub struct Reading {
    draft: watch::Receiver<Draft>,
    /// The seq of the question.
    pub question: Seq,
    attempt: u32,
    /// How much of the text went out: bytes and code points.
    bytes: usize,
    chars: usize,
    /// The nodes that went out.
    nodes: Vec<Box<RawValue>>,
    next_at: Instant,
    /// Whether the client was told its end.
    pub is_over: bool,
}

impl Reading {
    /// Reads a draft from its beginning.
    pub fn of(draft: watch::Receiver<Draft>) -> Reading {
        let (question, attempt) = (draft.borrow().question, draft.borrow().attempt);
        let (nodes, next_at) = (Vec::new(), Instant::now());
        Reading { draft, question, attempt, bytes: 0, chars: 0, nodes, next_at, is_over: false }
    }

    /// Ready when there is something to send, but not too often.
    pub async fn changed(&mut self) {
        // In this order: a change that was seen and not sent would be lost when something else comes first.
        sleep_until(self.next_at).await;
        // Its writer tells the end before it goes.
        let _ = self.draft.changed().await;
    }

    /// The frames that bring a client, which wants this form, to where the draft is now.
    pub fn frames(&mut self, form: Form) -> Vec<Frame> {
        let (attempt, end, text) = {
            let draft = self.draft.borrow_and_update();
            // What was sent is still there, unless this is another attempt.
            let from = if draft.attempt == self.attempt && form == Form::Html { self.bytes } else { 0 };
            (draft.attempt, draft.end, draft.text.get(from..).unwrap_or_default().to_owned())
        };
        self.is_over = end.is_some();
        let mut frames = Vec::new();
        if attempt != self.attempt || end == Some(DraftEnd::Withdrawn) {
            frames.extend(self.withdrawn());
            self.attempt = attempt;
        }
        if end.is_none() {
            frames.extend(match form {
                Form::Html => self.text(&text),
                Form::Nodes => self.nodes(&text),
            });
        }
        if !frames.is_empty() {
            self.next_at = Instant::now() + PAUSE;
        }
        frames
    }

    /// The frame that takes away what the client has, if it has anything.
    pub fn withdrawn(&mut self) -> Option<Frame> {
        if self.bytes == 0 {
            return None;
        }
        self.bytes = 0;
        self.chars = 0;
        self.nodes.clear();
        let part = ServerFrame::Part { question: self.question, offset: 0, text: "", nodes: None, withdrawn: true };
        Some(part.frame())
    }

    fn text(&mut self, piece: &str) -> Option<Frame> {
        if piece.is_empty() {
            return None;
        }
        let offset = self.chars;
        self.bytes += piece.len();
        self.chars += piece.chars().count();
        Some(ServerFrame::Part { question: self.question, offset, text: piece, nodes: None, withdrawn: false }.frame())
    }

    fn nodes(&mut self, text: &str) -> Option<Frame> {
        let nodes = draft_nodes(text);
        let pairs = self.nodes.iter().zip(&nodes);
        let stays = pairs.take_while(|(old, new)| old.get() == new.get()).count();
        if stays == nodes.len() && stays == self.nodes.len() {
            return None;
        }
        let (question, offset) = (self.question, stays);
        let part = ServerFrame::Part { question, offset, text: "", nodes: Some(&nodes[stays..]), withdrawn: false };
        let frame = part.frame();
        self.bytes = text.len();
        self.nodes = nodes;
        Some(frame)
    }
}
