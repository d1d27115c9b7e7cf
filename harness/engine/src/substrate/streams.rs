//! Copies a command's streams, in the same way on every substrate.

use std::io;

use comeback_error::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much of a command's standard error is kept: the end, which says why it failed.
const COMPLAINT_BYTES: usize = 64 * 1024;
/// Large enough that system calls do not dominate the copy of a big database.
const CHUNK_BYTES: usize = 128 * 1024;

/// The end of a stream of any length.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// Adds a piece, and drops the oldest bytes beyond the limit.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
        if self.0.len() > 2 * COMPLAINT_BYTES {
            self.0.drain(..self.0.len() - COMPLAINT_BYTES);
        }
    }

    /// The kept end, as text.
    pub(super) fn into_text(mut self) -> String {
        if self.0.len() > COMPLAINT_BYTES {
            self.0.drain(..self.0.len() - COMPLAINT_BYTES);
        }
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// Where standard output goes.
pub(super) enum Sink<'a> {
    Writer(&'a mut (dyn AsyncWrite + Send + Unpin)),
    Memory(Vec<u8>),
}

impl<'a> Sink<'a> {
    /// To the writer if there is one, otherwise to memory.
    pub(super) fn new(writer: Option<&'a mut (dyn AsyncWrite + Send + Unpin)>) -> Self {
        writer.map_or_else(|| Self::Memory(Vec::new()), Self::Writer)
    }

    pub(super) async fn push(&mut self, piece: &[u8]) -> Result<()> {
        match self {
            Self::Writer(writer) => writer.write_all(piece).await.context("pass on the output of a command"),
            Self::Memory(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Flushes the writer, and returns the collected bytes.
    pub(super) async fn finish(self) -> Result<Vec<u8>> {
        match self {
            Self::Writer(writer) => {
                writer.flush().await.context("pass on the output of a command")?;
                Ok(Vec::new())
            }
            Self::Memory(bytes) => Ok(bytes),
        }
    }
}

/// Copies all of `source` into a command's standard input, and closes it.
///
/// A command that stops reading is not an error: `head` does that. A source that cannot be read is an error,
/// because the command would take the part for the whole.
pub(super) async fn feed(
    source: Option<&mut (dyn AsyncRead + Send + Unpin)>,
    stdin: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<()> {
    if let Some(source) = source {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = source.read(&mut chunk).await.context("read the input of a command")?;
            if read == 0 {
                break;
            }
            if let Err(error) = stdin.write_all(&chunk[..read]).await {
                return if is_hang_up(&error) {
                    Ok(())
                } else {
                    Err(error).context("write the input of a command")
                };
            }
        }
    }
    match stdin.shutdown().await {
        Err(error) if !is_hang_up(&error) => Err(error).context("close the input of a command"),
        _ => Ok(()),
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

/// Copies a pipe to its end, piece by piece.
pub(super) async fn drain(pipe: &mut (dyn AsyncRead + Send + Unpin), sink: &mut Sink<'_>) -> Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = pipe.read(&mut chunk).await.context("read the output of a command")?;
        if read == 0 {
            return Ok(());
        }
        sink.push(&chunk[..read]).await?;
    }
}

/// Reads a pipe to its end, and keeps the last part.
pub(super) async fn tail(pipe: &mut (dyn AsyncRead + Send + Unpin), tail: &mut Tail) -> Result<()> {
    let mut chunk = vec![0; 8 * 1024];
    loop {
        let read = pipe.read(&mut chunk).await.context("read the complaints of a command")?;
        if read == 0 {
            return Ok(());
        }
        tail.push(&chunk[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_complaint_is_kept() {
        let mut tail = Tail::default();
        for line in 0..100_000 {
            tail.push(format!("line {line}\n").as_bytes());
        }
        let text = tail.into_text();
        assert_eq!(text.len(), COMPLAINT_BYTES);
        assert!(text.ends_with("line 99999\n"));
    }
}
