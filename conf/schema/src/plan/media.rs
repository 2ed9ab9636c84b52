//! What the gateway fetches for a client.

use std::time::Duration;

use ipnet::IpNet;

use super::Checker;
use crate::{
    raw::{self, ByteSize, Timespan},
    read::{Field, Placed},
};

/// What becomes of files at addresses that a provider does not take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media {
    /// Whether the gateway fetches them.
    pub fetch: raw::Fetch,
    /// Bytes in the largest; above zero.
    pub max_bytes: u64,
    /// Of one request; above zero.
    pub max_files: usize,
    /// For one file, redirections included; above zero.
    pub timeout: Duration,
    /// Of one file.
    pub redirects: usize,
    /// Whether they are fetched without TLS too.
    pub allow_http: bool,
    /// What may be connected to although it is not public.
    pub allow: Vec<IpNet>,
}

const MAX_BYTES: u64 = 20 << 20;
const MAX_FILES: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(10);
const REDIRECTS: usize = 3;
const MOST_FILES: i64 = 100;
const MOST_REDIRECTS: i64 = 20;

impl Checker<'_> {
    pub(super) fn media(&self, section: Field<raw::Media>) -> Media {
        let section = section.value().unwrap_or_default();
        let count = |field: Field<i64>, (least, most): (i64, i64), default| {
            let Some(Placed { value, at }) = field.given() else { return default };
            let fits = (least..=most).contains(&value).then_some(value);
            let fits = fits.and_then(|value| usize::try_from(value).ok());
            let fits = fits.ok_or_else(|| format!("must be {least} to {most}, but is {value}"));
            self.problems.note(&at, fits).unwrap_or(default)
        };
        Media {
            fetch: section.fetch.value().unwrap_or_default(),
            max_bytes: section.max_bytes.value().map_or(MAX_BYTES, |ByteSize(size)| size),
            max_files: count(section.max_files, (1, MOST_FILES), MAX_FILES),
            timeout: section.timeout.value().map_or(TIMEOUT, |Timespan(given)| given),
            redirects: count(section.redirects, (0, MOST_REDIRECTS), REDIRECTS),
            allow_http: section.allow_http.value().unwrap_or(false),
            allow: self.open_networks(section.allow),
        }
    }

    fn open_networks(&self, list: Field<Vec<Field<raw::Network>>>) -> Vec<IpNet> {
        let list = list.value().unwrap_or_default();
        let given = list.into_iter().filter_map(Field::given);
        let narrow = |network: IpNet| match network.prefix_len() {
            0 => Err("opens every address, those of this machine included"),
            _ => Ok(network),
        };
        given
            .filter_map(|Placed { value: raw::Network(network), at }| {
                self.problems.note(&at, narrow(network))
            })
            .collect()
    }
}
