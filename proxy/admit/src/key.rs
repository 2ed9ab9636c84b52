//! Client keys.

use std::collections::HashMap;
use std::sync::Arc;

use conf_name::KeyName;
use conf_schema::plan::{Auth, AuthMode};
use sha2::{Digest, Sha256};

/// Who may come in. Holds no key, only digests, so that looking one up takes the same time
/// whatever part of it is right.
#[derive(Clone, Debug)]
pub struct KeyRing {
    open: bool,
    names: HashMap<[u8; 32], Arc<KeyName>>,
}

/// Who is asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// Nobody in particular: the gateway is open.
    Anonymous,
    /// The holder of this key.
    Key(Arc<KeyName>),
}

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// No key was shown.
    #[error("no key was shown")]
    Missing,
    /// A key was shown that is not one of ours.
    #[error("the key is not known")]
    Unknown,
}

impl KeyRing {
    /// The keys of the configuration.
    #[must_use]
    pub fn new(auth: &Auth) -> Self {
        let names = auth
            .keys
            .iter()
            .map(|key| (digest(key.key.expose().as_bytes()), Arc::new(key.name.clone())))
            .collect();
        Self { open: auth.mode == AuthMode::Open, names }
    }

    /// Whose key this is.
    ///
    /// An open gateway takes anybody, and whatever key an SDK insists on sending.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the gateway is not open and the key is missing or unknown.
    pub fn identify(&self, shown: Option<&[u8]>) -> Result<Caller, Refused> {
        if self.open && self.names.is_empty() {
            return Ok(Caller::Anonymous);
        }
        match shown.map(|key| self.names.get(&digest(key))) {
            Some(Some(name)) => Ok(Caller::Key(Arc::clone(name))),
            None | Some(None) if self.open => Ok(Caller::Anonymous),
            None => Err(Refused::Missing),
            Some(None) => Err(Refused::Unknown),
        }
    }
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use conf_name::Secret;
    use conf_schema::plan::ClientKey;

    use super::*;

    fn ring(mode: AuthMode) -> KeyRing {
        let key = ClientKey {
            name: KeyName::try_from("ci".to_owned()).unwrap(),
            key: Secret::new("right"),
        };
        KeyRing::new(&Auth { mode, keys: vec![key] })
    }

    #[test]
    fn a_known_key_comes_in_and_is_known_by_name() {
        for mode in [AuthMode::Open, AuthMode::Keys] {
            let Ok(Caller::Key(name)) = ring(mode).identify(Some(b"right")) else { panic!() };
            assert_eq!(name.as_ref().as_ref(), "ci");
        }
    }

    #[test]
    fn an_unknown_key_or_none_comes_in_only_where_it_is_open() {
        let (open, keys) = (ring(AuthMode::Open), ring(AuthMode::Keys));
        for wrong in [None, Some(&b"wrong"[..]), Some(b""), Some(b"right "), Some(b"righ")] {
            assert_eq!(open.identify(wrong), Ok(Caller::Anonymous));
            assert!(keys.identify(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(keys.identify(None), Err(Refused::Missing));
    }
}
