//! The web: one table of routes, sessions of customers, pages and a small API. Only this module knows salvo.
//!
//! A customer's frames come in over a WebSocket (`upgrade.rs`, `socket.rs`) or over HTTP (`http.rs`). Either feeds a
//! session (`session.rs`), which understands one of the two dialects (`plain.rs`, `typed.rs`).

mod admission;
mod agent;
mod api;
mod assets;
mod attachments;
mod back;
mod compare;
mod cookie;
mod customers;
mod draft;
mod http;
mod markdown;
mod metrics;
mod mine;
mod openapi;
mod origin;
mod pages;
mod plain;
pub mod protocol;
mod proxies;
mod reference;
mod rush;
mod session;
mod shop;
mod socket;
mod typed;
mod unfinished;
mod unread;
mod upgrade;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use salvo::affix_state;
use salvo::catch_panic::CatchPanic;
use salvo::conn::tcp::TcpAcceptor;
use salvo::fuse::FuseConfig;
use salvo::prelude::*;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::attachments::Attachments;
use crate::config::Secret;
use crate::content::Content;
use crate::desk::Desk;
use crate::fanout::Fanout;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::post::Office;
use crate::responders::llm::Llm;
use crate::store::Store;
pub use agent::Board;
pub use markdown::html as rendered;
pub use metrics::Counts;
pub use origin::Origins;
use protocol::CloseCode;
pub use proxies::Proxies;
pub use rush::{Returns, Turnstile};
pub use shop::shop;

/// Clients that were cut off for being slow come back within this time.
const BACK_SOON: u32 = 1_000;

/// A client that does not acknowledge what was sent for this long is gone.
#[cfg(target_os = "linux")]
const GONE_AFTER: Duration = Duration::from_secs(60);
/// How long a request may stop in its middle, and a response with nobody taking it.
const STALLS_AT_MOST: Duration = Duration::from_secs(30);

/// What the web needs of the rest, and what its sockets share.
pub struct Door {
    /// Where messages go.
    pub desk: Arc<Desk>,
    /// For reading history.
    pub store: Store,
    /// For following conversations.
    pub fanout: Arc<Fanout>,
    /// For telling what is loaded.
    pub content: Arc<Content>,
    /// Tells signed-in customers.
    pub identity: Arc<Identity>,
    /// Sends mail, and knows its links.
    pub office: Arc<Office>,
    /// The LLM, if there is one.
    pub llm: Option<Arc<Llm>>,
    /// Which sites may open a chat.
    pub origins: Origins,
    /// Held while content is compared: one at a time.
    pub comparing: Arc<Semaphore>,
    /// Who may read what is not for everybody: whoever has this token…
    pub admin_token: Option<Secret>,
    /// …and whoever comes from these networks.
    pub watchers: Vec<IpNet>,
    /// A folder whose templates replace those in the binary.
    pub templates: Option<PathBuf>,
    /// Takes and keeps what is attached; `None`: there is no place for that.
    pub attachments: Option<Arc<Attachments>>,
    /// Who gets into the console.
    pub accounts: Accounts,
    /// What its lists show.
    pub board: Board,
    /// The folder with what agents say often.
    pub replies: PathBuf,
    /// Numbers of parcels that can be tracked, for the demo page.
    pub samples: Vec<String>,
    /// The proxies whose word counts about where a customer is.
    pub proxies: Proxies,
    /// How much a visitor and an address may do; `None`: as much as they can.
    pub limits: Option<Arc<Limits>>,
    /// How many sockets may be open at once.
    pub max_sockets: usize,
    /// How many are open.
    pub open_sockets: AtomicUsize,
    /// What happened here since the start.
    pub counts: Counts,
    /// How fast sockets are opened.
    pub turnstile: Turnstile,
    /// How clients spread their return after a stop.
    pub returns: Returns,
    /// Whether there is an echo for trying the WebSocket itself.
    pub test_echo: bool,
    /// Whether pages of history are sent backwards, for trying whether somebody notices.
    pub pages_backwards: bool,
    /// Set when the server is about to stop, and says so to whoever sends it customers.
    pub draining: CancellationToken,
    /// Set when the server stops.
    pub stop: CancellationToken,
    /// The sockets that are still open.
    pub sockets: TaskTracker,
}

impl Door {
    /// How many chats are open.
    pub fn open(&self) -> usize {
        self.open_sockets.load(Ordering::Relaxed)
    }

    /// When a client comes back after this close, in milliseconds; `None` where that would not help.
    pub fn back_in(&self, code: CloseCode) -> Option<u32> {
        match code {
            CloseCode::Stopping => Some(self.returns.next(self.open_sockets.load(Ordering::Relaxed))),
            CloseCode::FellBehind | CloseCode::Silent => Some(BACK_SOON),
            CloseCode::Protocol | CloseCode::Binary | CloseCode::NotUtf8 | CloseCode::TooBig => None,
        }
    }
}

/// The sites that may open a chat besides the own one, each as `scheme://host[:port]`.
pub fn origins(sites: &[String]) -> Origins {
    Origins::new(sites)
}

/// A listener on this address. Connections that it accepts do not wait for full packets.
pub fn listen(address: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit this. Salvo does not set it, and a frame that follows another one closely would
    // wait for the client's delayed acknowledgement, some 40 ms.
    socket.set_nodelay(true)?;
    // A client that has vanished without a word gives its place back. Over a stream nothing else would notice.
    #[cfg(target_os = "linux")]
    SockRef::from(&socket).set_tcp_user_timeout(Some(GONE_AFTER))?;
    socket.bind(address)?;
    socket.listen(1_024)
}

/// Serves until `stop` of the door is set; then no new connection is taken, every socket is told to come back, and
/// this returns when the last is closed or after `at_most`.
pub async fn serve(listener: TcpListener, door: Arc<Door>, at_most: Duration) -> std::io::Result<()> {
    let fuse = FuseConfig::default().with_request_body_timeout(STALLS_AT_MOST).with_write_stall_timeout(STALLS_AT_MOST);
    let server = Server::new(TcpAcceptor::try_from(listener)?).fuse_config(fuse);
    let handle = server.handle();
    let stop = door.stop.clone();
    let sockets = door.sockets.clone();
    let board = door.clone();
    let keeping = tokio::spawn(async move {
        let Door { store, fanout, desk, stop, .. } = &*board;
        board.board.run(store.clone(), fanout.clone(), || desk.now(), stop.clone()).await;
    });
    let stopping = tokio::spawn(async move {
        stop.cancelled().await;
        handle.stop_graceful(at_most);
        sockets.close();
        // Salvo does not count sockets as connections: it would return while they are open.
        if tokio::time::timeout(at_most, sockets.wait()).await.is_err() {
            tracing::warn!("some sockets did not close in {at_most:?}");
        }
    });
    // On the service, so that what is not found has them too.
    server.try_serve(Service::new(routes(door)).hoop(pages::security_headers)).await?;
    keeping.await.map_err(std::io::Error::other)?;
    stopping.await.map_err(std::io::Error::other)
}

/// Every address that purser answers on.
fn routes(door: Arc<Door>) -> Router {
    let echo = door.test_echo.then(|| Router::with_path("ws/echo").get(upgrade::echo));
    let routes = Router::new()
        .hoop(CatchPanic::new())
        .hoop(affix_state::inject(door))
        .get(pages::demo)
        .head(pages::demo)
        .push(Router::with_path("plain").get(pages::plain).head(pages::plain))
        .push(agent::routes())
        .push(Router::with_path("ws/chat").get(upgrade::chat))
        .push(
            Router::with_path("api/chat")
                .hoop(http::cors)
                .push(Router::with_path("events").post(http::events).options(http::preflight))
                .push(Router::with_path("frames").post(http::frames).options(http::preflight))
                .push(Router::with_path("unread").post(unread::unread).options(http::preflight))
                .push(Router::with_path("transcript").post(back::transcript).options(http::preflight))
                .push(Router::with_path("back").post(back::back).options(http::preflight))
                .push(
                    Router::with_path("attachments")
                        .post(attachments::send)
                        .options(http::preflight)
                        .push(Router::with_path("{id}").get(attachments::fetch).options(http::preflight)),
                )
                .push(Router::with_path("export").post(mine::export).options(http::preflight)),
        )
        .push(Router::with_path("api/customers/erase").post(customers::erase))
        .push(Router::with_path("static/{name}").get(assets::file).head(assets::file))
        .push(Router::with_path("static/{revision}/{name}").get(assets::window_file).head(assets::window_file))
        .push(Router::with_path("api/protocol.json").get(api::protocol))
        .push(Router::with_path("api/openapi.json").get(openapi::openapi))
        .push(Router::with_path("api").get(reference::page))
        .push(Router::with_path("health").get(watch::health))
        .push(Router::with_path("ready").get(watch::ready))
        .push(Router::with_path("metrics").get(watch::metrics))
        .push(Router::with_path("api/content").get(api::content))
        .push(Router::with_path("api/content/compare").post(compare::compare));
    match echo {
        Some(echo) => routes.push(echo),
        None => routes,
    }
}

/// The door that `routes` put into every request.
fn door(depot: &Depot) -> Result<Arc<Door>, StatusError> {
    depot.get_typed::<Arc<Door>>().cloned().map_err(|_| StatusError::internal_server_error())
}
