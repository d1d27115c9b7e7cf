//! What a server takes over from the configuration of a cluster that somebody else set up.
//!
//! A configuration file can run commands, load libraries and read other files. The server therefore never sees the
//! backup's own: it gets a new one, with the settings of a closed list that the data or the recovery depend on.

mod adopt;
mod allowed;
mod configuration;
mod line;

pub use allowed::{ForeignSettings, LeftOut, Why};
