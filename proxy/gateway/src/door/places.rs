//! Room for connections: so many in all, so many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use proxy_admit::address;

/// Counts the connections that are open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: std::sync::atomic::AtomicUsize,
    /// Only while there is a limit: otherwise nobody takes this lock.
    by_address: Mutex<HashMap<IpAddr, NonZeroUsize>>,
}

/// One of all places, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Counts>);

/// One of the places of an address, given back when dropped.
#[derive(Debug)]
pub(crate) struct AddressPlace(Arc<Counts>, IpAddr);

impl Places {
    /// A place, if fewer than `most` are taken.
    pub(crate) fn take(&self, most: usize) -> Option<Place> {
        use std::sync::atomic::Ordering::Relaxed;
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        self.0.all.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Place(Arc::clone(&self.0)))
    }

    /// A place for `address`, if it has taken fewer than `most`.
    pub(crate) fn take_of(&self, address: IpAddr, most: NonZeroUsize) -> Option<AddressPlace> {
        let address = address::counted(address);
        let mut counts = self.0.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = counts.get(&address).map_or(0, |taken| taken.get());
        let more = NonZeroUsize::new(taken + 1).filter(|more| *more <= most)?;
        counts.insert(address, more);
        Some(AddressPlace(Arc::clone(&self.0), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.all.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let Self(counts, address) = self;
        let mut counts = counts.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.get(address).and_then(|taken| NonZeroUsize::new(taken.get() - 1));
        match left {
            Some(left) => counts.insert(*address, left),
            None => counts.remove(address),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_given_back() {
        let places = Places::default();
        let one = places.take(2).unwrap();
        let _two = places.take(2).unwrap();
        assert!(places.take(2).is_none());
        assert!(places.take(3).is_some(), "a limit that grew counts at once, and is given back");
        drop(one);
        assert!(places.take(2).is_some());
    }

    #[test]
    fn an_address_does_not_take_the_places_of_another_and_leaves_nothing_behind() {
        let places = Places::default();
        let two = NonZeroUsize::new(2).unwrap();
        let taken = [
            places.take_of(address("192.0.2.1"), two).unwrap(),
            places.take_of(address("::ffff:192.0.2.1"), two).unwrap(),
        ];
        assert!(places.take_of(address("192.0.2.1"), two).is_none());
        assert!(places.take_of(address("192.0.2.2"), two).is_some());
        let six = places.take_of(address("2001:db8::1"), NonZeroUsize::MIN).unwrap();
        assert!(places.take_of(address("2001:db8::2"), NonZeroUsize::MIN).is_none());
        drop((taken, six));
        assert!(places.0.by_address.lock().unwrap().is_empty());
    }
}
