//! Why something was not fetched: all of it for the log, and less for the client.

use adapters_canonical::failure::MediaFault;

use crate::reach::Barrier;

/// Why something was not fetched.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// What was written is no address that anything is fetched from.
    #[error("the URL {0}")]
    Url(&'static str),
    /// No address is known for the host.
    #[error("its name was not found")]
    NameNotFound,
    /// The host is not one that may be connected to.
    #[error("its host is {0}")]
    Barred(Barrier),
    /// It led elsewhere too often.
    #[error("it redirects too often")]
    TooManyRedirects,
    /// No connection, or none that held.
    #[error("the connection failed")]
    Connection,
    /// The server answered, but not with it.
    #[error("its server answered with status {0}")]
    Status(u16),
    /// The server answered something that cannot be used.
    #[error("its server's answer {0}")]
    Answer(&'static str),
    /// More bytes than allowed.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// How many are.
        limit: u64,
    },
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// Something else than was asked for.
    #[error("it is not of the kind that was asked for")]
    WrongKind,
}

impl Fault {
    /// What the client is told. A host that may not be connected to and one that does not exist are
    /// the same to it: it would learn which names there are behind the gateway.
    #[must_use]
    pub const fn told(&self) -> MediaFault {
        match self {
            Self::Url(_) | Self::NameNotFound | Self::Barred(_) | Self::TooManyRedirects => {
                MediaFault::Refused
            }
            Self::Connection | Self::Answer(_) => MediaFault::Failed { status: None },
            Self::Status(status) => MediaFault::Failed { status: Some(*status) },
            Self::TooLarge { limit } => MediaFault::TooLarge { limit: *limit },
            Self::TimedOut => MediaFault::TimedOut,
            Self::WrongKind => MediaFault::WrongKind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_tell_a_private_host_from_none() {
        let told = Fault::NameNotFound.told();
        for barrier in [Barrier::Private, Barrier::Loopback, Barrier::LinkLocal, Barrier::Port] {
            assert_eq!(Fault::Barred(barrier).told(), told);
        }
        assert_eq!(told.to_string(), "its address is not one that the gateway fetches from");
    }
}
