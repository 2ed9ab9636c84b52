//! From a host's name to an address, without blocking a thread and no longer than its TTL.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use rand::seq::IteratorRandom;

/// Asks the name servers of the system. Remembers answers for as long as they allow.
pub(crate) struct Dns {
    /// Absent if the system does not say whom to ask; the C library is asked then.
    resolver: Option<TokioResolver>,
}

impl Dns {
    pub(crate) fn new() -> Self {
        let resolver =
            TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build);
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no name servers are configured; asking the C library instead");
        }
        Self { resolver: resolver.ok() }
    }

    /// All addresses of `host`.
    pub(crate) async fn all(&self, host: &str) -> Result<Vec<IpAddr>, NameNotFound> {
        let found = self.look_up(host, 0).await?;
        Ok(found.iter().map(SocketAddr::ip).collect())
    }

    /// One of the addresses of `host`, at random.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<SocketAddr, NameNotFound> {
        if let Some(address) = parse(host, port) {
            return Ok(address);
        }
        prefer_v4(&self.look_up(host, port).await?).ok_or(NameNotFound)
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, NameNotFound> {
        Ok(match &self.resolver {
            Some(resolver) => {
                let answer = resolver.lookup_ip(host).await.map_err(|error| {
                    tracing::debug!(host, %error, "name not found");
                    NameNotFound
                })?;
                answer.iter().map(|address| SocketAddr::new(address, port)).collect()
            }
            None => {
                tokio::net::lookup_host((host, port)).await.map_err(|_| NameNotFound)?.collect()
            }
        })
    }
}

/// A host that is an address already.
pub(crate) fn parse(host: &str, port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, port))
}

/// No address is known for a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameNotFound;

/// Many hosts have an IPv6 address and no way out for it.
fn prefer_v4(found: &[SocketAddr]) -> Option<SocketAddr> {
    let mut rng = rand::rng();
    let v4 = found.iter().filter(|address| address.is_ipv4()).choose(&mut rng);
    v4.or_else(|| found.iter().choose(&mut rng)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_preferred_and_an_ipv6_address_better_than_none() {
        let v4: SocketAddr = "192.0.2.1:443".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        assert_eq!(prefer_v4(&[v6, v4, v6]), Some(v4));
        assert_eq!(prefer_v4(&[v6]), Some(v6));
        assert_eq!(prefer_v4(&[]), None);
    }

    #[tokio::test]
    async fn an_address_needs_no_name_server() {
        let dns = Dns { resolver: None };
        assert_eq!(dns.resolve("::1", 80).await.unwrap(), "[::1]:80".parse().unwrap());
        assert_eq!(dns.resolve("127.0.0.1", 1).await.unwrap(), "127.0.0.1:1".parse().unwrap());
    }
}
