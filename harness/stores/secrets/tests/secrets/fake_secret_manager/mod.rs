//! A FAKE of Google Secret Manager, because no real one can be had in a test: a small server on the loopback
//! interface, which keeps the secrets of one project in memory and speaks the part of the REST API that the store
//! uses, as its reference describes it.
//!
//! It numbers versions, keeps states, etags and labels, answers in short pages with the newest first, names the
//! project by its number whatever it was asked by, and has faults that can be switched on.
//!
//! What it does not do: authentication and roles (a permission is denied where a fault says so), replication,
//! regional secrets, rotation, expiry, own keys, filters, quotas of its own, deleting, the order of real etags, and
//! being behind what was written just now, as the real service may be. It refuses a payload without a CRC32C, which
//! the real one takes: so that a client which forgets it is noticed. A test on it proves nothing about the real one's
//! permissions or texts.

mod project;
mod routes;

use std::sync::{Arc, Mutex, MutexGuard};

use project::Project;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The id of the only project that there is.
pub(crate) const PROJECT: &str = "road-trips";
/// Its number.
const NUMBER: &str = "123456789012";

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Whoever asks lacks a permission, such as `secretmanager.versions.access`.
    Denied(&'static str),
    /// Whoever asks is nobody.
    Unauthenticated,
    /// The next so many requests are answered with 503, and not looked at.
    Unavailable(u32),
    /// The next so many requests are more than the quota allows, and not looked at.
    TooMany(u32),
    /// Values are given out with another value's CRC32C.
    WrongCrc32c,
    /// Values are given out without a CRC32C.
    MissingCrc32c,
    /// Values are given out where the description of the payload has to be: a parser's complaint would quote them.
    MisplacedValue,
    /// A new version is refused, and the refusal repeats the request.
    RepeatsTheRequest,
    /// The first version of every secret is not listed.
    LosesAVersion,
    /// A version that is to be destroyed is disabled, and destroyed some day.
    DestroysLater,
    /// Somebody else changes a secret whenever it was read.
    SomebodyElse,
}

/// What the server works on.
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
    /// Starts one without a secret, on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = State::default();
        let router = routes::router(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, shared, server }
    }

    /// Where it is, as `HOST:PORT`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Lets something go wrong from now on, or nothing any more.
    pub(crate) fn set_fault(&self, fault: impl Into<Option<Fault>>) {
        self.shared().fault = fault.into();
    }

    /// How many requests so far wanted to change something.
    pub(crate) fn write_requests(&self) -> usize {
        self.shared().requests.iter().filter(|request| !request.starts_with("GET ")).count()
    }

    /// How many requests so far asked for another page than the first of a list, such as `versions`.
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
