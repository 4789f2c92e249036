//! Asks by opening a connection.

use std::io::{ErrorKind, Result};

use gatewright_engine::health::check::Check;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{super::checks::Answer, described};
use crate::connect::{self, Io, Origin};

/// How much of what comes is looked at.
const MAX_ANSWER_BYTES: usize = 4096;

pub(super) async fn ask(origin: &Origin, (send, expect): (&[u8], &[u8]), check: &Check) -> Answer {
    let mut io = match connect::open(origin, check.timeout).await {
        Ok(io) => io,
        Err(error) => return Answer::failure(described(&error)),
    };
    match converse(&mut io, send, expect).await {
        Ok(true) => Answer::PASS,
        Ok(false) => Answer::unfit("the answer is not what is expected"),
        Err(error) => Answer::failure(error.to_string()),
    }
}

/// Sends, and reads until it has come, or as much as is looked at.
async fn converse(io: &mut Io, send: &[u8], expect: &[u8]) -> Result<bool> {
    if !send.is_empty() {
        io.write_all(send).await?;
        io.flush().await?;
    }
    let mut answer = [0; MAX_ANSWER_BYTES];
    let mut read = 0;
    while !contains(&answer[..read], expect) {
        let rest = answer.get_mut(read..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(false);
        }
        match io.read(rest).await? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    Ok(true)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
