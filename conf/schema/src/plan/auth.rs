//! Who may use the gateway.

use std::collections::HashMap;

use conf_name::{KeyName, Secret};

use super::{AuthMode, Checker, Listener, Unique, secret::Resolved};
use crate::{
    problem::Place,
    raw,
    read::{Field, Placed},
};

/// Who may use the gateway.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Whether clients must present a key.
    pub mode: AuthMode,
    /// The keys that count. One whose secret could not be found is not among them.
    pub keys: Vec<ClientKey>,
}

/// A key that a client may present.
#[derive(Clone, Debug)]
pub struct ClientKey {
    /// What it is called in logs and metrics.
    pub name: KeyName,
    /// What the client sends; no other key has the same.
    pub key: Secret,
}

impl Checker<'_> {
    /// `places` says where the address of each listener stands. The names are those of all keys
    /// that were written, whether they can be used or not.
    pub(super) fn auth(
        &self,
        section: Field<raw::Auth>,
        listeners: &[Listener],
        places: &[Place],
    ) -> (Auth, Unique<KeyName>) {
        // If the section itself could not be read, nothing in it can be blamed.
        let invalid = matches!(section, Field::Invalid);
        let (section, at) = match section.given() {
            Some(Placed { value, at }) => (value, at),
            None => (raw::Auth::default(), Place { line: 1, column: 1, key: "auth".into() }),
        };
        let mode_wrong = invalid || matches!(section.mode, Field::Invalid);
        let mode = section.mode.value().unwrap_or_default();
        let allow_open = section.allow_open.value().unwrap_or(false);
        let listed = section.keys.given();
        let written = listed.as_ref().map_or(0, |list| list.value.len());
        let place = listed.as_ref().map_or_else(|| at.child("keys"), |list| list.at.clone());
        let (keys, names) = self.client_keys(listed.map(|list| list.value).unwrap_or_default());
        if !mode_wrong {
            match mode {
                AuthMode::Open if written > 0 => {
                    let message = "are not asked for; set `auth.mode: keys` to ask for them";
                    self.problems.warning(&place, message);
                }
                AuthMode::Keys if written == 0 => {
                    self.problems.error(&place, "`auth.mode: keys` needs at least one key");
                }
                AuthMode::Open | AuthMode::Keys => {}
            }
            if mode == AuthMode::Open && !allow_open {
                self.refuse_open(listeners, places);
            }
        }
        (Auth { mode, keys }, names)
    }

    fn refuse_open(&self, listeners: &[Listener], places: &[Place]) {
        for (listener, at) in listeners.iter().zip(places) {
            if !listener.is_loopback() {
                self.problems.error(
                    at,
                    "other machines can reach this address and `auth.mode` is `open`; \
                     set `auth.mode: keys`, or `auth.allow_open: true` if that is meant",
                );
            }
        }
    }

    fn client_keys(&self, list: Vec<Field<raw::ClientKey>>) -> (Vec<ClientKey>, Unique<KeyName>) {
        let mut names = Unique::new("key");
        let mut secrets = HashMap::new();
        let mut keys = Vec::new();
        for Placed { value: raw::ClientKey { name, key }, at } in
            list.into_iter().filter_map(Field::given)
        {
            let name = name.required(&at, "name", self.problems);
            let key = key.required(&at, "key", self.problems);
            if let Some(name) = &name {
                names.add(name, self.problems);
            }
            let Some((name, key)) = name.zip(key) else { continue };
            match self.secret(key.value, &key.at) {
                None => {}
                Some(Resolved::Missing { reason }) => {
                    let message = format!("{reason}; the key `{}` cannot be used", name.value);
                    self.problems.warning(&key.at, message);
                }
                Some(Resolved::Found(secret)) => {
                    let owner = (name.value.clone(), key.at.line);
                    if let Some((other, line)) = secrets.insert(secret.expose().to_owned(), owner) {
                        let message = format!("is the same secret as `{other}` has (line {line})");
                        self.problems.error(&key.at, message);
                    }
                    keys.push(ClientKey { name: name.value, key: secret });
                }
            }
        }
        (keys, names)
    }
}
