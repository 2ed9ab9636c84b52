//! A gate that a test holds and an answer waits at.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Holds back the steps of an answer until the test lets them through.
///
/// Clones are the same gate. Each wait at it uses up one admission.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate that lets nothing through yet.
    #[must_use]
    pub fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets the next `count` waits through, whether they have begun or not.
    pub fn admit(&self, count: usize) {
        self.0.add_permits(count);
    }

    /// Lets every wait through from now on.
    pub fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn wait(&self) {
        // A closed semaphore is an open gate.
        if let Ok(admission) = self.0.acquire().await {
            admission.forget();
        }
    }
}
