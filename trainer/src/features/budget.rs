//! How much may be in memory at once, shared by those who hold it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Some amount of something that is held and given back. Who asks first is served first, so that nobody who needs much waits
/// for ever behind those who need little.
pub(super) struct Budget {
    total: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    left: u64,
    next_ticket: u64,
    serving: u64,
}

/// A part of a budget; given back when dropped.
pub(super) struct Held<'a> {
    budget: &'a Budget,
    amount: u64,
}

impl Budget {
    pub(super) fn new(total: u64) -> Self {
        Self {
            total,
            state: Mutex::new(State {
                left: total,
                next_ticket: 0,
                serving: 0,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits until this much is left. Who asks for more than there is gets all of it, alone.
    pub(super) fn hold(&self, amount: u64) -> Held<'_> {
        let amount = amount.min(self.total);
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        while state.serving != ticket || state.left < amount {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.serving += 1;
        state.left -= amount;
        drop(state);
        self.changed.notify_all();
        Held { budget: self, amount }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.lock().left += self.amount;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn never_more_is_held_than_there_is_and_everybody_is_served() {
        let budget = Budget::new(100);
        let (held, most, served) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (budget, held, most, served) = (&budget, &held, &most, &served);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let amount = if thread == 0 {
                            1_000
                        } else {
                            (thread * 31 + turn * 17) % 60
                        };
                        let part = budget.hold(amount);
                        let now = held.fetch_add(part.amount, Ordering::SeqCst) + part.amount;
                        most.fetch_max(now, Ordering::SeqCst);
                        held.fetch_sub(part.amount, Ordering::SeqCst);
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(served.into_inner(), 1_600);
        assert_eq!(most.into_inner(), 100, "whoever needs more than there is gets it all");
    }
}
