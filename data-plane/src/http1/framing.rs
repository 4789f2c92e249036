//! Where a body ends (RFC 9112, 6): decided from the head, or the message is refused.

use gatewright_engine::{Code, Rejection};
use http::{HeaderMap, Version, header};

use super::decoder::Decoder;

/// Framing of a request; `coded` says whether there is `Transfer-Encoding`.
///
/// # Errors
/// Whatever two recipients could read differently: both kinds of framing, several lengths, codings other
/// than one `chunked`, any coding in HTTP/1.0.
pub(super) fn of_request(
    (headers, coded): (&HeaderMap, bool),
    version: Version,
) -> Result<Decoder, Rejection> {
    let length = length(headers).map_err(bad)?;
    if !coded {
        return Ok(length.map_or(Decoder::End, Decoder::length));
    }
    if length.is_some() || headers.contains_key(header::CONTENT_LENGTH) {
        return Err(bad("both Transfer-Encoding and Content-Length"));
    }
    if version != Version::HTTP_11 {
        return Err(bad("Transfer-Encoding in HTTP/1.0"));
    }
    let codings = codings(headers);
    match codings.as_slice() {
        [only] if only == b"chunked" => Ok(Decoder::chunked()),
        [.., last] if last == b"chunked" && !codings[..codings.len() - 1].contains(last) => {
            Err(Rejection::new(
                Code::NotImplemented,
                "only the transfer coding `chunked` is known",
            ))
        }
        _ => Err(bad("Transfer-Encoding that does not end in one `chunked`")),
    }
}

/// Framing of a response to a request that was not HEAD; `coded` as above.
///
/// # Errors
/// As for requests; a response without framing ends with the connection.
pub(super) fn of_response((headers, coded): (&HeaderMap, bool)) -> Result<Decoder, &'static str> {
    let length = length(headers)?;
    if !coded {
        return Ok(length.map_or(Decoder::UntilClose, Decoder::length));
    }
    if length.is_some() {
        return Err("both Transfer-Encoding and Content-Length");
    }
    match codings(headers).as_slice() {
        [only] if only == b"chunked" => Ok(Decoder::chunked()),
        _ => Err("a transfer coding other than `chunked`"),
    }
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    // Messages have few fields: to pass over them costs less than to look one up.
    let lengths = headers
        .iter()
        .filter(|(name, _)| **name == header::CONTENT_LENGTH);
    let mut values = lengths.map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err("several Content-Length");
    }
    let digits = value.as_bytes();
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return Err("Content-Length that is not a number");
    }
    let number = digits.iter().fold(0, |number: u64, digit| {
        number * 10 + u64::from(digit - b'0')
    });
    Ok(Some(number))
}

fn codings(headers: &HeaderMap) -> Vec<Vec<u8>> {
    let values = headers.get_all(header::TRANSFER_ENCODING);
    let words = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words
        .map(|word| word.trim_ascii().to_ascii_lowercase())
        .collect()
}

fn bad(what: &'static str) -> Rejection {
    Rejection::new(Code::BadRequest, what)
}
