//! Damages to a recovered application: it runs, and was told wrong addresses or wrong secrets; or its stores do not
//! belong together.

mod addresses;
mod clients;
mod rows;
mod secrets;
mod vault;

pub use addresses::{Directed, TO_ITS_ADDRESSES};
pub use clients::{Outside, Outsiders, TO_WHAT_CLIENTS_SEE};
pub use rows::{NamingRows, Rows, TO_WHAT_ROWS_NAME};
pub use secrets::{Informed, TO_ITS_SECRETS};
pub use vault::{SealedRows, TO_THE_VAULT, Vault};

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
