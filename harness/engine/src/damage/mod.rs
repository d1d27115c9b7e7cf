//! Damages: corruption that is injected on purpose, to show that a judge notices it. A check that cannot fail is
//! worth nothing.
//!
//! A damage is a row of a table: its name, what it does, which judge must find it and as what, and the function
//! that injects it. Each store has the tables of its own damages; this module has those for any backup.

mod backup;
mod catalogue;
mod outage;
mod provenance;
mod rewrite;
mod safeguard;
mod shared;
mod table;

pub use backup::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE, TO_THE_MOMENTS, newest, older};
pub use catalogue::Catalogue;
pub use outage::{AllowedOutage, TO_AN_ALLOWED_OUTAGE};
pub use provenance::TO_THE_SIGNATURE;
pub use rewrite::{Checksums, StoredBackup, pack, rewrite, unpack};
pub use safeguard::Safeguard;
pub use shared::{LOG_WARNING, WRITE_LOST, WRITE_PHANTOM};
pub use table::{Aim, Damage, DamageSpec, DamageTable, Damages, Injury, Sharing, Target, choose, find};
