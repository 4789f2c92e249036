//! Reads JSON (RFC 8259) once, from front to end, to hold it to bounds. Builds nothing and does not recurse.

use std::fmt;

#[cfg(test)]
mod tests;

/// What JSON is held to.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Most levels.
    pub(super) depth: usize,
    /// Most names in one object.
    pub(super) keys: u32,
    /// Most items in one list.
    pub(super) items: u32,
    /// Most bytes of a text, a name or a number.
    pub(super) token: usize,
}

/// What is wrong, and where: the place counts bytes from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) what: What,
}

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Malformed,
    NotUtf8,
    TooDeep(usize),
    TooManyKeys(u32),
    TooManyItems(u32),
    TooLong(usize),
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match self.what {
            What::Malformed => write!(out, "the body is not JSON, at byte {at}"),
            What::NotUtf8 => write!(out, "the body is not UTF-8, at byte {at}"),
            What::TooDeep(most) => write!(out, "the JSON is over {most} levels deep, at byte {at}"),
            What::TooManyKeys(most) => {
                write!(out, "an object has over {most} names, at byte {at}")
            }
            What::TooManyItems(most) => write!(out, "a list has over {most} items, at byte {at}"),
            What::TooLong(most) => {
                write!(
                    out,
                    "a text, name or number is over {most} bytes, at byte {at}"
                )
            }
        }
    }
}

/// A list or object that has begun.
struct Level {
    is_object: bool,
    members: u32,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of the list.
    FirstItem,
    Key,
    /// A name, or the end of the object.
    FirstKey,
    Colon,
    /// A comma, or the end of what has begun.
    More,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    bounds: &'a Bounds,
    levels: Vec<Level>,
}

/// Whether these bytes are one JSON value within the bounds.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn check(bytes: &[u8], bounds: &Bounds) -> Result<(), Wrong> {
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(Wrong {
            at: error.valid_up_to(),
            what: What::NotUtf8,
        });
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        bounds,
        levels: Vec::new(),
    };
    let mut next = Next::Value;
    loop {
        reader.space();
        if next == Next::More && reader.levels.is_empty() {
            let ended = reader.at == bytes.len();
            return if ended {
                Ok(())
            } else {
                Err(reader.wrong(What::Malformed))
            };
        }
        next = reader.step(next)?;
    }
}

impl Reader<'_> {
    fn wrong(&self, what: What) -> Wrong {
        Wrong { at: self.at, what }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn step(&mut self, next: Next) -> Result<Next, Wrong> {
        let byte = self.bytes.get(self.at).copied();
        match (next, byte) {
            (Next::FirstItem, Some(b']')) | (Next::FirstKey, Some(b'}')) => Ok(self.leave()),
            (Next::Value, _) => self.value(byte),
            (Next::FirstItem, _) => {
                self.count()?;
                self.value(byte)
            }
            (Next::Key | Next::FirstKey, Some(b'"')) => {
                self.count()?;
                self.text()?;
                Ok(Next::Colon)
            }
            (Next::Colon, Some(b':')) => {
                self.at += 1;
                Ok(Next::Value)
            }
            (Next::More, Some(b',')) => {
                self.at += 1;
                if self.levels.last().is_some_and(|level| level.is_object) {
                    return Ok(Next::Key);
                }
                self.count()?;
                Ok(Next::Value)
            }
            (Next::More, Some(end @ (b']' | b'}'))) => {
                let object = self.levels.last().is_some_and(|level| level.is_object);
                match object == (end == b'}') {
                    true => Ok(self.leave()),
                    false => Err(self.wrong(What::Malformed)),
                }
            }
            _ => Err(self.wrong(What::Malformed)),
        }
    }

    fn value(&mut self, first: Option<u8>) -> Result<Next, Wrong> {
        match first {
            Some(b'[') => return self.enter(false),
            Some(b'{') => return self.enter(true),
            Some(b'"') => self.text()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => return Err(self.wrong(What::Malformed)),
        }
        Ok(Next::More)
    }

    fn enter(&mut self, is_object: bool) -> Result<Next, Wrong> {
        if self.levels.len() >= self.bounds.depth {
            return Err(self.wrong(What::TooDeep(self.bounds.depth)));
        }
        self.levels.push(Level {
            is_object,
            members: 0,
        });
        self.at += 1;
        Ok(if is_object {
            Next::FirstKey
        } else {
            Next::FirstItem
        })
    }

    fn leave(&mut self) -> Next {
        self.levels.pop();
        self.at += 1;
        Next::More
    }

    /// Counts a member of what has begun last.
    fn count(&mut self) -> Result<(), Wrong> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(());
        };
        level.members += 1;
        let (keys, items) = (self.bounds.keys, self.bounds.items);
        match (level.is_object, level.members) {
            (true, members) if members > keys => Err(self.wrong(What::TooManyKeys(keys))),
            (false, members) if members > items => Err(self.wrong(What::TooManyItems(items))),
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Wrong> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.wrong(What::Malformed));
        }
        self.at += word.len();
        Ok(())
    }

    fn text(&mut self) -> Result<(), Wrong> {
        self.at += 1;
        let begin = self.at;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                None | Some(0..=0x1f) => return Err(self.wrong(What::Malformed)),
                Some(_) => self.at += 1,
            }
        }
        self.bound(begin)?;
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        let digits = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(self.wrong(What::Malformed)),
        };
        let hex = self.bytes.get(self.at + 2..self.at + 2 + digits);
        if !hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) {
            return Err(self.wrong(What::Malformed));
        }
        self.at += 2 + digits;
        Ok(())
    }

    fn number(&mut self) -> Result<(), Wrong> {
        let begin = self.at;
        self.skip(b"-");
        if !self.skip(b"0") {
            self.digits()?;
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        self.bound(begin)
    }

    fn skip(&mut self, one_of: &[u8]) -> bool {
        let there = self
            .bytes
            .get(self.at)
            .is_some_and(|byte| one_of.contains(byte));
        self.at += usize::from(there);
        there
    }

    fn digits(&mut self) -> Result<(), Wrong> {
        let rest = &self.bytes[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        match digits {
            0 => Err(self.wrong(What::Malformed)),
            _ => Ok(()),
        }
    }

    fn bound(&self, begin: usize) -> Result<(), Wrong> {
        if self.at - begin > self.bounds.token {
            return Err(Wrong {
                at: begin,
                what: What::TooLong(self.bounds.token),
            });
        }
        Ok(())
    }
}
