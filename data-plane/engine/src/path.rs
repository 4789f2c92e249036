//! Paths: the one normalised form for matching, policy and forwarding, and templates.
//!
//! A gateway and the service behind it must read a path alike, or a policy can be walked around.
//! So a request's path is brought into one form before anything looks at it, this form is what is
//! forwarded, and what has no clear meaning is refused.

mod template;

use std::borrow::Cow;

pub(crate) use template::Segment;
pub use template::{Parameter, Template};

#[cfg(test)]
mod tests;

/// Why a path is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPath(pub &'static str);

/// Brings a path (no query) into its normalised form: escapes of unreserved characters decoded,
/// once, and all others kept in upper case (RFC 3986, 6.2.2), slashes merged, dot segments removed
/// (5.2.4). `%2F` and `%5C` stay as they are and separate nothing. Borrows what is already normal.
///
/// # Errors
/// What must not be guessed at: a path that does not begin with a slash or leads above the root, a
/// broken escape, `%00`, a backslash, `?` or `#`, white space, control and non-ASCII bytes.
pub fn normalize(path: &str) -> Result<Cow<'_, str>, InvalidPath> {
    if is_normal(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    rewrite(path).map(Cow::Owned)
}

/// Whether a path is in its normalised form: one pass, as most paths are.
fn is_normal(path: &[u8]) -> bool {
    if path.first() != Some(&b'/') {
        return false;
    }
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        let fits = match byte {
            b'/' => !matches!(
                tail,
                [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..]
            ),
            b'%' => is_kept_escape(tail),
            _ => is_plain(*byte),
        };
        if !fits {
            return false;
        }
        rest = tail;
    }
    true
}

/// Whether the two digits after a `%` are in the form in which escapes are kept.
fn is_kept_escape(digits: &[u8]) -> bool {
    let upper = |digit: &u8| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
    match digits {
        [high, low, ..] if upper(high) && upper(low) => {
            escaped(*high, *low).is_some_and(|byte| byte != 0 && !is_unreserved(byte))
        }
        _ => false,
    }
}

/// Whether a byte may stand in a path as itself.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'\\' | b'?' | b'#' | b'%')
}

/// RFC 3986, 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn rewrite(path: &str) -> Result<String, InvalidPath> {
    let rest = path
        .strip_prefix('/')
        .ok_or(InvalidPath("a path begins with `/`"))?;
    let mut normal = String::with_capacity(path.len());
    let mut directory = false;
    for segment in rest.split('/') {
        let start = normal.len();
        normal.push('/');
        decode(segment, &mut normal)?;
        directory = true;
        match &normal[start + 1..] {
            "" | "." => normal.truncate(start),
            ".." => {
                normal.truncate(start);
                let parent = normal
                    .rfind('/')
                    .ok_or(InvalidPath("`..` leads above the root"))?;
                normal.truncate(parent);
            }
            _ => directory = false,
        }
    }
    if directory {
        normal.push('/');
    }
    Ok(normal)
}

/// Appends a segment with its escapes in the normalised form.
fn decode(segment: &str, normal: &mut String) -> Result<(), InvalidPath> {
    let mut rest = segment.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            if !is_plain(*byte) {
                return Err(refusal(*byte));
            }
            normal.push(char::from(*byte));
            continue;
        }
        let [high, low, tail @ ..] = tail else {
            return Err(InvalidPath("`%` is not followed by two digits"));
        };
        rest = tail;
        match escaped(*high, *low) {
            None => return Err(InvalidPath("`%` is not followed by two digits")),
            Some(0) => return Err(InvalidPath("`%00` is not allowed in a path")),
            Some(byte) if is_unreserved(byte) => normal.push(char::from(byte)),
            Some(_) => {
                normal.push('%');
                normal.push(char::from(high.to_ascii_uppercase()));
                normal.push(char::from(low.to_ascii_uppercase()));
            }
        }
    }
    Ok(())
}

const fn refusal(byte: u8) -> InvalidPath {
    InvalidPath(match byte {
        b'\\' => "a backslash is not allowed in a path",
        b'?' => "`?` is not part of a path",
        b'#' => "`#` is not allowed in a path",
        b' ' => "white space is not allowed in a path; write `%20`",
        0x80.. => "characters outside ASCII are not allowed in a path; escape them as `%XX`",
        _ => "control characters are not allowed in a path",
    })
}
