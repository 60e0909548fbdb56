//! What a customer costs who has asked once and now reads: memory.

use std::time::Duration;

use super::load;
use super::report::Report;
use super::server::{Home, Server, memory};

const CONNECTIONS: usize = 4_000;
const GOAL: f64 = 10.0;

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.note("idle connections");
    let echo = Server::echo()?;
    let floor = grown(&echo).await?;
    drop(echo);
    let home = Home::new()?;
    let purser = home.purser(&home.sqlite())?;
    let grown = grown(&purser).await?;
    purser.stop()?;
    let [value, goal] = report.at_most("KiB an idle connection", grown, GOAL, 1);
    report.print(
        &format!("Memory of {CONNECTIONS} connections that have asked once, KiB each (SQLite)"),
        &["", "bare echo", "purser", "ratio", "goal"],
        &[vec!["KiB a connection".into(), format!("{floor:.1}"), value, format!("{:.1}", grown / floor), goal]],
    );
    Ok(())
}

/// The KiB by which the server has grown with each connection.
async fn grown(server: &Server) -> anyhow::Result<f64> {
    let before = memory(server.pid())?;
    let clients = load::open(server.port, CONNECTIONS, Some(&load::questions())).await?;
    // Whatever is freed a moment later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = memory(server.pid())?;
    Ok((after - before) / clients.len() as f64)
}
