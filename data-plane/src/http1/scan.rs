//! Finds the end of a header section, and what can never become one.

use bytes::{Buf as _, BytesMut};

/// What a buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// A whole section of this many bytes, the empty line included.
    Whole(usize),
    /// The beginning of one.
    Partial,
    /// Something else.
    Broken(&'static str),
}

/// Looks at bytes as they arrive, each once.
#[derive(Debug, Default)]
pub(super) struct Scan {
    seen: usize,
    empty_lines: u8,
}

impl Scan {
    /// Takes an empty line from the front of the buffer. Returns how many it has taken.
    pub(super) fn skip_empty_line(&mut self, buffer: &mut BytesMut) -> u8 {
        if buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            self.seen = 0;
            self.empty_lines = self.empty_lines.saturating_add(1);
        }
        self.empty_lines
    }

    /// Looks for the empty line that ends a section (RFC 9112 section 2.1). `buffer` begins where it
    /// did in the call before and may have grown.
    pub(super) fn section(&mut self, buffer: &[u8]) -> Section {
        for at in memchr::memchr_iter(b'\n', &buffer[self.seen..]) {
            let end = self.seen + at;
            // RFC 9112 section 2.2 lets a recipient take a bare LF for a line end; senders that differ about
            // it from the next recipient are how requests are smuggled.
            if end == 0 || buffer[end - 1] != b'\r' {
                return Section::Broken("a line ends in LF without CR");
            }
            if end >= 3 && buffer[end - 3..end] == *b"\r\n\r" {
                self.seen = 0;
                return Section::Whole(end + 1);
            }
        }
        // Garbage is refused when it comes, not when the time for a head is over.
        let fresh = &buffer[self.seen..];
        self.seen = buffer.len();
        if fresh.iter().any(|byte| is_forbidden(*byte)) {
            return Section::Broken("a control character in the header section");
        }
        Section::Partial
    }
}

const fn is_forbidden(byte: u8) -> bool {
    (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7f
}
