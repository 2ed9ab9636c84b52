//! Addresses as clients and redirections write them.

use core::net::IpAddr;

use url::{Host, Position, Url};

use crate::fault::Fault;

/// No server takes much more.
const LONGEST: usize = 8 << 10;

/// An address that something may be fetched from, if its host may be connected to.
///
/// Read as browsers read it: what is `127.0.0.1` to one of them, such as `0x7f.1` or `2130706433`,
/// is that here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    url: Url,
    allow_http: bool,
}

/// A host, by name or address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place<'a> {
    /// To be looked up.
    Name(&'a str),
    /// Nothing to look up.
    Address(IpAddr),
}

impl Link {
    /// Reads an address; `http` only if that is allowed.
    ///
    /// # Errors
    ///
    /// [`Fault::Url`] says what is wrong with it.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, Fault> {
        if text.len() > LONGEST {
            return Err(Fault::Url("is too long"));
        }
        let url = Url::parse(text).map_err(|_| Fault::Url("is not one"))?;
        Self::of(url, allow_http)
    }

    /// Where a redirection leads from here.
    ///
    /// # Errors
    ///
    /// [`Fault::Url`] if that is no address to fetch from, or one without TLS where this has it.
    pub fn follow(&self, location: &str) -> Result<Self, Fault> {
        if location.len() > LONGEST {
            return Err(Fault::Url("is too long"));
        }
        let url = self.url.join(location).map_err(|_| Fault::Url("is not one"))?;
        if self.is_tls() && url.scheme() != "https" {
            return Err(Fault::Url("leads from https to less"));
        }
        Self::of(url, self.allow_http)
    }

    fn of(mut url: Url, allow_http: bool) -> Result<Self, Fault> {
        match url.scheme() {
            "https" => {}
            "http" if allow_http => {}
            "http" => return Err(Fault::Url("is not https")),
            _ => return Err(Fault::Url("is neither https nor http")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Fault::Url("holds a credential"));
        }
        url.set_fragment(None);
        match url.host() {
            Some(Host::Domain(name)) if !name.trim_end_matches('.').is_empty() => {}
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => {}
            Some(Host::Domain(_)) | None => return Err(Fault::Url("names no host")),
        }
        Ok(Self { url, allow_http })
    }

    /// Whether it is fetched over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host, without a dot at its end.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        match self.url.host() {
            Some(Host::Ipv4(address)) => Place::Address(address.into()),
            Some(Host::Ipv6(address)) => Place::Address(address.into()),
            Some(Host::Domain(name)) => Place::Name(name.strip_suffix('.').unwrap_or(name)),
            None => Place::Name(""),
        }
    }

    /// Where to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// Whether that is where servers of its kind usually are.
    #[must_use]
    pub fn has_usual_port(&self) -> bool {
        // One that is usual is not kept by the parser.
        self.url.port().is_none()
    }

    /// As sent in `Host`, and all of an address that goes into the log.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = match self.place() {
            Place::Name(name) => name.to_owned(),
            Place::Address(IpAddr::V4(address)) => address.to_string(),
            Place::Address(IpAddr::V6(address)) => format!("[{address}]"),
        };
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// Path and query, beginning with `/`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    /// The last piece of its path, if that looks like the name of a file.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        let name = self.url.path_segments()?.next_back()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = name.len() <= 128 && name.bytes().all(plain);
        let has_kind = name
            .rsplit_once('.')
            .is_some_and(|(name, kind)| !name.is_empty() && !kind.is_empty() && kind.len() <= 5);
        Some(name).filter(|_| fits && has_kind)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reach::{Reach, barrier};

    #[test]
    fn however_an_ipv4_address_is_written_it_is_seen() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "127。0。0。1",
        ] {
            let link = Link::parse(&format!("https://{host}/"), false).unwrap();
            assert_eq!(link.place(), Place::Address([127, 0, 0, 1].into()), "{host}");
        }
        let link = Link::parse("https://[::ffff:7f00:1]:443/", false).unwrap();
        assert_eq!(link.place(), Place::Address("::ffff:127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_address_to_fetch_from_is_refused() {
        for url in [
            "",
            "nonsense",
            "//a.example/",
            "ftp://a.example/",
            "file:///etc/passwd",
            "gopher://a.example/",
            "data:text/plain,x",
            "javascript:1",
            "https://",
            "https://./",
            "http://a.example/",
            "https://user@a.example/",
            "https://user:pass@a.example/",
            "https://:pass@a.example/",
            "https://a.example@10.0.0.1:x/",
            "https://[::1/",
            "https://a b/",
            "https://1.2.3.400/",
            "unix:/run/x.sock",
        ] {
            assert!(matches!(Link::parse(url, false), Err(Fault::Url(_))), "{url}");
        }
        let long = format!("https://a.example/{}", "a".repeat(LONGEST));
        assert!(Link::parse(&long, false).is_err());
    }

    #[test]
    fn the_host_behind_tricks_is_the_one_that_is_checked() {
        let place = |url: &str| {
            let link = Link::parse(url, false).unwrap();
            (link.authority(), link.target().to_owned())
        };
        let is = |host: &str, target: &str| (host.to_owned(), target.to_owned());
        assert_eq!(
            place("https://evil.example\\@good.example/x"),
            is("evil.example", "/@good.example/x")
        );
        assert_eq!(place("https://evil.example#@good.example/"), is("evil.example", "/"));
        assert_eq!(
            place("https://evil.example?@good.example/"),
            is("evil.example", "/?@good.example/")
        );
        assert_eq!(place(" https:\\\\EVIL.example.\t/a"), is("evil.example", "/a"));
        assert_eq!(place("https:evil.example/a?b#c"), is("evil.example", "/a?b"));
        assert_eq!(place("https://a.example:8443/"), is("a.example:8443", "/"));
    }

    #[test]
    fn a_line_of_another_request_cannot_be_smuggled_in() {
        let link = Link::parse("https://a.example/x\r\nHost: b\r\n\r\n y", false).unwrap();
        assert!(link.target().bytes().all(|byte| byte.is_ascii_graphic()), "{}", link.target());
        assert!(link.authority().bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn a_redirection_is_read_from_where_it_stands_and_never_leaves_tls() {
        let link = Link::parse("https://a.example/x/y?z", true).unwrap();
        let leads = |location: &str| {
            link.follow(location).map(|it| format!("{}{}", it.authority(), it.target()))
        };
        assert_eq!(leads("../w").unwrap(), "a.example/w");
        assert_eq!(leads("//b.example/").unwrap(), "b.example/");
        assert!(leads("http://a.example/x").is_err());
        assert!(leads("file:///etc/passwd").is_err());
        let plain = Link::parse("http://a.example/", true).unwrap();
        assert!(plain.follow("https://b.example/").is_ok());
        assert!(plain.follow("http://u:p@b.example/").is_err());
    }

    #[test]
    fn a_file_is_called_what_its_address_calls_it_if_that_is_a_name() {
        let name = |url: &str| Link::parse(url, false).unwrap().file_name().map(str::to_owned);
        assert_eq!(name("https://a.example/d/report-1.pdf?x").as_deref(), Some("report-1.pdf"));
        assert_eq!(name("https://a.example/d/"), None);
        assert_eq!(name("https://a.example/report"), None);
        assert_eq!(name("https://a.example/a%22b.pdf"), None);
    }

    proptest! {
        /// Any text at all: if it is taken for an address, what would be connected to was checked.
        #[test]
        fn nothing_that_is_written_leads_past_the_guard(text in "(https?:)?[/\\\\]{0,3}[0-9a-fx.:@\\[\\]%#?]{1,24}") {
            let Ok(link) = Link::parse(&text, true) else { return Ok(()) };
            if let Place::Address(address) = link.place() {
                let open = Reach::default().choose(&link, &[address]);
                prop_assert_eq!(open.is_ok(), barrier(address).is_none() && link.has_usual_port());
            }
        }
    }
}
