//! What names a session.

use sha2::{Digest, Sha256};

/// A session of one key and one model. Says nothing about what it was made of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId([u8; 16]);

/// The parts of a request that can name its session. The first that is there and not empty does.
///
/// The last three count together, as the beginning of the conversation: they stay the same while
/// it goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionPieces<'a> {
    /// The value of the configured header.
    pub header: Option<&'a [u8]>,
    /// OpenAI's `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
    /// Anthropic's `metadata.user_id`.
    pub metadata_user_id: Option<&'a str>,
    /// OpenAI's `user`.
    pub user: Option<&'a str>,
    /// OpenAI's `safety_identifier`.
    pub safety_identifier: Option<&'a str>,
    /// The first response of a chain of the Responses API.
    pub chain: Option<&'a str>,
    /// The system prompt, in any fixed encoding.
    pub system: Option<&'a [u8]>,
    /// The tools, in any fixed encoding.
    pub tools: Option<&'a [u8]>,
    /// The first message of the user, in any fixed encoding.
    pub first_user_message: Option<&'a [u8]>,
}

impl SessionPieces<'_> {
    /// Whether one of the pieces names the session by itself.
    #[must_use]
    pub fn names_it(&self) -> bool {
        let named = [
            self.prompt_cache_key,
            self.metadata_user_id,
            self.user,
            self.safety_identifier,
            self.chain,
        ];
        self.header.is_some_and(|header| !header.is_empty())
            || named.into_iter().flatten().any(|name| !name.is_empty())
    }
}

/// Of a longer piece, so much of its beginning and of its end are looked at.
const LOOK: usize = 32 * 1024;

impl SessionId {
    /// The session of a request, scoped to the client's `key` (its name, empty for nobody's) and
    /// to the `model` as the client calls it. `None` if nothing names it.
    ///
    /// The same on every node and in every version: it may be stored.
    #[must_use]
    pub fn of(key: &str, model: &str, pieces: &SessionPieces<'_>) -> Option<Self> {
        let scope = Scope { key, model };
        let named: [(u8, Option<&[u8]>); 6] = [
            (1, pieces.header),
            (2, pieces.prompt_cache_key.map(str::as_bytes)),
            (3, pieces.metadata_user_id.map(str::as_bytes)),
            (4, pieces.user.map(str::as_bytes)),
            (5, pieces.safety_identifier.map(str::as_bytes)),
            (6, pieces.chain.map(str::as_bytes)),
        ];
        let given = |piece: Option<&'_ [u8]>| piece.is_some_and(|piece| !piece.is_empty());
        if let Some((kind, Some(name))) = named.into_iter().find(|(_, piece)| given(*piece)) {
            return Some(scope.hash(kind, &[name]));
        }
        let beginning = [pieces.system, pieces.tools, pieces.first_user_message];
        beginning
            .iter()
            .any(|piece| given(*piece))
            .then(|| scope.hash(7, &beginning.map(Option::unwrap_or_default)))
    }

    /// To store it under.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

struct Scope<'a> {
    key: &'a str,
    model: &'a str,
}

impl Scope<'_> {
    /// The kind keeps a name of one kind from meeting the same name of another.
    fn hash(&self, kind: u8, pieces: &[&[u8]]) -> SessionId {
        let mut hasher = Sha256::new();
        hasher.update([kind]);
        for piece in [self.key.as_bytes(), self.model.as_bytes()].iter().chain(pieces) {
            hasher.update((piece.len() as u64).to_le_bytes());
            match (piece.get(..LOOK), piece.len().checked_sub(LOOK)) {
                (Some(head), Some(tail)) if tail > LOOK => {
                    hasher.update(head);
                    hasher.update(piece.get(tail..).unwrap_or_default());
                }
                _ => hasher.update(piece),
            }
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        SessionId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: SessionPieces<'_> = SessionPieces {
        header: None,
        prompt_cache_key: None,
        metadata_user_id: None,
        user: None,
        safety_identifier: None,
        chain: None,
        system: Some(b"be brief"),
        tools: None,
        first_user_message: Some(b"hello"),
    };

    fn of(pieces: &SessionPieces<'_>) -> Option<SessionId> {
        SessionId::of("alice", "smart", pieces)
    }

    #[test]
    fn the_first_name_in_order_names_the_session() {
        let mut pieces = START;
        let mut seen = vec![of(&pieces)];
        pieces.chain = Some("n");
        seen.push(of(&pieces));
        pieces.safety_identifier = Some("n");
        seen.push(of(&pieces));
        pieces.user = Some("n");
        seen.push(of(&pieces));
        pieces.metadata_user_id = Some("n");
        seen.push(of(&pieces));
        pieces.prompt_cache_key = Some("n");
        seen.push(of(&pieces));
        pieces.header = Some(b"n");
        seen.push(of(&pieces));
        let last = seen.last().copied();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "each kind of name is a world of its own");
        pieces = SessionPieces { header: Some(b"n"), ..SessionPieces::default() };
        assert_eq!(of(&pieces), last.unwrap(), "what comes later does not matter");
        pieces.header = Some(b"");
        assert_eq!(of(&pieces), None, "an empty name is none");
    }

    #[test]
    fn keys_and_models_do_not_share_sessions() {
        let pieces = SessionPieces { header: Some(b"s"), ..SessionPieces::default() };
        let all = [("a", "m"), ("b", "m"), ("a", "n"), ("am", ""), ("", "am")];
        let mut ids: Vec<_> = all.iter().map(|(k, m)| SessionId::of(k, m, &pieces)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn the_beginning_names_a_conversation_and_where_its_parts_end_matters() {
        let with = |system: &'static [u8], tools: &'static [u8]| {
            of(&SessionPieces { system: Some(system), tools: Some(tools), ..START })
        };
        assert_eq!(with(b"ab", b"c"), with(b"ab", b"c"));
        assert_ne!(with(b"ab", b"c"), with(b"a", b"bc"));
        let mut long = vec![b'x'; 5 * LOOK];
        let of_long = |long: &[u8]| of(&SessionPieces { system: Some(long), ..START });
        let before = of_long(&long);
        *long.last_mut().unwrap() = b'y';
        assert_ne!(of_long(&long), before);
        long.push(b'y');
        assert_ne!(of_long(&long), before);
    }

    /// Stored by durable bindings: a change would forget every session.
    #[test]
    fn a_session_is_called_the_same_for_ever() {
        let id = of(&START).unwrap();
        let hex: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "c5aa97115b97059239a66e4a9d63e42e");
    }
}
