//! Places in documents: JSON Pointers (RFC 6901) in which `*` stands for all items of a list, or all members of
//! an object.

use std::fmt;

use super::Document;

/// Most names of a place.
const MAX_NAMES: usize = 32;

/// A place in a document, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(Box<[Token]>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A member's name, or an item's index.
    Name(Box<str>),
    /// Each of them. Written `*`; a member of this name is written `~2`.
    All,
}

impl Place {
    /// Reads one; the empty text is the document.
    ///
    /// # Errors
    /// It does not begin with `/`, `~` is not followed by `0`, `1` or `2`, or there are more than 32 names.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self(Box::default()));
        }
        let text = text.strip_prefix('/').ok_or("must begin with `/`")?;
        if text.split('/').count() > MAX_NAMES {
            return Err("has more than 32 names");
        }
        text.split('/')
            .map(token)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Its names.
    pub(super) const fn tokens(&self) -> &[Token] {
        &self.0
    }

    /// Whether its last part is a name and not `*`.
    pub fn names_member(&self) -> bool {
        matches!(self.0.last(), Some(Token::Name(_)))
    }

    /// Whether it is one place, without `*`.
    pub fn is_single(&self) -> bool {
        !self.0.contains(&Token::All)
    }

    /// Whether it is the document itself.
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the other is this place or within it.
    pub fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// What is there; none where nothing is, or it is several places.
    pub fn get<'d>(&self, document: &'d Document) -> Option<&'d Document> {
        let step = |at: &'d Document, token: &Token| match (token, at) {
            (Token::Name(name), Document::Object(_)) => at.member(name),
            (Token::Name(name), Document::List(items)) => items.get(index(name)?),
            _ => None,
        };
        self.0.iter().try_fold(document, step)
    }

    /// Shows all that is there, to be changed.
    pub fn each(&self, document: &mut Document, act: &mut dyn FnMut(&mut Document)) {
        each(&self.0, document, act);
    }

    /// Shows what the last name is in, and the name; nothing for the document itself and for a last `*`.
    pub fn each_parent(&self, document: &mut Document, act: &mut dyn FnMut(&mut Document, &str)) {
        if let Some((Token::Name(last), parents)) = self.0.split_last() {
            each(parents, document, &mut |parent| act(parent, last));
        }
    }

    /// Puts a value there, and makes the objects on the way that are missing. False where something else is in
    /// the way, or the list has no such place: an index may be one past the end, and `-` is.
    pub fn put(&self, document: &mut Document, value: Document) -> bool {
        let mut at = document;
        for token in &self.0 {
            let Token::Name(name) = token else {
                return false;
            };
            if *at == Document::Null {
                *at = Document::Object(Vec::new());
            }
            let next = match at {
                Document::Object(members) => Some(member(members, name)),
                Document::List(items) => item(items, name),
                _ => None,
            };
            match next {
                Some(next) => at = next,
                None => return false,
            }
        }
        *at = value;
        true
    }

    /// Takes out what is there.
    pub fn take(&self, document: &mut Document) -> Option<Document> {
        let mut taken = None;
        self.each_parent(document, &mut |parent, name| taken = remove(parent, name));
        taken
    }

    /// Takes out all that is there, also all items or members for a last `*`.
    pub fn remove(&self, document: &mut Document) {
        match self.0.split_last() {
            None => *document = Document::Null,
            Some((Token::Name(name), parents)) => each(parents, document, &mut |parent| {
                remove(parent, name);
            }),
            Some((Token::All, parents)) => each(parents, document, &mut |parent| match parent {
                Document::List(items) => items.clear(),
                Document::Object(members) => members.clear(),
                _ => {}
            }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| match token {
            Token::All => out.write_str("/*"),
            Token::Name(name) => {
                let name = name.replace('~', "~0").replace('/', "~1");
                write!(out, "/{}", if name == "*" { "~2" } else { &name })
            }
        })
    }
}

/// Takes out a member or an item.
fn remove(parent: &mut Document, name: &str) -> Option<Document> {
    match parent {
        Document::Object(members) => {
            let place = members.iter().position(|(it, _)| &**it == name)?;
            Some(members.remove(place).1)
        }
        Document::List(items) => {
            let index = index(name).filter(|&index| index < items.len())?;
            Some(items.remove(index))
        }
        _ => None,
    }
}

fn each(path: &[Token], document: &mut Document, act: &mut dyn FnMut(&mut Document)) {
    let Some((token, rest)) = path.split_first() else {
        return act(document);
    };
    match (token, document) {
        (Token::All, Document::List(items)) => {
            items.iter_mut().for_each(|item| each(rest, item, act));
        }
        (Token::All, Document::Object(members)) => {
            members
                .iter_mut()
                .for_each(|(_, value)| each(rest, value, act));
        }
        (Token::Name(name), Document::Object(members)) => {
            let found = members.iter_mut().find(|(it, _)| it == name);
            if let Some((_, value)) = found {
                each(rest, value, act);
            }
        }
        (Token::Name(name), Document::List(items)) => {
            let found = index(name).and_then(|index| items.get_mut(index));
            if let Some(item) = found {
                each(rest, item, act);
            }
        }
        _ => {}
    }
}

fn member<'d>(members: &'d mut Vec<(Box<str>, Document)>, name: &str) -> &'d mut Document {
    let place = members.iter().position(|(it, _)| &**it == name);
    let place = place.unwrap_or_else(|| {
        members.push((name.into(), Document::Null));
        members.len() - 1
    });
    &mut members[place].1
}

fn item<'d>(items: &'d mut Vec<Document>, name: &str) -> Option<&'d mut Document> {
    let place = match name {
        "-" => items.len(),
        _ => index(name)?,
    };
    if place == items.len() {
        items.push(Document::Null);
    }
    items.get_mut(place)
}

/// Digits without leading zeros (RFC 6901 section 4).
fn index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}

fn token(text: &str) -> Result<Token, &'static str> {
    if text == "*" {
        return Ok(Token::All);
    }
    let mut escapes = text.split('~').skip(1);
    if !escapes.all(|rest| rest.starts_with(['0', '1', '2'])) {
        return Err("`~` must be written `~0`, `/` within a name `~1`, and `*` as a name `~2`");
    }
    let name = text
        .replace("~2", "*")
        .replace("~1", "/")
        .replace("~0", "~");
    Ok(Token::Name(name.into()))
}
