//! The nodes and servers of a run, with a proxy on every way between them, and how each fault is done to them.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use purser::fanout::Pace;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::node::Spec;
use super::schedule::{Fault, Link, Topology};
use super::trace::Trace;
use crate::proxy::Proxy;
use crate::servers::{self, MariaDb, Redis, free_port};

/// Everything that can be broken.
pub struct Site {
    nodes: Vec<Node>,
    redis: Option<Arc<std::sync::Mutex<Redis>>>,
    maria: Maria,
    /// Where the checker reads the store, by no proxy.
    pub database: String,
    trace: Arc<Trace>,
    folder: TempDir,
}

/// MariaDB, of one's own if it is to be killed.
enum Maria {
    None,
    Shared,
    Own(Arc<std::sync::Mutex<MariaDb>>),
}

struct Node {
    spec: Spec,
    log: PathBuf,
    child: Mutex<Option<Child>>,
    front: Proxy,
    store: Option<Proxy>,
    redis: Option<Proxy>,
}

impl Site {
    /// Starts everything. `None` where a server that it needs cannot be started.
    pub async fn start(
        topology: Topology,
        pace: Pace,
        pages_backwards: bool,
        writes_drafts: bool,
        trace: Arc<Trace>,
    ) -> Option<Site> {
        let folder = tempfile::Builder::new().prefix("purser-faults-").tempdir().expect("a temporary folder");
        let redis = if topology.redis {
            spawn_blocking(servers::redis).await.expect("no panic")?;
            let own = spawn_blocking(Redis::start).await.expect("no panic").expect("another Redis");
            Some(Arc::new(std::sync::Mutex::new(own)))
        } else {
            None
        };
        let (maria, database) = if topology.mariadb {
            let shared = spawn_blocking(servers::mariadb).await.expect("no panic")?;
            if topology.crash_store {
                let own = spawn_blocking(MariaDb::start).await.expect("no panic").expect("another MariaDB");
                let database = own.database("faults").await;
                let address = (own.port(), own.url(&database, own.port()), database);
                (Maria::Own(Arc::new(std::sync::Mutex::new(own))), Some(address))
            } else {
                let database = shared.database("faults").await;
                (Maria::Shared, Some((shared.port(), shared.url(&database, shared.port()), database)))
            }
        } else {
            (Maria::None, None)
        };
        let file = format!("sqlite://{}", folder.path().join("purser.db").display());
        let mut nodes = Vec::new();
        for number in 0..topology.nodes {
            let port = free_port().expect("a free port");
            let front = Proxy::to(port).await;
            let (store, address) = match &database {
                Some((port, _, name)) => {
                    let proxy = Proxy::to(*port).await;
                    let address = format!("mysql://root:@127.0.0.1:{}/{name}", proxy.port());
                    (Some(proxy), address)
                }
                None => (None, file.clone()),
            };
            let (redis, redis_url) = match &redis {
                Some(redis) => {
                    let port = redis.lock().expect("no panic").port();
                    let proxy = Proxy::to(port).await;
                    let url = format!("redis://127.0.0.1:{}", proxy.port());
                    (Some(proxy), Some(url))
                }
                None => (None, None),
            };
            let spec = Spec {
                port,
                database: address,
                redis: redis_url,
                faq: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faq").to_owned(),
                gap_millis: millis(pace.gap),
                round_millis: millis(pace.round),
                pages_backwards,
                writes_drafts,
            };
            let log = folder.path().join(format!("node-{number}.log"));
            nodes.push(Node { spec, log, child: Mutex::default(), front, store, redis });
        }
        let database = database.map_or(file, |(_, url, _)| url);
        let site = Site { nodes, redis, maria, database, trace, folder };
        for number in 0..topology.nodes {
            site.run_node(number).await;
        }
        Some(site)
    }

    /// Where customers connect to.
    pub fn doors(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.front.port()).collect()
    }

    /// What the nodes logged.
    pub fn logs(&self) -> Vec<PathBuf> {
        self.nodes.iter().map(|node| node.log.clone()).collect()
    }

    /// Does the fault, and undoes it after its time.
    pub async fn suffer(&self, fault: Fault) {
        self.trace.note(format!("--> {fault}"));
        match fault {
            Fault::Cut(link) => self.proxy(link).cut(),
            Fault::HalfClose(link, way) => self.proxy(link).half_close(way),
            Fault::Refuse(link, time) => {
                let proxy = self.proxy(link);
                proxy.refuse(true);
                proxy.cut();
                sleep(time).await;
                proxy.refuse(false);
            }
            Fault::Stall(link, time) => {
                let proxy = self.proxy(link);
                proxy.stall(true);
                sleep(time).await;
                proxy.stall(false);
            }
            Fault::Delay(link, by, time) => {
                let proxy = self.proxy(link);
                proxy.delay(by);
                sleep(time).await;
                proxy.delay(Duration::ZERO);
            }
            Fault::Swallow(link, way, time) => {
                let proxy = self.proxy(link);
                proxy.swallow(Some(way));
                sleep(time).await;
                proxy.swallow(None);
            }
            Fault::Kill(node, time) => {
                // Held, so that nobody starts it before its time.
                let mut child = self.nodes[node].child.lock().await;
                if let Some(mut running) = child.take() {
                    let _ = running.kill();
                    let _ = running.wait();
                }
                sleep(time).await;
                drop(child);
                self.run_node(node).await;
            }
            Fault::Restart(node) => {
                let mut child = self.nodes[node].child.lock().await;
                if let Some(running) = child.take() {
                    spawn_blocking(move || terminate(running)).await.expect("no panic");
                }
                drop(child);
                self.run_node(node).await;
            }
            Fault::CrashRedis(time) => {
                let Some(redis) = self.redis.clone() else { return };
                let crash = spawn_blocking(move || {
                    let mut redis = redis.lock().expect("no panic");
                    redis.crash();
                    std::thread::sleep(time);
                    redis.run().expect("Redis starts again");
                });
                crash.await.expect("no panic");
            }
            Fault::CrashStore(time) => {
                let Maria::Own(maria) = &self.maria else { return };
                let maria = maria.clone();
                let crash = spawn_blocking(move || {
                    let mut maria = maria.lock().expect("no panic");
                    maria.crash();
                    std::thread::sleep(time);
                    maria.run().expect("MariaDB starts again");
                });
                crash.await.expect("no panic");
            }
        }
        self.trace.note(format!("<-- {fault}"));
    }

    /// Makes everything whole.
    pub async fn mend(&self) {
        for (number, node) in self.nodes.iter().enumerate() {
            for proxy in [Some(&node.front), node.store.as_ref(), node.redis.as_ref()].into_iter().flatten() {
                proxy.calm();
            }
            self.run_node(number).await;
        }
        self.trace.note("everything is whole again");
    }

    /// Starts a node that does not run.
    async fn run_node(&self, number: usize) {
        let node = &self.nodes[number];
        let mut child = node.child.lock().await;
        // A node whose store is away gives up its start. Whoever runs it starts it again, and so do we, but not for ever.
        let mut tries = 0;
        while child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some())) {
            let (spec, log) = (node.spec.clone(), node.log.clone());
            *child = spawn_blocking(move || spec.start(&log)).await.expect("no panic");
            let what = if child.is_some() { "serves" } else { "did not start" };
            self.trace.note(format!("node {number} {what}"));
            if child.is_none() {
                tries += 1;
                assert!(tries < 100, "node {number} does not start: {}", end_of(&node.log));
                sleep(Duration::from_millis(200)).await;
            }
        }
    }

    fn proxy(&self, link: Link) -> &Proxy {
        match link {
            Link::Front(node) => &self.nodes[node].front,
            Link::Store(node) => self.nodes[node].store.as_ref().expect("a store that is reached by a proxy"),
            Link::Redis(node) => self.nodes[node].redis.as_ref().expect("a Redis"),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.get_mut().take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        // The folder, with the file that the nodes wrote, goes after them.
        let _ = self.folder.path();
    }
}

fn terminate(mut child: Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    let _ = child.wait();
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What a node said last.
fn end_of(log: &Path) -> String {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
