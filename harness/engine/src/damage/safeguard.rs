//! Safeguards of a procedure, which a damage leaves out.

use std::sync::atomic::{AtomicBool, Ordering};

/// Something that a procedure does so that nothing goes wrong, such as waiting until a replica has everything. A damage
/// leaves it out, as people in a hurry do.
#[derive(Debug, Default)]
pub struct Safeguard(AtomicBool);

impl Safeguard {
    /// Whether the procedure has to do it.
    pub fn holds(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }

    /// From now on the procedure does not do it.
    pub fn leave_out(&self) {
        self.0.store(true, Ordering::Release);
    }
}
