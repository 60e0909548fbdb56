//! The processes that are measured, each in a temporary folder of its own and gone at the end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The microseconds of CPU that a process has used, all its threads together. The kernel counts to 10 ms here.
pub fn cpu(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("no /proc: this bench needs Linux")?;
    // The name, in brackets, may hold anything.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    ensure!(ticks.len() == 2, "/proc/{pid}/stat is not understood");
    // Linux tells user space a hundredth of a second, whatever its own clock.
    Ok(ticks.iter().sum::<f64>() * 10_000.0)
}

/// The KiB of memory that a process holds.
pub fn memory(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim_end_matches("kB").trim().parse()?)
}

/// How many threads a process has.
pub fn threads(pid: u32) -> anyhow::Result<f64> {
    Ok(fs::read_dir(format!("/proc/{pid}/task"))?.count() as f64)
}

/// Thousands of connections are open at once.
pub fn raise_file_limit() {
    let now = getrlimit(Resource::Nofile);
    // What cannot be raised shows when the connections are opened.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
}

fn folder(name: &str) -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().prefix(&format!("purser-bench-{name}-")).tempdir()?)
}

/// The body of what a server on this port has at this path.
pub async fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    Ok(body.to_owned())
}

/// A process that is killed when it goes out of scope.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts a program that soon says `http://ADDRESS:PORT` on its standard output.
    fn start(command: &mut Command) -> anyhow::Result<Server> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("piped")?;
        let mut server = Server { child, port: 0 };
        let mut out = BufReader::new(out);
        let mut line = String::new();
        out.read_line(&mut line)?;
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        server.port = port.with_context(|| format!("the server did not start: {line:?}"))?;
        // The rest of what it says; a closed pipe would be an error to it.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        Ok(server)
    }

    /// This program again, as the bare echo.
    pub fn echo() -> anyhow::Result<Server> {
        Server::start(Command::new(std::env::current_exe()?).arg(super::floors::ECHO))
    }

    /// This program again, as a source that holds its answers.
    pub fn source() -> anyhow::Result<Server> {
        Server::start(Command::new(std::env::current_exe()?).arg(super::lookups::SOURCE))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many messages were committed since the start, and with how many commits, by what purser counts.
    pub async fn commits(&self) -> anyhow::Result<(f64, f64)> {
        let metrics = get(self.port, "/metrics").await?;
        let count = |name: &str| {
            let line =
                metrics.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
            anyhow::Ok(line.trim().parse::<f64>()?)
        };
        Ok((count("purser_commit_appends_sum")?, count("purser_commit_appends_count")?))
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for a purser and its SQLite file.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> anyhow::Result<Home> {
        Ok(Home(folder("purser")?))
    }

    pub fn sqlite(&self) -> String {
        format!("sqlite://{}", self.0.path().join("purser.db").display())
    }

    /// Starts the release build of purser on this database, with the shipped content, without limits, and all else by
    /// default.
    pub fn purser(&self, database: &str) -> anyhow::Result<Server> {
        self.node(database, None)
    }

    /// The same with the plugins of this folder.
    pub fn purser_with(&self, database: &str, plugins: &Path) -> anyhow::Result<Server> {
        Server::start(self.command(database).env("PURSER_PLUGINS", plugins)).context("purser")
    }

    /// The same, connected to other nodes by this Redis.
    pub fn node(&self, database: &str, redis: Option<&Redis>) -> anyhow::Result<Server> {
        let mut command = self.command(database);
        if let Some(redis) = redis {
            command.env("PURSER_REDIS", redis.url());
        }
        Server::start(&mut command).context("purser")
    }

    /// A file in the folder, for purser to find.
    pub fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path(path);
        fs::create_dir_all(path.parent().context("it lies in the folder")?)?;
        Ok(fs::write(path, text)?)
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn command(&self, database: &str) -> Command {
        let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PURSER_")) {
            command.env_remove(name);
        }
        command
            .current_dir(self.0.path())
            .env("PURSER_LISTEN", "127.0.0.1:0")
            .env("PURSER_DATABASE", database)
            .env("PURSER_FAQ", crate_root.join("faq"))
            .env("PURSER_PLUGINS", crate_root.join("plugins"))
            .env("PURSER_LIMITS", "off")
            .env("PURSER_LOG", "warn");
        command
    }
}

/// A private MariaDB server with the settings that it comes with: among them a flush at every commit.
pub struct MariaDb {
    /// A shell that kills the server as soon as its standard input ends, which it does however this program ends.
    guard: Child,
    folder: TempDir,
    port: u16,
    pid: u32,
}

impl MariaDb {
    pub async fn start() -> anyhow::Result<MariaDb> {
        let folder = folder("mariadb")?;
        let data = folder.path().join("data");
        let root = rustix::process::geteuid().is_root().then_some("--user=root");
        let install = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            .args(root)
            .env("PATH", path())
            .env("TMPDIR", folder.path())
            .output()
            .context("mariadb-install-db (on Debian: apt-get install mariadb-server)")?;
        ensure!(install.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&install.stderr));

        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", "mariadbd", "--no-defaults", "--bind-address=127.0.0.1"])
            .args(["--innodb-flush-log-at-trx-commit=1", "--skip-name-resolve"])
            .arg(format!("--port={port}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", folder.path().join("socket").display()))
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .args(root)
            .env("PATH", path())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log"))?)
            .spawn()?;
        let mut server = MariaDb { guard, folder, port, pid: 0 };
        for _ in 0..300 {
            if server.connect("").await.is_ok() {
                let pid = fs::read_to_string(server.folder.path().join("pid"))?;
                server.pid = pid.trim().parse()?;
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        bail!("MariaDB did not start: {}", log.lines().last().unwrap_or_default())
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn url(&self, database: &str) -> String {
        format!("mysql://root:@127.0.0.1:{}/{database}", self.port)
    }

    pub async fn create(&self, database: &str) -> anyhow::Result<()> {
        self.connect("").await?.execute(AssertSqlSafe(format!("CREATE DATABASE {database}"))).await?;
        Ok(())
    }

    pub async fn connect(&self, database: &str) -> anyhow::Result<MySqlConnection> {
        let options = MySqlConnectOptions::new().host("127.0.0.1").port(self.port).username("root");
        let options = if database.is_empty() { options } else { options.database(database) };
        Ok(options.connect().await?)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A private Redis that keeps nothing.
pub struct Redis {
    guard: Child,
    port: u16,
    pid: u32,
}

impl Redis {
    pub async fn start() -> anyhow::Result<Redis> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string()])
            .env("PATH", path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Redis { guard, port, pid: 0 };
        for _ in 0..100 {
            if let Ok(mut link) = server.connect().await {
                let info: String = redis::cmd("INFO").arg("server").query_async(&mut link).await?;
                let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).context("no process id")?;
                server.pid = pid.trim().parse()?;
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("Redis did not start (on Debian: apt-get install redis-server)")
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub async fn connect(&self) -> anyhow::Result<redis::aio::MultiplexedConnection> {
        Ok(redis::Client::open(self.url())?.get_multiplexed_async_connection().await?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// `guard COMMAND…`: runs the command until the standard input ends.
const GUARD: &str = r#"
"$@" &
server=$!
read -r _
kill -9 $server 2>/dev/null
wait $server 2>/dev/null
"#;

/// Servers are not on everybody's PATH.
fn path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}
