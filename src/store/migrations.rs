//! The migrations of both engines, one number each, and the tables that they make.

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::error::OpenError;

/// The numbers are in the order of the files; a file that was released is never changed.
/// MariaDB commits each DDL statement by itself, so a file with two of them could be left half done: one each.
macro_rules! migrations {
    ($($number:literal $name:literal),* $(,)?) => {
        pub(super) const SQLITE: &[(i64, &str, &str)] =
            &[$(($number, $name, include_str!(concat!("../../migrations/sqlite/", $name, ".sql")))),*];
        pub(super) const MARIADB: &[(i64, &str, &str)] =
            &[$(($number, $name, include_str!(concat!("../../migrations/mariadb/", $name, ".sql")))),*];
    };
}
migrations!(
    1 "0001_conversations",
    2 "0002_events",
    3 "0003_content",
    4 "0004_content_blobs",
    5 "0005_content_files",
    6 "0006_seen",
    7 "0007_kept",
    8 "0008_outbox",
    9 "0009_attended",
    10 "0010_agents",
    11 "0011_agent_sessions",
    12 "0012_created",
    13 "0013_visitor",
    14 "0014_reviews",
    15 "0015_blocked",
    16 "0016_teams",
    17 "0017_customers",
    18 "0018_events_number",
    19 "0019_conversations_uuid",
    20 "0020_sendings",
    21 "0021_chores",
    22 "0022_agent_callers",
    23 "0023_attachments",
    24 "0024_deletions",
);

/// Stands in a database while a move or a restore into it is not finished.
pub(super) const UNFINISHED_MOVE: &str = "unfinished_move";
/// The number of the last migration that this version knows.
pub(super) fn last() -> i64 {
    SQLITE.iter().map(|(number, ..)| *number).max().unwrap_or(0)
}

/// The tables that the migrations up to this one make, in their order; the same on both engines.
pub(super) fn own_tables(up_to: i64) -> impl Iterator<Item = &'static str> {
    let lines = SQLITE.iter().filter(move |(number, ..)| *number <= up_to).flat_map(|(.., sql)| sql.lines());
    lines.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split([' ', '(']).next())
}

/// Brings the tables to where they were after the migration with the number `up_to`.
pub(super) async fn run<C>(
    files: &[(i64, &'static str, &'static str)],
    to: &mut C,
    place: &str,
    up_to: i64,
) -> Result<(), OpenError>
where
    C: sqlx::migrate::Migrate,
{
    let files = files.iter().filter(|(number, ..)| *number <= up_to);
    let migrations = files.map(|&(number, name, sql)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // After a roll-back to an older purser there are migrations that it does not know. They only ever add, so it
    // works all the same.
    migrator.set_ignore_missing(true).set_locking(false);
    migrator.run_direct(None, to, false).await.map_err(|error| {
        let reason = match &error {
            MigrateError::Dirty(number) => format!(
                "migration {number} was begun and not finished; look what it left behind, undo that, delete its row from the table _sqlx_migrations and start again"
            ),
            other => other.to_string(),
        };
        OpenError::Migration { place: place.to_owned(), reason }
    })
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Executor};

    use super::*;
    use crate::store::pool::Link;
    use crate::store::views;

    /// A move takes these along and no others.
    #[tokio::test]
    async fn all_tables_that_are_made_are_known() {
        let mut link = Link::Lite(Box::new(SqliteConnectOptions::new().connect().await.unwrap()));
        link.migrate("memory", i64::MAX).await.unwrap();
        let mut made = link.tables().await.unwrap();
        made.retain(|table| table != "_sqlx_migrations");
        let mut known: Vec<_> = own_tables(i64::MAX).collect();
        known.sort_unstable();
        made.sort_unstable();
        assert_eq!(known, made);
    }

    /// A file that cannot be brought up to date is left as it was.
    #[tokio::test]
    async fn what_fails_leaves_nothing_behind() {
        let mut link = Link::Lite(Box::new(SqliteConnectOptions::new().connect().await.unwrap()));
        let Link::Lite(connection) = &mut link else { unreachable!() };
        connection.execute("CREATE TABLE attachments (mine TEXT)").await.unwrap();
        link.migrate("memory", i64::MAX).await.unwrap_err();
        assert_eq!(link.tables().await.unwrap(), ["attachments"]);
    }

    /// Events of an older purser keep their rows, with the numbers that these had; views that somebody made stay.
    #[tokio::test]
    async fn a_grown_log_is_numbered() {
        let mut link = Link::Lite(Box::new(SqliteConnectOptions::new().connect().await.unwrap()));
        link.migrate("memory", 14).await.unwrap();
        let Link::Lite(connection) = &mut link else { unreachable!() };
        connection.execute("CREATE VIEW mine AS SELECT body FROM events").await.unwrap();
        let insert = "INSERT INTO events (conversation_id, seq, id, at, kind, author, body, client_id, meta) \
                      VALUES (?, ?, ?, 7, 'message', 'visitor', ?, ?, '{}')";
        for (conversation, seq) in [(2_u8, 1), (1, 1), (2, 2)] {
            let insert = sqlx::query(insert).bind(vec![conversation; 16]).bind(seq).bind(vec![seq as u8; 16]);
            insert
                .bind(format!("{conversation}/{seq}"))
                .bind(seq.to_string())
                .execute(&mut **connection)
                .await
                .unwrap();
        }
        link.migrate("memory", i64::MAX).await.unwrap();
        views::make(&mut link).await;
        let Link::Lite(connection) = &mut link else { unreachable!() };
        let rows = "SELECT number, body FROM events ORDER BY number";
        let rows: Vec<(i64, String)> = sqlx::query_as(rows).fetch_all(&mut **connection).await.unwrap();
        assert_eq!(rows, [(1, "2/1".to_owned()), (2, "1/1".to_owned()), (3, "2/2".to_owned())]);
        for (view, count) in [("mine", 3), ("chat_message", 0), ("chat_session", 0)] {
            let query = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {view}"));
            assert_eq!(
                sqlx::query_scalar::<_, i64>(query).fetch_one(&mut **connection).await.unwrap(),
                count,
                "{view}"
            );
        }
        // The keys of the log are as they were.
        for key in ["conversation_id, seq", "conversation_id, client_id"] {
            let taken = "INSERT INTO events (conversation_id, seq, id, at, kind, author, body, client_id) \
                         SELECT conversation_id, seq + ?, id, at, kind, author, body, client_id || ? FROM events LIMIT 1";
            let (seq, client) = if key.ends_with("seq") { (0, "x") } else { (9, "") };
            let refused = sqlx::query(taken).bind(seq).bind(client).execute(&mut **connection).await.unwrap_err();
            assert!(refused.as_database_error().is_some_and(|error| error.is_unique_violation()), "{key}: {refused}");
        }
    }

    #[test]
    fn every_file_is_a_migration() {
        for (folder, known) in [("sqlite", SQLITE), ("mariadb", MARIADB)] {
            let files = std::fs::read_dir(format!("migrations/{folder}")).unwrap();
            let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            files.sort_unstable();
            assert_eq!(files, known.iter().map(|(_, name, _)| format!("{name}.sql")).collect::<Vec<_>>());
            assert!(known.iter().all(|(number, name, _)| name.starts_with(&format!("{number:04}_"))));
        }
    }
}
