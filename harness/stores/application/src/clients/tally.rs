//! What one client saw, in counts: a drill of hours takes no more memory than one of seconds.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use comeback_model::ServiceView;

use super::service::{Saw, Service};

/// Counts the answers to a client.
pub(super) struct Tally {
    /// Where the application is after the disaster.
    new: SocketAddr,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    was_served: bool,
    is_lost: bool,
    /// On the clock of the run.
    first_error_ms: Option<u64>,
    /// Its first right answer at the new address.
    back_ms: Option<u64>,
    /// Whether its last request was answered so.
    is_served: bool,
    errors: u64,
    later_errors: u64,
    right: u64,
    wrong: u64,
    last_problem: String,
}

impl Tally {
    pub(super) fn new(new: SocketAddr) -> Self {
        Self { new, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn was_served(&self) -> bool {
        self.counts().was_served
    }

    pub(super) fn last_problem(&self) -> String {
        self.counts().last_problem.clone()
    }

    /// From now on a failure counts.
    pub(super) fn lose_region(&self) {
        let mut counts = self.counts();
        counts.is_lost = true;
        counts.last_problem.clear();
    }

    /// Counts what a request saw that ended at a moment, at an address if it found one.
    pub(super) fn add(&self, at_ms: u64, address: Option<SocketAddr>, saw: Saw) {
        let mut counts = self.counts();
        if !counts.is_lost {
            match saw {
                Saw::Right => counts.was_served = true,
                Saw::Wrong(why) | Saw::Stranger(why) | Saw::Nothing(why) => counts.last_problem = why,
            }
            return;
        }
        let is_new = address == Some(self.new);
        counts.is_served = is_new && matches!(saw, Saw::Right);
        match saw {
            Saw::Right if is_new => {
                counts.right += 1;
                counts.back_ms.get_or_insert(at_ms);
            }
            // The region that is being lost answered once more.
            Saw::Right => {}
            Saw::Wrong(why) | Saw::Stranger(why) if is_new => {
                counts.wrong += 1;
                counts.last_problem = why;
            }
            Saw::Wrong(why) | Saw::Stranger(why) | Saw::Nothing(why) => {
                if counts.back_ms.is_some() {
                    counts.later_errors += 1;
                } else {
                    counts.errors += 1;
                    counts.first_error_ms.get_or_insert(at_ms);
                }
                counts.last_problem = why;
            }
        }
    }

    /// What the client of a service saw. Times count from a moment on the clock of the run.
    pub(super) fn view(&self, service: &Service, declared_ms: u64) -> ServiceView {
        let counts = self.counts();
        let since = |ms: Option<u64>| ms.map(|ms| ms.saturating_sub(declared_ms));
        ServiceView {
            name: service.name.to_owned(),
            tier: service.tier.clone(),
            writes: service.asks.writes(),
            first_error_ms: since(counts.first_error_ms),
            // A service that was there once and is gone again is not back.
            back_ms: since(counts.back_ms).filter(|_| counts.is_served),
            errors: counts.errors,
            later_errors: counts.later_errors,
            right: counts.right,
            wrong: counts.wrong,
            last_problem: counts.last_problem.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::service::Use;
    use super::*;

    #[test]
    fn an_outage_begins_with_the_first_error_and_ends_with_a_right_answer_of_the_new_address() {
        let [old, new]: [SocketAddr; 2] = ["127.1.2.3:80", "127.1.2.4:80"].map(|at| at.parse().unwrap());
        let tally = Tally::new(new);
        let nothing = || Saw::Nothing("nobody answers".to_owned());
        tally.add(1, None, nothing());
        assert!(!tally.was_served());
        tally.add(2, Some(old), Saw::Right);
        tally.lose_region();
        for (at_ms, address, saw) in [
            (95, Some(old), Saw::Right),
            (120, Some(old), nothing()),
            (130, None, nothing()),
            (140, Some(new), Saw::Wrong("another story".to_owned())),
            (150, Some(new), Saw::Right),
            (160, Some(old), Saw::Right),
            (170, Some(new), nothing()),
            (180, Some(new), Saw::Right),
        ] {
            tally.add(at_ms, address, saw);
        }
        let service =
            Service { name: "stories", tier: None, asks: Use::Same(Vec::new()), signs_in_again: None };
        let view = tally.view(&service, 100);
        assert!(tally.was_served() && !view.writes);
        assert_eq!((view.first_error_ms, view.back_ms), (Some(20), Some(50)));
        assert_eq!((view.errors, view.later_errors, view.right, view.wrong), (2, 1, 2, 1));
        assert_eq!(view.last_problem, "nobody answers");
        tally.add(190, Some(new), nothing());
        assert_eq!(tally.view(&service, 100).back_ms, None);
    }
}
