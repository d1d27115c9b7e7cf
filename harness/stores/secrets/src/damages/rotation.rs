//! A password that changes after the last export.

use std::sync::Arc;

use comeback_engine::damage::{Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_engine::secret::SecretBytes;
use comeback_error::Result;
use comeback_model::FindingCode;
use futures_util::future::BoxFuture;

use crate::SecretStore;

/// The target of these damages: a secret and the server that it opens, between the last export and the
/// disaster.
pub struct Rotation;

impl Target for Rotation {
    type On<'a> = Rotated<'a>;
}

/// Sets a server's password.
pub type SetPassword<'a> = dyn Fn(SecretBytes) -> BoxFuture<'a, Result<()>> + Send + Sync + 'a;

/// A password that can be changed.
#[derive(Clone)]
pub struct Rotated<'a> {
    /// The store of the secret.
    pub store: &'a dyn SecretStore,
    /// The name of the secret.
    pub secret: &'a str,
    /// Changes the password on the server that the secret opens.
    pub set_password: Arc<SetPassword<'a>>,
}

/// Damages to what a secret opens.
pub static BY_ROTATION: DamageTable<Rotation> = DamageTable {
    class: "secrets",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "secret-rotated",
            does: "a password was changed after the export",
            judge: "log-in",
            finding: FindingCode::LogInRefused,
        },
        inject: |aim| Box::pin(rotate(aim.on)),
    }]],
    sharing: Sharing::None,
};

/// Changes the password and stores it as a new version.
async fn rotate(on: Rotated<'_>) -> Result<Injury> {
    let password = SecretBytes::random_password()?;
    on.store.add_version(on.secret, &password).await?;
    (on.set_password)(password).await?;
    Ok(Injury::to(on.secret))
}
