//! A body's bytes out of a connection's, by the framing its head announced (RFC 9112 section 6.3).

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::SizeHint;

use super::chunked::Chunked;
use crate::body::BodyError;

/// How the end of a body is found, and where it has got to.
#[derive(Debug)]
pub(super) enum Decoder {
    /// This many bytes to come.
    Length(u64),
    /// By the chunked coding.
    Chunked(Box<Chunked>),
    /// When the sender closes. Responses only.
    UntilClose,
    /// It is over.
    End,
}

/// What the front of a buffer holds.
#[derive(Debug)]
pub(super) enum Decoded {
    /// A piece.
    Data(Bytes),
    /// The last thing.
    Trailers(HeaderMap),
    /// Nothing: the body is over.
    End,
    /// Nothing yet.
    More,
}

impl Decoder {
    /// By the chunked coding, from the beginning.
    pub(super) fn chunked() -> Self {
        Self::Chunked(Box::new(Chunked::new()))
    }

    /// By a length.
    pub(super) const fn length(bytes: u64) -> Self {
        match bytes {
            0 => Self::End,
            bytes => Self::Length(bytes),
        }
    }

    /// Whether the body is over.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::End)
    }

    /// What is known of the bytes to come.
    pub(super) const fn size_hint(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::End => Some(0),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes what it can from the front of the buffer.
    ///
    /// # Errors
    /// What is malformed.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, &'static str> {
        match self {
            Self::End => Ok(Decoded::End),
            Self::Chunked(chunked) => {
                let decoded = chunked.decode(buffer)?;
                // Known to be the last piece, it can go out with what closes it.
                if matches!(decoded, Decoded::Data(_)) {
                    chunked.end_ahead(buffer);
                }
                if chunked.is_end() {
                    *self = Self::End;
                }
                Ok(decoded)
            }
            _ if buffer.is_empty() => Ok(Decoded::More),
            Self::UntilClose => Ok(Decoded::Data(buffer.split().freeze())),
            Self::Length(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = buffer.split_to(length.min(buffer.len())).freeze();
                *self = Self::length(*left - data.len() as u64);
                Ok(Decoded::Data(data))
            }
        }
    }

    /// The sender closed.
    ///
    /// # Errors
    /// The body is not over.
    pub(super) fn close(&mut self) -> Result<(), BodyError> {
        match self {
            Self::End | Self::UntilClose => {
                *self = Self::End;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(BodyError::Closed),
        }
    }
}

/// What to say of a body of this size.
pub(super) fn hint(bytes: Option<u64>) -> SizeHint {
    match bytes {
        Some(bytes) => SizeHint::with_exact(bytes),
        None => SizeHint::new(),
    }
}
