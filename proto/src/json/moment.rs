//! Moments: Unix milliseconds in protobuf and in answers, also RFC 3339 where JSON is read.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserializer, de};

const MS_A_DAY: u64 = 24 * 3600 * 1000;

/// The first moment that is not taken: the year 10000 cannot be written in RFC 3339.
const MAX_MS: u64 = 253_402_300_800_000;

/// A moment in Unix milliseconds; also written as in RFC 3339: `2027-01-31T00:00:00Z`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code)]
pub(crate) enum Moment {
    /// Unix milliseconds.
    Number(u64),
    /// RFC 3339.
    Text(String),
}

/// Reads a moment from Unix milliseconds or RFC 3339.
pub(crate) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    from.deserialize_any(MomentVisitor)
}

/// Reads a moment as RFC 3339 writes it, from 1970 to 9999, as Unix milliseconds; none where it is none. A leap
/// second is the second after it.
pub fn parse_moment(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let time = rest.strip_prefix(['T', 't', ' '])?;
    let days = days(
        number(date, 0, 4)?,
        number(date, 5, 2)?,
        number(date, 8, 2)?,
    )?;
    let marks = [
        (date, 4, b'-'),
        (date, 7, b'-'),
        (time, 2, b':'),
        (time, 5, b':'),
    ];
    if !marks
        .iter()
        .all(|(text, at, mark)| text.as_bytes().get(*at) == Some(mark))
    {
        return None;
    }
    let (hour, minute, second) = (
        number(time, 0, 2)?,
        number(time, 3, 2)?,
        number(time, 6, 2)?,
    );
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, zone) = fraction(time.get(8..)?)?;
    let ms = days * MS_A_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms;
    let ms = i64::try_from(ms).ok()? - offset_ms(zone)?;
    u64::try_from(ms).ok().filter(|ms| *ms < MAX_MS)
}

/// Writes a moment as RFC 3339 does, in UTC, without milliseconds where there are none.
pub fn write_moment(ms: u64) -> String {
    let (days, of_day) = (ms / MS_A_DAY, ms % MS_A_DAY);
    let (mut year, mut rest) = (1970, days);
    while rest >= days_in_year(year) {
        rest -= days_in_year(year);
        year += 1;
    }
    let mut month = 1;
    while rest >= days_in_month(year, month) {
        rest -= days_in_month(year, month);
        month += 1;
    }
    let (seconds, fraction) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let day = rest + 1;
    match fraction {
        0 => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        _ => format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z"
        ),
    }
}

/// As many digits as there must be, from a place on.
fn number(text: &str, from: usize, digits: usize) -> Option<u64> {
    let part = text.get(from..from + digits)?;
    let all = part.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| part.parse().ok()).flatten()
}

/// Days since 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let known = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !known || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year).map(days_in_year).sum();
    let months: u64 = (1..month).map(|month| days_in_month(year, month)).sum();
    Some(years + months + day - 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Milliseconds after the second, and the zone.
fn fraction(rest: &str) -> Option<(u64, &str)> {
    let Some(rest) = rest.strip_prefix('.') else {
        return Some((0, rest));
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, zone) = rest.split_at(digits);
    let padded: String = fraction.chars().chain("000".chars()).take(3).collect();
    (digits > 0).then_some((padded.parse().ok()?, zone))
}

/// How far a zone is ahead of UTC.
fn offset_ms(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hour, minute) = (number(zone, 1, 2)?, number(zone, 4, 2)?);
    let fits = zone.len() == 6 && zone.as_bytes()[3] == b':' && hour < 24 && minute < 60;
    let ms = i64::try_from((hour * 60 + minute) * 60_000).ok()?;
    fits.then_some(sign * ms)
}

struct MomentVisitor;

impl<'de> de::Visitor<'de> for MomentVisitor {
    type Value = Option<u64>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a moment such as `2027-01-31T00:00:00Z`, or in Unix milliseconds")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        if value >= MAX_MS {
            return Err(E::invalid_value(de::Unexpected::Unsigned(value), &self));
        }
        Ok(Some(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let value = parse_moment(text);
        value
            .map(Some)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_moment, write_moment};

    #[test]
    fn moments_are_read_and_written_as_rfc_3339_says() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("2027-01-31T23:59:59.250Z", 1_801_439_999_250),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(parse_moment(text), Some(ms), "{text}");
            assert_eq!(write_moment(ms), text);
        }
        let east = parse_moment("2027-01-31T02:30:00+02:30");
        assert_eq!(east, parse_moment("2027-01-31 00:00:00Z"));
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in [
            "",
            "2027",
            "2027-02-29T00:00:00Z",
            "2027-01-31",
            "2027-01-31T00:00:00",
            "2027-13-01T00:00:00Z",
            "2027-01-31T24:00:00Z",
            "2027-01-31T00:00:00.Z",
            "2027-01-31T00:00:00+0100",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2027-01-31T0a:00:00Z",
            "２027-01-31T00:00:00Z",
        ] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
