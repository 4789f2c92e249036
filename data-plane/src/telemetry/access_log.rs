//! Access lines: JSON, one a request, written by a thread of their own so that a slow disk or
//! terminal never holds a request up. Lines that find the queue full are dropped and counted.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
};

use serde::Serialize;

use super::Metrics;

/// Lines that may wait.
const MAX_WAITING: usize = 8192;

/// Takes access lines.
#[derive(Clone, Debug)]
pub struct AccessLog {
    lines: SyncSender<Vec<u8>>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Opens what the setting names: `stdout`, a file's path, or nothing for `off`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(setting: &str, metrics: &Arc<Metrics>) -> io::Result<Option<Self>> {
        let output: Box<dyn Write + Send> = match setting {
            "off" => return Ok(None),
            "stdout" => Box::new(io::stdout()),
            path => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
        };
        let (lines, queue) = sync_channel(MAX_WAITING);
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(&queue, output))?;
        Ok(Some(Self {
            lines,
            metrics: Arc::clone(metrics),
        }))
    }

    /// Writes a line, some time soon.
    pub(super) fn write(&self, line: &impl Serialize) {
        let mut text = Vec::with_capacity(512);
        if serde_json::to_writer(&mut text, line).is_err() {
            return;
        }
        text.push(b'\n');
        if self.lines.try_send(text).is_err() {
            self.metrics.access_lines_dropped.inc();
        }
    }
}

/// Writes until every sender is gone; flushes whenever nothing waits.
fn write(queue: &Receiver<Vec<u8>>, output: Box<dyn Write + Send>) {
    let mut output = BufWriter::with_capacity(64 * 1024, output);
    while let Ok(line) = queue.recv() {
        let mut line = line;
        loop {
            if output.write_all(&line).is_err() {
                return;
            }
            match queue.try_recv() {
                Ok(next) => line = next,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        if output.flush().is_err() {
            return;
        }
    }
}
