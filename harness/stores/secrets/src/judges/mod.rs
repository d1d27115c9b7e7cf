//! Judges of a restored store of secrets.

mod export_file;
mod log_in;
mod secrets;

pub use export_file::ExportFile;
pub use log_in::LogInJudge;
pub use secrets::{ImportedSecrets, OpenedSecrets, SecretsJudge};
