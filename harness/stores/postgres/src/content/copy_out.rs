//! A connection for one purpose: reading rows from a server quickly.
//!
//! The general driver passes on every row as a message of its own, read 8 KiB at a time; for narrow rows that
//! costs more than hashing them. Here rows are cut out of large pieces in place. `postgres-protocol` encodes
//! and decodes the messages; only the stream of `CopyData` messages is parsed here. Source: PostgreSQL
//! documentation, "Frontend/Backend Protocol", sections "COPY Operations" and "Message Formats".

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use comeback_engine::wait;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{COPY_DATA_TAG, ErrorResponseBody, Message};
use postgres_protocol::message::frontend;
use sqlx::error::BoxDynError;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::copy::RowReader;
use crate::connection::address::{Place, PostgresAddress};
use crate::connection::session::client_options;
use crate::error::{Context as _, Error, Result};

/// How much to read at once: a little more than a Unix socket buffers by default.
const PIECE_BYTES: usize = 256 * 1024;
/// How long to let rows gather before the next read. The server writes 8 KiB at a time, and a reader that
/// waits is woken for each piece, on a core that a server was using. A socket buffers some 100 KiB, which a
/// server fills in about three times this long.
const GATHERING: Duration = Duration::from_micros(100);
/// The tag of a message and its length. The length counts itself but not the tag.
const HEADER_BYTES: usize = 1 + 4;

/// Longer than any answer of a server other than rows. The parser reserves the length that a message
/// announces.
const LONGEST_MESSAGE: u32 = 1024 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A session that reads tables.
pub(crate) struct CopyOut {
    stream: Box<dyn Stream>,
    received: BytesMut,
}

impl CopyOut {
    /// Logs in over an unencrypted connection.
    pub(crate) async fn connect(server: &PostgresAddress, database: &str, major: u32) -> Result<Self> {
        let stream: Box<dyn Stream> = match server.place() {
            place @ Place::Unix { .. } => {
                Box::new(UnixStream::connect(place.to_string()).await.context("connecting")?)
            }
            Place::Tcp { host, port } => {
                Box::new(TcpStream::connect((host.as_str(), *port)).await.context("connecting")?)
            }
        };
        let mut session = Self { stream, received: BytesMut::with_capacity(PIECE_BYTES) };
        session
            .log_in(server, database, &client_options(major, server.is_ours()))
            .await
            .context("logging in")?;
        Ok(session)
    }

    async fn log_in(
        &mut self,
        server: &PostgresAddress,
        database: &str,
        options: &str,
    ) -> Result<(), BoxDynError> {
        let parameters = [
            ("user", server.user()),
            ("database", database),
            ("client_encoding", "UTF8"),
            ("application_name", "comeback"),
            ("options", options),
        ];
        // Without a password, the server reports that it wants one.
        let password = server.password().map_or(&b""[..], |password| password.expose().as_bytes());
        let mut request = BytesMut::new();
        frontend::startup_message(parameters, &mut request)?;
        self.stream.write_all(&request).await?;
        let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
        loop {
            request.clear();
            match self.receive().await? {
                Message::AuthenticationSasl(_) => {
                    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut request)?;
                }
                Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data())?;
                    frontend::sasl_response(scram.message(), &mut request)?;
                }
                // The server also proves that it knows the password.
                Message::AuthenticationSaslFinal(body) => scram.finish(body.data())?,
                Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(server.user().as_bytes(), password, body.salt());
                    frontend::password_message(hash.as_bytes(), &mut request)?;
                }
                Message::AuthenticationCleartextPassword => {
                    frontend::password_message(password, &mut request)?;
                }
                Message::ReadyForQuery(_) => return Ok(()),
                Message::ErrorResponse(body) => return Err(words_of(&body).into()),
                Message::AuthenticationOk
                | Message::BackendKeyData(_)
                | Message::ParameterStatus(_)
                | Message::NoticeResponse(_) => {}
                _ => return Err("the server asks for another way to log in than with a password".into()),
            }
            self.stream.write_all(&request).await?;
        }
    }

    /// Runs statements and discards their results.
    pub(crate) async fn execute(&mut self, script: &str) -> Result<()> {
        self.copy(script, |_| true).await
    }

    /// Runs a statement `COPY … TO STDOUT (FORMAT binary)` and passes on the bytes of each row after its
    /// field count. `take` returns whether the row has the expected columns.
    pub(crate) async fn rows(&mut self, statement: &str, take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let (mut reader, mut take) = (RowReader::default(), take);
        let mut refused = None;
        self.copy(statement, |piece| match reader.feed(piece, &mut take) {
            Ok(()) => true,
            Err(reason) => {
                refused = Some(reason);
                false
            }
        })
        .await?;
        match refused {
            Some(reason) => Err(Error::could_not_verify(reason)),
            None => reader.finish().map_err(Error::could_not_verify),
        }
    }

    /// Closes the session properly: otherwise the server logs a lost connection.
    pub(crate) async fn close(mut self) -> Result<()> {
        let mut request = BytesMut::new();
        frontend::terminate(&mut request);
        self.stream.write_all(&request).await.context("ending the session")
    }

    /// Sends a query and reads the whole answer. `take` gets the content of each `CopyData` message. If it
    /// returns false, reading ends at once, and the session can no longer be used.
    async fn copy(&mut self, query: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let mut request = BytesMut::new();
        frontend::query(query, &mut request).context("sending a query")?;
        self.stream.write_all(&request).await.context("sending a query")?;
        let mut failure = None;
        loop {
            let before = self.received.len();
            if !take_copy_data(&mut self.received, &mut take) {
                return Ok(());
            }
            let rows_came = self.received.len() < before;
            match self.receive_unless_copy_data(rows_came).await.context("reading an answer")? {
                Some(Message::ErrorResponse(body)) => failure = Some(words_of(&body)),
                Some(Message::ReadyForQuery(_)) => {
                    return failure.map_or(Ok(()), |words| Err(Error::could_not_verify(words)));
                }
                _ => {}
            }
        }
    }

    /// The next message, or `None` if rows are next. After rows, it waits a moment for more rows to gather.
    async fn receive_unless_copy_data(&mut self, after_rows: bool) -> std::io::Result<Option<Message>> {
        loop {
            let rows_are_next = self.received.first() == Some(&COPY_DATA_TAG);
            if rows_are_next && whole_message(&self.received).is_some() {
                return Ok(None);
            }
            if !rows_are_next && let Some(message) = parse_message(&mut self.received)? {
                return Ok(Some(message));
            }
            if after_rows {
                wait::keep_thread(GATHERING);
            }
            self.read_more().await?;
        }
    }

    async fn receive(&mut self) -> std::io::Result<Message> {
        loop {
            if let Some(message) = parse_message(&mut self.received)? {
                return Ok(message);
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> std::io::Result<()> {
        // A message larger than a piece grows the buffer to the message's size and no further.
        self.received.reserve(PIECE_BYTES);
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// The length of the message at the start of the bytes, if the message is complete.
fn whole_message(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*bytes.get(1..)?.first_chunk()?);
    let end = usize::try_from(length).ok()?.checked_add(1)?;
    (end >= HEADER_BYTES && end <= bytes.len()).then_some(end)
}

/// The message at the start of the bytes, if it is complete.
fn parse_message(received: &mut BytesMut) -> std::io::Result<Option<Message>> {
    let announced = received.get(1..HEADER_BYTES).and_then(<[u8]>::first_chunk);
    if announced.is_some_and(|length| u32::from_be_bytes(*length) > LONGEST_MESSAGE) {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "the server sends what is no message",
        ));
    }
    Message::parse(received)
}

/// Passes on the content of every complete `CopyData` message at the start of the bytes. Returns false if
/// `take` did.
fn take_copy_data(received: &mut BytesMut, take: &mut impl FnMut(&[u8]) -> bool) -> bool {
    let mut at = 0;
    let mut wanted = true;
    while wanted
        && received.get(at) == Some(&COPY_DATA_TAG)
        && let Some(length) = whole_message(&received[at..])
    {
        wanted = take(&received[at + HEADER_BYTES..at + length]);
        at += length;
    }
    received.advance(at);
    wanted
}

/// The server's error message.
fn words_of(body: &ErrorResponseBody) -> String {
    use fallible_iterator::FallibleIterator as _;
    let mut message = String::from("the server reported an error without a message");
    let mut fields = body.fields();
    while let Ok(Some(field)) = fields.next() {
        if field.type_() == b'M' {
            message = String::from_utf8_lossy(field.value_bytes()).into_owned();
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Builds messages as a server would send them: a tag, a length, a content.
    fn messages(contents: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, content) in contents {
            bytes.push(*tag);
            bytes.extend(u32::try_from(content.len() + 4).expect("short").to_be_bytes());
            bytes.extend(content);
        }
        bytes
    }

    async fn copied(bytes: Vec<u8>, piece: usize) -> (Result<()>, Vec<Vec<u8>>) {
        let (near, mut far) = tokio::io::duplex(piece);
        let server = async move {
            // Skip the query, whose length is known.
            let mut query = [0; 1 + 4 + 2];
            far.read_exact(&mut query).await.expect("a query");
            // The client closes the connection as soon as it has seen the end of the answer.
            let _ = far.write_all(&bytes).await;
        };
        let client = async move {
            let mut session = CopyOut { stream: Box::new(near), received: BytesMut::new() };
            let mut seen = Vec::new();
            let take = |content: &[u8]| {
                seen.push(content.to_vec());
                true
            };
            let outcome = session.copy("q", take).await;
            (outcome, seen)
        };
        tokio::join!(client, server).0
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    proptest! {
        #[test]
        fn contents_come_out_whole_however_the_stream_is_cut(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..12),
            piece in 1_usize..64,
        ) {
            let mut sent: Vec<_> = contents.iter().map(|content| (b'd', content.clone())).collect();
            sent.insert(sent.len() / 2, (b'N', b"SNOTICE\0Mlook\0\0".to_vec()));
            sent.push((b'c', Vec::new()));
            sent.push((b'Z', vec![b'I']));
            let (outcome, seen) = block_on(copied(messages(&sent), piece));
            prop_assert!(outcome.is_ok());
            prop_assert_eq!(seen, contents);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = block_on(copied(bytes, 64));
        }
    }

    #[test]
    fn an_error_half_way_is_the_outcome() {
        let sent =
            [(b'd', b"row".to_vec()), (b'E', b"SERROR\0Mout of disk\0\0".to_vec()), (b'Z', vec![b'I'])];
        let (outcome, seen) = block_on(copied(messages(&sent), 64));
        assert_eq!(outcome.expect_err("an error").message(), "out of disk");
        assert_eq!(seen, [b"row"]);
    }

    #[test]
    fn a_connection_that_ends_is_an_error_and_not_the_end_of_the_rows() {
        let (outcome, _) = block_on(copied(messages(&[(b'd', b"row".to_vec())]), 64));
        assert!(outcome.is_err());
    }
}
