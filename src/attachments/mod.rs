//! Attachments: pictures and documents that go with messages.
//!
//! What comes in is told by its content (`file.rs`), never by its name. Pictures are decoded, scaled down and written anew
//! (`picture.rs`): nothing of the file that came is kept, so neither where it was taken nor anything that hides in it.
//! Documents stay as they are, and are only ever offered for download. Where the files are is a [`Place`]: a folder, or
//! a bucket (`bucket.rs`). The store knows whose they are; a file that no message names, or whose conversation is deleted,
//! is dropped.

mod bucket;
mod file;
mod folder;
mod name;
mod picture;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::conversation::{Attachment, AttachmentId, ClientId, Media, Millis};
use crate::store::{Filed, Owner, Store, StoreError};
use bucket::Bucket;
pub use bucket::BucketSpec;
use folder::Folder;

/// How long a file waits for the message that names it.
const WAITS: Millis = 6 * 60 * 60 * 1_000;
/// How often it is looked for files to drop, and how many are dropped then.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const AT_ONCE: u32 = 64;
/// Whoever has begun to drop a file and does not end it has lost it after this time.
const LEASE: Millis = 60_000;
/// How many files come in at once. Each is in memory until it is written anew.
const COMING: usize = 12;
/// How many of them from one sender: whoever sends slowly, or never ends, keeps nobody else out.
const COMING_EACH: usize = 3;

/// What an operator says of attachments.
#[derive(Debug, Clone, PartialEq)]
pub struct AttachmentSpec {
    /// Where the files are.
    pub place: PlaceSpec,
    /// Nothing new is taken. What was taken before is still shown, and deleted with its conversation.
    pub off: bool,
    /// What is taken.
    pub rules: Rules,
}

/// Where files are.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaceSpec {
    /// Nowhere: nothing can be attached, and nothing ever was.
    Nowhere,
    /// In a folder, which is made when the first one comes.
    Folder(PathBuf),
    /// In an S3-compatible bucket.
    Bucket(BucketSpec),
}

/// What is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The largest file that comes in, in bytes.
    pub max_bytes: u32,
    /// How many files a visitor has in what is not over, or an agent at once.
    pub per_conversation: u32,
    /// How long the longer side of a kept picture is at most, in pixels.
    pub pixels: u32,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { max_bytes: 10 * 1024 * 1024, per_conversation: 20, pixels: 2_048 }
    }
}

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// More than so many bytes.
    #[error("the file is too large: at most {0} bytes are possible")]
    TooLarge(u32),
    /// So many are there already.
    #[error("at most {0} files can be attached in a conversation")]
    TooMany(u32),
    /// It is neither picture nor document.
    #[error("this is not a JPEG, PNG or WebP picture and not a PDF")]
    Kind,
    /// It begins like a picture and is none that can be read.
    #[error("this picture cannot be read")]
    Broken,
    /// A picture with too many pixels.
    #[error("this picture has too many pixels")]
    TooManyPixels,
    /// Too much is going on: again in a moment.
    #[error("too many files are coming in, please try again in a moment")]
    Busy,
    /// Where the files are, or the store, is away.
    #[error("files cannot be kept at the moment, please try again later")]
    Away,
}

enum Place {
    Folder(Folder),
    Bucket(Box<Bucket>),
}

impl Place {
    async fn put(&self, id: AttachmentId, media: Media, file: Vec<u8>) -> Result<(), String> {
        match self {
            Place::Folder(folder) => folder.put(id, file).await,
            Place::Bucket(bucket) => bucket.put(id, media, file).await,
        }
    }

    /// Nothing if it is not there.
    async fn get(&self, id: AttachmentId) -> Result<Option<Vec<u8>>, String> {
        match self {
            Place::Folder(folder) => folder.get(id).await,
            Place::Bucket(bucket) => bucket.get(id).await,
        }
    }

    /// Also if it is not there.
    async fn delete(&self, id: AttachmentId) -> Result<(), String> {
        match self {
            Place::Folder(folder) => folder.delete(id).await,
            Place::Bucket(bucket) => bucket.delete(id).await,
        }
    }
}

/// Takes files, keeps them, gives them back and drops them.
pub struct Attachments {
    place: Place,
    off: bool,
    rules: Rules,
    store: Store,
    clock: Clock,
    /// The senders of what comes in, each as often as it sends.
    coming: Mutex<Vec<Option<u128>>>,
    /// One picture at a time is decoded, so memory holds the pixels of one.
    decoding: Arc<Semaphore>,
}

/// A place for a file that comes in.
pub struct Admitted {
    attachments: Arc<Attachments>,
    sender: Option<u128>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut coming = self.attachments.coming();
        if let Some(at) = coming.iter().position(|sender| *sender == self.sender) {
            coming.swap_remove(at);
        }
    }
}

impl Attachments {
    /// Attachments as the operator wants them; `None` if there are none. An error if the bucket cannot be used.
    pub fn new(spec: &AttachmentSpec, store: Store, clock: Clock) -> Result<Option<Attachments>, String> {
        let place = match &spec.place {
            PlaceSpec::Nowhere => return Ok(None),
            PlaceSpec::Folder(folder) => Place::Folder(Folder::new(folder.clone())),
            PlaceSpec::Bucket(bucket) => Place::Bucket(Box::new(Bucket::new(bucket.clone())?)),
        };
        let (coming, decoding) = (Mutex::default(), Arc::new(Semaphore::new(1)));
        Ok(Some(Attachments { place, off: spec.off, rules: spec.rules, store, clock, coming, decoding }))
    }

    /// What is taken; `None`: nothing.
    pub fn rules(&self) -> Option<Rules> {
        (!self.off).then_some(self.rules)
    }

    /// A place for a file that comes in from this sender, an address or an agent; `None` if it cannot be counted. It is
    /// held until the file is kept.
    pub fn admit(self: &Arc<Self>, sender: Option<u128>) -> Result<Admitted, Unfit> {
        let mut coming = self.coming();
        let own = coming.iter().filter(|other| sender.is_some() && **other == sender).count();
        if coming.len() >= COMING || own >= COMING_EACH {
            return Err(Unfit::Busy);
        }
        coming.push(sender);
        drop(coming);
        Ok(Admitted { attachments: self.clone(), sender })
    }

    fn coming(&self) -> MutexGuard<'_, Vec<Option<u128>>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a file. Returns when it is kept; the same one sent again under the same id is kept once.
    pub async fn take(
        &self,
        owner: Owner,
        client_id: &ClientId,
        name: &str,
        file: Vec<u8>,
    ) -> Result<Attachment, Unfit> {
        let id = AttachmentId::of(&owner, client_id, &file);
        if let Some(known) = self.mine(owner, id).await? {
            // Its file is there: only what has one is named.
            if known.said.is_some() {
                return Ok(known.attachment);
            }
        } else if self.store.files_of(owner).await.map_err(away)? >= self.rules.per_conversation {
            return Err(Unfit::TooMany(self.rules.per_conversation));
        }
        let (rules, turn) = (self.rules, self.decoding.clone());
        let turn = turn.acquire_owned().await.map_err(|_| Unfit::Busy)?;
        let prepared = spawn_blocking(move || {
            let _turn = turn;
            file::prepare(file, &rules)
        });
        let prepared = prepared.await.unwrap_or_else(|_| {
            // What a decoder trips over is nothing that anybody could look at.
            tracing::warn!("a picture made its decoder panic");
            Err(Unfit::Broken)
        })?;
        let file::Prepared { media, size, bytes } = prepared;
        let attachment = Attachment {
            id,
            name: name::clean(name, media),
            media,
            bytes: u32::try_from(bytes.len()).map_err(|_| Unfit::TooLarge(rules.max_bytes))?,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
        };
        // The row comes first: what has one is dropped in time, whatever breaks now.
        self.store.file(attachment, owner, self.clock.now() + WAITS).await.map_err(away)?;
        self.place.put(id, media, bytes).await.map_err(|error| {
            tracing::warn!(attachment = %id, %error, "a file cannot be kept");
            Unfit::Away
        })?;
        // It may have been dropped meanwhile, with a row of before.
        self.mine(owner, id).await?.map(|filed| filed.attachment).ok_or(Unfit::Busy)
    }

    async fn mine(&self, owner: Owner, id: AttachmentId) -> Result<Option<Filed>, Unfit> {
        let filed = self.store.filed(&[id]).await.map_err(away)?;
        Ok(filed.into_iter().find(|filed| filed.owner == owner))
    }

    /// The content of an attachment; nothing if it is gone.
    pub async fn content(&self, id: AttachmentId) -> Result<Option<Vec<u8>>, Unfit> {
        self.place.get(id).await.map_err(|error| {
            tracing::warn!(attachment = %id, %error, "a file cannot be read");
            Unfit::Away
        })
    }

    /// Drops files that nobody needs any more, until it is stopped.
    pub async fn tidy(self: Arc<Self>, stop: CancellationToken) {
        let mut failed = false;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            match self.drop_due().await {
                Ok(()) => failed = false,
                Err(error) => {
                    if !failed {
                        tracing::warn!(%error, "files that are to be deleted wait");
                    }
                    failed = true;
                }
            }
        }
    }

    /// Drops what is due.
    pub async fn drop_due(&self) -> Result<(), String> {
        let now = self.clock.now();
        for (id, due) in self.store.files_to_drop(now, AT_ONCE).await.map_err(|error| error.to_string())? {
            let claimed = self.store.claim_file(id, due, now + LEASE).await;
            if !claimed.map_err(|error| error.to_string())? {
                continue;
            }
            self.place.delete(id).await?;
            self.store.forget_file(id).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

fn away(error: StoreError) -> Unfit {
    tracing::warn!(%error, "what the store knows of attachments cannot be reached");
    Unfit::Away
}
