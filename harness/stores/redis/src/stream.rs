//! The snapshot that a server sends to a new replica: all that it holds at one moment, without using its
//! disk.
//!
//! We connect as a replica that wants only the RDB file (`REPLCONF rdb-only`), as `redis-cli --rdb` does. The
//! server forks and sends what it held at that instant. With `repl-diskless-sync` (the default) it writes
//! nothing to its disk, and its own `dump.rdb` stays unchanged.
//!
//! The cost is `repl-diskless-sync-delay`, 5 s by default: before it forks, the server waits this long for
//! more replicas. We keep the setting: the wait adds no load, and we must not change settings of a production
//! server. `BGSAVE` would start at once, but it writes to the server's disk and overwrites the snapshot
//! there, and its file can be read only on that machine.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use comeback_engine::clock::Stopwatch;
use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::address::RedisAddress;
use super::client::{CONNECT_LIMIT, with_password_hint};
use super::dial::{Socket, dial};
use super::rights;

/// A server that sends nothing for this long is gone: while it prepares, it sends a line every second.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);
/// Longer than any line that a server sends here.
const LINE_BYTES: usize = 1_024;
/// How much to read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// The length of the mark that ends a snapshot of unknown size.
const MARK_BYTES: usize = 40;

/// A snapshot that is being received.
pub(super) struct SnapshotStream {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
    end: End,
    /// The replication ID of the server's stream of writes.
    pub(super) replication_id: String,
    /// The replication offset at which the server forked.
    pub(super) replication_offset: u64,
    /// How long the server took to fork.
    pub(super) waited: Duration,
}

/// How the end of the snapshot is recognised.
enum End {
    /// This many bytes are still to come.
    Length(u64),
    /// It ends before these bytes.
    Mark(Bytes),
    /// It has ended.
    Reached,
}

impl SnapshotStream {
    /// Requests a snapshot, and waits until the server has forked; later writes are not in it.
    pub(super) async fn open(address: &RedisAddress) -> Result<Self> {
        let doing = format!("asking {address} for a snapshot");
        Self::ask(address).await.map_err(|error| error.context(doing))
    }

    async fn ask(address: &RedisAddress) -> Result<Self> {
        let (mut stream, user) = (Self::connect(address).await?, address.login().user());
        let first_answers = async {
            stream.log_in(address).await?;
            let capabilities = ["REPLCONF", "capa", "eof", "capa", "psync2"];
            stream.command(&capabilities).await?.map_err(|answer| refused(user, "a replica", &answer))
        };
        wait::at_most("the server's first answer", CONNECT_LIMIT, first_answers).await??;
        // Servers before version 7 do not know this and also send what comes later; then we just hang up.
        let _ = stream.command(&["REPLCONF", "rdb-only", "1"]).await?;
        let watch = Stopwatch::start();
        let started =
            stream.command(&["PSYNC", "?", "-1"]).await?.map_err(|answer| refused(user, "PSYNC", &answer))?;
        stream.waited = watch.elapsed();
        let mut words = started.split_whitespace();
        match (words.next(), words.next(), words.next().and_then(|offset| offset.parse().ok())) {
            (Some("+FULLRESYNC"), Some(id), Some(offset)) => {
                (stream.replication_id, stream.replication_offset) = (id.to_owned(), offset);
            }
            _ => return Err(Error::could_not_verify(format!("the server answered PSYNC with `{started}`"))),
        }
        stream.end = stream.read_announcement().await?;
        Ok(stream)
    }

    async fn connect(address: &RedisAddress) -> Result<Self> {
        Ok(Self::over(dial(address, CONNECT_LIMIT).await?))
    }

    fn over(socket: Box<dyn Socket>) -> Self {
        Self {
            socket,
            buffer: BytesMut::with_capacity(CHUNK_BYTES),
            end: End::Reached,
            replication_id: String::new(),
            replication_offset: 0,
            waited: Duration::ZERO,
        }
    }

    async fn log_in(&mut self, address: &RedisAddress) -> Result<()> {
        let Some(words) = address.login().words() else { return Ok(()) };
        let answer = self.command(&words).await?;
        answer.map(drop).map_err(|answer| refused(address.login().user(), "the password", &answer))
    }

    /// The next piece of the file; `None` after its last byte. A connection that ends earlier is an error.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match &mut self.end {
                End::Reached => return Ok(None),
                End::Length(0) => self.end = End::Reached,
                End::Length(left) if !self.buffer.is_empty() => {
                    let piece =
                        usize::try_from(*left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
                    *left -= piece as u64;
                    return Ok(Some(self.buffer.split_to(piece).freeze()));
                }
                End::Mark(mark) if self.buffer.ends_with(mark) => {
                    self.buffer.truncate(self.buffer.len() - MARK_BYTES);
                    self.end = End::Reached;
                    return Ok(Some(self.buffer.split().freeze()).filter(|last| !last.is_empty()));
                }
                // The last bytes may be the beginning of the mark.
                End::Mark(_) if self.buffer.len() > MARK_BYTES => {
                    return Ok(Some(self.buffer.split_to(self.buffer.len() - MARK_BYTES).freeze()));
                }
                End::Length(_) | End::Mark(_) => self.fill().await?,
            }
        }
    }

    /// Reads what is available. The end of the connection is an error.
    async fn fill(&mut self) -> Result<()> {
        self.buffer.reserve(CHUNK_BYTES);
        let read =
            wait::at_most("the server to send more", SILENCE_LIMIT, self.socket.read_buf(&mut self.buffer));
        match read.await?.context("reading from the server")? {
            0 => Err(Error::could_not_verify("the server hung up before the end")
                .hint("its log says why: a save that failed, or client-output-buffer-limit for replicas")),
            _ => Ok(()),
        }
    }

    /// Sends a command and reads a line of answer. The inner error is the server's own.
    async fn command(&mut self, words: &[&str]) -> Result<Result<String, String>> {
        self.send(&request(words)).await?;
        let line = self.read_line().await?;
        Ok(if line.starts_with('-') { Err(line) } else { Ok(line) })
    }

    async fn send(&mut self, request: &str) -> Result<()> {
        self.socket.write_all(request.as_bytes()).await.context("writing to the server")?;
        // What is encrypted waits for a flush.
        self.socket.flush().await.context("writing to the server")
    }

    /// Reads a line. Skips the empty lines that the server sends to keep the connection alive.
    async fn read_line(&mut self) -> Result<String> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
                if self.buffer.len() > LINE_BYTES {
                    return Err(Error::could_not_verify("the server does not answer in lines"));
                }
                self.fill().await?;
                continue;
            };
            let line = self.buffer.split_to(end);
            self.buffer.advance(1);
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !line.is_empty() {
                return Ok(line);
            }
        }
    }

    /// Reads how the end of the file is marked: `$EOF:` and a mark, or `$` and its length.
    async fn read_announcement(&mut self) -> Result<End> {
        let line = self.read_line().await?;
        if let Some(mark) = line.strip_prefix("$EOF:").filter(|mark| mark.len() == MARK_BYTES) {
            return Ok(End::Mark(Bytes::copy_from_slice(mark.as_bytes())));
        }
        let length = line.strip_prefix('$').and_then(|length| length.parse().ok());
        length.map(End::Length).ok_or_else(|| {
            Error::could_not_verify(format!("the server announced its snapshot with `{line}`"))
        })
    }
}

/// Fails if the user may not do what a snapshot needs. The server starts no snapshot for this: it refuses to while it
/// has another answer to send. Source: `syncCommand` in Redis' replication.c.
pub(super) async fn may_copy(address: &RedisAddress) -> Result<()> {
    let mut stream = SnapshotStream::connect(address).await?;
    let asked = async {
        stream.log_in(address).await?;
        let words: [&[&str]; 2] = [&["REPLCONF", "capa", "eof"], &["PSYNC", "?", "-1"]];
        stream.send(&words.map(request).concat()).await?;
        for what in ["a replica", "PSYNC"] {
            let answer = stream.read_line().await?;
            if let Some(lacking) = rights::lacking(address.login().user(), &answer) {
                return Err(lacking.context(format_args!("asking {address} for {what}")));
            }
        }
        Ok(())
    };
    wait::at_most("the server's first answer", CONNECT_LIMIT, asked).await?
}

fn request(words: &[&str]) -> String {
    let all = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), all.collect::<String>())
}

fn refused(user: &str, what: &str, answer: &str) -> Error {
    let said = answer.trim_start_matches('-');
    if let Some(lacking) = rights::lacking(user, said) {
        return lacking;
    }
    let error = Error::could_not_verify(format!("the server refused {what}: {said}"));
    match answer.split_whitespace().next() {
        Some("-NOAUTH" | "-WRONGPASS") => with_password_hint(error),
        Some("-NOMASTERLINK") => {
            error.hint("it is a replica that lost its primary: back up the primary, or wait")
        }
        _ => error.hint("a backup is read as a replica reads: managed services may not allow it"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends bytes in pieces of this size, as TCP and TLS cut them, and receives a snapshot from them.
    fn receive(sent: Vec<u8>, piece: usize) -> Result<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (here, mut there) = tokio::io::duplex(piece);
            let mut stream = SnapshotStream::over(Box::new(here));
            let sending = async move { there.write_all(&sent).await };
            let receiving = async move {
                stream.end = stream.read_announcement().await?;
                let mut received = Vec::new();
                while let Some(piece) = stream.next().await? {
                    received.extend_from_slice(&piece);
                }
                Ok(received)
            };
            // A receiver that has its snapshot hangs up.
            let (_, received) = tokio::join!(sending, receiving);
            received
        })
    }

    proptest! {
        #[test]
        fn a_snapshot_arrives_whole_however_it_is_cut(
            file in prop::collection::vec(any::<u8>(), 0..400),
            mark in "[0-9a-f]{40}",
            piece in 1_usize..100,
        ) {
            let marked = [b"\n\n$EOF:", mark.as_bytes(), b"\r\n", &file, mark.as_bytes()].concat();
            prop_assert_eq!(&receive(marked.clone(), piece).unwrap(), &file);
            let measured = [format!("${}\r\n", file.len()).as_bytes(), &file].concat();
            prop_assert_eq!(&receive(measured.clone(), piece).unwrap(), &file);
            // One that breaks off is no snapshot.
            for mut cut in [marked, measured] {
                if cut.pop().is_some() && !file.is_empty() {
                    prop_assert!(receive(cut, piece).is_err());
                }
            }
        }

        #[test]
        fn foreign_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000), piece in 1_usize..100) {
            let _ = receive([b"$", &bytes[..]].concat(), piece);
            let _ = receive(bytes, piece);
        }
    }
}
