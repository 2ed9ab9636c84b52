//! A value that must not be seen.

use std::{fmt, sync::Arc};

/// A key or a token. Prints as `***`, is never serialised, and has no `==` that could leak its
/// length or its first different byte by the time it takes.
///
/// Every [`Secret::expose`] in the source is a place where the value may escape: keep them few.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides `value`.
    #[must_use]
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself, to be sent or compared, never printed.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars_and_is_there_when_asked() {
        let secret = Secret::new("sk-1");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "sk-1");
    }
}
