//! The application of a drill: its users see the server that its connections point to.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The address at which the application finds a server, a `T`. Clones point to the same application.
pub struct Application<T>(Arc<watch::Sender<Option<T>>>);

impl<T> Clone for Application<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Application<T> {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl<T> Application<T> {
    /// Switches the application to a server.
    pub fn switch_to(&self, server: T) {
        self.0.send_replace(Some(server));
    }

    /// Disconnects the application from its server.
    pub fn disconnect(&self) {
        self.0.send_replace(None);
    }

    /// The current server of the application, and every later one.
    pub fn watch(&self) -> watch::Receiver<Option<T>> {
        self.0.subscribe()
    }
}

/// The connections of one application: one [`Application`] for each kind of address. Clones share them.
#[derive(Clone, Default)]
pub struct Applications(Arc<Mutex<HashMap<TypeId, Box<dyn Any + Send>>>>);

impl Applications {
    /// The application for servers whose address is a `T`.
    pub fn of<T: Send + Sync + 'static>(&self) -> Application<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = all.entry(TypeId::of::<T>()).or_insert_with(|| Box::new(Application::<T>::default()));
        one.downcast_ref::<Application<T>>().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_address_has_one_application() {
        let applications = Applications::default();
        applications.of::<u16>().switch_to(5432);
        applications.clone().of::<String>().switch_to("cache".to_owned());
        assert_eq!(*applications.of::<u16>().watch().borrow(), Some(5432));
        assert_eq!(applications.of::<String>().watch().borrow().as_deref(), Some("cache"));
        applications.of::<u16>().disconnect();
        assert_eq!(*applications.of::<u16>().watch().borrow(), None);
    }
}
