//! Damages to a recovered application: it runs, and was told wrong addresses or wrong secrets.

mod addresses;
mod clients;
mod secrets;

pub use addresses::{Directed, TO_ITS_ADDRESSES};
pub use clients::{Outside, Outsiders, TO_WHAT_CLIENTS_SEE};
pub use secrets::{Informed, TO_ITS_SECRETS};

use crate::configuration::Configuration;
use crate::server::ApplicationServer;

/// A running application, and a configuration that was right earlier.
#[derive(Clone, Copy)]
pub struct Misled<'a> {
    /// The application.
    pub server: &'a ApplicationServer,
    /// The addresses of before the disaster, and the secrets of before a rotation.
    pub earlier: &'a Configuration,
}
