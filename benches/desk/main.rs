//! What purser costs, next to what its parts cost bare.
//!
//! `cargo bench` runs everything in about five minutes; `cargo bench -- messages` (or `agents`, `idle`, `llm`, `lookups`,
//! `matching`, `nodes`, `replay`, `shipping`, `start`) one part; `million` only by its name. Floor and purser are
//! measured in the same run on the same machine, so the ratios mean more than the numbers. Everything runs on loopback,
//! in temporary folders, and is gone afterwards. docs/performance.md says what
//! the tables mean.

mod agents;
mod floors;
mod idle;
mod llm;
mod load;
mod lookups;
mod matching;
mod messages;
mod nodes;
mod replay;
mod report;
mod server;
mod shipping;
mod start;

use std::process::ExitCode;

use mimalloc::MiMalloc;
use purser::memory::Counted;
use report::Report;

/// The program's own, so that what runs in this process costs what it costs there.
#[global_allocator]
static ALLOCATOR: Counted<MiMalloc> = Counted(MiMalloc);

const PARTS: [&str; 11] =
    ["messages", "agents", "idle", "matching", "start", "nodes", "shipping", "lookups", "llm", "replay", "million"];

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == floors::ECHO) {
        floors::serve_echo()?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.first().is_some_and(|arg| arg == lookups::SOURCE) {
        lookups::serve_source()?;
        return Ok(ExitCode::SUCCESS);
    }
    let named: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    if let Some(unknown) = named.iter().find(|name| !PARTS.contains(name)) {
        anyhow::bail!("there is no part `{unknown}`; the parts are {}", PARTS.join(", "));
    }
    // `cargo test --all-targets` runs it too, without that flag, and wants no four minutes of load.
    if named.is_empty() && !args.iter().any(|arg| arg == "--bench") {
        println!("nothing measured: run `cargo bench`");
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = |part: &str| named.is_empty() || named.contains(&part);

    server::raise_file_limit();
    // One thread: the load must not take more of the machine than it needs.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::begin();
    if wanted("start") {
        runtime.block_on(start::measure(&mut report))?;
    }
    if wanted("matching") {
        matching::measure(&mut report)?;
    }
    if wanted("shipping") {
        shipping::measure(&mut report)?;
    }
    if wanted("replay") {
        runtime.block_on(replay::measure(&mut report))?;
    }
    // It takes minutes, and is run only by its name.
    if named.contains(&"million") {
        runtime.block_on(replay::measure_million(&mut report))?;
    }
    if wanted("idle") {
        runtime.block_on(idle::measure(&mut report))?;
    }
    if wanted("lookups") {
        runtime.block_on(lookups::measure(&mut report))?;
    }
    if wanted("llm") {
        runtime.block_on(llm::measure(&mut report))?;
    }
    if wanted("messages") {
        runtime.block_on(messages::measure(&mut report))?;
    }
    if wanted("agents") {
        runtime.block_on(agents::measure(&mut report))?;
    }
    if wanted("nodes") {
        runtime.block_on(nodes::measure(&mut report))?;
    }
    Ok(report.end())
}
