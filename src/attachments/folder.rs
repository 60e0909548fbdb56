//! Files in a folder, each under the name of its attachment.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::conversation::AttachmentId;

pub(super) struct Folder(PathBuf);

impl Folder {
    pub fn new(folder: PathBuf) -> Folder {
        Folder(folder)
    }

    /// Returns when it is on the disk.
    pub async fn put(&self, id: AttachmentId, file: Vec<u8>) -> Result<(), String> {
        let folder = self.0.clone();
        self.does(move || write(&folder, id, &file)).await
    }

    pub async fn get(&self, id: AttachmentId) -> Result<Option<Vec<u8>>, String> {
        let path = path(&self.0, id);
        self.does(move || found(fs::read(path))).await
    }

    pub async fn delete(&self, id: AttachmentId) -> Result<(), String> {
        let path = path(&self.0, id);
        self.does(move || found(fs::remove_file(path))).await.map(drop)
    }

    async fn does<T: Send + 'static>(
        &self,
        does: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, String> {
        let done = spawn_blocking(does).await.map_err(io::Error::other).flatten();
        done.map_err(|error| format!("{}: {error}", self.0.display()))
    }
}

fn path(folder: &Path, id: AttachmentId) -> PathBuf {
    folder.join(id.0.simple().to_string())
}

fn found<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Under another name first: a file that is there is whole.
fn write(folder: &Path, id: AttachmentId, file: &[u8]) -> io::Result<()> {
    make(folder)?;
    let begun = folder.join(format!("{}.part", Uuid::new_v4().simple()));
    let written = File::create_new(&begun).and_then(|mut to| {
        to.write_all(file)?;
        to.sync_all()?;
        fs::rename(&begun, path(folder, id))?;
        File::open(folder)?.sync_all()
    });
    if written.is_err() {
        let _ = fs::remove_file(&begun);
    }
    written
}

/// What customers sent is for nobody else on this machine.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
