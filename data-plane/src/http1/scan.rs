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
        let from = self.seen;
        for at in LineFeeds::of(&buffer[from..]) {
            let end = from + at;
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

/// Eight bytes of this value.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Where the line feeds are. Lines of a head are short: to look at eight bytes at a time from one end to the
/// other costs less than to begin a search at every line.
struct LineFeeds<'a> {
    bytes: &'a [u8],
    /// What has not been looked at begins here.
    next: usize,
    /// Those of the eight bytes before `next`, by their highest bits.
    found: u64,
}

impl<'a> LineFeeds<'a> {
    const fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            next: 0,
            found: 0,
        }
    }
}

impl Iterator for LineFeeds<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            while self.found != 0 {
                let at = self.next - 8 + self.found.trailing_zeros() as usize / 8;
                self.found &= self.found - 1;
                // Those that only look like one are passed over.
                if self.bytes[at] == b'\n' {
                    return Some(at);
                }
            }
            let Some(eight_bytes) = self.bytes[self.next..].first_chunk() else {
                break;
            };
            // Sets the highest bit of each byte that is zero, and of a one above such a byte.
            let differs = u64::from_le_bytes(*eight_bytes) ^ eight(b'\n');
            self.found = differs.wrapping_sub(eight(1)) & !differs & eight(0x80);
            self.next += 8;
        }
        let last = &self.bytes[self.next..];
        let Some(at) = last.iter().position(|byte| *byte == b'\n') else {
            self.next = self.bytes.len();
            return None;
        };
        self.next += at + 1;
        Some(self.next - 1)
    }
}

const fn is_forbidden(byte: u8) -> bool {
    (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::LineFeeds;

    /// Line feeds, what differs from them in one bit or by one, and something else.
    const BYTES: &[u8] = b"\n\x0b\x09\x8a\x0e\x00\r\xffa";

    proptest! {
        #[test]
        fn every_line_feed_is_found_and_nothing_else(
            bytes in prop::collection::vec(prop::sample::select(BYTES), 0..80),
        ) {
            let all = (0..bytes.len()).filter(|at| bytes[*at] == b'\n');
            prop_assert_eq!(LineFeeds::of(&bytes).collect::<Vec<_>>(), all.collect::<Vec<_>>());
        }
    }
}
