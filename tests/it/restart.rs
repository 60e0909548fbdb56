//! Two thousand customers, two nodes behind a balancer, and each node restarted in turn.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use purser::conversation::ConversationId;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::harness::{Setup, TestDatabase, TestPurser, Visitor};
use crate::servers;

const CUSTOMERS: usize = 2_000;
/// Over how many seconds the clients of a node that stops return.
const RETURN_SECONDS: u32 = 8;
/// So many handshakes a second at most, on each node.
const HANDSHAKES: usize = 250;
/// By so much more or less late than another may a handshake be seen here, on a machine that does all of this at once.
/// Without the turnstile, a node has its share of all in far less than the two seconds that are looked at.
const LATE: Duration = Duration::from_secs(1);

/// Sends each connection to the next node that takes it, as a balancer does that knows nothing of what is inside.
struct Balancer {
    port: u16,
    /// The nodes' ports; a node that restarts gets another one.
    nodes: watch::Sender<Vec<u16>>,
    /// When a node first answered on a connection, by its port: the handshakes.
    answered: Arc<Mutex<Vec<(u16, Instant)>>>,
}

impl Balancer {
    async fn start(ports: Vec<u16>) -> Balancer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (nodes, ports) = watch::channel(ports);
        let answered: Arc<Mutex<Vec<(u16, Instant)>>> = Arc::default();
        let list = answered.clone();
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((client, _)) = listener.accept().await {
                turn += 1;
                tokio::spawn(forward(client, ports.borrow().clone(), turn, list.clone()));
            }
        });
        Balancer { port, nodes, answered }
    }

    /// The most handshakes that a node had within any two seconds. Seen from here, on a machine that does all of this
    /// at once, single seconds say more about the machine.
    fn busiest_two_seconds(&self) -> usize {
        let mut by_node: BTreeMap<u16, Vec<Instant>> = BTreeMap::new();
        for (port, at) in self.answered.lock().expect("no panic").iter() {
            by_node.entry(*port).or_default().push(*at);
        }
        let busiest = by_node.values_mut().map(|times| {
            times.sort_unstable();
            let within = |from: usize| times[from..].partition_point(|at| *at - times[from] < Duration::from_secs(2));
            (0..times.len()).map(within).max().unwrap_or(0)
        });
        busiest.max().unwrap_or(0)
    }
}

async fn forward(mut client: TcpStream, ports: Vec<u16>, turn: usize, answered: Arc<Mutex<Vec<(u16, Instant)>>>) {
    for step in 0..ports.len() {
        let port = ports[(turn + step) % ports.len()];
        let Ok(mut node) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        let _ = (client.set_nodelay(true), node.set_nodelay(true));
        let (mut from_client, mut to_client) = client.split();
        let (mut from_node, mut to_node) = node.split();
        let there = tokio::io::copy(&mut from_client, &mut to_node);
        let back = async {
            let mut first = [0; 4096];
            let read = from_node.read(&mut first).await?;
            answered.lock().expect("no panic").push((port, Instant::now()));
            tokio::io::AsyncWriteExt::write_all(&mut to_client, &first[..read]).await?;
            tokio::io::copy(&mut from_node, &mut to_client).await
        };
        // Either end ends both.
        tokio::select! {
            _ = there => {}
            _ = back => {}
        }
        return;
    }
}

/// A customer: says `messages` in turn, each when it is told to, and comes back whenever it is sent away.
struct Customer {
    port: u16,
    who: Visitor,
    /// How many messages are to be said by now.
    told: watch::Receiver<usize>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    connected: bool,
    /// Which of its connections this is.
    connection: u32,
    acked: usize,
    last_seq: u64,
}

impl Customer {
    async fn live(mut self) {
        let mut seen = HashSet::new();
        let mut after = Duration::ZERO;
        loop {
            sleep(after).await;
            after = match self.talk(&mut seen).await {
                Some(back_in) => back_in,
                // Nobody said when to come back.
                None => Duration::from_millis(300 + u64::from(self.who.conversation.as_bytes()[15])),
            };
            self.progress.send_modify(|progress| progress.connected = false);
        }
    }

    /// `Some` when the server said when to come back.
    async fn talk(&mut self, seen: &mut HashSet<u64>) -> Option<Duration> {
        let mut request = format!("ws://127.0.0.1:{}/ws/chat/", self.port).into_client_request().ok()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "purser.v1".parse().ok()?);
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let (mut ws, _) = tokio_tungstenite::client_async(request, stream).await.ok()?;
        let Visitor { token, conversation } = &self.who;
        let seq = self.progress.borrow().last_seq;
        let hello = json!({ "type": "hello", "token": token, "conversation": conversation, "seq": seq });
        ws.send(Message::text(hello.to_string())).await.ok()?;
        let mut under_way = false;
        let mut back_in = None;
        loop {
            let acked = self.progress.borrow().acked;
            if self.progress.borrow().connected && !under_way && acked < *self.told.borrow_and_update() {
                let say = json!({ "type": "say", "client_id": format!("m{acked}"), "text": "saturday delivery" });
                ws.send(Message::text(say.to_string())).await.ok()?;
                under_way = true;
            }
            let frame = tokio::select! {
                frame = ws.next() => frame,
                _ = self.told.changed() => continue,
            };
            let Some(Ok(frame)) = frame else { return back_in };
            let Ok(text) = frame.to_text() else { continue };
            let Ok(frame) = serde_json::from_str::<Value>(text) else { continue };
            match frame["type"].as_str() {
                Some("welcome") => self.progress.send_modify(|progress| {
                    progress.connected = true;
                    progress.connection += 1;
                }),
                Some("event") => self.see(seen, &frame),
                Some("history") => frame["events"].as_array()?.iter().for_each(|event| self.see(seen, event)),
                Some("ack") => {
                    under_way = false;
                    self.progress.send_modify(|progress| progress.acked += 1);
                }
                Some("bye") => {
                    back_in = frame["back_in"].as_u64().map(Duration::from_millis);
                    self.progress.send_modify(|progress| progress.connected = false);
                }
                Some("error") => panic!("{frame}"),
                _ => {}
            }
        }
    }

    fn see(&self, seen: &mut HashSet<u64>, event: &Value) {
        let seq = event["seq"].as_u64().expect("a seq");
        assert!(seen.insert(seq), "event {seq} is shown twice");
        self.progress.send_modify(|progress| {
            assert_eq!(progress.last_seq + 1, seq, "nothing is left out");
            progress.last_seq = seq;
        });
    }
}

/// The crowd, and what it has come to.
struct Crowd {
    told: watch::Sender<usize>,
    progress: Vec<watch::Receiver<Progress>>,
}

impl Crowd {
    /// Waits until all of them are.
    async fn all(&mut self, what: &str, are: impl Fn(&Progress) -> bool) {
        let all = async {
            for progress in &mut self.progress {
                progress.wait_for(&are).await.expect("the customer lives");
            }
        };
        // So many handshakes take their time on a busy machine.
        tokio::time::timeout(Duration::from_secs(180), all).await.unwrap_or_else(|_| panic!("waited for {what}"));
    }

    fn connections(&self) -> Vec<u32> {
        self.progress.iter().map(|progress| progress.borrow().connection).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_customers_come_back_after_each_restart() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let Some(redis) = tokio::task::spawn_blocking(servers::redis).await.expect("no panic") else { return };
    raise_file_limit();
    let url = redis.url(redis.port());
    let start = async || -> TestPurser {
        let setup = Setup::on(&database).change(|config| {
            config.redis = Some(url.parse().expect("an address"));
            config.limits.off = true;
            config.limits.stop_seconds = 30;
            config.limits.return_seconds = RETURN_SECONDS;
            config.limits.handshakes_per_second = HANDSHAKES as u32;
        });
        setup.start().await
    };
    let mut nodes = vec![start().await, start().await];
    let ports = |nodes: &[TestPurser]| nodes.iter().map(|node| node.address.port()).collect::<Vec<_>>();
    let balancer = Balancer::start(ports(&nodes)).await;

    let (told, _) = watch::channel(0);
    let mut crowd = Crowd { told, progress: Vec::new() };
    let mut customers = JoinSet::new();
    let mut visitors = Vec::new();
    for _ in 0..CUSTOMERS {
        let (progress, watching) = watch::channel(Progress::default());
        crowd.progress.push(watching);
        let who = Visitor::new();
        visitors.push(who.clone());
        customers.spawn(Customer { port: balancer.port, who, told: crowd.told.subscribe(), progress }.live());
    }
    crowd.all("everybody to connect", |progress| progress.connected).await;
    crowd.told.send_replace(1);
    crowd.all("the first answers", |progress| progress.last_seq == 2).await;

    for turn in 0..2 {
        let before = crowd.connections();
        let stopping = nodes.remove(0);
        let began = Instant::now();
        // The balancer hears nothing of it. Everybody says something while the node goes.
        crowd.told.send_replace(turn + 2);
        stopping.stop().await;
        nodes.push(start().await);
        balancer.nodes.send_replace(ports(&nodes));
        let seq = 2 * (turn as u64 + 2);
        crowd.all("everybody to be back", |progress| progress.connected && progress.last_seq >= seq).await;
        let returned = before.iter().zip(crowd.connections()).filter(|(before, now)| **before < *now).count();
        assert!(returned >= CUSTOMERS / 3, "only {returned} were on the node");
        let took = began.elapsed();
        assert!(took > Duration::from_secs(u64::from(RETURN_SECONDS) * 3 / 4), "they returned within {took:?}");
    }
    crowd.told.send_replace(4);
    crowd.all("the last answers", |progress| progress.last_seq >= 8).await;
    for progress in &crowd.progress {
        let progress = *progress.borrow();
        assert_eq!((progress.acked, progress.last_seq), (4, 8));
    }
    assert!(customers.try_join_next().is_none(), "nobody gave up");
    for visitor in visitors.iter().step_by(20) {
        let id = ConversationId(visitor.conversation);
        let log = nodes[0].store.events_after(id, 0, 100).await.expect("a log");
        assert_eq!(log.len(), 8, "four questions and four answers");
    }
    let busiest = balancer.busiest_two_seconds();
    let most = (HANDSHAKES as f64 * (Duration::from_secs(2) + LATE).as_secs_f64()) as usize;
    assert!(busiest <= most, "{busiest} handshakes in two seconds");
    customers.shutdown().await;
    for node in nodes {
        node.stop().await;
    }
}

/// Each customer is four open files here.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: now.maximum, maximum: now.maximum };
    setrlimit(Resource::Nofile, wanted).expect("more open files");
    assert!(now.maximum.is_none_or(|most| most > 10_000), "10,000 files must be possible: ulimit -Hn");
}
