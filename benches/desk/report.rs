//! What is printed: plain tables that are Markdown too, and whether the goals were met.

use std::process::ExitCode;
use std::time::Instant;

/// Collects what went wrong while the tables are printed.
pub struct Report {
    begun: Instant,
    missed: Vec<String>,
}

impl Report {
    pub fn begin() -> Report {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let busy = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let busy = busy.split(' ').next().unwrap_or("?");
        println!("{cores} cores, load {busy} before the start; a busy machine makes all of this worse than it is\n");
        Report { begun: Instant::now(), missed: Vec::new() }
    }

    /// Says what is being done.
    pub fn note(&self, line: &str) {
        eprintln!("[{:>3} s] {line}", self.begun.elapsed().as_secs());
    }

    /// A value beside its goal, as one cell each.
    pub fn at_most(&mut self, what: &str, value: f64, goal: f64, digits: usize) -> [String; 2] {
        if value > goal {
            self.missed.push(format!("{what}: {value:.digits$}, wanted at most {goal}"));
        }
        [format!("{value:.digits$}"), format!("≤ {goal}{}", if value > goal { " MISSED" } else { "" })]
    }

    pub fn print(&self, title: &str, head: &[&str], rows: &[Vec<String>]) {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!(" {cell:<width$} "),
                _ => format!(" {cell:>width$} "),
            });
            println!("|{}|", cells.collect::<Vec<_>>().join("|"));
        };
        println!("{title}\n");
        line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
        let rules = widths.iter().enumerate().map(|(column, &width)| {
            if column == 0 { "-".repeat(width + 2) } else { format!("{}:", "-".repeat(width + 1)) }
        });
        println!("|{}|", rules.collect::<Vec<_>>().join("|"));
        rows.iter().for_each(|row| line(row));
        println!();
    }

    pub fn end(self) -> ExitCode {
        println!("measured in {} s", self.begun.elapsed().as_secs());
        for missed in &self.missed {
            println!("goal missed: {missed}");
        }
        // A goal that is missed on a slow or busy machine is no error; a lost row is, and ends the run at once.
        ExitCode::SUCCESS
    }
}
