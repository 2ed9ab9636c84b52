//! The sound of a streamed answer, put together.

use adapters_canonical::chat::Media;
use adapters_canonical::loss::Loss;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::egress::response::sound;

/// What is kept of one answer at most, in bytes.
const MOST: usize = 64 << 20;

/// A sound comes in pieces, each of them base64 of its own; the canonical answer has it whole.
#[derive(Debug, Default)]
pub(super) struct Sound {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Sound {
    /// Takes the next piece; what cannot be kept is a loss.
    pub(super) fn add(&mut self, piece: Option<&str>, choice: u32) -> Option<Loss> {
        let piece = piece.filter(|piece| !piece.is_empty() && !self.too_long)?;
        let path = format!("choices[{choice}].message.audio.data");
        if self.bytes.len() + piece.len() > MOST {
            (self.too_long, self.bytes) = (true, Vec::new());
            return Some(Loss::dropped(path, "more sound than is kept of one answer"));
        }
        let decoded = STANDARD.decode_vec(piece, &mut self.bytes);
        decoded.is_err().then(|| Loss::dropped(path, "a piece of the sound is not base64"))
    }

    /// All of it, if there was any.
    pub(super) fn take(&mut self) -> Option<Media> {
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then(|| sound(STANDARD.encode(bytes)))
    }
}
