//! Starts a FAKE of Google Secret Manager, because tests have no real one: a small server on the loopback interface
//! that keeps the secrets of one project in memory, and implements the part of the REST API that the store
//! uses, by its reference.
//!
//! It numbers versions, keeps states, etags and labels, answers in short pages with the newest first, names
//! the project by its number even if the id was used, and has faults that tests can switch on.
//!
//! It does not implement: authentication and roles (a permission is denied only by a fault), replication,
//! regional secrets, rotation, expiry, own keys, filters, its own quotas, deletion, the order of real etags,
//! and stale reads after a write, which the real service may have. It refuses a payload without a CRC32C,
//! which the real service accepts, to catch a client that forgets it. A test with it proves nothing about the
//! real service's permissions or messages.

mod project;
mod routes;

use std::sync::{Arc, Mutex, MutexGuard};

use project::Project;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The id of the only project.
pub(crate) const PROJECT: &str = "road-trips";
/// The number of the project.
const NUMBER: &str = "123456789012";

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The caller lacks a permission, such as `secretmanager.versions.access`.
    Denied(&'static str),
    /// The caller is not authenticated.
    Unauthenticated,
    /// The next requests, this many, are answered with 503 and not processed.
    Unavailable(u32),
    /// The next requests, this many, exceed the quota and are not processed.
    TooMany(u32),
    /// Values are returned with another value's CRC32C.
    WrongCrc32c,
    /// Values are returned without a CRC32C.
    MissingCrc32c,
    /// Values are returned where the payload's description belongs: a parser's message would quote them.
    MisplacedValue,
    /// A new version is refused, and the refusal repeats the request.
    RepeatsTheRequest,
    /// The first version of every secret is missing from the list.
    LosesAVersion,
    /// A version to be destroyed is only disabled, to be destroyed later.
    DestroysLater,
    /// Somebody else changes a secret after every read.
    SomebodyElse,
}

/// The state of the server.
#[derive(Debug, Default)]
struct Shared {
    project: Project,
    fault: Option<Fault>,
    /// Every request, as `GET /v1/…?…`.
    requests: Vec<String>,
}

type State = Arc<Mutex<Shared>>;

/// A fake that runs until it is dropped.
pub(crate) struct FakeSecretManager {
    host: String,
    shared: State,
    server: JoinHandle<()>,
}

impl FakeSecretManager {
    /// Starts a fake without secrets, on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = State::default();
        let router = routes::router(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, shared, server }
    }

    /// Its address, as `HOST:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Switches a fault on, or off with `None`.
    pub(crate) fn set_fault(&self, fault: impl Into<Option<Fault>>) {
        self.shared().fault = fault.into();
    }

    /// How many requests so far would change something.
    pub(crate) fn write_requests(&self) -> usize {
        self.shared().requests.iter().filter(|request| !request.starts_with("GET ")).count()
    }

    /// How many requests so far asked for a later page of a list, such as `versions`.
    pub(crate) fn later_pages(&self, list: &str) -> usize {
        let list = format!("/{list}?");
        let is_later = |request: &&String| request.contains(&list) && request.contains("pageToken=");
        self.shared().requests.iter().filter(is_later).count()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

impl Drop for FakeSecretManager {
    fn drop(&mut self) {
        self.server.abort();
    }
}
