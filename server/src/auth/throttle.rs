//! Five failures a minute for each name: enough for somebody who mistypes, too few for somebody who guesses.
//!
//! Counted by name and not by address: behind a proxy addresses can be forged, and who guesses has many.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Tries that may fail within a minute.
pub(crate) const MAX_FAILURES: usize = 5;
const WINDOW_US: i64 = 60 * 1_000_000;
/// Names that are counted at the same time; more are forgotten, the oldest first.
const MAX_NAMES: usize = 10_000;

/// When tries of each name began that have not succeeded.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    tries: Mutex<HashMap<String, Vec<i64>>>,
}

impl Throttle {
    /// Counts a try before its outcome is known, so that many at once are counted too; [`Throttle::succeeded`] takes it
    /// back.
    ///
    /// # Errors
    /// There were too many: the seconds to wait.
    pub(crate) fn begin(&self, name: &str, now_us: i64) -> Result<(), u64> {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_NAMES && !all.contains_key(name) {
            make_room(&mut all, now_us);
        }
        let tries = all.entry(name.to_owned()).or_default();
        tries.retain(|at_us| now_us - at_us < WINDOW_US);
        if let Some(oldest) = tries.first().filter(|_| tries.len() >= MAX_FAILURES) {
            let wait_us = oldest + WINDOW_US - now_us;
            return Err(u64::try_from(wait_us).unwrap_or_default().div_ceil(1_000_000));
        }
        tries.push(now_us);
        Ok(())
    }

    /// Forgets the tries of a name.
    pub(crate) fn succeeded(&self, name: &str) {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(name);
    }
}

fn make_room(all: &mut HashMap<String, Vec<i64>>, now_us: i64) {
    let is_recent = |tries: &Vec<i64>| tries.last().is_some_and(|at_us| now_us - at_us < WINDOW_US);
    all.retain(|_, tries| is_recent(tries));
    while all.len() >= MAX_NAMES {
        let oldest = all.iter().min_by_key(|(_, tries)| tries.last().copied());
        let Some(name) = oldest.map(|(name, _)| name.clone()) else {
            return;
        };
        all.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    #[test]
    fn five_a_minute_for_each_name() {
        let throttle = Throttle::default();
        for n in 0..5 {
            assert_eq!(throttle.begin("ann", n * S), Ok(()));
        }
        assert_eq!(throttle.begin("ann", 5 * S), Err(55));
        assert_eq!(throttle.begin("bob", 5 * S), Ok(()), "others may");
        assert_eq!(throttle.begin("ann", 60 * S - 1), Err(1));
        assert_eq!(throttle.begin("ann", 60 * S), Ok(()), "the first is a minute old");
        assert_eq!(throttle.begin("ann", 60 * S), Err(1), "the second is not");
        throttle.succeeded("ann");
        assert_eq!(throttle.begin("ann", 60 * S), Ok(()));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let throttle = Throttle::default();
        for n in 0..i64::try_from(MAX_NAMES).unwrap() + 10 {
            assert_eq!(throttle.begin(&n.to_string(), n), Ok(()));
        }
        assert_eq!(throttle.tries.lock().unwrap().len(), MAX_NAMES);
    }
}
