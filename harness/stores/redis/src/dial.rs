//! Opens the connection to a server: what both the driver and the stream of a snapshot go through.

use std::io;
use std::time::Duration;

use comeback_engine::wait;
use comeback_error::{Error, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::address::{Place, RedisAddress};
use super::tls::{self, Tls};

/// A connection, encrypted or not.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Connects, and with TLS proves who the server is. Nothing has been sent to it yet.
///
/// # Errors
///
/// The error does not name the address: the caller's context does.
pub(super) async fn dial(address: &RedisAddress, limit: Duration) -> Result<Box<dyn Socket>> {
    match wait::at_most("the connection", limit, connect(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(silent(address, limit)),
    }
}

async fn connect(address: &RedisAddress) -> Result<Box<dyn Socket>> {
    match address.place() {
        Place::Unix { path } => {
            Ok(Box::new(UnixStream::connect(path).await.map_err(|error| unreachable(&error))?))
        }
        Place::Tcp { host, port } => {
            // The files are read first: a wrong path is the user's mistake, whatever the server does.
            let tls = address.tls().map(|tls| Ok::<_, Error>((tls.config()?, tls.server_name(host)?)));
            let tls = tls.transpose()?;
            let socket = TcpStream::connect((host.as_str(), *port)).await;
            let socket = socket.map_err(|error| unreachable(&error))?;
            let Some((config, name)) = tls else { return Ok(Box::new(socket)) };
            let encrypted = TlsConnector::from(config).connect(name, socket).await;
            Ok(Box::new(encrypted.map_err(|error| without_tls(address.tls(), &error))?))
        }
    }
}

fn unreachable(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Error::could_not_verify(
            "nothing listens there",
        )
        .hint(
            "check host and port, whether the server runs, and its settings `bind`, `port`, `tls-port` and \
                 `unixsocket`",
        ),
        _ => Error::could_not_verify(error.to_string()),
    }
}

fn without_tls(tls: Option<&Tls>, error: &io::Error) -> Error {
    let said = error.to_string();
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::could_not_verify("what listens there ended the handshake of TLS")
            .hint("the server may not speak TLS at this port: write redis://, or name its tls-port");
    }
    let failed = Error::could_not_verify(format!("the handshake of TLS failed: {said}"));
    let cacert = tls.and_then(|tls| tls.files.cacert.as_deref()).filter(|_| said.contains("UnknownIssuer"));
    match (tls::hint(&said), cacert) {
        (Some(hint), Some(cacert)) => failed.hint(format!("{hint}, which is {cacert} now")),
        (Some(hint), None) => failed.hint(hint),
        (None, _) => failed,
    }
}

/// The error for a server that does not answer within the limit.
pub(super) fn silent(address: &RedisAddress, limit: Duration) -> Error {
    let error = Error::could_not_verify(format!("no answer within {} s", limit.as_secs())).hint(
        "something listens there and says nothing, or a firewall drops what is sent: check host and port",
    );
    if address.tls().is_some() {
        error.hint("a server without TLS does not answer a handshake: write redis://, or name its tls-port")
    } else {
        error.hint("a server with TLS waits for a handshake: write rediss://")
    }
}

/// Whether something accepts connections there.
pub(super) async fn is_listening(address: &RedisAddress) -> bool {
    let limit = Duration::from_secs(5);
    let reached = wait::at_most("the connection", limit, async {
        match address.place() {
            Place::Unix { path } => UnixStream::connect(path).await.is_ok(),
            Place::Tcp { host, port } => TcpStream::connect((host.as_str(), *port)).await.is_ok(),
        }
    });
    reached.await.unwrap_or(false)
}
