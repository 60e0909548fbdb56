//! The demo's shipments: tables beside the store's own, filled only when somebody asks for them.

use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, Row};

use super::Store;
use super::error::{OpenError, StoreError};
use super::pool::{Engine, Link, on};
use super::url::{DatabaseUrl, Target};

/// A parcel that is made up.
#[derive(Debug, Clone)]
pub struct DemoShipment {
    /// Its number: digits and capital letters, nothing between them.
    pub number: String,
    /// What is the matter with it, as the tracking plugin understands it.
    pub status: &'static str,
    /// The day on which it is to come, such as 2026-05-03.
    pub expected: Option<String>,
    /// The day of the last event.
    pub changed: Option<String>,
    /// Where it goes: the country, and the postcode in capitals without blanks.
    pub country: &'static str,
    /// See `country`.
    pub postcode: &'static str,
    /// To whom it goes.
    pub recipient: &'static str,
    /// Where that is.
    pub street: &'static str,
    /// Who took it in.
    pub signed_by: Option<&'static str>,
    /// Where the proof of delivery is shown.
    pub proof: Option<&'static str>,
    /// What happened, the first first: day, status, place.
    pub events: Vec<(String, &'static str, &'static str)>,
}

const TABLES: [&str; 5] = [
    "DROP TABLE IF EXISTS demo_shipments",
    "CREATE TABLE demo_shipments (number VARCHAR(20) NOT NULL PRIMARY KEY, status VARCHAR(20) NOT NULL, \
     expected VARCHAR(10), changed VARCHAR(10), country CHAR(2) NOT NULL, postcode VARCHAR(10) NOT NULL, \
     recipient VARCHAR(80) NOT NULL, street VARCHAR(80) NOT NULL, signed_by VARCHAR(80), proof VARCHAR(200))",
    "DROP TABLE IF EXISTS demo_events",
    "CREATE TABLE demo_events (number VARCHAR(20) NOT NULL, seq INTEGER NOT NULL, day VARCHAR(10) NOT NULL, \
     status VARCHAR(20) NOT NULL, place VARCHAR(80) NOT NULL, PRIMARY KEY (number, seq))",
    "DROP TABLE IF EXISTS demo_orders",
];

/// What the shop was told to do, so that it does it once.
const ORDERS: &str =
    "CREATE TABLE IF NOT EXISTS demo_orders (id VARCHAR(64) NOT NULL PRIMARY KEY, done INTEGER NOT NULL)";

impl Store {
    /// Whether somebody has put the demo's parcels into this database.
    pub async fn has_demo(&self) -> Result<bool, StoreError> {
        self.read(is_there(&self.0.engine)).await
    }
}

/// Whether this database has the demo's tables.
async fn is_there(engine: &Engine) -> Result<bool, StoreError> {
    let found = match engine {
        Engine::Lite(side) => {
            let query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'demo_shipments'";
            sqlx::query(query).fetch_optional(&side.readers).await?.is_some()
        }
        Engine::Maria(side) => {
            let query = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND \
                         table_name = 'demo_shipments'";
            sqlx::query(query).fetch_optional(&side.readers).await?.is_some()
        }
    };
    Ok(found)
}

/// Makes the demo's tables in this database anew and fills them. It may be in use by a running purser.
pub async fn fill_demo(url: &DatabaseUrl, shipments: &[DemoShipment]) -> Result<(), OpenError> {
    let mut link = connect(url).await.map_err(failed)?;
    fill(&mut link, shipments).await.map_err(failed)?;
    on!(Link, link, connection => connection.close().await.map_err(failed))
}

/// The demo's tables in memory, for as long as this is kept.
pub struct DemoInMemory {
    address: String,
    /// The database lives as long as a connection to it.
    _link: Link,
}

impl DemoInMemory {
    /// Makes and fills them.
    pub async fn new(shipments: &[DemoShipment]) -> Result<DemoInMemory, OpenError> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        // The name under which SQLite's own file system in memory has it, for all connections of this process.
        let name = format!("/purser-demo-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let options = SqliteConnectOptions::new().filename(&name).vfs("memdb").create_if_missing(true);
        let connection = options.disable_statement_logging().connect().await.map_err(failed)?;
        let mut link = Link::Lite(Box::new(connection));
        fill(&mut link, shipments).await.map_err(failed)?;
        Ok(DemoInMemory { address: format!("sqlite://{name}?vfs=memdb"), _link: link })
    }

    /// Its address, as a source's `database`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// The demo's shop: it changes the parcels that are tracked.
#[derive(Debug, Clone)]
pub struct DemoShop(Place);

#[derive(Debug, Clone)]
enum Place {
    Database(DatabaseUrl),
    /// A database in memory, by the address for its further connections.
    Memory(String),
}

impl DemoShop {
    /// The shop of the parcels in this database.
    pub fn in_database(url: &DatabaseUrl) -> DemoShop {
        DemoShop(Place::Database(url.clone()))
    }

    /// The shop of the parcels in memory.
    pub fn in_memory(parcels: &DemoInMemory) -> DemoShop {
        DemoShop(Place::Memory(parcels.address.clone()))
    }

    /// Has a parcel delivered on this day, unless it is not to be moved any more. Says whether it is; for the same
    /// order always the same.
    pub async fn redeliver(&self, order: &str, number: &str, day: &str, today: &str) -> Result<bool, StoreError> {
        let mut link = match &self.0 {
            Place::Database(url) => connect(url).await?,
            Place::Memory(address) => {
                let options = SqliteConnectOptions::from_str(address)?.disable_statement_logging();
                Link::Lite(Box::new(options.connect().await?))
            }
        };
        on!(Link, &mut link, connection => {
            connection.execute(ORDERS).await?;
        });
        link.begin().await?;
        let done = redeliver(&mut link, order, number, day, today).await?;
        link.commit().await?;
        Ok(done)
    }
}

/// Within the transaction that is open. Of two requests with one order at once, one fails on the order's key.
async fn redeliver(link: &mut Link, order: &str, number: &str, day: &str, today: &str) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let before = sqlx::query("SELECT done FROM demo_orders WHERE id = ?").bind(order);
        if let Some(row) = before.fetch_optional(&mut **connection).await? {
            return Ok(row.try_get::<i32, _>(0)? != 0);
        }
        let moved = "UPDATE demo_shipments SET expected = ?, changed = ?, status = \
                     CASE status WHEN 'waiting' THEN 'in_transit' ELSE status END \
                     WHERE number = ? AND status IN ('collected', 'in_transit', 'customs', 'attempted', 'waiting')";
        let moved = sqlx::query(moved).bind(day).bind(today).bind(number).execute(&mut **connection).await?;
        let done = moved.rows_affected() > 0;
        if done {
            let last = "SELECT seq, place FROM demo_events WHERE number = ? ORDER BY seq DESC LIMIT 1";
            let last = sqlx::query(last).bind(number).fetch_optional(&mut **connection).await?;
            let (seq, place) = match &last {
                Some(row) => (i64::from(row.try_get::<i32, _>(0)?), row.try_get::<String, _>(1)?),
                None => (0, String::new()),
            };
            sqlx::query("INSERT INTO demo_events (number, seq, day, status, place) VALUES (?, ?, ?, 'rebooked', ?)")
                .bind(number)
                .bind(seq + 1)
                .bind(today)
                .bind(place)
                .execute(&mut **connection)
                .await?;
        }
        let note = sqlx::query("INSERT INTO demo_orders (id, done) VALUES (?, ?)").bind(order).bind(i64::from(done));
        note.execute(&mut **connection).await?;
        Ok(done)
    })
}

fn failed(error: sqlx::Error) -> OpenError {
    OpenError::Migration { place: "the demo".to_owned(), reason: error.to_string() }
}

pub(super) async fn connect(url: &DatabaseUrl) -> Result<Link, sqlx::Error> {
    match &url.0 {
        Target::Memory => {
            let options = SqliteConnectOptions::new().filename(":memory:");
            Ok(Link::Lite(Box::new(options.connect().await?)))
        }
        Target::File(file) => {
            let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
            Ok(Link::Lite(Box::new(options.disable_statement_logging().connect().await?)))
        }
        Target::Maria(options) => {
            let options = options.clone().charset("utf8mb4").collation("utf8mb4_nopad_bin");
            Ok(Link::Maria(Box::new(options.disable_statement_logging().connect().await?)))
        }
    }
}

async fn fill(link: &mut Link, shipments: &[DemoShipment]) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        for table in TABLES {
            connection.execute(table).await?;
        }
        for shipment in shipments {
            let insert = "INSERT INTO demo_shipments (number, status, expected, changed, country, postcode, recipient, \
                          street, signed_by, proof) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            sqlx::query(insert)
                .bind(&shipment.number)
                .bind(shipment.status)
                .bind(&shipment.expected)
                .bind(&shipment.changed)
                .bind(shipment.country)
                .bind(shipment.postcode)
                .bind(shipment.recipient)
                .bind(shipment.street)
                .bind(shipment.signed_by)
                .bind(shipment.proof)
                .execute(&mut **connection)
                .await?;
            for (seq, (day, status, place)) in (1_i64..).zip(&shipment.events) {
                sqlx::query("INSERT INTO demo_events (number, seq, day, status, place) VALUES (?, ?, ?, ?, ?)")
                    .bind(&shipment.number)
                    .bind(seq)
                    .bind(day)
                    .bind(*status)
                    .bind(*place)
                    .execute(&mut **connection)
                    .await?;
            }
        }
        Ok(())
    })
}
