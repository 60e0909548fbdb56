//! Real servers for the tests, private to this test process: in a temporary folder, on a free port, gone with the
//! process however it ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tempfile::TempDir;

/// With this variable set, a server that cannot be started fails the tests that need it; without it they are
/// skipped, aloud.
const REQUIRED: &str = "PURSER_TESTS_NEED_SERVERS";

/// A private MariaDB server that flushes at commit. Its default character set is latin1, as on a server that nobody
/// configured.
pub struct MariaDb {
    process: Guarded,
    folder: TempDir,
    port: u16,
}

/// The server that the tests of this process share; each takes its own database. `None`, and said aloud, where it
/// cannot be started.
pub fn mariadb() -> Option<&'static MariaDb> {
    static SERVER: OnceLock<Option<MariaDb>> = OnceLock::new();
    SERVER.get_or_init(|| or_skip("MariaDB", "mariadb-server", MariaDb::start())).as_ref()
}

/// The Redis that the tests of this process share: their conversations are different ones. `None`, and said aloud,
/// where it cannot be started.
pub fn redis() -> Option<&'static Redis> {
    static SERVER: OnceLock<Option<Redis>> = OnceLock::new();
    SERVER.get_or_init(|| or_skip("Redis", "redis-server", Redis::start())).as_ref()
}

/// A proxy with a configuration of its own, in a folder of its own.
pub struct WebProxy {
    _process: Guarded,
}

impl WebProxy {
    /// Runs it until it is dropped; ready when it says so, or at once.
    pub fn start(command: Command, folder: &Path, ready_line: &'static str) -> Result<WebProxy, String> {
        let mut process = Guarded::default();
        process.run(command, folder, ready_line)?;
        Ok(WebProxy { _process: process })
    }
}

pub fn or_skip<T>(name: &str, package: &str, started: Result<T, String>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(error) => {
            assert!(std::env::var_os(REQUIRED).is_none(), "{name} cannot be started: {error}");
            // Past the test runner, which swallows what passing tests print.
            let _ = writeln!(
                std::io::stderr(),
                "\n*** {name} cannot be started, its tests are SKIPPED: {error}\n*** (on Debian: apt-get install {package})\n"
            );
            None
        }
    }
}

/// A private Redis that keeps nothing.
pub struct Redis {
    process: Guarded,
    folder: TempDir,
    port: u16,
}

impl Redis {
    /// A server of one's own, for tests that stop it.
    pub fn start() -> Result<Redis, String> {
        let folder = tempfile::Builder::new().prefix("purser-redis-").tempdir().map_err(|e| e.to_string())?;
        let mut server = Redis { process: Guarded::default(), folder, port: free_port()? };
        server.run()?;
        Ok(server)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, by way of `port`: the server's own or a proxy's.
    pub fn url(&self, port: u16) -> String {
        format!("redis://127.0.0.1:{port}")
    }

    /// `kill -9`.
    pub fn crash(&mut self) {
        self.process.crash();
    }

    /// Starts the server on the port that it had.
    pub fn run(&mut self) -> Result<(), String> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &self.port.to_string()]);
        command.arg("--dir").arg(self.folder.path());
        self.process.run(command, self.folder.path(), "Ready to accept connections")
    }

    /// Another one that copies this one.
    pub fn replica(&self) -> Result<Redis, String> {
        let replica = Redis::start()?;
        let status = Command::new("redis-cli")
            .args(["-p", &replica.port.to_string(), "REPLICAOF", "127.0.0.1", &self.port.to_string()])
            .stdout(Stdio::null())
            .status()
            .map_err(|error| error.to_string())?;
        if status.success() { Ok(replica) } else { Err(format!("redis-cli: {status}")) }
    }

    /// A Sentinel that watches this one under the name `shop`, and its address.
    pub fn sentinel(&self) -> Result<(Redis, String), String> {
        let folder = tempfile::Builder::new().prefix("purser-sentinel-").tempdir().map_err(|e| e.to_string())?;
        let port = free_port()?;
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {port}\nsentinel monitor shop 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds shop 500\nsentinel failover-timeout shop 2000\n",
            self.port
        );
        fs::write(&file, text).map_err(|error| error.to_string())?;
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        let mut process = Guarded::default();
        process.run(command, folder.path(), "+monitor master shop")?;
        Ok((Redis { process, folder, port }, format!("redis+sentinel://127.0.0.1:{port}/shop")))
    }
}

/// A server's process, behind a shell that kills it and removes its folder as soon as the shell's standard input
/// ends, which it does when this process ends, even by a signal.
#[derive(Default)]
struct Guarded(Option<Child>);

impl Guarded {
    /// Starts it, and waits until it says that it is ready, on whichever of its outputs.
    fn run(&mut self, server: Command, folder: &Path, ready_line: &'static str) -> Result<(), String> {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder)
            .arg(server.get_program())
            .args(server.get_args())
            .env("PATH", path())
            // A MariaDB server that starts takes each temporary table in its folder for what an earlier one has left, and
            // deletes it: in a folder for all they would take them from each other.
            .env("TMPDIR", folder)
            // A Ctrl-C is for the tests; the guard learns of their end and tidies up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let log = guard.stderr.take().expect("piped");
        self.0 = Some(guard);

        let (ready, is_ready) = mpsc::channel();
        // Reads on until the server ends: a full pipe would stop it.
        std::thread::spawn(move || {
            let mut last = String::new();
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if line.contains(ready_line) {
                    let _ = ready.send(Ok(()));
                }
                last = line;
            }
            let _ = ready.send(Err(last));
        });
        match is_ready.recv_timeout(Duration::from_secs(60)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(last)) => Err(format!("it ended: {last}")),
            Err(_) => Err("it was not ready within a minute".to_owned()),
        }
    }

    /// `kill -9`; the folder stays.
    fn crash(&mut self) {
        let Some(mut guard) = self.0.take() else { return };
        if let Some(mut order) = guard.stdin.take() {
            // Anything but the end of the input: the folder stays.
            let _ = order.write_all(b"stop\n");
        }
        guard.wait().expect("the guard ends after the server");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(mut guard) = self.0.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

impl MariaDb {
    /// A server of one's own, for tests that stop it.
    pub fn start() -> Result<MariaDb, String> {
        let folder = tempfile::Builder::new().prefix("purser-mariadb-").tempdir().map_err(|e| e.to_string())?;
        install(&folder.path().join("data"))?;
        let port = free_port()?;
        let mut server = MariaDb { process: Guarded::default(), folder, port };
        server.run()?;
        Ok(server)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new, empty database of this name and a number.
    pub async fn database(&self, name: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.connect("").await;
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE `{name}`"))).await.expect("a new database");
        name
    }

    /// The address of a database, by way of `port`: the server's own or a proxy's.
    pub fn url(&self, database: &str, port: u16) -> String {
        format!("mysql://root:@127.0.0.1:{port}/{database}")
    }

    /// A connection for looking behind the store, and for standing in its way.
    pub async fn connect(&self, database: &str) -> MySqlConnection {
        let options = MySqlConnectOptions::new().host("127.0.0.1").port(self.port).username("root");
        let options = if database.is_empty() { options } else { options.database(database) };
        options.connect().await.expect("a connection to the tests' own server")
    }

    /// `kill -9`, and the same data again.
    pub fn crash(&mut self) {
        self.process.crash();
    }

    /// Starts the server on the data that is there, on the port that it had.
    pub fn run(&mut self) -> Result<(), String> {
        let folder = self.folder.path();
        let mut command = Command::new("mariadbd");
        command
            .args(["--no-defaults", "--bind-address=127.0.0.1"])
            .arg(format!("--port={}", self.port))
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .args(["--innodb-flush-log-at-trx-commit=1", "--character-set-server=latin1"])
            .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--skip-name-resolve"])
            .args(as_root());
        self.process.run(command, folder, "ready for connections")
    }
}

/// `guard FOLDER COMMAND…`: runs the command until the standard input has a line or ends; in the latter case nobody
/// needs the folder any more.
const GUARD: &str = r#"
folder=$1; shift
"$@" >&2 &
server=$!
read -r _; ended=$?
kill -9 $server 2>/dev/null
wait $server 2>/dev/null
[ $ended -eq 0 ] || rm -rf -- "$folder"
"#;

fn install(data: &Path) -> Result<(), String> {
    let mut command = Command::new("mariadb-install-db");
    command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    command.arg(format!("--datadir={}", data.display())).args(as_root()).env("PATH", path());
    // As in `Guarded::run`.
    command.env("TMPDIR", data.parent().unwrap_or(data));
    let output = command.output().map_err(|error| format!("mariadb-install-db: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("mariadb-install-db: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// mariadbd refuses to run as root unless told so.
fn as_root() -> Option<&'static str> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    is_root.then_some("--user=root")
}

/// Servers are not on everybody's PATH.
fn path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// A port that nobody listens on. It is below those that Linux gives to whoever connects (32768 and up): one of these could go
/// to some connection before the server that it is meant for takes it, or while that server is down.
pub fn free_port() -> Result<u16, String> {
    const FIRST: u32 = 20_000;
    const PORTS: u32 = 12_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Tests that run beside these begin elsewhere.
    let start = std::process::id().wrapping_mul(97);
    let free = (0..PORTS).find_map(|_| {
        let at = start.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = u16::try_from(FIRST + at).ok()?;
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    });
    free.ok_or_else(|| "there is no free port".to_owned())
}

/// A fresh, empty database for one test.
pub struct TestDatabase(Kind);

enum Kind {
    /// A file in a folder of its own, gone when dropped.
    Sqlite(TempDir),
    /// A database on the server that all tests share.
    MariaDb { server: &'static MariaDb, name: String },
}

impl TestDatabase {
    pub fn sqlite() -> TestDatabase {
        let folder = tempfile::Builder::new().prefix("purser-sqlite-").tempdir().expect("a temporary folder");
        TestDatabase(Kind::Sqlite(folder))
    }

    /// `None` where no MariaDB server can be started.
    pub async fn mariadb() -> Option<TestDatabase> {
        // Starting it takes seconds, in which the runtime has other things to do.
        let server = tokio::task::spawn_blocking(mariadb).await.expect("no panic at the start of MariaDB")?;
        Some(TestDatabase(Kind::MariaDb { server, name: server.database("test").await }))
    }

    /// The address as an operator would write it.
    pub fn url(&self) -> String {
        match &self.0 {
            Kind::Sqlite(folder) => format!("sqlite://{}", sqlite_file(folder).display()),
            Kind::MariaDb { server, name } => server.url(name, server.port()),
        }
    }

    /// The file, if it is SQLite.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.0 {
            Kind::Sqlite(folder) => Some(sqlite_file(folder)),
            Kind::MariaDb { .. } => None,
        }
    }

    /// The server and the name of the database there, if it is MariaDB.
    pub fn on_server(&self) -> Option<(&'static MariaDb, &str)> {
        match &self.0 {
            Kind::Sqlite(_) => None,
            Kind::MariaDb { server, name } => Some((server, name)),
        }
    }
}

fn sqlite_file(folder: &TempDir) -> PathBuf {
    folder.path().join("purser.db")
}
