//! A bar on the terminal for runs that take a while.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::Tally;

/// A run that is over before this needs no bar.
const AFTER: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(100);
const WIDTH: usize = 30;

/// The bar, on standard error if that is a terminal.
pub struct Progress {
    all: usize,
    done: usize,
    shown: Instant,
    is_shown: bool,
    on: bool,
}

impl Progress {
    /// A bar for so many files.
    pub fn new(all: usize) -> Progress {
        // Lines of results on the same terminal would run through it.
        let on = io::stderr().is_terminal() && !io::stdout().is_terminal();
        Progress { all, done: 0, shown: Instant::now() + AFTER, is_shown: false, on }
    }

    /// One more file is done.
    pub fn step(&mut self, tally: Tally) -> io::Result<()> {
        self.done += 1;
        if !self.on || Instant::now() < self.shown {
            return Ok(());
        }
        self.shown = Instant::now() + EVERY;
        self.is_shown = true;
        let filled = WIDTH * self.done / self.all.max(1);
        let bar = format!("{}{}", "█".repeat(filled), "░".repeat(WIDTH - filled));
        write!(io::stderr(), "\r{bar} {} of {} files, {} failed\x1b[K", self.done, self.all, tally.failed)
    }

    /// Takes the bar away.
    pub fn end(&mut self) -> io::Result<()> {
        if self.is_shown { write!(io::stderr(), "\r\x1b[K") } else { Ok(()) }
    }
}
