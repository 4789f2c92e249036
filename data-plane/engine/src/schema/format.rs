//! Formats of texts and numbers. Those that are not known are no demand.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

/// What `format` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    DateTime,
    Date,
    Time,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Uri,
    Uuid,
    Byte,
    Int32,
    Int64,
}

const NAMES: [(&str, Format, &str); 12] = [
    (
        "date-time",
        Format::DateTime,
        "must be a date and time (RFC 3339)",
    ),
    ("date", Format::Date, "must be a date (RFC 3339)"),
    ("time", Format::Time, "must be a time (RFC 3339)"),
    ("email", Format::Email, "must be an email address"),
    ("hostname", Format::Hostname, "must be a host name"),
    ("ipv4", Format::Ipv4, "must be an IPv4 address"),
    ("ipv6", Format::Ipv6, "must be an IPv6 address"),
    ("uri", Format::Uri, "must be a URI"),
    ("uuid", Format::Uuid, "must be a UUID"),
    ("byte", Format::Byte, "must be base64"),
    ("int32", Format::Int32, "must fit 32 bits"),
    ("int64", Format::Int64, "must fit 64 bits"),
];

impl Format {
    pub(super) fn named(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(it, ..)| *it == name);
        found.map(|(_, format, _)| *format)
    }

    pub(super) fn demand(self) -> &'static str {
        let found = NAMES.iter().find(|(_, it, _)| *it == self);
        found.map_or("", |(.., demand)| demand)
    }

    /// Whether a value has it, or is of a kind that it says nothing of.
    pub(super) fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Int32, Value::Number(number)) => number
                .as_i64()
                .map_or(!number.is_u64(), |it| i32::try_from(it).is_ok()),
            (Self::Int64, Value::Number(number)) => {
                // Beyond 64 bits, integers are read as doubles.
                let double = number.as_f64().unwrap_or(f64::NAN);
                number.is_i64() || (!number.is_u64() && double.abs() < 9_223_372_036_854_775_808.0)
            }
            (Self::Int32 | Self::Int64, _) => true,
            (_, Value::String(text)) => self.fits(text),
            _ => true,
        }
    }

    fn fits(self, text: &str) -> bool {
        match self {
            Self::DateTime => {
                let at = text.find(['T', 't', ' ']);
                at.is_some_and(|at| is_date(&text[..at]) && is_time(&text[at + 1..]))
            }
            Self::Date => is_date(text),
            Self::Time => is_time(text),
            Self::Email => is_email(text),
            Self::Hostname => is_hostname(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Uri => is_uri(text),
            Self::Uuid => is_uuid(text),
            Self::Byte => BASE64_STANDARD.decode(text).is_ok(),
            Self::Int32 | Self::Int64 => true,
        }
    }
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let all = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut next = |count| parts.next().and_then(|part| digits(part, count));
    let (Some(year), Some(month), Some(day)) = (next(4), next(2), next(2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let zone = text.find(['Z', 'z', '+', '-']);
    let Some((clock, zone)) = zone.map(|at| text.split_at(at)) else {
        return false;
    };
    let whole = match clock.split_once('.') {
        Some((whole, part)) if is_digits(part) => whole,
        Some(_) => return false,
        None => clock,
    };
    let mut parts = whole.splitn(3, ':');
    let mut next = |most| {
        let value = parts.next().and_then(|part| digits(part, 2));
        value.is_some_and(|value| value <= most)
    };
    let in_day = next(23) && next(59) && next(60);
    in_day && (zone.eq_ignore_ascii_case("z") || is_offset(&zone[1..]))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_offset(text: &str) -> bool {
    let parts = text.split_once(':');
    let within = |text: &str, most| digits(text, 2).is_some_and(|value| value <= most);
    parts.is_some_and(|(hours, minutes)| within(hours, 23) && within(minutes, 59))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-.".contains(&byte);
    let dots = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    (1..=64).contains(&local.len()) && dots && local.bytes().all(plain) && is_hostname(domain)
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (1..=253).contains(&text.len()) && text.split('.').all(label)
}

/// RFC 3986: a scheme, and characters that may be in a URI.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    scheme.starts_with(|it: char| it.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && rest.bytes().all(plain)
}

/// RFC 9562, 4.
fn is_uuid(text: &str) -> bool {
    let fits = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}
