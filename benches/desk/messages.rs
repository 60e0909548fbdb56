//! Messages that are answered and stored, next to the floors, and whether every row is there afterwards.

use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Database, Executor, Row};

use super::floors::{self, Inserts};
use super::load::{self, Run};
use super::report::Report;
use super::server::{Home, MariaDb, Server, cpu};

const UNMEASURED: Duration = Duration::from_millis(1_500);
const MEASURED: Duration = Duration::from_secs(8);
/// Connections, and how many times the floors a message may cost.
const LOADS: [(usize, f64); 2] = [(50, 2.5), (500, 2.0)];

/// What a message cost.
struct Cost {
    run: Run,
    /// Microseconds of CPU: the server's, and MariaDB's.
    server: f64,
    maria: f64,
}

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let questions = load::questions();
    report.note("starting MariaDB");
    let maria = MariaDb::start().await?;
    let (mut speeds, mut costs) = (Vec::new(), Vec::new());
    for (connections, goal) in LOADS {
        report.note(&format!("{connections} connections: bare echo"));
        let echo = Server::echo()?;
        let echo = measure_one(&echo, connections, &questions, None).await?;

        report.note(&format!("{connections} connections: purser on SQLite"));
        let home = Home::new()?;
        let purser = home.purser(&home.sqlite())?;
        let lite = measure_one(&purser, connections, &questions, None).await?;
        purser.stop()?;
        let file = home.sqlite().replacen("sqlite://", "", 1);
        let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
        check::<sqlx::Sqlite>(&mut connection, &lite.run, connections).await?;
        connection.close().await?;

        report.note(&format!("{connections} connections: purser on MariaDB"));
        let database = format!("purser_{connections}");
        maria.create(&database).await?;
        let purser = home.purser(&maria.url(&database))?;
        let on_maria = measure_one(&purser, connections, &questions, Some(&maria)).await?;
        let batch = purser.commit_appends().await?.round().max(1.0) as usize;
        purser.stop()?;
        let mut connection = maria.connect(&database).await?;
        check::<sqlx::MySql>(&mut connection, &on_maria.run, connections).await?;
        connection.close().await?;

        report.note(&format!("{connections} connections: bare inserts, {batch} messages a commit"));
        let inserts = floors::inserts(&maria, &database, batch, connections, MEASURED).await?;

        let sum = on_maria.server + on_maria.maria;
        let floor = echo.server + inserts.maria + inserts.client;
        let ratio = report.at_most(&format!("times the floors, {connections} connections"), sum / floor, goal, 2);
        speeds.push(speed("bare echo", connections, &echo));
        speeds.push(speed("purser, SQLite", connections, &lite));
        speeds.push(speed("purser, MariaDB", connections, &on_maria));
        speeds.push(bare(connections, &inserts));
        costs.push(cost(connections, batch, &echo, &on_maria, &inserts, ratio));
    }
    report.print(
        "Messages: asked, answered, and both committed",
        &["", "connections", "a second", "p50 ms", "p99 ms", "µs of the server", "µs of MariaDB"],
        &speeds,
    );
    report.print(
        "CPU of a message, µs, on MariaDB, next to the floors",
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
            "without client",
        ],
        &costs,
    );
    Ok(())
}

async fn measure_one(
    server: &Server,
    connections: usize,
    questions: &Rc<[Vec<u8>]>,
    maria: Option<&MariaDb>,
) -> anyhow::Result<Cost> {
    let clients = load::open(server.port, connections, None).await?;
    let used = || Ok((cpu(server.pid())?, maria.map_or(Ok(0.0), |maria| cpu(maria.pid()))?));
    let (run, before, after) = load::run(clients, questions, UNMEASURED, MEASURED, used).await?;
    let each = |used: f64| used / run.counted.max(1) as f64;
    Ok(Cost { server: each(after.0 - before.0), maria: each(after.1 - before.1), run })
}

/// Two rows for every answer that a client got, each in its place: no more, no fewer.
async fn check<D: Database>(connection: &mut D::Connection, run: &Run, connections: usize) -> anyhow::Result<()>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
    for<'r> i64: sqlx::Decode<'r, D> + sqlx::Type<D>,
    usize: sqlx::ColumnIndex<D::Row>,
{
    let answered = i64::try_from(run.answered)?;
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

fn speed(name: &str, connections: usize, cost: &Cost) -> Vec<String> {
    let run = &cost.run;
    vec![
        name.into(),
        connections.to_string(),
        format!("{:.0}", run.rate()),
        format!("{:.1}", run.wait(0.5)),
        format!("{:.1}", run.wait(0.99)),
        format!("{:.1}", cost.server),
        if cost.maria > 0.0 { format!("{:.1}", cost.maria) } else { String::new() },
    ]
}

fn bare(connections: usize, inserts: &Inserts) -> Vec<String> {
    vec![
        "bare inserts".into(),
        connections.to_string(),
        format!("{:.0}", inserts.rate),
        String::new(),
        String::new(),
        format!("{:.1}", inserts.client),
        format!("{:.1}", inserts.maria),
    ]
}

fn cost(
    connections: usize,
    batch: usize,
    echo: &Cost,
    purser: &Cost,
    inserts: &Inserts,
    ratio: [String; 2],
) -> Vec<String> {
    let both = purser.server + purser.maria;
    let micros = |value: f64| format!("{value:.1}");
    let [ratio, goal] = ratio;
    vec![
        connections.to_string(),
        batch.to_string(),
        micros(purser.server),
        micros(purser.maria),
        micros(both),
        micros(echo.server),
        micros(inserts.maria),
        micros(inserts.client),
        micros(echo.server + inserts.maria + inserts.client),
        ratio,
        goal,
        format!("{:.2}", both / (echo.server + inserts.maria)),
    ]
}
