//! Who the client is, if others speak for it.
//!
//! A proxy adds the address it was connected from to the right of `x-forwarded-for`; what stands to
//! the left of that, anybody may have written. So the list is read from the right, for as long as
//! the address that wrote the next entry is one of ours to trust.

use core::net::IpAddr;

use ipnet::IpNet;

/// More entries than any honest chain of proxies has.
const MOST_HOPS: usize = 32;

/// Whether `address` is in one of `networks`.
#[must_use]
pub fn is_trusted(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The client behind `peer`: the right-most address that is not trusted, or the left-most one if
/// all are. `forwarded` are the values of `x-forwarded-for` in their order.
#[must_use]
pub fn client<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut client = peer.to_canonical();
    let entries = forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    for entry in entries.take(MOST_HOPS) {
        if !is_trusted(client, trusted) {
            break;
        }
        // Whoever wrote something unreadable is as far as we know.
        let Some(address) = read(entry) else { break };
        client = address.to_canonical();
    }
    client
}

/// What connections are counted by: an IPv4 address, or the network of 2^64 addresses that one
/// IPv6 customer has.
#[must_use]
pub fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

/// An address alone, in brackets, or with a port: all are seen.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let entry = core::str::from_utf8(entry).ok()?.trim();
    if let Ok(address) = entry.parse() {
        return Some(address);
    }
    if let Ok(address) = entry.parse::<core::net::SocketAddr>() {
        return Some(address.ip());
    }
    entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
    }

    #[track_caller]
    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let values = forwarded.iter().map(|value| value.as_bytes());
        let found = client(peer.parse().unwrap(), values, &networks());
        assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
    }

    #[test]
    fn a_stranger_is_not_believed() {
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("192.0.2.1", &[], "192.0.2.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_as_far_as_it_knows() {
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.2.3.4"], "198.51.100.7");
        check("10.0.0.1", &["203.0.113.9", "198.51.100.7", "10.2.3.4"], "198.51.100.7");
        check("10.0.0.1", &["10.9.9.9"], "10.9.9.9");
        check("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        check("fd00::1", &["2001:db8::7"], "2001:db8::7");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        check("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7, \u{fffd}, 10.2.3.4"], "10.2.3.4");
    }

    #[test]
    fn ports_and_brackets_do_not_hide_an_address() {
        check("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7");
    }

    #[test]
    fn an_endless_list_is_not_read_to_its_end() {
        let list = vec!["10.0.0.2"; 10_000].join(",");
        check("10.0.0.1", &["198.51.100.7", &list], "10.0.0.2");
    }

    #[test]
    fn one_ipv6_customer_counts_once() {
        let counted = |text: &str| counted(text.parse().unwrap());
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:1"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }
}
