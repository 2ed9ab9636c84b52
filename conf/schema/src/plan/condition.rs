//! Which requests a target takes.

use std::collections::BTreeMap;

use conf_name::KeyName;
use http::HeaderName;

use super::{Checker, Unique};
use crate::{
    problem::Place,
    raw,
    read::{Field, Placed},
};

/// Which requests a target takes: those for which all of this holds. Nothing at all holds for every
/// request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct When {
    /// Each of these headers has one of its values.
    pub headers: Vec<(HeaderName, Vec<String>)>,
    /// The client's key is one of these, unless there are none.
    pub keys: Vec<KeyName>,
    /// Each of these entries of the request's `metadata` has one of its values.
    pub metadata: Vec<(String, Vec<String>)>,
}

impl When {
    /// Whether it holds for every request.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.headers.is_empty() && self.keys.is_empty() && self.metadata.is_empty()
    }
}

type Listed = Field<BTreeMap<String, Field<Vec<Field<String>>>>>;

impl Checker<'_> {
    /// `keys` has every client key that was named; `nobody` says that none is asked for.
    pub(super) fn when(
        &self,
        section: Field<raw::When>,
        keys: &Unique<KeyName>,
        nobody: bool,
    ) -> When {
        let Some(Placed { value: raw, at }) = section.given() else { return When::default() };
        let untold = [
            matches!(raw.headers, Field::Missing),
            matches!(raw.keys, Field::Missing),
            matches!(raw.metadata, Field::Missing),
        ];
        if untold == [true; 3] {
            self.problems.error(&at, "names no condition; leave it out to take every request");
        }
        When {
            headers: self.headers(raw.headers),
            keys: self.one_of_keys(raw.keys, keys, nobody),
            metadata: self.each(raw.metadata).into_iter().map(|(name, _, it)| (name, it)).collect(),
        }
    }

    fn headers(&self, listed: Listed) -> Vec<(HeaderName, Vec<String>)> {
        let mut headers = Vec::<(HeaderName, Vec<String>)>::new();
        for (name, at, values) in self.each(listed) {
            match name.parse::<HeaderName>() {
                // Told apart by nothing that a request could tell apart.
                Ok(name) if headers.iter().any(|(one, _)| *one == name) => {
                    self.problems.error(&at, "is given twice");
                }
                Ok(name) => headers.push((name, values)),
                Err(_) => self.problems.error(&at, "is not the name of a header"),
            }
        }
        headers
    }

    fn one_of_keys(
        &self,
        listed: Field<Vec<Field<KeyName>>>,
        declared: &Unique<KeyName>,
        nobody: bool,
    ) -> Vec<KeyName> {
        let Some(Placed { value: list, at }) = listed.given() else { return Vec::new() };
        if list.is_empty() {
            self.problems.error(&at, "needs at least one key");
        } else if nobody {
            let message = "can hold for nobody: with `auth.mode: open` no key is asked for";
            self.problems.warning(&at, message);
        }
        let mut keys = Vec::new();
        for Placed { value, at } in list.into_iter().filter_map(Field::given) {
            if !declared.contains(&value) {
                self.problems.error(&at, declared.no_such(&value));
            } else if keys.contains(&value) {
                self.problems.warning(&at, "is listed already");
            } else {
                keys.push(value);
            }
        }
        keys
    }

    /// The entries of a map, each with at least one value.
    fn each(&self, listed: Listed) -> Vec<(String, Place, Vec<String>)> {
        let Some(Placed { value: map, at }) = listed.given() else { return Vec::new() };
        if map.is_empty() {
            self.problems.error(&at, "needs at least one entry");
        }
        let mut entries = Vec::with_capacity(map.len());
        for (name, values) in map {
            let Some(Placed { value: list, at }) = values.given() else { continue };
            if list.is_empty() {
                self.problems.error(&at, "needs at least one value");
            }
            let values = list.into_iter().filter_map(Field::value).collect();
            entries.push((name, at, values));
        }
        entries
    }
}
