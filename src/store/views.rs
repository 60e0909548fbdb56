//! The SQL views of what is said, for sites that read it with their own tools: `chat_session` and `chat_message`.
//!
//! They are no migration: a site may have tables of its own with these names, those of an earlier chat most likely.
//! Then purser starts without the views, and makes them when the names are free. Nothing in purser reads them.

use sqlx::{Executor, Row};

use super::pool::{Link, on};

const NAMES: [&str; 2] = ["chat_session", "chat_message"];

/// What was deleted is no session. In the join, MariaDB finds the id by its index only where it is a column.
const SQLITE: [&str; 2] = [
    "CREATE VIEW chat_session AS \
     SELECT lower(hex(c.id)) AS id, u.account AS user, \
     strftime('%Y-%m-%d %H:%M:%f', c.created_at / 1000.0, 'unixepoch') AS created_at \
     FROM conversations c LEFT JOIN customers u ON u.visitor = c.visitor \
     WHERE c.status <> 'closed' OR c.kept IS NOT NULL",
    "CREATE VIEW chat_message AS \
     SELECT e.number AS id, lower(hex(c.id)) AS session, e.author AS sender, e.body AS message, \
     strftime('%Y-%m-%d %H:%M:%f', e.at / 1000.0, 'unixepoch') AS timestamp \
     FROM events e JOIN conversations c ON c.id = e.conversation_id WHERE e.kind = 'message'",
];
const MARIADB: [&str; 2] = [
    "CREATE VIEW chat_session AS \
     SELECT c.uuid AS id, u.account AS user, \
     TIMESTAMP'1970-01-01 00:00:00' + INTERVAL c.created_at * 1000 MICROSECOND AS created_at \
     FROM conversations c LEFT JOIN customers u ON u.visitor = c.visitor \
     WHERE c.status <> 'closed' OR c.kept IS NOT NULL",
    "CREATE VIEW chat_message AS \
     SELECT e.number AS id, c.uuid AS session, e.author AS sender, e.body AS message, \
     TIMESTAMP'1970-01-01 00:00:00' + INTERVAL e.at * 1000 MICROSECOND AS timestamp \
     FROM events e LEFT JOIN conversations c ON c.id = e.conversation_id WHERE e.kind = 'message'",
];

/// Makes the views that are not there. What stands in their way is said, and no reason not to start.
pub(super) async fn make(link: &mut Link) {
    if let Err(error) = try_to_make(link).await {
        // It fails where nothing was begun.
        let _ = link.rollback().await;
        tracing::warn!(%error, "the SQL views chat_session and chat_message cannot be made; they need the right to create views");
    }
}

async fn try_to_make(link: &mut Link) -> Result<(), sqlx::Error> {
    let (found, make) = match link {
        Link::Lite(_) => {
            ("SELECT type = 'view' FROM sqlite_master WHERE name = ? AND type IN ('table', 'view')", SQLITE)
        }
        Link::Maria(_) => (
            "SELECT table_type = 'VIEW' FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = ?",
            MARIADB,
        ),
    };
    // SQLite then waits for the disk once.
    link.begin().await?;
    for (name, make) in NAMES.into_iter().zip(make) {
        on!(Link, link, connection => {
            let row = sqlx::query(found).bind(name).fetch_optional(&mut **connection).await?;
            match row.map(|row| row.try_get::<bool, _>(0)).transpose()? {
                None => connection.execute(make).await.map(drop)?,
                Some(true) => {}
                Some(false) => tracing::info!(
                    table = name,
                    "there is a table that is not purser's, so the SQL view of this name is not made (docs/django.md)"
                ),
            }
        });
    }
    link.commit().await
}
