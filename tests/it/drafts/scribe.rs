//! A responder whose answers the test writes, piece by piece.

use std::sync::Arc;

use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use tokio::sync::{Mutex, Semaphore, mpsc};

use crate::harness::within;

enum Stroke {
    Write(String),
    Withdraw,
    Answer(String),
    Fail,
}

/// Answers what begins with "write", as its pen says.
pub struct Scribe {
    strokes: Mutex<mpsc::UnboundedReceiver<Stroke>>,
    pen: Pen,
}

/// What the test writes with.
#[derive(Clone)]
pub struct Pen {
    strokes: mpsc::UnboundedSender<Stroke>,
    asked: Arc<Semaphore>,
    dropped: Arc<Semaphore>,
}

impl Scribe {
    pub fn new() -> (Arc<Scribe>, Pen) {
        let (sender, strokes) = mpsc::unbounded_channel();
        let pen = Pen { strokes: sender, asked: Arc::new(Semaphore::new(0)), dropped: Arc::new(Semaphore::new(0)) };
        (Arc::new(Scribe { strokes: Mutex::new(strokes), pen: pen.clone() }), pen)
    }
}

impl Pen {
    pub fn write(&self, piece: &str) {
        self.order(Stroke::Write(piece.to_owned()));
    }

    pub fn withdraw(&self) {
        self.order(Stroke::Withdraw);
    }

    /// The whole answer.
    pub fn answer(&self, text: &str) {
        self.order(Stroke::Answer(text.to_owned()));
    }

    pub fn fail(&self) {
        self.order(Stroke::Fail);
    }

    /// Waits until one more question has come.
    pub async fn was_asked(&self) {
        within("a question", self.asked.acquire()).await.expect("open").forget();
    }

    /// Waits until one more answer was given up in its middle.
    pub async fn was_dropped(&self) {
        within("the end of an answer", self.dropped.acquire()).await.expect("open").forget();
    }

    /// How many questions have come that nobody waited for.
    pub fn questions(&self) -> usize {
        self.asked.available_permits()
    }

    pub fn drops(&self) -> usize {
        self.dropped.available_permits()
    }

    fn order(&self, stroke: Stroke) {
        self.strokes.send(stroke).expect("the scribe is there");
    }
}

/// Told when a future is dropped before its end.
struct Dropped<'a>(Option<&'a Semaphore>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if let Some(dropped) = self.0 {
            dropped.add_permits(1);
        }
    }
}

impl Responder for Scribe {
    fn name(&self) -> &str {
        "scribe"
    }

    fn writes_drafts(&self) -> bool {
        true
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move {
            if !turn.text.starts_with("write") {
                return Ok(Answer::Pass);
            }
            self.pen.asked.add_permits(1);
            let mut dropped = Dropped(Some(&self.pen.dropped));
            let drafts = turn.drafts.as_ref().expect("somebody reads along");
            let mut strokes = self.strokes.lock().await;
            let answer = loop {
                match strokes.recv().await {
                    Some(Stroke::Write(piece)) => drafts.write(&piece),
                    Some(Stroke::Withdraw) => drafts.withdraw(),
                    Some(Stroke::Answer(text)) => {
                        break Ok(Answer::Reply(Reply { text: text.into(), ..Reply::default() }));
                    }
                    Some(Stroke::Fail) => break Err(anyhow::anyhow!("the pen broke")),
                    None => break Ok(Answer::Pass),
                }
            };
            dropped.0 = None;
            answer
        })
    }
}
