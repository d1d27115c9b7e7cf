//! The application of a drill: what its users see is where its connection points.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;

/// Where the application connects to. Clones point to the same application.
#[derive(Clone)]
pub struct Application<T = PgConnectOptions>(Arc<watch::Sender<Option<T>>>);

impl<T> Default for Application<T> {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl<T> Application<T> {
    /// Switches the application to a database.
    pub fn switch_to(&self, database: T) {
        self.0.send_replace(Some(database));
    }

    /// Takes the database away from the application.
    pub fn disconnect(&self) {
        self.0.send_replace(None);
    }

    /// The database that it is switched to now, and every later one.
    pub fn watch(&self) -> watch::Receiver<Option<T>> {
        self.0.subscribe()
    }
}
