//! Elements of DER (X.690 section 10), read without copying. Only what keys and certificates need.

/// One element.
pub(crate) struct Element<'d> {
    pub(crate) tag: u8,
    pub(crate) content: &'d [u8],
    /// What follows it.
    pub(crate) rest: &'d [u8],
}

/// The first element; none where there is no whole one, or where its tag or length is of a form that nothing here has.
pub(crate) fn first(der: &[u8]) -> Option<Element<'_>> {
    let (head, rest) = der.split_first_chunk::<2>()?;
    // Tags above 30 take more bytes.
    if head[0] & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (long, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*long)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Element {
        tag: head[0],
        content,
        rest,
    })
}

/// The content of the first element, if it has this tag, and what follows it.
pub(crate) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let first = first(der).filter(|it| it.tag == tag)?;
    Some((first.content, first.rest))
}

/// The elements one after the other, up to the first that cannot be read.
pub(crate) fn elements(mut der: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let first = first(der)?;
        der = first.rest;
        Some(first)
    })
}
