//! Damages to secrets: to their export, to its keys, to what they open, to restored secrets.

mod export;
mod export_file;
mod restored;
mod rotation;

pub use export::{Export, TO_AN_EXPORT};
pub use export_file::{ExportedFile, TO_AN_EXPORTED_FILE};
pub use restored::{RestoredSecrets, TO_RESTORED_SECRETS};
pub use rotation::{BY_ROTATION, Rotated, Rotation, SetPassword};
