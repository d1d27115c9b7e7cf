//! What we protect. Each store knows its server, its backup, its restore and its fingerprint.

mod failure;
mod login;
pub mod objects;
pub mod postgres;
pub mod redis;
pub mod secrets;

pub use failure::RestoreFailure;
pub(crate) use failure::died;
pub use login::LogIn;
