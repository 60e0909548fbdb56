//! `purser chat`: a customer's chat in the terminal, through the same desk as every other door.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::terminal;
use crate::app::App;
use crate::config::Config;
use crate::conversation::{
    Author, Buttons, ClientId, ConversationId, Errand, Event, EventId, Kind, Said, Text, VisitorId,
};
use crate::desk::Seat;
use crate::fanout::Subscription;
use crate::responders::Notes;

/// How long the outcome of an errand is waited for before the next line is read. It is shown whenever it comes.
const OUTCOME: Duration = Duration::from_secs(10);

/// What `purser chat` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Show who was asked and why each answered or passed
    #[arg(long)]
    why: bool,
    /// The language of the page that the chat is on
    #[arg(long, value_name = "LANGUAGE", value_parser = crate::config::language)]
    lang: Option<String>,
    /// Keep the conversation there; without it, nothing is kept
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl Options {
    /// The configuration's own database belongs to the server.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        vec![("database", self.database.clone().unwrap_or_else(|| "sqlite::memory:".to_owned()))]
    }
}

/// Chats until the input ends.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let app = runtime.block_on(App::build(config.clone()))?;
    let mut chat = runtime.block_on(Chat::open(&app, config, options))?;
    let mut input = Input::open()?;
    let shown = (|| {
        while let Some(line) = input.next()? {
            let answer = runtime.block_on(chat.say(line.trim()))?;
            let mut out = io::stdout().lock();
            out.write_all(answer.as_bytes())?;
            out.flush()?;
        }
        anyhow::Ok(())
    })();
    drop(chat);
    runtime.block_on(app.stop());
    shown.map(|()| ExitCode::SUCCESS)
}

struct Chat<'a> {
    app: &'a App,
    options: &'a Options,
    /// How long an answer is waited for.
    patience: Duration,
    seat: Arc<Seat>,
    events: Subscription,
    /// How many errands have no outcome yet.
    errands: usize,
    /// What can be pressed by its number.
    buttons: Buttons,
    /// What happens in the desk, where somebody wants to know why.
    notes: Option<Arc<Notes>>,
    styled: bool,
}

impl<'a> Chat<'a> {
    /// A new visitor in a new conversation.
    async fn open(app: &'a App, config: &Config, options: &'a Options) -> anyhow::Result<Chat<'a>> {
        let visitor = VisitorId::of_token(ClientId::new().as_str());
        let conversation = ConversationId::new();
        let seat = app.desk().seat(conversation, visitor).await?;
        let events = app.fanout().subscribe(conversation);
        let patience = Duration::from_secs(u64::from(config.limits.answer_seconds) + 5);
        let styled = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let notes = options.why.then(|| app.desk().looked_on());
        Ok(Chat { app, options, patience, seat, events, errands: 0, buttons: Buttons::default(), notes, styled })
    }

    /// Says a line, or presses the button with that number, and gives the answer as text.
    async fn say(&mut self, line: &str) -> anyhow::Result<String> {
        let number = line.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let pressed = number.and_then(|index| self.buttons.get(index)).cloned();
        let text = pressed.as_ref().map_or(line, |button| &button.text);
        let text = match Text::new(text) {
            Ok(text) => text,
            Err(error) => return Ok(format!("({error})\n\n")),
        };
        let language = self.options.lang.clone();
        let said = Said {
            id: EventId::new(),
            client_id: ClientId::new(),
            text,
            choice: pressed.as_ref().and_then(|button| button.choice.as_deref().map(Arc::from)),
            language: language.as_deref().map(Arc::from),
            attachments: Vec::new(),
        };
        let mut out = pressed.map(|button| format!("> {}\n", button.text)).unwrap_or_default();
        let ack = self.app.desk().say(&self.seat, said).await?;
        let mut heard = Vec::new();
        let is_it = |event: &Event| event.meta.question == Some(ack.seq);
        match tokio::time::timeout(self.patience, self.hear(&mut heard, is_it)).await {
            Ok(answered) => answered?,
            Err(_) => bail!("there was no answer within {:?}", self.patience),
        }
        if self.errands > 0 {
            // It may take longer; then it is shown with a later answer.
            let _ = tokio::time::timeout(OUTCOME, self.hear(&mut heard, |event| event.meta.question.is_none())).await;
        }
        if let Some((turn, trace)) = self.notes.as_ref().and_then(|notes| notes.take_last()) {
            out.push_str(&terminal::why(&trace, &self.app.desk().pipeline().explain(&turn)));
        }
        for message in heard {
            out.push_str(&terminal::answer(&message.body, &message.meta.buttons, self.styled));
            out.push('\n');
            self.buttons = message.meta.buttons.clone();
        }
        Ok(out)
    }

    /// Hears messages until the one that is waited for.
    async fn hear(&mut self, heard: &mut Vec<Arc<Event>>, is_it: impl Fn(&Event) -> bool) -> anyhow::Result<()> {
        while let Some(event) = self.events.next().await {
            match event.meta.errand.as_deref() {
                Some(Errand::Ordered(_)) => self.errands += 1,
                Some(Errand::Settled(_)) => self.errands = self.errands.saturating_sub(1),
                None => {}
            }
            if event.author == Author::Bot && event.kind == Kind::Message {
                heard.push(event.clone());
                if is_it(&event) {
                    return Ok(());
                }
            }
        }
        bail!("the conversation was cut off")
    }
}

/// Lines with editing where somebody types, plain ones otherwise.
enum Input {
    Editor(Box<DefaultEditor>),
    Lines(io::Lines<io::StdinLock<'static>>),
}

impl Input {
    fn open() -> anyhow::Result<Input> {
        if !io::stdin().is_terminal() {
            return Ok(Input::Lines(io::stdin().lock().lines()));
        }
        println!("Ask something. A number presses a button, Ctrl-D ends.\n");
        Ok(Input::Editor(Box::new(DefaultEditor::new().context("cannot use this terminal")?)))
    }

    /// The next line with something on it; `None` at the end.
    fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            let line = match self {
                Input::Lines(lines) => match lines.next() {
                    Some(line) => line?,
                    None => return Ok(None),
                },
                Input::Editor(editor) => match editor.readline("> ") {
                    Ok(line) => {
                        editor.add_history_entry(&line)?;
                        line
                    }
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(None),
                    Err(error) => return Err(error.into()),
                },
            };
            if !line.trim().is_empty() {
                if matches!(self, Input::Lines(_)) {
                    println!("> {}", line.trim());
                }
                return Ok(Some(line));
            }
        }
    }
}
