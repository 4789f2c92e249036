use std::net::SocketAddr;

use gatewright_proto::v1::ProxyProtocol;
use proptest::prelude::{any, prop, proptest};
use tokio::io::AsyncReadExt as _;

use super::{Ends, Invalid, SIGNATURE, header, read};

fn ends(source: &str, destination: &str) -> Ends {
    Ends {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

/// What a header says, and what is left after it.
async fn of(mut bytes: &[u8]) -> (Result<Option<Ends>, Invalid>, Vec<u8>) {
    let found = read(&mut bytes).await;
    let mut rest = Vec::new();
    bytes.read_to_end(&mut rest).await.unwrap();
    (found, rest)
}

#[tokio::test]
async fn what_is_written_is_read_back_and_no_byte_more() {
    for ends in [
        ends("192.0.2.7:54321", "198.51.100.1:443"),
        ends("[2001:db8::7]:1", "[2001:db8::1]:65535"),
    ] {
        for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
            let mut bytes = header(version, Some(&ends));
            bytes.extend(b"GET / HTTP/1.1\r\n");
            let (found, rest) = of(&bytes).await;
            assert_eq!(found.unwrap(), Some(ends.clone()), "{version:?}");
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        }
    }
}

#[tokio::test]
async fn a_connection_of_the_proxy_itself_tells_of_nobody() {
    for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
        let (found, rest) = of(&header(version, None)).await;
        assert_eq!(found.unwrap(), None);
        assert!(rest.is_empty());
    }
    let (found, _) = of(b"PROXY UNKNOWN ::1 ::1 1 1\r\n").await;
    assert_eq!(found.unwrap(), None);
}

#[test]
fn ends_of_two_families_are_told_in_one() {
    let mixed = ends("[::ffff:192.0.2.7]:1", "198.51.100.1:2");
    let text = header(ProxyProtocol::V1, Some(&mixed));
    assert_eq!(text, b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n");
    let mixed = ends("[2001:db8::7]:1", "198.51.100.1:2");
    let text = header(ProxyProtocol::V1, Some(&mixed));
    assert_eq!(text, b"PROXY TCP6 2001:db8::7 ::ffff:198.51.100.1 1 2\r\n");
}

#[tokio::test]
async fn extensions_are_stepped_over() {
    let told = ends("192.0.2.7:1", "198.51.100.1:2");
    let mut bytes = header(ProxyProtocol::V2, Some(&told));
    bytes[15] += 5;
    bytes.extend([0x02, 0, 2, b'h', b'i']);
    bytes.extend(b"rest");
    let (found, rest) = of(&bytes).await;
    assert_eq!((found.unwrap(), &rest[..]), (Some(told), &b"rest"[..]));
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let long = format!("PROXY TCP4 {}", "1".repeat(200));
    let signed = |rest: &[u8]| [SIGNATURE, rest].concat();
    let cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n".to_vec(),
        b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
        b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n".to_vec(),
        b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec(),
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nGET /".to_vec(),
        b"PROXY TCP4 1.1.1.1".to_vec(),
        long.into_bytes(),
        signed(&[0x11, 0x11, 0, 12]),
        signed(&[0x22, 0x11, 0, 0]),
        signed(&[0x21, 0x12, 0, 12, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2]),
        signed(&[0x21, 0x11, 0, 4, 1, 1, 1, 1]),
        signed(&[0x21, 0x11, 0xff, 0xff]),
        signed(&[0x21]),
        Vec::new(),
    ];
    for case in cases {
        let (found, _) = of(&case).await;
        assert!(found.is_err(), "{}", case.escape_ascii());
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
        let mut all = match kind {
            0 => SIGNATURE.to_vec(),
            1 => b"PROXY TCP4 ".to_vec(),
            _ => Vec::new(),
        };
        all.extend(bytes);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _ = runtime.block_on(of(&all));
    }

    #[test]
    fn any_ends_survive_the_way(source in any::<[u8; 6]>(), destination in any::<[u8; 6]>()) {
        let end = |[a, b, c, d, high, low]: [u8; 6]| {
            SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
        };
        let told = Ends { source: end(source), destination: end(destination) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for version in [ProxyProtocol::V1, ProxyProtocol::V2] {
            let (found, _) = runtime.block_on(of(&header(version, Some(&told))));
            assert_eq!(found.unwrap().as_ref(), Some(&told));
        }
    }
}
