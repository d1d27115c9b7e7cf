//! Reads an RDB file while its bytes pass by on their way to somewhere else: one pass over the data.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::PollSender;

use super::rdb::{RdbSummary, fingerprint_rdb_quietly};
use crate::error::{Context as _, Result};

/// How many pieces may wait for the reader: it works beside us, and must not fall behind without bound.
const WAITING_PIECES: usize = 16;

/// A reader of an RDB file that works beside us, on a thread of its own.
pub(super) struct Reading(JoinHandle<Result<RdbSummary>>);

/// Where its bytes go. Dropping it is the end of the file.
pub(super) struct Feed(PollSender<Bytes>);

/// Starts a reader.
pub(super) fn read_along() -> (Feed, Reading) {
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    let pieces = Pieces { receiver, piece: Bytes::new() };
    (Feed(PollSender::new(sender)), Reading(tokio::task::spawn_blocking(|| fingerprint_rdb_quietly(pieces))))
}

impl Feed {
    /// Hands over a piece. A reader that has given up already is no error here: it says why in the end.
    pub(super) async fn push(&mut self, piece: Bytes) {
        let reserved = std::future::poll_fn(|cx| self.0.poll_reserve(cx)).await;
        if reserved.is_ok() {
            let _ = self.0.send_item(piece);
        }
    }

    /// Everything that is read from `source` passes by this.
    pub(super) fn listen<R>(self, source: R) -> Listening<R> {
        Listening { source, feed: self }
    }
}

impl Reading {
    /// What was in the file. Its [`Feed`] must be gone: that is the file's end.
    pub(super) async fn finish(self) -> Result<RdbSummary> {
        self.0.await.context("reading the RDB file")?
    }
}

/// A stream that is read by two.
pub(super) struct Listening<R> {
    source: R,
    feed: Feed,
}

impl<R: AsyncRead + Unpin> AsyncRead for Listening<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_listening = ready!(self.feed.0.poll_reserve(cx)).is_ok();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.source).poll_read(cx, buffer))?;
        let read = &buffer.filled()[before..];
        if is_listening && !read.is_empty() {
            // It has given up in this moment, and says why in the end.
            let _ = self.feed.0.send_item(Bytes::copy_from_slice(read));
        }
        Poll::Ready(Ok(()))
    }
}

impl<R> Listening<R> {
    /// The source; the file has ended for the one who listened.
    pub(super) fn into_inner(self) -> R {
        self.source
    }
}

/// The pieces as one stream, for a reader that knows no runtime.
struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
