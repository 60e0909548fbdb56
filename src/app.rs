//! Builds the parts from the configuration and runs them: the one place where they meet.

mod following;

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::accounts::Accounts;
use crate::attachments::Attachments;
use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::content::{Content, ContentError, Folders, Reading, Snapshot};
use crate::courier::Courier;
use crate::demo::{self, Demo};
use crate::desk::Desk;
use crate::fanout::{Fanout, Pace};
use crate::identity::Identity;
use crate::limits::{Bounds, Limits, Tokens};
use crate::post::Office;
use crate::recording::Stage;
use crate::responders::Responder;
use crate::responders::llm::{Llm, Writer};
use crate::responders::pipeline::Pipeline;
use crate::sources::{LookUp, NoSources, Sources};
use crate::store::{DemoShop, Store};
use crate::web::{self, Door, Proxies, Returns, Turnstile};

/// A running purser: everything but the listener.
pub struct App {
    config: Config,
    store: Store,
    fanout: Arc<Fanout>,
    content: Arc<Content>,
    desk: Arc<Desk>,
    limits: Option<Arc<Limits>>,
    sources: Arc<Sources>,
    identity: Arc<Identity>,
    office: Arc<Office>,
    attachments: Option<Arc<Attachments>>,
    llm: Option<Arc<Llm>>,
    demo: Option<Demo>,
    pages_backwards: bool,
    /// Ends the background tasks.
    stop: CancellationToken,
    background: TaskTracker,
}

/// What tests, and nobody else, want otherwise than it is.
#[derive(Default)]
pub struct Tuning {
    /// The clock.
    pub clock: Clock,
    /// Further responders, which are asked before the others.
    pub first: Vec<Arc<dyn Responder>>,
    /// How soon the fan-out looks after what is missing.
    pub pace: Pace,
    /// Pages of history are sent backwards: a promise that is broken on purpose.
    pub pages_backwards: bool,
}

impl App {
    /// Opens the store, loads the content, and starts what runs in the background: the content watch and the wake.
    pub async fn build(config: Config) -> anyhow::Result<App> {
        App::build_with(config, Tuning::default()).await
    }

    /// The same, with what a caller may want otherwise.
    pub async fn build_with(config: Config, tuning: Tuning) -> anyhow::Result<App> {
        let Tuning { clock, first, pace, pages_backwards } = tuning;
        let queue = usize::try_from(config.limits.socket_queue).context("limits.socket_queue")?;
        let fanout = Fanout::with(queue, config.redis.clone(), pace);
        let publish = fanout.clone();
        // A new database has no content of an earlier run: without a folder there is nothing to make one for.
        if config.database.is_new() && !config.faq.is_dir() {
            return Err(ContentError::NoFolder(config.faq).into());
        }
        // Opening the store waits for the disk, reading the content for nobody.
        let reading = Reading::begin(folders(&config));
        let store = Store::open(&config.database, move |committed| publish.publish(committed)).await?;
        if config.redis.is_some() && !store.is_shared() {
            tracing::warn!("Redis connects several nodes, and only one can use an SQLite file: see `database`");
        }

        let (demo, shop) = match demo_with_shop(&config, &store).await {
            Ok(demo) => demo,
            Err(error) => {
                store.close().await;
                return Err(error);
            }
        };
        let sources = Arc::new(sources(&config, demo.as_ref()));
        let asked: Arc<dyn LookUp> = sources.clone();
        let (llm, tokens) = llm(&config).unzip();
        // The content comes before the desk that it is for, and goes on changing after.
        let late_desk: Arc<std::sync::OnceLock<Arc<Desk>>> = Arc::default();
        let on_swap = {
            let (config, desk, first, sources) = (config.clone(), late_desk.clone(), first.clone(), asked.clone());
            let llm = llm.clone();
            move |snapshot: Arc<Snapshot>| {
                if let Some(desk) = desk.get() {
                    desk.set_pipeline(snapshot.pipeline(&folders(&config), &sources, &first, llm.as_ref()));
                }
            }
        };
        let content = match Content::start(reading, Some(store.clone()), on_swap).await {
            Ok(content) => content,
            Err(error) => {
                store.close().await;
                return Err(error.into());
            }
        };
        let pipeline = content.in_force().pipeline(&folders(&config), &asked, &first, llm.as_ref());
        let limit = Duration::from_secs(config.limits.answer_seconds.into());
        // The others keep their time beside that of the LLM.
        let limit = limit + llm.as_ref().map_or(Duration::ZERO, |llm| llm.longest());
        let (courier_clock, shop_clock) = (clock.clone(), clock.clone());
        let desk = Desk::new(store.clone(), pipeline, clock, config.language.clone(), limit);
        let unread = Duration::from_secs(config.limits.unread_seconds.into());
        let desk = Arc::new(
            desk.with_people(config.people.clone())
                .with_readers(fanout.clone(), unread)
                .with_retention(config.retention),
        );
        desk.look_for_staff().await;
        desk.look_for_blocked().await;
        let _ = late_desk.set(desk.clone());
        let office = match office(&config, &store, courier_clock.clone()) {
            Ok(office) => Arc::new(office),
            Err(error) => {
                store.close().await;
                return Err(error);
            }
        };

        let attachments = match Attachments::new(&config.attachments, store.clone(), courier_clock.clone()) {
            Ok(attachments) => attachments.map(Arc::new),
            Err(error) => {
                store.close().await;
                return Err(anyhow::Error::msg(error).context("attachments"));
            }
        };

        let limits = &config.limits;
        let bounds = Bounds {
            messages: limits.messages_per_minute,
            requests: limits.requests_per_minute,
            address_requests: limits.address_requests_per_minute,
            connections: limits.connections_per_minute,
            open: limits.connections_open,
            conversations: limits.conversations_per_hour,
            attachments: limits.attachments_per_hour,
        };
        let limits = (!limits.off).then(|| Limits::new(bounds, config.redis.is_some(), tokens));
        let stop = CancellationToken::new();
        let background = TaskTracker::new();
        background.spawn(desk.clone().wake(stop.clone()));
        background.spawn(desk.clone().keep_house(stop.clone()));
        background.spawn(content.clone().watch(stop.clone()));
        if let Some(attachments) = &attachments {
            background.spawn(attachments.clone().tidy(stop.clone()));
        }
        background.spawn(following::blocks(desk.clone(), fanout.clone(), stop.clone()));
        let courier = Courier::new(desk.clone(), store.clone(), sources.clone(), office.clone(), courier_clock);
        background.spawn(courier.run(stop.clone()));
        let identity = Arc::new(Identity::new(config.identity.clone()));
        background.spawn(following::file(config.clone(), sources.clone(), identity.clone(), stop.clone()));
        if let Some(Shop { listener, shop, token }) = shop {
            let today = move || demo::today(shop_clock.now());
            background.spawn(web::shop(listener, shop, token, today, stop.clone()));
        }
        let in_force = content.clone();
        let revision = move || in_force.in_force().revision.clone();
        background.spawn(fanout.clone().run(store.clone(), revision, limits.clone(), stop.clone()));
        Ok(App {
            config,
            store,
            fanout,
            content,
            desk,
            limits,
            sources,
            identity,
            office,
            attachments,
            llm,
            demo,
            pages_backwards,
            stop,
            background,
        })
    }

    /// Where messages go.
    pub fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// What is in force.
    pub fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// For following conversations.
    pub fn fanout(&self) -> &Arc<Fanout> {
        &self.fanout
    }

    /// What this purser runs on and has loaded, a line each.
    pub fn describe(&self) -> Vec<String> {
        let snapshot = self.content.in_force();
        let faq = &snapshot.faq;
        let mut lines = vec![format!("store    {}", self.store.describe())];
        lines.extend(self.fanout.redis().map(|redis| format!("nodes    connected by {redis}")));
        if let Some(demo) = &self.demo {
            lines.push(format!("demo     parcels to track, {}: {}", demo.place, self.numbers().join(", ")));
        }
        if let (Some(llm), true) = (&self.config.llm, self.config.pipeline.iter().any(|name| name == Writer::NAME)) {
            lines.push(format!("llm      {} at {}", llm.model, llm.url));
        }
        lines.push(format!(
            "content  {}: {} entries, {} phrases in {}",
            snapshot.revision,
            faq.entries(),
            faq.phrases(),
            faq.languages().join(", ")
        ));
        lines
    }

    /// The numbers of the demo's parcels, if they can be tracked.
    fn numbers(&self) -> Vec<String> {
        let samples = self.demo.iter().flat_map(|_| demo::samples());
        samples.map(|sample| sample.number).collect()
    }

    /// Serves on this listener until `stop` is ready, then ends what is under way and returns.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let limits = &self.config.limits;
        let at_most = Duration::from_secs(limits.stop_seconds.into());
        let door = Arc::new(Door {
            desk: self.desk.clone(),
            store: self.store.clone(),
            fanout: self.fanout.clone(),
            content: self.content.clone(),
            comparing: Arc::new(Semaphore::new(1)),
            identity: self.identity.clone(),
            office: self.office.clone(),
            llm: self.llm.clone(),
            origins: web::origins(&self.config.origins),
            admin_token: self.config.admin_token.clone(),
            test_echo: self.config.test_echo,
            pages_backwards: self.pages_backwards,
            watchers: self.config.watchers.clone(),
            counts: web::Counts::default(),
            templates: self.config.templates.clone(),
            attachments: self.attachments.clone(),
            accounts: Accounts::new(self.store.clone(), self.desk.clock().clone()),
            board: web::Board::default(),
            replies: self.config.replies.clone(),
            samples: self.numbers(),
            proxies: Proxies::new(self.config.proxies.clone(), self.config.proxy_header),
            limits: self.limits.clone(),
            max_sockets: usize::try_from(limits.sockets).context("limits.sockets")?,
            open_sockets: AtomicUsize::new(0),
            turnstile: Turnstile::new(limits.handshakes_per_second),
            returns: Returns::new(Duration::from_secs(limits.return_seconds.into()), limits.handshakes_per_second),
            draining: CancellationToken::new(),
            stop: CancellationToken::new(),
            sockets: TaskTracker::new(),
        });
        let (draining, stopping) = (door.draining.clone(), door.stop.clone());
        let drain = Duration::from_secs(limits.drain_seconds.into());
        tokio::spawn(async move {
            stop.await;
            draining.cancel();
            tokio::time::sleep(drain).await;
            stopping.cancel();
        });
        web::serve(listener, door, at_most).await.context("the server failed")?;
        self.stop().await;
        Ok(())
    }

    /// Ends the background tasks, waits for the answers under way and closes the store.
    pub async fn stop(self) {
        self.stop.cancel();
        self.background.close();
        self.background.wait().await;
        let at_most = Duration::from_secs(self.config.limits.stop_seconds.into());
        if tokio::time::timeout(at_most, self.desk.finish_answers()).await.is_err() {
            tracing::warn!(
                "some answers were not ready in {at_most:?}; their questions are answered after the next start"
            );
        }
        self.sources.close().await;
        self.store.close().await;
    }
}

/// Where the content of this configuration lies.
pub fn folders(config: &Config) -> Folders {
    Folders {
        faq: config.faq.clone(),
        plugins: config.plugins.clone(),
        site_language: config.language.clone(),
        pipeline: config.pipeline.clone(),
        limit: Duration::from_secs(config.limits.responder_seconds.into()),
    }
}

/// The demo's parcels, as long as nobody has configured sources: those that somebody has put into the store's
/// database, or for a trial of their own, which leaves the database alone.
pub async fn demo(config: &Config, store: Option<&Store>) -> anyhow::Result<Option<Demo>> {
    if !config.outside.is_empty() {
        return Ok(None);
    }
    if let Some(store) = store
        && config.database.exposed().is_some()
        && store.has_demo().await?
    {
        return Demo::in_database(&config.database).map(Some);
    }
    match config.is_trial() {
        true => Demo::in_memory(Clock::System.now()).await.map(Some),
        false => Ok(None),
    }
}

/// The demo's shop, ready to be served.
struct Shop {
    listener: TcpListener,
    shop: DemoShop,
    token: Secret,
}

/// The demo, if there is one, with its shop open at an address of this machine.
async fn demo_with_shop(config: &Config, store: &Store) -> anyhow::Result<(Option<Demo>, Option<Shop>)> {
    let Some(mut demo) = demo(config, Some(store)).await? else { return Ok((None, None)) };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port for the demo's shop")?;
    let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let shop = demo.open_shop(listener.local_addr()?, &token)?;
    Ok((Some(demo), Some(Shop { listener, shop, token: Secret::new(token) })))
}

/// The pipeline over this content.
pub fn pipeline(config: &Config, snapshot: &Snapshot, demo: Option<&Demo>) -> Pipeline {
    let sources: Arc<dyn LookUp> = Arc::new(sources(config, demo));
    let llm = llm(config).map(|(llm, _)| llm);
    snapshot.pipeline(&folders(config), &sources, &[], llm.as_ref())
}

/// The LLM, if there is one, with the tokens that nodes share.
fn llm(config: &Config) -> Option<(Arc<Llm>, Arc<Tokens>)> {
    let settings = config.llm.clone()?;
    let tokens =
        Tokens::new(settings.visitor_tokens, settings.day_tokens, config.redis.is_some() && !config.limits.off);
    Some((Llm::new(settings, tokens.clone()), tokens))
}

/// What recordings are replayed on. What sources say is in the recordings; nothing is asked.
pub fn stage(config: &Config, snapshot: &Snapshot) -> Stage {
    snapshot.stage(&folders(config), &(Arc::new(NoSources) as Arc<dyn LookUp>))
}

/// What sends mail and calls webhooks. From here on what happens is put down for it.
fn office(config: &Config, store: &Store, clock: Clock) -> anyhow::Result<Office> {
    store.set_posting(config.post.posting());
    let office = Office::new(&config.post, store.clone(), clock, config.language.clone(), web::rendered);
    office.map_err(anyhow::Error::msg)
}

fn sources(config: &Config, demo: Option<&Demo>) -> Sources {
    let (specs, actions) = match demo {
        Some(demo) => (&demo.sources, &demo.actions),
        None => (&config.outside.sources, &config.outside.actions),
    };
    let sources = Sources::new(specs, usize::try_from(config.limits.lookups).unwrap_or(usize::MAX));
    sources.actions().set(actions);
    sources
}
