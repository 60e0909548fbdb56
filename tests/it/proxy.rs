//! A TCP proxy that cuts, refuses, stalls, delays, swallows and closes half-way, to break what stands between two
//! parts.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Forwards to one port of this machine until told otherwise.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

/// On which side of the server's work a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of it.
    Before,
    /// The server has done it and answered; the answer is lost.
    After,
}

/// One of the two directions of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From whoever connects to the server.
    There,
    /// From the server to whoever connected.
    Back,
}

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Weather {
    stalled: bool,
    delay: Duration,
    /// What is sent this way vanishes. A connection that lost bytes is cut when this is over.
    swallowed: Option<Way>,
    /// Counts up when the open connections are to be closed in this direction.
    closed: (u32, Option<Way>),
}

struct Shared {
    /// The port that new connections go to.
    to: AtomicU16,
    /// Connections whose client sends this are closed.
    forbidden: Mutex<Option<&'static [u8]>>,
    weather: watch::Sender<Weather>,
    refusing: AtomicBool,
    /// Cancelled to cut the connections that are open.
    open: Mutex<CancellationToken>,
    trap: Mutex<Option<(&'static [u8], Cut)>>,
    sprung: Notify,
    refused: Notify,
    /// Ends the proxy.
    end: CancellationToken,
}

impl Proxy {
    pub async fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let shared = Arc::new(Shared {
            to: AtomicU16::new(port),
            forbidden: Mutex::default(),
            weather: watch::Sender::new(Weather::default()),
            refusing: AtomicBool::new(false),
            open: Mutex::default(),
            trap: Mutex::default(),
            sprung: Notify::new(),
            refused: Notify::new(),
            end: CancellationToken::new(),
        });
        let own = listener.local_addr().expect("bound").port();
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Proxy { port: own, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections that are open.
    pub fn cut(&self) {
        std::mem::take(&mut *self.shared.open.lock().expect("no panic in here")).cancel();
    }

    /// Whether new connections are closed at once.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::SeqCst);
    }

    /// Waits until somebody was refused.
    pub async fn refused(&self) {
        tokio::time::timeout(PATIENCE, self.shared.refused.notified()).await.expect("somebody to refuse");
    }

    /// New connections go to this port of this machine from now on.
    pub fn point_to(&self, port: u16) {
        self.shared.to.store(port, Ordering::SeqCst);
    }

    /// Closes every connection whose client sends `bytes`, until told otherwise.
    pub fn forbid(&self, bytes: Option<&'static [u8]>) {
        *self.shared.forbidden.lock().expect("no panic in here") = bytes;
    }

    /// Whether bytes stay where they are, in both directions.
    pub fn stall(&self, stall: bool) {
        self.shared.weather.send_modify(|weather| weather.stalled = stall);
    }

    /// How long bytes stay here before they go on.
    pub fn delay(&self, delay: Duration) {
        self.shared.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Lets bytes of one direction vanish, while the other one goes on as if nothing were.
    pub fn swallow(&self, way: Option<Way>) {
        self.shared.weather.send_modify(|weather| weather.swallowed = way);
    }

    /// Ends one direction of the connections that are open; the other one goes on.
    pub fn half_close(&self, way: Way) {
        self.shared.weather.send_modify(|weather| weather.closed = (weather.closed.0 + 1, Some(way)));
    }

    /// As if nothing had ever been wrong, for connections to come.
    pub fn calm(&self) {
        self.refuse(false);
        self.shared.weather.send_modify(|weather| *weather = Weather { closed: weather.closed, ..Weather::default() });
    }

    /// Cuts the next connection whose client sends `bytes`; [`Proxy::sprung`] tells when.
    pub fn trap(&self, bytes: &'static [u8], cut: Cut) {
        *self.shared.trap.lock().expect("no panic in here") = Some((bytes, cut));
    }

    /// Whether the trap still waits.
    pub fn is_armed(&self) -> bool {
        self.shared.trap.lock().expect("no panic in here").is_some()
    }

    /// Waits until the trap has cut a connection.
    pub async fn sprung(&self) {
        tokio::time::timeout(PATIENCE, self.shared.sprung.notified()).await.expect("a connection to cut");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.end.cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let client = tokio::select! {
            () = shared.end.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((client, _)) = client else { continue };
        if shared.refusing.load(Ordering::SeqCst) {
            shared.refused.notify_one();
            continue;
        }
        let to = shared.to.load(Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
        // As if it were not there: it must not add the delays of its own sockets.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let token = shared.open.lock().expect("no panic in here").child_token();
        let swallow = Arc::new(AtomicBool::new(false));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let there = Pump { shared: Arc::clone(&shared), token: token.clone(), swallow: Arc::clone(&swallow) };
        let back = Pump { shared: Arc::clone(&shared), token, swallow };
        tokio::spawn(there.run(from_client, to_server, Way::There));
        tokio::spawn(back.run(from_server, to_client, Way::Back));
    }
}

/// One direction of a connection.
struct Pump {
    shared: Arc<Shared>,
    token: CancellationToken,
    /// The server's next bytes are its answer to what the trap waited for.
    swallow: Arc<AtomicBool>,
}

impl Pump {
    async fn run(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way) {
        let _cut_both = self.token.clone().drop_guard();
        tokio::select! {
            () = self.token.cancelled() => {}
            () = self.shared.end.cancelled() => {}
            _ = self.forward(&mut from, &mut to, way) => {}
        }
    }

    async fn forward(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, way: Way) -> io::Result<()> {
        let mut bytes = vec![0; 64 * 1024];
        let mut weather = self.shared.weather.subscribe();
        let closed = weather.borrow().closed.0;
        let is_closed = |weather: &Weather| weather.closed.0 > closed && weather.closed.1 == Some(way);
        let mut lost = false;
        loop {
            let read = tokio::select! {
                read = from.read(&mut bytes) => read?,
                _ = weather.wait_for(is_closed) => break,
            };
            if read == 0 {
                return Ok(());
            }
            let now = *weather.wait_for(|weather| !weather.stalled).await.map_err(io::Error::other)?;
            if is_closed(&now) {
                break;
            }
            if way == Way::There && self.is_forbidden(&bytes[..read]) {
                return Ok(());
            }
            if now.swallowed == Some(way) {
                lost = true;
                continue;
            }
            if lost {
                return Ok(());
            }
            if now.delay > Duration::ZERO {
                tokio::time::sleep(now.delay).await;
            }
            let cut = if way == Way::There { self.trapped(&bytes[..read]) } else { None };
            let answered = way == Way::Back && self.swallow.load(Ordering::SeqCst);
            if cut == Some(Cut::Before) || answered {
                self.shared.sprung.notify_one();
                return Ok(());
            }
            if cut == Some(Cut::After) {
                self.swallow.store(true, Ordering::SeqCst);
            }
            to.write_all(&bytes[..read]).await?;
        }
        // The other side sees an end, and may go on talking.
        to.shutdown().await?;
        while from.read(&mut bytes).await? > 0 {}
        Ok(())
    }

    fn is_forbidden(&self, bytes: &[u8]) -> bool {
        let forbidden = *self.shared.forbidden.lock().expect("no panic in here");
        forbidden.is_some_and(|forbidden| bytes.windows(forbidden.len()).any(|window| window == forbidden))
    }

    /// Takes the trap if these bytes spring it.
    fn trapped(&self, bytes: &[u8]) -> Option<Cut> {
        let mut trap = self.shared.trap.lock().expect("no panic in here");
        let (wanted, _) = (*trap)?;
        if bytes.windows(wanted.len()).any(|window| window == wanted) { trap.take().map(|(_, cut)| cut) } else { None }
    }
}
