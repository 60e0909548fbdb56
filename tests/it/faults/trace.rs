//! What happened when, kept for whoever has to find out why.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// The lines of one run.
pub struct Trace {
    start: Instant,
    lines: Mutex<Vec<String>>,
}

impl Trace {
    pub fn new() -> Trace {
        Trace { start: Instant::now(), lines: Mutex::default() }
    }

    pub fn note(&self, line: impl AsRef<str>) {
        let line = format!("{:9.3} {}", self.start.elapsed().as_secs_f64(), line.as_ref());
        self.lines.lock().expect("no panic in here").push(line);
    }

    /// Writes it, and what the nodes logged, into a folder of the build; gives that folder.
    pub fn keep(&self, name: &str, logs: &[PathBuf]) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults").join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the trace");
        let lines = self.lines.lock().expect("no panic in here").join("\n");
        std::fs::write(folder.join("trace.txt"), lines).expect("a trace");
        for log in logs {
            if let Some(name) = log.file_name() {
                let _ = std::fs::copy(log, folder.join(name));
            }
        }
        folder
    }
}
