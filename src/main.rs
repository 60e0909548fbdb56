//! The program: reads the command line, runs one command, prints an error once.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use purser::cli::{self, Cli};
use purser::memory::Counted;

#[global_allocator]
static ALLOCATOR: Counted<MiMalloc> = Counted(MiMalloc);

fn main() -> ExitCode {
    cli::run(Cli::parse()).unwrap_or_else(|error| {
        // Whoever reads our output has seen enough, such as `head`.
        if cli::is_closed_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        eprintln!("purser: {error:#}");
        ExitCode::FAILURE
    })
}
