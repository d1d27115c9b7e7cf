//! The application's users: requests over HTTP, each on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// How long an answer may take. The application gives up on its servers before that.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The largest answer, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// A client of an application at one address.
#[derive(Clone)]
pub struct AppClient {
    address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A request.
#[derive(Clone)]
pub struct Request {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// An answer of the application.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads a path.
    pub fn get(path: impl Into<String>) -> Self {
        Self::of(Method::GET, path)
    }

    /// Sends JSON to a path.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        let json = (CONTENT_TYPE.as_str(), "application/json".to_owned());
        Self { headers: vec![json], body: body.to_string().into_bytes(), ..Self::of(Method::POST, path) }
    }

    /// Deletes what a path names.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::of(Method::DELETE, path)
    }

    fn of(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// In a session, and in no other.
    #[must_use]
    pub fn session(mut self, token: &str) -> Self {
        self.headers.retain(|(name, _)| *name != AUTHORIZATION.as_str());
        self.header(AUTHORIZATION.as_str(), format!("Bearer {token}"))
    }

    /// Whether it is sent in a session.
    pub(crate) fn has_session(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == AUTHORIZATION.as_str())
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// `GET /users/1`: what the request is about, without its session and its body.
impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Without its session, which is a secret.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Without its body, which may hold a secret.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {} with {} bytes", self.status, self.body.len())
    }
}

impl Answer {
    /// The body as JSON; `null` if it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Why the application refused, in its words.
    pub(crate) fn reason(&self) -> String {
        self.json()["message"].as_str().unwrap_or("no reason given").to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl AppClient {
    /// A client for an address. It keeps no connection, so that each request sees who is there now.
    pub fn new(address: SocketAddr) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { address, client }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request, and reads the answer to its end. Nobody who answers is an error; a status is not.
    pub async fn send(&self, request: &Request) -> Result<Answer> {
        let doing = format!("{request} at {}", self.address);
        let mut head = http::Request::builder()
            .method(request.method.clone())
            .uri(format!("http://{}{}", self.address, request.path));
        for (name, value) in &request.headers {
            head = head.header(*name, value);
        }
        let body = Full::new(Bytes::from(request.body.clone()));
        let message = head.body(body).context(&doing)?;
        let answered = async {
            let answer = self.client.request(message).await.map_err(|error| {
                let why = if error.is_connect() { "nobody answers".to_owned() } else { error.to_string() };
                Error::could_not_verify(format!("{doing}: {why}"))
            })?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
            let body = body.map_err(|error| Error::could_not_verify(format!("{doing}: {error}")))?;
            Ok(Answer { status, body: body.to_bytes().to_vec() })
        };
        wait::at_most(&format!("an answer to {doing}"), ANSWER_LIMIT, answered).await?
    }
}
