//! The PROXY protocol: what a load balancer says before a connection's own bytes.
//!
//! Versions 1 (a line of text) and 2 (binary) as in
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>. Whoever may say so is the caller's
//! to decide.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Read {
    /// The beginning of a header; more must come.
    Incomplete,
    /// A whole header of `length` bytes.
    Complete {
        /// Where the client connected from; `None` if the sender speaks for itself, as in its
        /// health checks, or does not know.
        source: Option<SocketAddr>,
        /// Bytes in the header; what follows is the connection's own.
        length: usize,
    },
    /// No header, or a wrong one.
    Wrong(&'static str),
}

/// Bytes in the longest header that is read: addresses, and what some senders add to them.
pub const LONGEST: usize = SIGNATURE.len() + 4 + LONGEST_PAYLOAD;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of version 2, after its first 16 bytes.
const LONGEST_PAYLOAD: usize = 2048;
/// Of version 1, with its line end.
const LONGEST_LINE: usize = 107;
const LINE_PREFIX: &[u8; 6] = b"PROXY ";

/// Reads a header at the beginning of `bytes`.
#[must_use]
pub fn read(bytes: &[u8]) -> Read {
    if begins(bytes, SIGNATURE) {
        return version_2(bytes);
    }
    if begins(bytes, LINE_PREFIX) {
        return version_1(bytes);
    }
    Read::Wrong("there is no header")
}

/// Whether `bytes` begin with `expected`, as far as there are any.
fn begins(bytes: &[u8], expected: &[u8]) -> bool {
    let common = bytes.len().min(expected.len());
    bytes[..common] == expected[..common]
}

fn version_1(bytes: &[u8]) -> Read {
    let seen = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return match bytes.len() < LONGEST_LINE {
            true => Read::Incomplete,
            false => Read::Wrong("the line has no end"),
        };
    };
    let length = end + 1;
    let line = seen[..end].strip_suffix(b"\r").and_then(|line| core::str::from_utf8(line).ok());
    let Some(line) = line else { return Read::Wrong("the line ends wrongly") };
    let mut words = line.split(' ').skip(1);
    let source = match words.next() {
        // What else the line says then is to be ignored.
        Some("UNKNOWN") => return Read::Complete { source: None, length },
        Some("TCP4") => ends::<Ipv4Addr>(&mut words),
        Some("TCP6") => ends::<Ipv6Addr>(&mut words),
        _ => return Read::Wrong("the protocol is neither TCP4 nor TCP6"),
    };
    match source.filter(|_| words.next().is_none()) {
        Some(source) => Read::Complete { source: Some(source), length },
        None => Read::Wrong("the addresses cannot be read"),
    }
}

/// The source, of two addresses and two ports.
fn ends<'a, A>(words: &mut impl Iterator<Item = &'a str>) -> Option<SocketAddr>
where
    A: core::str::FromStr + Into<IpAddr>,
{
    let source = words.next()?.parse::<A>().ok()?;
    words.next()?.parse::<A>().ok()?;
    let port = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits && (text == "0" || !text.starts_with('0')))
    };
    let source_port = port(words.next()?)?;
    port(words.next()?)?;
    Some(SocketAddr::new(source.into(), source_port))
}

fn version_2(bytes: &[u8]) -> Read {
    let Some((head, rest)) = bytes.split_at_checked(SIGNATURE.len() + 4) else {
        return Read::Incomplete;
    };
    let &[version_and_command, family, high, low] = &head[SIGNATURE.len()..] else {
        return Read::Incomplete;
    };
    let payload = usize::from(u16::from_be_bytes([high, low]));
    if payload > LONGEST_PAYLOAD {
        return Read::Wrong("the header is too long");
    }
    let own = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Read::Wrong("the version or the command is unknown"),
    };
    let Some(payload) = rest.get(..payload) else { return Read::Incomplete };
    let length = head.len() + payload.len();
    let source = match family {
        _ if own => Ok(None),
        0x11 => source::<4, 12>(payload),
        0x21 => source::<16, 36>(payload),
        // Unspecified, or a Unix socket: the sender tells no address.
        0x00 | 0x31 => Ok(None),
        _ => Err("the family is neither TCP over IPv4 nor over IPv6"),
    };
    match source {
        Ok(source) => Read::Complete { source, length },
        Err(reason) => Read::Wrong(reason),
    }
}

/// The source: address, other address, port, other port.
fn source<const ADDRESS: usize, const ALL: usize>(
    payload: &[u8],
) -> Result<Option<SocketAddr>, &'static str>
where
    [u8; ADDRESS]: Into<IpAddr>,
{
    let payload = payload.first_chunk::<ALL>().ok_or("the addresses are cut")?;
    let address = payload.first_chunk::<ADDRESS>().ok_or("the addresses are cut")?;
    let port = u16::from_be_bytes([payload[ADDRESS * 2], payload[ADDRESS * 2 + 1]]);
    Ok(Some(SocketAddr::new((*address).into(), port)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let (from, to) = (source.ip(), destination.ip());
        let (port, to_port) = (source.port(), destination.port());
        format!("PROXY {family} {from} {to} {port} {to_port}\r\n").into_bytes()
    }

    fn binary(source: SocketAddr, destination: SocketAddr, more: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        let family = match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                payload.extend(source.octets().into_iter().chain(destination.octets()));
                0x11
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                payload.extend(source.octets().into_iter().chain(destination.octets()));
                0x21
            }
            _ => unreachable!(),
        };
        payload.extend(
            source.port().to_be_bytes().into_iter().chain(destination.port().to_be_bytes()),
        );
        payload.extend_from_slice(more);
        let mut header = SIGNATURE.to_vec();
        header.extend([0x21, family]);
        header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        header.extend(payload);
        header
    }

    fn ends() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
        let four = any::<[(u32, u16); 2]>().prop_map(|ends| {
            ends.map(|(address, port)| SocketAddr::new(Ipv4Addr::from(address).into(), port)).into()
        });
        let six = any::<[(u128, u16); 2]>().prop_map(|ends| {
            ends.map(|(address, port)| SocketAddr::new(Ipv6Addr::from(address).into(), port)).into()
        });
        prop_oneof![four, six]
    }

    proptest! {
        #[test]
        fn a_header_is_read_whole_wherever_the_connection_goes_on(
            (source, destination) in ends(),
            more in proptest::collection::vec(any::<u8>(), 0..64),
            after in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            for header in [line(source, destination), binary(source, destination, &more)] {
                for cut in 0..header.len() {
                    prop_assert_eq!(read(&header[..cut]), Read::Incomplete, "cut at {}", cut);
                }
                let length = header.len();
                let whole = [header, after.clone()].concat();
                prop_assert_eq!(read(&whole), Read::Complete { source: Some(source), length });
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for begin in [&b""[..], SIGNATURE, LINE_PREFIX, b"PROXY TCP4 "] {
                let bytes = [begin, &bytes].concat();
                if let Read::Complete { length, .. } = read(&bytes) {
                    prop_assert!(length <= bytes.len());
                }
                prop_assert!(bytes.len() < LONGEST || read(&bytes) != Read::Incomplete);
            }
        }
    }

    #[test]
    fn a_sender_may_speak_for_itself() {
        let mut own = SIGNATURE.to_vec();
        own.extend([0x20, 0x00, 0, 0]);
        assert_eq!(read(&own), Read::Complete { source: None, length: 16 });
        let unknown = b"PROXY UNKNOWN ffff:f...f:ffff ffff 1 2\r\nGET";
        assert_eq!(read(unknown), Read::Complete { source: None, length: 40 });
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        for wrong in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x00",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04abcd",
        ] {
            assert!(matches!(read(wrong), Read::Wrong(_)), "{}", wrong.escape_ascii());
        }
        let endless = [LINE_PREFIX.as_slice(), &[b'x'; 200]].concat();
        assert!(matches!(read(&endless), Read::Wrong(_)));
    }
}
