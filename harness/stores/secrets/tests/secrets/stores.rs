//! An empty store of every kind, for tests of what they have in common.

use std::any::Any;

use comeback_secrets::SecretStore;

/// A store, with what must live as long as the store.
pub(crate) struct Held {
    pub(crate) store: Box<dyn SecretStore>,
    _below: Box<dyn Any>,
}

pub(crate) async fn every_store() -> Vec<Held> {
    let (folder, _, store) = crate::folder::store();
    let mut stores = vec![Held { store: Box::new(store), _below: Box::new(folder) }];
    stores.extend(in_secret_manager().await);
    stores
}

#[cfg(feature = "secret-manager")]
async fn in_secret_manager() -> Option<Held> {
    let (fake, store) = crate::secret_manager::store().await;
    Some(Held { store: Box::new(store), _below: Box::new(fake) })
}

#[cfg(not(feature = "secret-manager"))]
async fn in_secret_manager() -> Option<Held> {
    std::future::ready(None).await
}
