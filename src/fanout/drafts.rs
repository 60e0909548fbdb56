//! Answers that are being written on this node: what there is of each, for those who read along.
//!
//! A draft is a place to read from and no queue. Whoever reads takes what has come since the last look, so a slow
//! reader gets fewer and larger pieces and costs nothing more, and one that comes back begins with all there is. None
//! of it is stored and none of it leaves this node: others are only told, by a signal, that somebody writes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Fanout;
use super::signals::{Signal, What};
use crate::conversation::{Author, ConversationId, Seq};

/// So many drafts may be read at once on a node; of further ones it is only told that somebody writes.
const AT_ONCE: usize = 1_024;

/// What there is of an answer.
#[derive(Default)]
pub struct Draft {
    /// The seq of its question.
    pub question: Seq,
    /// How often it was taken away and begun anew.
    pub attempt: u32,
    /// Markdown, as far as it goes.
    pub text: String,
    /// Set when nothing more comes.
    pub end: Option<End>,
}

/// How a draft ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The answer is stored and takes its place.
    Answered,
    /// There is no answer from there.
    Withdrawn,
}

/// The drafts of this node, by their conversations.
#[derive(Default)]
pub(super) struct Drafts(Mutex<HashMap<ConversationId, watch::Receiver<Draft>>>);

impl Drafts {
    fn all(&self) -> MutexGuard<'_, HashMap<ConversationId, watch::Receiver<Draft>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fanout {
    /// Begins a draft of the answer to a question. Nobody sees it before [`Writing::show`].
    pub fn write(self: &Arc<Self>, conversation: ConversationId, question: Seq) -> Writing {
        let (draft, _) = watch::channel(Draft { question, ..Draft::default() });
        Writing { fanout: self.clone(), conversation, draft, shown: AtomicBool::new(false) }
    }

    /// What is being written in a conversation on this node. What there is counts as new.
    pub fn read(&self, conversation: ConversationId) -> Option<watch::Receiver<Draft>> {
        let mut draft = self.drafts.all().get(&conversation)?.clone();
        draft.mark_changed();
        Some(draft)
    }
}

/// The pen of a draft. Dropped, the draft is withdrawn.
pub struct Writing {
    fanout: Arc<Fanout>,
    conversation: ConversationId,
    draft: watch::Sender<Draft>,
    shown: AtomicBool,
}

impl Writing {
    /// Appends a piece, as long as no more than `longest` bytes come together. Says whether it did.
    pub fn write(&self, piece: &str, longest: usize) -> bool {
        let mut fits = false;
        self.draft.send_if_modified(|draft| {
            fits = draft.text.len() + piece.len() <= longest;
            let written = fits && draft.end.is_none() && !piece.is_empty();
            if written {
                draft.text.push_str(piece);
            }
            written
        });
        fits
    }

    /// Says which question it answers, before it is shown: another node may have stored something first.
    pub fn answers(&self, question: Seq) {
        self.draft.send_modify(|draft| draft.question = question);
    }

    /// Takes away what there is. What is written from now on is another attempt.
    pub fn withdraw(&self) {
        self.draft.send_if_modified(|draft| {
            let withdrawn = !draft.text.is_empty() && draft.end.is_none();
            if withdrawn {
                draft.text.clear();
                draft.attempt += 1;
            }
            withdrawn
        });
    }

    /// Whether there is anything to read.
    pub fn has_text(&self) -> bool {
        !self.draft.borrow().text.is_empty()
    }

    /// Lets others read it from now on, and tells them.
    pub fn show(&self) {
        if self.shown.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut all = self.fanout.drafts.all();
        if all.len() < AT_ONCE {
            all.insert(self.conversation, self.draft.subscribe());
        }
        drop(all);
        self.tell();
    }

    /// Tells everybody, on other nodes too, that somebody writes.
    pub fn tell(&self) {
        self.fanout.signal(Signal { conversation: self.conversation, what: What::Typing(Author::Bot) });
    }

    /// Nothing more comes. What was said first counts.
    pub fn end(&self, end: End) {
        self.draft.send_if_modified(|draft| {
            let ends = draft.end.is_none();
            if ends {
                draft.end = Some(end);
                draft.text = String::new();
            }
            ends
        });
        let mut all = self.fanout.drafts.all();
        // Another one may have begun meanwhile.
        if all.get(&self.conversation).is_some_and(|theirs| theirs.same_channel(&self.draft.subscribe())) {
            all.remove(&self.conversation);
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.end(End::Withdrawn);
    }
}
