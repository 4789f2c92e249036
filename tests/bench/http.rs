//! The little HTTP/1.1 that measuring needs: where a message ends. Cheap, since load generator and origin
//! share a core, and must not be what is measured.

use memchr::{memchr_iter, memmem};

/// Length of the first complete message in the buffer: a head and the body that `Content-Length` names.
pub(crate) fn message_len(buffer: &[u8]) -> Option<usize> {
    let head = memmem::find(buffer, b"\r\n\r\n")? + 4;
    let total = head + content_length(&buffer[..head]);
    (buffer.len() >= total).then_some(total)
}

/// The status of a response.
pub(crate) fn status(response: &[u8]) -> u16 {
    let digits = response.get(9..12).unwrap_or_default();
    digits.iter().fold(0, |status, digit| {
        status * 10 + u16::from(digit.wrapping_sub(b'0'))
    })
}

/// Whether a response has a 2xx status.
pub(crate) fn is_success(response: &[u8]) -> bool {
    status(response) / 100 == 2
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    for end in memchr_iter(b'\n', head) {
        let line = &head[end + 1..];
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            let value = line[NAME.len()..].trim_ascii_start();
            let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
            return digits.fold(0, |total, digit| total * 10 + usize::from(digit - b'0'));
        }
    }
    0
}
