//! How long a newcomer waits: from the start of the process to the first answer.

use std::time::Instant;

use super::load::{Client, questions};
use super::report::Report;
use super::server::Home;

const TIMES: usize = 7;
const GOAL: f64 = 150.0;

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.note("start to first answer");
    let questions = questions();
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let home = Home::new()?;
        for times in [&mut first, &mut again] {
            let begin = Instant::now();
            let purser = home.purser(&home.sqlite())?;
            Client::connect(purser.port).await?.ask(&questions[0]).await?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            purser.stop()?;
        }
    }
    let mut rows = Vec::new();
    for (name, mut times) in [("new SQLite file", first), ("the same file again", again)] {
        times.sort_by(f64::total_cmp);
        let [middle, goal] = report.at_most(&format!("ms to the first answer, {name}"), times[TIMES / 2], GOAL, 0);
        rows.push(vec![name.into(), format!("{:.0}", times[0]), middle, format!("{:.0}", times[TIMES - 1]), goal]);
    }
    report.print(
        &format!("Start of the process to the first answer, with the shipped content, ms ({TIMES} times)"),
        &["", "fastest", "middle", "slowest", "goal"],
        &rows,
    );
    Ok(())
}
