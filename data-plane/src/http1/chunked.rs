//! The chunked transfer coding, decoded (RFC 9112 section 7.1).
//!
//! Strict where the RFC lets a recipient be lenient, since the next recipient may be lenient otherwise:
//! lines end in CRLF, sizes are at most sixteen hexadecimal digits, extensions and trailers are bounded.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    decoder::Decoded,
    scan::{Scan, Section},
};

/// Most bytes of extensions in a body: they carry nothing here, and cost without end otherwise.
const MAX_EXTENSION_BYTES: usize = 4 * 1024;

/// Largest trailer section.
const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// Most trailer fields.
const MAX_TRAILERS: usize = 32;

/// Where a body has got to.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    extension_bytes: usize,
}

#[derive(Debug)]
enum State {
    /// In a size.
    Size { value: u64, digits: u8 },
    /// In whitespace after a size, which only an extension may follow.
    Space(u64),
    /// In an extension.
    Extension(u64),
    /// At the LF after a size.
    SizeEnd(u64),
    /// In a chunk, with this much to come.
    Chunk(u64),
    /// At the CR after a chunk.
    ChunkCr,
    /// At the LF after a chunk.
    ChunkLf,
    /// After the last chunk.
    Trailers(Scan),
    /// Behind the body.
    End,
    /// Where the coding was broken: what follows has no meaning any more.
    Broken(&'static str),
}

const NEXT_SIZE: State = State::Size {
    value: 0,
    digits: 0,
};

impl Chunked {
    /// At the beginning of a body.
    pub(super) const fn new() -> Self {
        Self {
            state: NEXT_SIZE,
            extension_bytes: 0,
        }
    }

    /// Whether the body is over.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Steps over the last chunk where it is there already, without trailers.
    pub(super) fn end_ahead(&mut self, buffer: &mut BytesMut) {
        const LAST: &[u8] = b"\r\n0\r\n\r\n";
        if matches!(self.state, State::ChunkCr) && buffer.starts_with(LAST) {
            bytes::Buf::advance(buffer, LAST.len());
            self.state = State::End;
        }
    }

    /// Takes what it can from the front of the buffer.
    ///
    /// # Errors
    /// What is malformed; the same again in every later call, so that nobody who reads on finds chunks
    /// where there are none.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, &'static str> {
        let decoded = self.step(buffer);
        if let Err(what) = decoded {
            self.state = State::Broken(what);
        }
        decoded
    }

    fn step(&mut self, buffer: &mut BytesMut) -> Result<Decoded, &'static str> {
        loop {
            match &mut self.state {
                State::Chunk(_) | State::Trailers(_) | State::End => break,
                State::Broken(what) => return Err(what),
                _ => {}
            }
            let taken = self.lines(buffer)?;
            bytes::Buf::advance(buffer, taken);
            if buffer.is_empty() {
                return Ok(Decoded::More);
            }
        }
        match &mut self.state {
            State::Chunk(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX);
                let length = length.min(buffer.len());
                if length == 0 {
                    return Ok(Decoded::More);
                }
                *left -= length as u64;
                if *left == 0 {
                    self.state = State::ChunkCr;
                }
                Ok(Decoded::Data(buffer.split_to(length).freeze()))
            }
            State::Trailers(scan) => {
                let Some(decoded) = trailers(scan, buffer)? else {
                    return Ok(Decoded::More);
                };
                self.state = State::End;
                Ok(decoded)
            }
            _ => Ok(Decoded::End),
        }
    }

    /// Steps over framing, up to a chunk's content or the trailers. Returns how much it took.
    fn lines(&mut self, buffer: &[u8]) -> Result<usize, &'static str> {
        for (at, &byte) in buffer.iter().enumerate() {
            self.state = match self.state {
                State::Size { value, digits } => size(value, digits, byte)?,
                State::Space(size) => match byte {
                    b' ' | b'\t' => State::Space(size),
                    b';' => State::Extension(size),
                    _ => return Err("whitespace after a chunk size"),
                },
                State::Extension(size) => match byte {
                    b'\r' => State::SizeEnd(size),
                    b'\t' | b' '..=b'~' | 0x80.. => State::Extension(size),
                    _ => return Err("a control character in a chunk extension"),
                },
                State::SizeEnd(size) => match (byte, size) {
                    (b'\n', 0) => State::Trailers(Scan::default()),
                    (b'\n', size) => State::Chunk(size),
                    _ => return Err("CR without LF after a chunk size"),
                },
                State::ChunkCr if byte == b'\r' => State::ChunkLf,
                State::ChunkLf if byte == b'\n' => NEXT_SIZE,
                _ => return Err("no CRLF after a chunk"),
            };
            match self.state {
                State::Chunk(_) | State::Trailers(_) => return Ok(at + 1),
                State::Space(_) | State::Extension(_) => {
                    self.extension_bytes += 1;
                    if self.extension_bytes > MAX_EXTENSION_BYTES {
                        return Err("too many bytes of chunk extensions");
                    }
                }
                _ => {}
            }
        }
        Ok(buffer.len())
    }
}

fn size(value: u64, digits: u8, byte: u8) -> Result<State, &'static str> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ if digits == 0 => return Err("a chunk without a size"),
        b'\r' => return Ok(State::SizeEnd(value)),
        b';' => return Ok(State::Extension(value)),
        b' ' | b'\t' => return Ok(State::Space(value)),
        _ => return Err("a chunk size that is not hexadecimal"),
    };
    // Sixteen digits fill 64 bits, so the shift below loses nothing.
    if digits == 16 {
        return Err("a chunk size of more than 16 digits");
    }
    Ok(State::Size {
        value: value << 4 | u64::from(digit),
        digits: digits + 1,
    })
}

/// Takes a whole trailer section; none while it is incomplete.
fn trailers(scan: &mut Scan, buffer: &mut BytesMut) -> Result<Option<Decoded>, &'static str> {
    if buffer.starts_with(b"\r\n") {
        bytes::Buf::advance(buffer, 2);
        return Ok(Some(Decoded::End));
    }
    if buffer.is_empty() || **buffer == *b"\r" {
        return Ok(None);
    }
    match scan.section(buffer) {
        Section::Whole(length) if length <= MAX_TRAILER_BYTES => {
            let fields = fields(&buffer.split_to(length).freeze())?;
            Ok(Some(if fields.is_empty() {
                Decoded::End
            } else {
                Decoded::Trailers(fields)
            }))
        }
        Section::Broken(reason) => Err(reason),
        Section::Partial if buffer.len() < MAX_TRAILER_BYTES => Ok(None),
        _ => Err("too many bytes of trailers"),
    }
}

fn fields(section: &Bytes) -> Result<HeaderMap, &'static str> {
    let mut parsed = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    match httparse::parse_headers(section, &mut parsed) {
        Ok(httparse::Status::Complete((length, fields))) if length == section.len() => {
            let mut map = HeaderMap::with_capacity(fields.len());
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes())
                    .map_err(|_| "an invalid trailer name")?;
                let value = HeaderValue::from_maybe_shared(section.slice_ref(field.value))
                    .map_err(|_| "an invalid trailer value")?;
                if is_framing(&name) {
                    return Err("a framing field among the trailers");
                }
                if !is_forbidden(&name) {
                    map.append(name, value);
                }
            }
            Ok(map)
        }
        Err(httparse::Error::TooManyHeaders) => Err("too many trailers"),
        _ => Err("malformed trailers"),
    }
}

/// Fields that would change where the message ends or whom it is for, if somebody merged them.
fn is_framing(name: &HeaderName) -> bool {
    [
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::HOST,
    ]
    .contains(name)
}

/// Fields that a sender must not put here (RFC 9110 section 6.5.1): left out.
fn is_forbidden(name: &HeaderName) -> bool {
    [
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::MAX_FORWARDS,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::WWW_AUTHENTICATE,
    ]
    .contains(name)
}
