//! From where a secret is to what it is.

use conf_name::Secret;

use super::Checker;
use crate::{problem::Place, raw::SecretRef};

/// What became of a [`SecretRef`].
pub(super) enum Resolved {
    Found(Secret),
    /// Its source is not there, or empty. Says which, not what.
    Missing {
        reason: String,
    },
}

impl Checker<'_> {
    /// Finds a secret. `None` if what was found cannot be one, which is noted.
    pub(super) fn secret(&self, from: SecretRef, at: &Place) -> Option<Resolved> {
        let (text, origin) = match from {
            SecretRef::Plain(secret) => {
                let message = "is written out; {env: NAME} or {file: PATH} keep it out of the file";
                self.problems.warning(at, message);
                (Ok(secret.expose().to_owned()), "the secret".to_owned())
            }
            SecretRef::Env(name) => {
                let origin = format!("environment variable `{name}`");
                (self.secrets.env(&name).ok_or(format!("{origin} is not set")), origin)
            }
            SecretRef::File(path) => {
                let origin = format!("file `{path}`");
                (self.text_file(&path), origin)
            }
        };
        let text = match text {
            Ok(text) => text,
            Err(reason) => return Some(Resolved::Missing { reason }),
        };
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Some(Resolved::Missing { reason: format!("{origin} is empty") });
        }
        if let Err(reason) = sendable(text) {
            self.problems.error(at, format!("{origin} {reason}"));
            return None;
        }
        Some(Resolved::Found(Secret::new(text)))
    }

    fn text_file(&self, path: &str) -> Result<String, String> {
        let bytes = self
            .secrets
            .file(path)
            .map_err(|reason| format!("file `{path}` cannot be read: {reason}"))?;
        // What is not UTF-8 cannot be in a header either, so a stand-in character will do.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Whether a header can carry `secret` unchanged.
fn sendable(secret: &str) -> Result<(), &'static str> {
    if secret.trim() != secret {
        return Err("begins or ends with white space");
    }
    // Bytes above ASCII could be sent, but no two servers agree on what they mean.
    if !secret.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err("has a character that no HTTP header can carry");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_header_would_change_or_refuse_is_not_a_secret() {
        for good in ["sk-1", "a b", "!~"] {
            assert_eq!(sendable(good), Ok(()));
        }
        for bad in [" a", "a\t", "a\nb", "a\0", "ключ", "a\u{fffd}", "\u{7f}"] {
            assert!(sendable(bad).is_err(), "{bad:?}");
        }
    }
}
