//! A body that goes up while it comes in.

use adapters_canonical::failure::Failure;
use bytes::Bytes;
use pingora::{Error, Result};
use tokio::time::Instant;

use super::BufferedSession;
use crate::attempt::REFUSED;
use crate::handle::Handle;

impl BufferedSession {
    /// The next piece of a body that goes up while it comes in. Read only when the upstream has taken
    /// the last one, so that no more of it is in memory than a few pieces.
    pub(super) async fn read_upload(&mut self) -> Result<Option<Bytes>> {
        let refused = |handle: &Handle, failure| {
            handle.refuse(failure);
            Error::e_explain(REFUSED, "the body is not taken")
        };
        let patience = self.handle.upload_patience();
        let reading = self.get_mut().read_body_or_idle(false);
        let Ok(piece) = tokio::time::timeout(patience, reading).await else {
            return refused(&self.handle, Failure::BodyTimedOut);
        };
        let piece = piece?;
        let last = piece.is_none() || self.get_mut().is_body_done();
        let now = Instant::now();
        let bytes = piece.as_deref().unwrap_or_default();
        if let Err(failure) = self.handle.uploaded(bytes, last, now) {
            return refused(&self.handle, failure);
        }
        if last {
            self.uploads = false;
            // The attempt goes on; only its clock begins anew.
            self.began = self.began.map(|_| now);
        }
        Ok(piece)
    }
}
