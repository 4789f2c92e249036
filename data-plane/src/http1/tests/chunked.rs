use bytes::BytesMut;
use http::HeaderMap;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};

use super::super::decoder::{Decoded, Decoder};

/// Content, trailers, and what is left over behind the body.
type Whole = (Vec<u8>, Option<HeaderMap>, Vec<u8>);

/// Decodes bytes that arrive in pieces of these sizes.
fn decode(wire: &[u8], pieces: &[usize]) -> Result<Whole, &'static str> {
    let (mut decoder, mut buffer) = (Decoder::chunked(), BytesMut::new());
    let (mut content, mut trailers, mut rest) = (Vec::new(), None, wire);
    let mut sizes = pieces.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        buffer.extend_from_slice(&rest[..size]);
        rest = &rest[size..];
        loop {
            match decoder.decode(&mut buffer)? {
                Decoded::Data(data) => content.extend_from_slice(&data),
                Decoded::Trailers(fields) => trailers = Some(fields),
                Decoded::End => {
                    buffer.extend_from_slice(rest);
                    return Ok((content, trailers, buffer.to_vec()));
                }
                Decoded::More => break,
            }
        }
    }
    Err("incomplete")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_chunked_body_is_the_same_however_it_arrives(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        pieces in prop::collection::vec(1_usize..30, 1..8),
        extended in any::<bool>(),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            let extension = if extended { " ;name=\"value\"" } else { "" };
            wire.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"00\r\nx-sum: 1\r\ncookie: dropped\r\n\r\nGET / next");
        let (content, trailers, left) = decode(&wire, &pieces).unwrap();
        prop_assert_eq!(content, chunks.concat());
        let trailers = trailers.unwrap();
        prop_assert_eq!(trailers.len(), 1);
        prop_assert_eq!(trailers["x-sum"].as_bytes(), b"1");
        prop_assert_eq!(left, b"GET / next");
    }

    #[test]
    fn bytes_at_random_decode_to_the_same_whatever_their_pieces(
        wire in prop::collection::vec(prop::sample::select(b"0123fF;= \t\r\nx\r\n\0".to_vec()), 0..60),
        pieces in prop::collection::vec(1_usize..9, 1..8),
    ) {
        // Which mistake is named may depend on what was there to see; whether there is one may not.
        let (whole, split) = (decode(&wire, &[wire.len()]), decode(&wire, &pieces));
        match (whole, split) {
            (Ok(whole), Ok(split)) => prop_assert_eq!(whole, split),
            (whole, split) => prop_assert_eq!(whole.is_ok(), split.is_ok()),
        }
    }
}

#[test]
fn a_broken_body_stays_broken_for_whoever_reads_on() {
    for wire in [
        &b"3\r\nabc\r\n5g\r\nGET / HTTP/1.1\r\n"[..],
        b"3\nabc",
        b"\r\n",
        b"0\r\nx\r\n\r\n",
    ] {
        let (mut decoder, mut buffer) = (Decoder::chunked(), BytesMut::from(wire));
        let first = loop {
            match decoder.decode(&mut buffer) {
                Ok(Decoded::Data(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(what) => break what,
            }
        };
        for _ in 0..3 {
            assert_eq!(decoder.decode(&mut buffer).err(), Some(first));
        }
        assert!(!decoder.is_end());
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let extended = [b"1;".to_vec(), vec![b'x'; 5000]].concat();
    assert_eq!(
        decode(&extended, &[100]).err(),
        Some("too many bytes of chunk extensions")
    );
    let many = "1;abcdefghij\r\nx\r\n".repeat(500);
    assert_eq!(
        decode(many.as_bytes(), &[100]).err(),
        Some("too many bytes of chunk extensions")
    );
    let trailers = [b"0\r\nx: ".to_vec(), vec![b'x'; 9000]].concat();
    assert_eq!(
        decode(&trailers, &[100]).err(),
        Some("too many bytes of trailers")
    );
    let fields = format!("0\r\n{}\r\n", "x: y\r\n".repeat(33));
    assert_eq!(
        decode(fields.as_bytes(), &[7]).err(),
        Some("too many trailers")
    );
}
