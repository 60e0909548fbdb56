//! Messages that are answered and stored, next to the floors, and whether every row is there afterwards.

use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Database, Executor, Row};

use super::floors::{Floor, Inserts};
use super::load::{self, Client, Run};
use super::report::Report;
use super::server::{Home, MariaDb, Server, cpu};

/// Floors and purser take turns, each so often: a machine is not as fast in one minute as in the next, least of all a virtual one.
const ROUNDS: usize = 5;
const UNMEASURED: Duration = Duration::from_millis(700);
const MEASURED: Duration = Duration::from_millis(1_800);
/// Connections, and how many times the floors a message may cost.
const LOADS: [(usize, f64); 2] = [(50, 2.5), (500, 2.0)];

/// What a message cost, in microseconds of CPU: the server's, and MariaDB's.
struct Cost {
    run: Run,
    server: f64,
    maria: f64,
}

/// What a message cost in one round.
struct Round {
    echo: Cost,
    purser: Cost,
    inserts: Inserts,
    /// How many messages a commit of purser carried.
    batch: usize,
}

impl Round {
    fn floors(&self) -> f64 {
        self.echo.server + self.inserts.maria + self.inserts.client
    }

    fn both(&self) -> f64 {
        self.purser.server + self.purser.maria
    }

    fn ratio(&self) -> f64 {
        self.both() / self.floors()
    }
}

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.note("starting MariaDB");
    let maria = MariaDb::start().await?;
    let (mut speeds, mut costs) = (Vec::new(), Vec::new());
    for (connections, goal) in LOADS {
        let (mut rounds, lite) = take_turns(report, &maria, connections).await?;
        rounds.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        costs.push(cost(report, connections, goal, &rounds));
        let (mut echoes, mut pursers, mut inserts) = (Vec::new(), Vec::new(), Vec::new());
        for Round { echo, purser, inserts: bare, .. } in rounds {
            echoes.push(echo);
            pursers.push(purser);
            inserts.push(bare);
        }
        speeds.extend(speed("bare echo", connections, echoes));
        speeds.extend(speed("purser, SQLite", connections, lite));
        speeds.extend(speed("purser, MariaDB", connections, pursers));
        speeds.push(bare(connections, &inserts));
    }
    report.print(
        "Messages: asked, answered, and both committed",
        &["", "connections", "a second", "p50 ms", "p99 ms", "µs of the server", "µs of MariaDB"],
        &speeds,
    );
    report.print(
        &format!("CPU of a message, µs, on MariaDB, next to the floors: the middle of {ROUNDS} rounds"),
        &[
            "connections",
            "a commit",
            "purser",
            "MariaDB",
            "both",
            "echo",
            "inserts",
            "their client",
            "floors",
            "ratio",
            "goal",
            "all rounds",
        ],
        &costs,
    );
    Ok(())
}

/// Bare echo, purser on SQLite, purser on MariaDB and bare inserts in turn, with so many connections to each. Afterwards it is
/// looked whether every message is there.
async fn take_turns(report: &Report, maria: &MariaDb, connections: usize) -> anyhow::Result<(Vec<Round>, Vec<Cost>)> {
    let questions = load::questions();
    let (home, database) = (Home::new()?, format!("purser_{connections}"));
    maria.create(&database).await?;
    let (echo, on_lite, on_maria) =
        (Server::echo()?, home.purser(&home.sqlite())?, home.purser(&maria.url(&database))?);
    let mut echo_clients = load::open(echo.port, connections, None).await?;
    let mut lite_clients = load::open(on_lite.port, connections, None).await?;
    let mut maria_clients = load::open(on_maria.port, connections, None).await?;
    let mut floor = Floor::make(maria, &database, connections).await?;
    let (mut rounds, mut lite) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        report.note(&format!("{connections} connections, round {round} of {ROUNDS}: bare echo"));
        let echo = measure_one(&echo, &mut echo_clients, &questions, None).await?;
        report.note(&format!("{connections} connections, round {round} of {ROUNDS}: purser on SQLite"));
        lite.push(measure_one(&on_lite, &mut lite_clients, &questions, None).await?);
        report.note(&format!("{connections} connections, round {round} of {ROUNDS}: purser on MariaDB"));
        let before = on_maria.commits().await?;
        let purser = measure_one(&on_maria, &mut maria_clients, &questions, Some(maria)).await?;
        let after = on_maria.commits().await?;
        let batch = ((after.0 - before.0) / (after.1 - before.1)).round().max(1.0) as usize;
        report.note(&format!(
            "{connections} connections, round {round} of {ROUNDS}: bare inserts, {batch} messages a commit"
        ));
        let inserts = floor.inserts(maria, batch, MEASURED).await?;
        rounds.push(Round { echo, purser, inserts, batch });
    }
    on_lite.stop()?;
    on_maria.stop()?;
    let answered = |costs: &mut dyn Iterator<Item = &Cost>| costs.map(|cost| cost.run.answered).sum::<u64>();
    let file = home.sqlite().replacen("sqlite://", "", 1);
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    check::<sqlx::Sqlite>(&mut connection, answered(&mut lite.iter()), connections).await?;
    connection.close().await?;
    let mut connection = maria.connect(&database).await?;
    let on_maria = answered(&mut rounds.iter().map(|round| &round.purser));
    check::<sqlx::MySql>(&mut connection, on_maria, connections).await?;
    connection.close().await?;
    Ok((rounds, lite))
}

async fn measure_one(
    server: &Server,
    clients: &mut Vec<Client>,
    questions: &Rc<[Vec<u8>]>,
    maria: Option<&MariaDb>,
) -> anyhow::Result<Cost> {
    let used = || Ok((cpu(server.pid())?, maria.map_or(Ok(0.0), |maria| cpu(maria.pid()))?));
    let (run, before, after) = load::run(clients, questions, UNMEASURED, MEASURED, used).await?;
    let each = |used: f64| used / run.counted.max(1) as f64;
    Ok(Cost { server: each(after.0 - before.0), maria: each(after.1 - before.1), run })
}

/// Two rows for every answer that a client got, each in its place: no more, no fewer.
async fn check<D: Database>(connection: &mut D::Connection, answered: u64, connections: usize) -> anyhow::Result<()>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    for<'r> i64: sqlx::Decode<'r, D> + sqlx::Type<D>,
    usize: sqlx::ColumnIndex<D::Row>,
{
    let answered = i64::try_from(answered)?;
    let checks = [
        ("questions", "SELECT COUNT(*) FROM events WHERE author = 'visitor'", answered),
        ("answers", "SELECT COUNT(*) FROM events WHERE author <> 'visitor'", answered),
        ("conversations", "SELECT COUNT(*) FROM conversations", i64::try_from(connections)?),
        (
            "conversations with gaps in their log, or with a head beyond it",
            "SELECT COUNT(*) FROM conversations c WHERE c.last_seq > (SELECT COUNT(*) FROM events e WHERE \
             e.conversation_id = c.id) OR (SELECT COUNT(*) FROM events e WHERE e.conversation_id = c.id) <> \
             (SELECT MAX(e.seq) FROM events e WHERE e.conversation_id = c.id)",
            0,
        ),
        ("questions without an answer", "SELECT COUNT(*) FROM conversations WHERE asked_seq > answered_seq", 0),
    ];
    for (what, select, expected) in checks {
        let found: i64 = connection.fetch_one(select).await?.try_get(0)?;
        ensure!(found == expected, "{what}: {found} are stored, {expected} expected");
    }
    Ok(())
}

/// All rounds of one server together.
fn speed(name: &str, connections: usize, costs: Vec<Cost>) -> Option<Vec<String>> {
    let (server, on_maria) = (mean(costs.iter().map(|cost| cost.server)), mean(costs.iter().map(|cost| cost.maria)));
    let run = costs.into_iter().map(|cost| cost.run).reduce(Run::and)?;
    Some(vec![
        name.into(),
        connections.to_string(),
        format!("{:.0}", run.rate()),
        format!("{:.1}", run.wait(0.5)),
        format!("{:.1}", run.wait(0.99)),
        format!("{server:.1}"),
        if on_maria > 0.0 { format!("{on_maria:.1}") } else { String::new() },
    ])
}

fn bare(connections: usize, inserts: &[Inserts]) -> Vec<String> {
    let mean = |value: fn(&Inserts) -> f64| mean(inserts.iter().map(value));
    vec![
        "bare inserts".into(),
        connections.to_string(),
        format!("{:.0}", mean(|inserts| inserts.rate)),
        String::new(),
        String::new(),
        format!("{:.1}", mean(|inserts| inserts.client)),
        format!("{:.1}", mean(|inserts| inserts.maria)),
    ]
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// The round in the middle, of those sorted by their ratios.
fn cost(report: &mut Report, connections: usize, goal: f64, rounds: &[Round]) -> Vec<String> {
    let round = &rounds[rounds.len() / 2];
    let [ratio, goal] = report.at_most(&format!("times the floors, {connections} connections"), round.ratio(), goal, 2);
    let micros = |value: f64| format!("{value:.1}");
    let all: Vec<String> = rounds.iter().map(|round| format!("{:.2}", round.ratio())).collect();
    vec![
        connections.to_string(),
        round.batch.to_string(),
        micros(round.purser.server),
        micros(round.purser.maria),
        micros(round.both()),
        micros(round.echo.server),
        micros(round.inserts.maria),
        micros(round.inserts.client),
        micros(round.floors()),
        ratio,
        goal,
        all.join(" "),
    ]
}
