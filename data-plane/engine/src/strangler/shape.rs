//! What requests have in common that ask for the same kind of thing: their path without what looks like a value.

/// Most segments that are told apart.
const MAX_SEGMENTS: usize = 6;
/// Longest segment that is told apart, in bytes.
const MAX_SEGMENT_BYTES: usize = 32;
/// What stands for a value.
const VALUE: &str = "{}";

/// The shape of a path: `/orders/{}/items`. At most about 200 bytes.
pub(super) fn shape(path: &str) -> String {
    let mut text = String::with_capacity(path.len().min(64));
    let mut segments = path.trim_start_matches('/').split('/');
    for segment in segments.by_ref().take(MAX_SEGMENTS) {
        text.push('/');
        text.push_str(if is_word(segment) { segment } else { VALUE });
    }
    if segments.next().is_some() {
        text.push_str("/...");
    }
    text
}

/// Whether it is a part of an interface rather than a value: identifiers have digits, names of people and files have
/// spaces, dots or capitals.
fn is_word(segment: &str) -> bool {
    let version = segment.strip_prefix('v').is_some_and(|rest| {
        (1..=2).contains(&rest.len()) && rest.bytes().all(|it| it.is_ascii_digit())
    });
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'_';
    version || (segment.len() <= MAX_SEGMENT_BYTES && segment.bytes().all(letter))
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn what_looks_like_a_value_is_left_out() {
        for (path, expected) in [
            ("/", "/"),
            ("/orders/17/items", "/orders/{}/items"),
            ("/api/v2/users/alice@example.com", "/api/v2/users/{}"),
            ("/files/report.pdf", "/files/{}"),
            ("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/..."),
            ("/shop.Orders/GetOrder", "/{}/GetOrder"),
            ("/x%20y", "/{}"),
        ] {
            assert_eq!(shape(path), expected, "{path}");
        }
        let long = shape(&"/abcdefghijklmnopqrstuvwxyzabcdef".repeat(100));
        assert!(long.len() <= 210, "{long}");
    }
}
