//! Where access lines go. They gather in one buffer and a thread of its own writes them, so that a slow
//! disk or terminal never holds a request up. Lines that find the buffer full are dropped, and counted.

use std::{
    cell::RefCell,
    fs::OpenOptions,
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde::Serialize;

/// What may wait to be written.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// From here on the writer does not wait for more.
const WRITE_NOW_BYTES: usize = 64 << 10;
/// How long lines gather.
const GATHER: Duration = Duration::from_millis(20);
/// How long the end waits for what is left to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes access lines. When it is dropped, what it has taken is written.
#[derive(Debug)]
pub struct AccessLog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Buffer {
    lines: Vec<u8>,
    closing: bool,
    /// The thread has ended.
    closed: bool,
}

thread_local! {
    /// A line while it is made, so that the buffer all workers share is locked only to copy it.
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(1024));
}

impl AccessLog {
    /// Opens what the setting names: `stdout`, a file's path, or nothing for `off`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(setting: &str) -> io::Result<Option<Self>> {
        let output: Box<dyn Write + Send> = match setting {
            "off" => return Ok(None),
            "stdout" => Box::new(io::stdout()),
            path => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
        };
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || its.write(output))?;
        Ok(Some(Self(shared)))
    }

    /// Writes a line, some time soon. Whether there was room.
    pub(super) fn write(&self, line: &impl Serialize) -> bool {
        LINE.with_borrow_mut(|text| {
            text.clear();
            if serde_json::to_writer(&mut *text, line).is_err() {
                return false;
            }
            text.push(b'\n');
            self.0.take(text)
        })
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.0.lock().closing = true;
        self.0.changed.notify_all();
        let closed = |buffer: &mut Buffer| !buffer.closed;
        let _ = self
            .0
            .changed
            .wait_timeout_while(self.0.lock(), CLOSE_TIMEOUT, closed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, line: &[u8]) -> bool {
        let mut buffer = self.lock();
        let before = buffer.lines.len();
        let after = before + line.len();
        if after > MAX_WAITING_BYTES || buffer.closed {
            return false;
        }
        buffer.lines.extend_from_slice(line);
        drop(buffer);
        // Only the first line and the one that fills it wake the writer, not each of them.
        if before == 0 || (before < WRITE_NOW_BYTES && after >= WRITE_NOW_BYTES) {
            self.changed.notify_one();
        }
        true
    }

    fn write(&self, mut output: Box<dyn Write + Send>) {
        let mut lines = Vec::new();
        loop {
            let idle = |buffer: &mut Buffer| buffer.lines.is_empty() && !buffer.closing;
            let few = |buffer: &mut Buffer| buffer.lines.len() < WRITE_NOW_BYTES && !buffer.closing;
            let guard = self
                .changed
                .wait_while(self.lock(), idle)
                .unwrap_or_else(PoisonError::into_inner);
            let waited = self.changed.wait_timeout_while(guard, GATHER, few);
            let (mut buffer, _) = waited.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut buffer.lines, &mut lines);
            let closing = buffer.closing;
            drop(buffer);
            let written = output.write_all(&lines).and_then(|()| output.flush());
            lines.clear();
            if let Err(error) = &written {
                tracing::error!(%error, "cannot write access lines; no more are written");
            }
            if closing || written.is_err() {
                self.lock().closed = true;
                self.changed.notify_all();
                return;
            }
        }
    }
}
