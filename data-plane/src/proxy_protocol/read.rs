//! Reading a header: exactly its bytes, so that what follows is left to whoever comes next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Ends, Invalid, SIGNATURE};

/// Longest line of version 1, with its end.
const MAX_LINE_BYTES: usize = 107;
/// Longest addresses and extensions of version 2 that are read. Load balancers send a few hundred bytes.
const MAX_REST_BYTES: usize = 4096;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;

/// The ends that a header tells of; none where it says that it tells of none (`UNKNOWN`, `LOCAL`): the connection is the
/// proxy's own.
///
/// # Errors
/// The connection ends, or begins with something else.
pub(crate) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Result<Option<Ends>, Invalid> {
    let mut begin = [0; SIGNATURE.len()];
    // Not even the shortest line is shorter.
    io.read_exact(&mut begin).await?;
    if begin == *SIGNATURE {
        return version2(io).await;
    }
    if begin.starts_with(b"PROXY ") {
        return version1(io, &begin).await;
    }
    Err(Invalid::Malformed("it begins with neither version"))
}

async fn version1(
    io: &mut (impl AsyncRead + Unpin),
    begin: &[u8],
) -> Result<Option<Ends>, Invalid> {
    let mut line = begin.to_vec();
    while !line.ends_with(b"\r\n") {
        // As much as is missing at least.
        let missing = if line.ends_with(b"\r") { 1 } else { 2 };
        let before = line.len();
        if before + missing > MAX_LINE_BYTES {
            return Err(Invalid::Malformed("the line is too long"));
        }
        line.resize(before + missing, 0);
        io.read_exact(&mut line[before..]).await?;
        if line[..line.len() - 1].contains(&b'\n') {
            return Err(Invalid::Malformed("the line has an end within"));
        }
    }
    let text = line
        .strip_suffix(b"\r\n")
        .and_then(|it| std::str::from_utf8(it).ok());
    let text = text.ok_or(Invalid::Malformed("the line is not ASCII"))?;
    let mut words = text.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(None);
    }
    let words: Vec<&str> = words.collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return Err(Invalid::Malformed("the line has not six words"));
    };
    let end = |address, port| {
        let end = end(family, address, port);
        end.ok_or(Invalid::Malformed("an address is not one"))
    };
    Ok(Some(Ends {
        source: end(source, source_port)?,
        destination: end(destination, destination_port)?,
    }))
}

fn end(family: Option<&str>, address: &str, port: &str) -> Option<SocketAddr> {
    let ip = match family? {
        "TCP4" => IpAddr::V4(address.parse().ok()?),
        "TCP6" => IpAddr::V6(address.parse().ok()?),
        _ => return None,
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits)?;
    Some(SocketAddr::new(ip, port))
}

async fn version2(io: &mut (impl AsyncRead + Unpin)) -> Result<Option<Ends>, Invalid> {
    let mut fixed = [0; 4];
    io.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_REST_BYTES {
        return Err(Invalid::Malformed("the extensions are too long"));
    }
    let mut rest = vec![0; length];
    io.read_exact(&mut rest).await?;
    match (command, family) {
        (LOCAL, _) | (PROXY, UNSPECIFIED | UNIX) => Ok(None),
        (PROXY, TCP4) => ends::<4, Ipv4Addr>(&rest),
        (PROXY, TCP6) => ends::<16, Ipv6Addr>(&rest),
        (PROXY, _) => Err(Invalid::Malformed("a transport other than TCP")),
        _ => Err(Invalid::Malformed("an unknown version or command")),
    }
}

/// Two addresses of this many bytes, and two ports. What follows are extensions, which say nothing of the ends.
fn ends<const BYTES: usize, Ip>(rest: &[u8]) -> Result<Option<Ends>, Invalid>
where
    Ip: From<[u8; BYTES]> + Into<IpAddr>,
{
    let short = || Invalid::Malformed("the addresses are cut short");
    let (source, rest) = rest.split_first_chunk::<BYTES>().ok_or_else(short)?;
    let (destination, rest) = rest.split_first_chunk::<BYTES>().ok_or_else(short)?;
    let (source_port, rest) = rest.split_first_chunk().ok_or_else(short)?;
    let (destination_port, _) = rest.split_first_chunk().ok_or_else(short)?;
    let end =
        |ip: [u8; BYTES], port| SocketAddr::new(Ip::from(ip).into(), u16::from_be_bytes(port));
    Ok(Some(Ends {
        source: end(*source, *source_port),
        destination: end(*destination, *destination_port),
    }))
}
