//! The little HTTP/1.1 that measuring needs: where a message ends.

/// Length of the first complete message in the buffer: a head and the body that `Content-Length` names.
pub(crate) fn message_len(buffer: &[u8]) -> Option<usize> {
    let head = find(buffer, b"\r\n\r\n")? + 4;
    let total = head + content_length(&buffer[..head]);
    (buffer.len() >= total).then_some(total)
}

/// Whether a response has a 2xx status.
pub(crate) fn is_success(response: &[u8]) -> bool {
    response.get(9) == Some(&b'2')
}

fn content_length(head: &[u8]) -> usize {
    let name = b"\r\ncontent-length:";
    let Some(place) = head
        .windows(name.len())
        .position(|window| window.eq_ignore_ascii_case(name))
    else {
        return 0;
    };
    let value = head[place + name.len()..].trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |total, digit| total * 10 + usize::from(digit - b'0'))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
