//! Which hosts may be connected to: public ones, and those that the operator names.
//!
//! IPv4 is open but for what IANA's registry of special purposes lists; of IPv6 only the part that
//! is given out to the public is open, and not what in it wraps another address (6to4, Teredo):
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::fault::Fault;
use crate::link::Link;

/// Why a host may not be connected to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Barrier {
    /// This very machine.
    Loopback,
    /// In somebody's own network.
    Private,
    /// On the same wire; where clouds keep the credentials of a machine.
    LinkLocal,
    /// Behind a provider's address translation.
    CarrierNat,
    /// Nobody in particular.
    Unspecified,
    /// Many at once.
    Multicast,
    /// An address that wraps another one.
    Wrapped,
    /// A cloud's service for the machines in it.
    Platform,
    /// Kept for examples, measurements or later.
    Reserved,
    /// A public host, but a port that is not the usual one.
    Port,
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "this machine",
            Self::Private => "in a private network",
            Self::LinkLocal => "link-local",
            Self::CarrierNat => "behind carrier-grade NAT",
            Self::Unspecified => "unspecified",
            Self::Multicast => "a multicast group",
            Self::Wrapped => "an address that wraps another",
            Self::Platform => "a service of the cloud platform",
            Self::Reserved => "reserved",
            Self::Port => "asked at an unusual port",
        })
    }
}

/// Where connections may go to.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// What may be connected to although it is not public, at any port.
    pub allow: Vec<IpNet>,
}

impl Reach {
    /// The one of a host's addresses to connect to. All of them must be open: of a name that has a
    /// public address beside a private one nothing good is to be expected.
    ///
    /// # Errors
    ///
    /// [`Fault::NameNotFound`] if there are none, [`Fault::Barred`] if one may not be connected to.
    pub fn choose(&self, link: &Link, found: &[IpAddr]) -> Result<SocketAddr, Fault> {
        for address in found {
            self.check(*address, link.has_usual_port()).map_err(Fault::Barred)?;
        }
        // Many hosts have an IPv6 address and no way out for it.
        let chosen = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
        let chosen = chosen.copied().ok_or(Fault::NameNotFound)?;
        Ok(SocketAddr::new(chosen, link.port()))
    }

    fn check(&self, address: IpAddr, usual_port: bool) -> Result<(), Barrier> {
        if self.allow.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        match barrier(address) {
            Some(barrier) => Err(barrier),
            None if usual_port => Ok(()),
            None => Err(Barrier::Port),
        }
    }
}

/// Why an address is not a public one; `None` if it is.
#[must_use]
pub fn barrier(address: IpAddr) -> Option<Barrier> {
    match address {
        IpAddr::V4(address) => barrier_v4(address),
        IpAddr::V6(address) => barrier_v6(address),
    }
}

fn barrier_v4(address: Ipv4Addr) -> Option<Barrier> {
    Some(match address.octets() {
        [0, ..] => Barrier::Unspecified,
        [127, ..] => Barrier::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Barrier::Private,
        [169, 254, ..] => Barrier::LinkLocal,
        [100, 64..=127, ..] => Barrier::CarrierNat,
        // Relays of 6to4, which wrap nothing but lead to what does.
        [192, 88, 99, _] => Barrier::Wrapped,
        // Azure's, in the middle of public addresses.
        [168, 63, 129, 16] => Barrier::Platform,
        // Protocols, documentation (three times), benchmarks.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [198, 18..=19, ..] => {
            Barrier::Reserved
        }
        [224..=239, ..] => Barrier::Multicast,
        // The last of them is broadcast.
        [240..=255, ..] => Barrier::Reserved,
        _ => return None,
    })
}

fn barrier_v6(address: Ipv6Addr) -> Option<Barrier> {
    let segments = address.segments();
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Barrier::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Barrier::Loopback,
        // Mapped, translated and compatible IPv4.
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Barrier::Wrapped,
        // NAT64, with the well-known prefix and the local one.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => Barrier::Wrapped,
        // 6to4 and Teredo.
        [0x2002, ..] | [0x2001, 0, ..] => Barrier::Wrapped,
        [0xfc00..=0xfdff, ..] => Barrier::Private,
        [0xfe80..=0xfebf, ..] => Barrier::LinkLocal,
        // Site-local: given up, but still routed here and there.
        [0xfec0..=0xfeff, ..] => Barrier::Private,
        [0xff00..=0xffff, ..] => Barrier::Multicast,
        // Protocols, benchmarks, ORCHID; documentation, old and new.
        [0x2001, ..0x0200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..0x1000, ..] => Barrier::Reserved,
        // What is given out to the public.
        [0x2000..=0x3fff, ..] => return None,
        _ => Barrier::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLOSED: &[(&str, Barrier)] = &[
        ("0.0.0.0/8", Barrier::Unspecified),
        ("10.0.0.0/8", Barrier::Private),
        ("100.64.0.0/10", Barrier::CarrierNat),
        ("127.0.0.0/8", Barrier::Loopback),
        ("169.254.0.0/16", Barrier::LinkLocal),
        ("172.16.0.0/12", Barrier::Private),
        ("192.0.0.0/24", Barrier::Reserved),
        ("192.0.2.0/24", Barrier::Reserved),
        ("192.88.99.0/24", Barrier::Wrapped),
        ("192.168.0.0/16", Barrier::Private),
        ("198.18.0.0/15", Barrier::Reserved),
        ("198.51.100.0/24", Barrier::Reserved),
        ("203.0.113.0/24", Barrier::Reserved),
        ("224.0.0.0/4", Barrier::Multicast),
        ("240.0.0.0/4", Barrier::Reserved),
        ("168.63.129.16/32", Barrier::Platform),
        ("::/128", Barrier::Unspecified),
        ("::1/128", Barrier::Loopback),
        ("::ffff:0:0/96", Barrier::Wrapped),
        ("64:ff9b::/96", Barrier::Wrapped),
        ("64:ff9b:1::/48", Barrier::Wrapped),
        ("100::/64", Barrier::Reserved),
        ("2001::/32", Barrier::Wrapped),
        ("2001:2::/48", Barrier::Reserved),
        ("2001:10::/28", Barrier::Reserved),
        ("2001:20::/28", Barrier::Reserved),
        ("2001:db8::/32", Barrier::Reserved),
        ("2002::/16", Barrier::Wrapped),
        ("3fff::/20", Barrier::Reserved),
        ("5f00::/16", Barrier::Reserved),
        ("fc00::/7", Barrier::Private),
        ("fe80::/10", Barrier::LinkLocal),
        ("fec0::/10", Barrier::Private),
        ("ff00::/8", Barrier::Multicast),
    ];

    #[test]
    fn every_network_that_is_not_public_is_closed_from_its_first_address_to_its_last() {
        for (network, expected) in CLOSED {
            let network: IpNet = network.parse().unwrap();
            for address in [network.network(), network.broadcast()] {
                assert_eq!(barrier(address), Some(*expected), "{address} of {network}");
            }
        }
    }

    #[test]
    fn the_services_where_clouds_keep_credentials_are_closed() {
        for address in
            ["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"]
        {
            assert!(barrier(address.parse().unwrap()).is_some(), "{address}");
        }
    }

    #[test]
    fn the_neighbours_of_closed_networks_and_well_known_hosts_are_open() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2606:4700:4700::1111",
            "2a00::1",
            "2003::1",
            "3fff:1000::1",
        ] {
            assert_eq!(barrier(address.parse().unwrap()), None, "{address}");
        }
    }

    /// The part of IPv6 that is given out.
    fn given_out() -> IpNet {
        "2000::/3".parse().unwrap()
    }

    proptest! {
        /// Against the list above, which is written in another notation than the code.
        #[test]
        fn an_ipv4_address_is_open_if_no_network_of_the_list_has_it(bits: u32) {
            let address = IpAddr::V4(Ipv4Addr::from_bits(bits));
            let listed = CLOSED.iter().any(|(network, _)| {
                network.parse::<IpNet>().unwrap().contains(&address)
            });
            prop_assert_eq!(barrier(address).is_some(), listed);
        }

        #[test]
        fn no_ipv4_address_gets_through_in_the_guise_of_ipv6(bits: u32, low: u64, net: u16) {
            let wide = u128::from(bits);
            let prefix = |words: &str| words.parse::<Ipv6Addr>().unwrap().to_bits();
            for wrapped in [
                wide,
                prefix("::ffff:0:0") | wide,
                prefix("::ffff:0:0:0") | wide,
                prefix("64:ff9b::") | wide,
                prefix("64:ff9b:1::") | wide,
                prefix("2002::") | wide << 80 | u128::from(net) << 64 | u128::from(low),
                prefix("2001::") | wide << 64 | u128::from(low),
                prefix("2001::") | u128::from(!bits),
            ] {
                let address = IpAddr::V6(Ipv6Addr::from_bits(wrapped));
                prop_assert!(barrier(address).is_some(), "{}", address);
            }
        }

        #[test]
        fn outside_of_what_is_given_out_no_ipv6_address_is_open(bits: u128) {
            let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
            prop_assert!(given_out().contains(&address) || barrier(address).is_some());
        }
    }

    fn link(url: &str) -> Link {
        Link::parse(url, true).unwrap()
    }

    fn chosen(allow: &[&str], url: &str, found: &[&str]) -> Result<SocketAddr, Fault> {
        let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        let found: Vec<IpAddr> = found.iter().map(|it| it.parse().unwrap()).collect();
        Reach { allow }.choose(&link(url), &found)
    }

    #[test]
    fn one_closed_address_among_open_ones_closes_the_host() {
        let private = Err(Fault::Barred(Barrier::Private));
        assert_eq!(chosen(&[], "https://a.example/", &["1.1.1.1", "10.0.0.1"]), private);
        assert_eq!(chosen(&[], "https://a.example/", &["fd00::1", "1.1.1.1"]), private);
        let open = chosen(&[], "https://a.example/", &["2606:4700::1", "1.1.1.1"]);
        assert_eq!(open, Ok("1.1.1.1:443".parse().unwrap()));
        assert_eq!(chosen(&[], "https://a.example/", &[]), Err(Fault::NameNotFound));
    }

    #[test]
    fn what_the_operator_allows_is_open_at_any_port_and_nothing_beside_it() {
        let url = "http://files.example:8080/a.png";
        assert_eq!(
            chosen(&["10.1.0.0/16"], url, &["10.1.2.3"]),
            Ok("10.1.2.3:8080".parse().unwrap())
        );
        assert_eq!(
            chosen(&["10.1.0.0/16"], url, &["10.2.0.1"]),
            Err(Fault::Barred(Barrier::Private))
        );
        // The same address in another guise is not what was allowed.
        let wrapped = chosen(&["10.1.0.0/16"], url, &["::ffff:10.1.2.3"]);
        assert_eq!(wrapped, Err(Fault::Barred(Barrier::Wrapped)));
    }

    #[test]
    fn public_hosts_are_asked_at_their_usual_port_only() {
        let barred = Err(Fault::Barred(Barrier::Port));
        assert_eq!(chosen(&[], "https://a.example:25/", &["1.1.1.1"]), barred);
        assert_eq!(chosen(&[], "http://a.example:443/", &["1.1.1.1"]), barred);
        assert!(chosen(&[], "http://a.example:80/", &["1.1.1.1"]).is_ok());
    }
}
