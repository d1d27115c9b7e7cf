//! Requests to a cloud: authorised, repeated where that is safe, and given up when no answer comes.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use futures_util::stream::{StreamExt as _, unfold};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use rustls::crypto::ring;
use tokio_util::io::StreamReader;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long the first byte of an answer, and each piece after it, may take. The answer to a copy of gigabytes
/// comes only at the end of the copy.
const ANSWER_LIMIT: Duration = Duration::from_mins(2);
/// How many times a request is tried in all.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// No listing and no message is larger: a page of 1000 versions with all their metadata is a quarter of this.
const LONGEST_MESSAGE: usize = 64 << 20;

/// Adds credentials to a request.
#[async_trait]
pub(crate) trait Authorize: Send + Sync {
    async fn authorize(&self, head: &mut Parts) -> Result<()>;
}

/// Sends requests to one cloud.
pub(crate) struct Requests {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    authority: Box<dyn Authorize>,
}

impl Requests {
    /// Uses TLS for `https`, and plain text for `http`.
    pub(crate) fn new(authority: impl Authorize + 'static) -> Result<Self> {
        Ok(Self { client: client()?, authority: Box::new(authority) })
    }

    /// Sends a request until it is answered. A reading request is repeated after every fault that may be
    /// temporary; a writing request only if the store says that it did nothing.
    pub(crate) async fn send(&self, doing: &str, request: Request<Bytes>) -> Result<Answer> {
        let only_reads = [Method::GET, Method::HEAD].contains(request.method());
        self.send_again(doing, request, only_reads).await
    }

    /// Sends a request that may arrive twice: the second time it changes nothing.
    pub(crate) async fn send_repeatable(&self, doing: &str, request: Request<Bytes>) -> Result<Answer> {
        self.send_again(doing, request, true).await
    }

    async fn send_again(&self, doing: &str, request: Request<Bytes>, only_reads: bool) -> Result<Answer> {
        let (head, body) = request.into_parts();
        let mut pause = FIRST_PAUSE;
        for left in (0..TRIES).rev() {
            let mut head = head.clone();
            self.authority.authorize(&mut head).await?;
            let sent = self.client.request(Request::from_parts(head, Full::new(body.clone())));
            match wait::at_most("an answer", ANSWER_LIMIT, sent).await.context(doing)? {
                Ok(answer) if left == 0 || !may_pass(answer.status(), only_reads) => {
                    return Ok(Answer::new(answer));
                }
                Err(error) if left == 0 || !(only_reads || error.is_connect()) => {
                    return Err(Error::could_not_verify(format!("{doing}: {}", whole(&error)))
                        .hint("look at the network, and at the address of the store where one was set"));
                }
                Ok(_) | Err(_) => wait::rest(pause, std::future::pending::<()>()).await,
            }
            pause *= 2;
        }
        Err(Error::could_not_verify(format!("{doing}: nobody answered")))
    }
}

fn client() -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    // The first choice holds for the whole process; libraries that fetch tokens depend on it.
    drop(ring::default_provider().install_default());
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_LIMIT));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(ring::default_provider())
        .context("looking for the certificates that this machine trusts")
        .map_err(|error| error.hint("apt-get install ca-certificates"))?;
    Ok(Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().wrap_connector(tcp)))
}

fn may_pass(status: StatusCode, only_reads: bool) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
        StatusCode::REQUEST_TIMEOUT => only_reads,
        status => only_reads && status.is_server_error(),
    }
}

/// An error with all of its causes: the outermost message says almost nothing.
fn whole(error: &hyper_util::client::legacy::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A cloud's answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
}

impl Answer {
    fn new(answer: Response<Incoming>) -> Self {
        let (head, body) = answer.into_parts();
        Self { status: head.status, headers: head.headers, body }
    }

    /// A header, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The store's own clock when it answered, in whole seconds.
    pub(crate) fn date(&self) -> Result<Timestamp> {
        let date = self.header(header::DATE.as_str());
        let date = date.ok_or_else(|| Error::could_not_verify("the store does not tell its time"))?;
        moment(date)
    }

    /// The body, as one message.
    pub(crate) async fn message(self, doing: &str) -> Result<Bytes> {
        let mut body = http_body_util::Limited::new(self.body, LONGEST_MESSAGE);
        let mut message = bytes::BytesMut::new();
        while let Some(frame) = wait::at_most("the rest of an answer", ANSWER_LIMIT, body.frame()).await? {
            if let Ok(data) = frame.context(doing)?.into_data() {
                message.extend_from_slice(&data);
            }
        }
        Ok(message.freeze())
    }

    /// The body, as it arrives. A body that ends early is an error.
    pub(crate) fn reader(self) -> Reader {
        let pieces = unfold(self.body.into_data_stream(), |mut body| async move {
            let piece = match wait::at_most("the next bytes of an object", ANSWER_LIMIT, body.next()).await {
                Ok(piece) => piece?.map_err(io::Error::other),
                Err(silence) => Err(io::Error::other(silence)),
            };
            Some((piece, body))
        });
        Box::new(StreamReader::new(pieces.boxed()))
    }
}

/// Parses a moment from a header.
pub(crate) fn moment(text: &str) -> Result<Timestamp> {
    let parsed = rfc2822::parse(text).context(format_args!("reading the date `{}`", told(text)))?;
    Ok(parsed.timestamp())
}

/// Somebody else's text, as one line of limited length.
pub(crate) fn told(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_headers_are_read_and_nonsense_is_an_error() {
        let read = moment("Sun, 22 Nov 2026 05:41:00 GMT").unwrap();
        assert_eq!(read, "2026-11-22T05:41:00Z".parse::<Timestamp>().unwrap());
        assert!(moment("yesterday\n").is_err() && moment("").is_err());
    }

    #[test]
    fn what_writes_is_sent_again_only_if_nothing_was_done() {
        let again = |status: u16, only_reads| may_pass(StatusCode::from_u16(status).unwrap(), only_reads);
        assert!([429, 503].iter().all(|status| again(*status, true) && again(*status, false)));
        assert!([500, 502, 504, 408].iter().all(|status| again(*status, true) && !again(*status, false)));
        assert!([200, 400, 403, 404, 412].iter().all(|status| !again(*status, true)));
    }
}
