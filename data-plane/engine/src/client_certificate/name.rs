//! Distinguished names as text (RFC 4514).

use crate::der::{element, elements};

use super::hexadecimal;

/// Short names of attributes, by object identifier (RFC 4514 section 3), and that of an address of mail, which many
/// subjects have.
const SHORT: [(&[u8], &str); 10] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x09], "STREET"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01],
        "UID",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19],
        "DC",
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01],
        "emailAddress",
    ),
];

/// The content of a `Name`, the most specific part first.
pub(super) fn written(name: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    for set in elements(name) {
        let mut attributes = Vec::new();
        for pair in elements(set.content) {
            let (identifier, value) = element(pair.content, 0x06)?;
            attributes.push(attribute(identifier, value)?);
        }
        parts.push(attributes.join("+"));
    }
    parts.reverse();
    Some(parts.join(","))
}

fn attribute(identifier: &[u8], value: &[u8]) -> Option<String> {
    let short = SHORT.iter().find(|(known, _)| *known == identifier);
    match (short, text(value)) {
        (Some((_, short)), Some(text)) => Some(format!("{short}={}", escaped(&text))),
        (Some((_, short)), None) => Some(format!("{short}=#{}", hexadecimal(value))),
        (None, _) => Some(format!("{}=#{}", dotted(identifier)?, hexadecimal(value))),
    }
}

/// The text of a `DirectoryString`, of the types that say how they are encoded.
fn text(value: &[u8]) -> Option<String> {
    let value = crate::der::first(value)?;
    match value.tag {
        0x0c | 0x13 | 0x16 => String::from_utf8(value.content.to_vec()).ok(),
        0x1e => {
            let pairs = value.content.chunks(2);
            let units = pairs.map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            let units: Option<Vec<u16>> = units.collect();
            String::from_utf16(&units?).ok()
        }
        _ => None,
    }
}

/// RFC 4514 section 2.4.
fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (place, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => written.extend(['\\', character]),
            ' ' if place == 0 || place == last => written.push_str("\\ "),
            '#' if place == 0 => written.push_str("\\#"),
            control if control.is_control() => {
                let mut bytes = [0; 4];
                for byte in control.encode_utf8(&mut bytes).bytes() {
                    written.push('\\');
                    written.push_str(&hexadecimal(&[byte]));
                }
            }
            plain => written.push(plain),
        }
    }
    written
}

/// An object identifier as numbers.
fn dotted(identifier: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: u64 = 0;
    for byte in identifier {
        number = number.checked_mul(128)? + u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.extend([first, number - 40 * first]);
            } else {
                numbers.push(number);
            }
            number = 0;
        }
    }
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    Some(texts.join("."))
}
