//! Where a provider is.

use core::net::Ipv6Addr;
use std::{fmt, str::FromStr};

use http::Uri;

/// The common beginning of a provider's URLs, split as a client needs it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct BaseUrl {
    /// Whether it begins with `https`.
    pub tls: bool,
    /// A name or an IP address in lower case, an IPv6 address without its brackets.
    pub host: String,
    /// As written, or 443 with TLS and 80 without.
    pub port: u16,
    /// Begins with `/` unless empty; never ends with one.
    pub path: String,
}

/// Why a text cannot be a base URL. None repeats the text: it may hold a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidUrl {
    /// Neither `http://` nor `https://`.
    #[error("must begin with `https://` or `http://`")]
    Scheme,
    /// No host, or characters that no URL can have.
    #[error("is not a URL")]
    Malformed,
    /// `user:password@` before the host.
    #[error("must not hold a user name or a password")]
    Credentials,
    /// Port 0, or above 65535.
    #[error("has an impossible port")]
    Port,
    /// `?…` or `#…` at the end.
    #[error("must end with the path: no `?` and no `#`")]
    Query,
}

impl BaseUrl {
    /// `host` or `host:port`, as in a `Host` header: without the port that goes without saying.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.bracketed_host();
        if self.port == default_port(self.tls) { host } else { format!("{host}:{}", self.port) }
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// The URL, without a trailing `/`.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let tls = match text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()) {
            Some(scheme) if scheme == "https" => true,
            Some(scheme) if scheme == "http" => false,
            _ => return Err(InvalidUrl::Scheme),
        };
        // `http::Uri` forgets a fragment rather than to refuse it.
        if text.contains(['?', '#']) {
            return Err(InvalidUrl::Query);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidUrl::Malformed)?;
        let authority = uri.authority().ok_or(InvalidUrl::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        let host = bare_host(authority.host())?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default_port(tls),
            Some(_) => authority.port_u16().filter(|port| *port != 0).ok_or(InvalidUrl::Port)?,
            None => return Err(InvalidUrl::Malformed),
        };
        Ok(Self { tls, host, port, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn bare_host(host: &str) -> Result<String, InvalidUrl> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| InvalidUrl::Malformed)?;
        return Ok(address.to_string());
    }
    let part_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.is_empty() || !host.bytes().all(part_of_a_name) {
        return Err(InvalidUrl::Malformed);
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, authority: &str, port: u16, path: &str) {
        let url: BaseUrl = text.parse().unwrap();
        assert_eq!(
            (url.authority().as_str(), url.port, url.path.as_str()),
            (authority, port, path)
        );
    }

    #[test]
    fn urls_are_split_and_tidied() {
        check("https://api.openai.com/v1", "api.openai.com", 443, "/v1");
        check("https://API.OpenAI.com/v1//", "api.openai.com", 443, "/v1");
        check("HTTP://localhost:11434", "localhost:11434", 11434, "");
        check("http://my_service:80/", "my_service", 80, "");
        check("https://[::1]:8443/a/b", "[::1]:8443", 8443, "/a/b");
        check("http://[2001:DB8::1]", "[2001:db8::1]", 80, "");
    }

    #[test]
    fn an_ipv6_host_has_no_brackets_until_it_is_written_out() {
        let url: BaseUrl = "http://[::1]:1234/x/".parse().unwrap();
        assert_eq!(url.host, "::1");
        assert_eq!(url.to_string(), "http://[::1]:1234/x");
    }

    #[test]
    fn what_is_no_base_url_is_refused_for_the_right_reason() {
        use InvalidUrl::*;
        for (text, expected) in [
            ("api.openai.com/v1", Scheme),
            ("ftp://host", Scheme),
            ("", Scheme),
            ("https://", Malformed),
            ("https:///v1", Malformed),
            ("https://a b/", Malformed),
            ("https://exämple.com", Malformed),
            ("https://[::1", Malformed),
            ("https://[zz]", Malformed),
            ("https://user:pw@host/", Credentials),
            ("https://host:0", Port),
            ("https://host:70000", Port),
            ("https://host:", Port),
            ("https://host/?key=1", Query),
            ("https://host/#top", Query),
        ] {
            let got = text.parse::<BaseUrl>();
            assert!(got == Err(expected) || got == Err(Malformed), "{text}: {got:?}");
        }
    }

    proptest! {
        #[test]
        fn a_url_reads_back_as_itself(text in "https?://([a-z.]{1,9}|\\[::[0-9]\\])(:[1-9][0-9]{0,3})?/[a-z/%0-9]{0,9}") {
            if let Ok(url) = text.parse::<BaseUrl>() {
                prop_assert_eq!(url.to_string().parse::<BaseUrl>(), Ok(url));
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in "(https?://)?\\PC{0,40}") {
            let _ = text.parse::<BaseUrl>();
        }
    }
}
