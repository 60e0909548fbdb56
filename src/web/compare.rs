//! `POST /api/content/compare`: what an edit would change, for editors, one at a time and never at the customers'
//! expense.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use salvo::http::ParseError;
use salvo::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::admission::check_admin;
use super::{Door, door};
use crate::clock::Clock;
use crate::content::Snapshot;
use crate::conversation::Millis;
use crate::finding::Finding;
use crate::recording::compare::{Material, Report, Sides, run};
use crate::store::{Logged, StoreError};

/// The largest body: a whole FAQ.
const MAX_BODY: usize = 8 << 20;
/// So many conversations are read at a time.
const PAGE: u32 = 64;
const DAY: Millis = 24 * 60 * 60 * 1000;

/// What is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Files that are changed: path (`faq/en/parcels.yaml`) to text, or to `null` for one that is removed. The others
    /// are as they are in force.
    #[serde(default)]
    files: BTreeMap<String, Option<String>>,
    /// Begin with this set that went live once, and not with the one in force.
    #[serde(default)]
    revision: Option<String>,
    /// So many days of questions.
    #[serde(default = "month")]
    days: u32,
}

fn month() -> u32 {
    30
}

/// Why an edit cannot be compared.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Broken {
    /// What is wrong with the files.
    findings: Vec<Finding>,
}

/// `POST /api/content/compare`
#[handler]
pub async fn compare(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    // What it shows are messages of customers.
    check_admin(&door, req)?;
    let edit = read(req).await?;
    let Ok(turn) = door.comparing.clone().try_acquire_owned() else {
        return Err(StatusError::conflict().brief("a comparison is under way; one is made at a time"));
    };
    let before = door.content.in_force();
    let files = changed(&door, &before, &edit).await?;
    // Whoever goes away takes the rest of the work along.
    let gone = Gone(Arc::default());
    let (done, outcome) = oneshot::channel();
    let (pages, material) = mpsc::channel(1);
    let since = Clock::System.now() - Millis::from(edit.days) * DAY;
    let store = door.store.clone();
    let reading = tokio::spawn(async move { store.stream(since, PAGE, pages).await });
    let (stopped, stop) = (gone.0.clone(), door.stop.clone());
    let work = move || {
        be_nice();
        let compared =
            compared(&door, &before, files, since, material, || stopped.load(Ordering::Relaxed) || stop.is_cancelled());
        drop(turn);
        // Nobody waits any more.
        let _ = done.send(compared);
    };
    let spawned = std::thread::Builder::new().name("compare".to_owned()).spawn(work);
    spawned.map_err(|_| StatusError::service_unavailable().brief("there is no thread for it"))?;
    let compared = outcome.await.map_err(|_| StatusError::internal_server_error())?;
    if !matches!(reading.await, Ok(Ok(()))) {
        return Err(StatusError::service_unavailable().brief("the store is away"));
    }
    match compared {
        Ok(report) => res.render(Json(report)),
        Err(findings) => {
            res.status_code(StatusCode::UNPROCESSABLE_ENTITY);
            res.render(Json(Broken { findings }));
        }
    }
    Ok(())
}

async fn read(req: &mut Request) -> Result<Edit, StatusError> {
    match req.payload_with_max_size(MAX_BODY).await {
        Ok(body) => serde_json::from_slice(body)
            .map_err(|error| StatusError::bad_request().brief(format!("this is no comparison: {error}"))),
        Err(ParseError::PayloadTooLarge) => {
            Err(StatusError::payload_too_large().brief(format!("a body holds {MAX_BODY} bytes at most")))
        }
        Err(_) => Err(StatusError::bad_request().brief("the body did not come to its end")),
    }
}

/// The files as they would be.
async fn changed(door: &Door, before: &Snapshot, edit: &Edit) -> Result<BTreeMap<String, Vec<u8>>, StatusError> {
    let mut files = match &edit.revision {
        None => before.files.clone(),
        Some(revision) => match door.store.content_set(revision).await {
            Ok(Some(set)) => set.files,
            Ok(None) | Err(StoreError::Ambiguous(_)) => {
                return Err(StatusError::not_found().brief("no such set, or more than one, went live here"));
            }
            Err(_) => return Err(StatusError::service_unavailable().brief("the store is away")),
        },
    };
    for (path, text) in &edit.files {
        if !path.starts_with("faq/") && !path.starts_with("plugins/") {
            return Err(StatusError::bad_request().brief("a path begins with faq/ or plugins/"));
        }
        match text {
            Some(text) => files.insert(path.clone(), text.clone().into_bytes()),
            None => files.remove(path),
        };
    }
    Ok(files)
}

/// Loads the changed files and compares, on this thread and one more.
fn compared(
    door: &Door,
    before: &Snapshot,
    files: BTreeMap<String, Vec<u8>>,
    since: Millis,
    mut material: mpsc::Receiver<Vec<Logged>>,
    is_over: impl Fn() -> bool,
) -> Result<Report, Vec<Finding>> {
    let loaded = door.content.load_files(files);
    let after = match loaded.snapshot {
        Some(snapshot) if !loaded.findings.iter().any(Finding::is_error) => snapshot,
        _ => return Err(loaded.findings),
    };
    let (before, after) = (door.content.stage(before), door.content.stage(&after));
    let sides = Sides { before: &before, after: &after };
    let pages = std::iter::from_fn(|| material.blocking_recv()).map(Material::Stored);
    Ok(run(pages, &sides, since, 1, |_| if is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }))
}

/// This thread, and those that it starts, run when nobody else wants to.
fn be_nice() {
    #[cfg(target_os = "linux")]
    // On Linux this is about the calling thread alone. Where it is not allowed, the work goes on all the same.
    let _ = rustix::process::setpriority_process(None, 19);
}

/// Set when whoever asked is not there any more.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
