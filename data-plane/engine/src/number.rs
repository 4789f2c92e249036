//! Numbers in JSON documents, compared by value (RFC 8259, 6) and without loss: `1`, `1.0` and `10e-1` are one,
//! and 9007199254740993 is not 9007199254740992.

/// Most digits that zeros are written out to; longer numbers get an exponent.
const MAX_PLAIN: usize = 40;

/// A JSON number in the one way that all equal ones are written: without zeros that mean nothing, and with an
/// exponent only where it would have more than 40 digits. None where it is no JSON number, or its
/// exponent is beyond counting.
pub(crate) fn canonical(text: &str) -> Option<Box<str>> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let leads = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leads || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let trailing = i64::try_from(digits.len() - significant.len()).ok()?;
    let scale = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    match significant.trim_start_matches('0') {
        "" => Some("0".into()),
        significant => {
            let written = written(significant, scale.checked_add(trailing)?)?;
            Some(format!("{sign}{written}").into())
        }
    }
}

/// Digits times ten to the power of `scale`.
fn written(digits: &str, scale: i64) -> Option<String> {
    // How many digits stand before the point.
    let before = scale.checked_add(i64::try_from(digits.len()).ok()?)?;
    let zeros = |count: i64| {
        let count = usize::try_from(count).ok()?;
        (count <= MAX_PLAIN).then(|| "0".repeat(count))
    };
    let plain = if scale == 0 {
        Some(digits.to_owned())
    } else if scale > 0 {
        let zeros = zeros(scale).filter(|it| it.len() + digits.len() <= MAX_PLAIN);
        zeros.map(|zeros| format!("{digits}{zeros}"))
    } else if let Ok(point @ 1..) = usize::try_from(before) {
        Some(format!("{}.{}", &digits[..point], &digits[point..]))
    } else {
        zeros(-before).map(|zeros| format!("0.{zeros}{digits}"))
    };
    let with_exponent = || {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{first}{point}{rest}e{}", before - 1)
    };
    Some(plain.unwrap_or_else(with_exponent))
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && is_digits(digits)).then(|| text.parse().ok())?
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The numbers of a document as they are written, in order. Only of what a parser has found to be JSON so far.
pub(crate) struct Numbers<'b> {
    rest: &'b [u8],
}

impl<'b> Numbers<'b> {
    pub(crate) const fn of(document: &'b [u8]) -> Self {
        Self { rest: document }
    }
}

impl<'b> Iterator for Numbers<'b> {
    type Item = &'b str;

    fn next(&mut self) -> Option<&'b str> {
        loop {
            match self.rest {
                [] => return None,
                [b'"', rest @ ..] => self.rest = after_string(rest),
                [b'-' | b'0'..=b'9', ..] => {
                    let other =
                        |byte: &u8| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                    let end = self.rest.iter().position(other);
                    let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                    self.rest = rest;
                    return str::from_utf8(number).ok();
                }
                [_, rest @ ..] => self.rest = rest,
            }
        }
    }
}

/// What follows a string whose first quote has been read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return rest,
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
            [] => return rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbers, canonical};

    #[test]
    fn equal_numbers_are_written_in_one_way() {
        for (text, written) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0e7", "0"),
            ("0e-99", "0"),
            ("1", "1"),
            ("1.0", "1"),
            ("1.000e0", "1"),
            ("10e-1", "1"),
            ("0.1E+1", "1"),
            ("-1.50", "-1.5"),
            ("15e-1", "1.5"),
            ("1e3", "1000"),
            ("0.001", "0.001"),
            ("1e-3", "0.001"),
            ("9007199254740993", "9007199254740993"),
            ("9007199254740993.0", "9007199254740993"),
            ("9.007199254740993e15", "9007199254740993"),
            ("18446744073709551616", "18446744073709551616"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            ("1e39", "1000000000000000000000000000000000000000"),
            ("1e40", "1e40"),
            ("12e40", "1.2e41"),
            ("1e-40", "0.0000000000000000000000000000000000000001"),
            ("1e-42", "1e-42"),
            ("0.00e999", "0"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(written), "{text}");
            let again = canonical(written);
            assert_eq!(again.as_deref(), Some(written), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_number_is_none() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1e1.5",
            "0x1",
            "1 ",
            " 1",
            "1_0",
            "NaN",
            "Infinity",
            "1e99999999999999999999",
            "--1",
            "1e--1",
            "1e+-1",
            "\u{661}",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_found_in_the_order_of_the_document() {
        let document =
            br#"{"1": -2.5e+3, "a\\": [0,"\"7\\\"8", true, null, {"e": 1E2}], "\u0031": 3}"#;
        let numbers: Vec<_> = Numbers::of(document).collect();
        assert_eq!(numbers, ["-2.5e+3", "0", "1E2", "3"]);
        assert_eq!(Numbers::of(b"42").collect::<Vec<_>>(), ["42"]);
    }
}
