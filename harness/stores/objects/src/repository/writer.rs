//! A file that is written into a bucket while it is made: its size is not known before its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use comeback_engine::clock::Stopwatch;
use comeback_error::{Error, Result};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::PollSender;

use super::beat::Beat;
use crate::blobs::{Blobs, Parts, part_bytes};

/// Collects parts, and hands them to a task that uploads them. A file of one part is written in one request. Dropping the
/// writer gives the upload up.
pub(super) struct BlobWriter {
    first: usize,
    number: usize,
    buffer: BytesMut,
    pieces: PollSender<Piece>,
    is_ended: bool,
    task: Option<JoinHandle<Result<()>>>,
}

enum Piece {
    Part(Bytes),
    Last(Bytes),
}

impl BlobWriter {
    pub(super) fn new(blobs: Arc<dyn Blobs>, key: String, first: usize, beat: Beat) -> Self {
        let (pieces, received) = mpsc::channel(1);
        let task = tokio::spawn(upload(blobs, key, received, beat));
        let (buffer, pieces) = (BytesMut::new(), PollSender::new(pieces));
        Self { first, number: 0, buffer, pieces, is_ended: false, task: Some(task) }
    }

    /// Hands the buffer to the task; on an early end of the task, returns why.
    fn poll_hand_over(
        &mut self,
        context: &mut Context<'_>,
        piece: fn(Bytes) -> Piece,
    ) -> Poll<io::Result<()>> {
        if ready!(self.pieces.poll_reserve(context)).is_ok() {
            let bytes = self.buffer.split().freeze();
            if self.pieces.send_item(piece(bytes)).is_ok() {
                self.number += 1;
                return Poll::Ready(Ok(()));
            }
        }
        let ended = ready!(self.poll_end(context));
        Poll::Ready(ended.and_then(|()| Err(io::Error::other("the upload has ended already"))))
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(task) = self.task.as_mut() else { return Poll::Ready(Ok(())) };
        let ended = ready!(Pin::new(task).poll(context));
        self.task = None;
        Poll::Ready(ended.map_err(io::Error::other).and_then(|ended| ended.map_err(io::Error::other)))
    }
}

impl AsyncWrite for BlobWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let size = part_bytes(self.first, self.number);
        // A full part is handed over when more bytes come: the last part is never empty.
        if self.buffer.len() >= size && !bytes.is_empty() {
            ready!(self.poll_hand_over(context, Piece::Part))?;
        }
        let size = part_bytes(self.first, self.number);
        let taken = bytes.len().min(size - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_ended {
            ready!(self.poll_hand_over(context, Piece::Last))?;
            self.is_ended = true;
        }
        self.poll_end(context)
    }
}

/// Uploads what the writer hands over. If the writer goes away before the last piece, there is no object.
async fn upload(
    blobs: Arc<dyn Blobs>,
    key: String,
    mut pieces: mpsc::Receiver<Piece>,
    mut beat: Beat,
) -> Result<()> {
    let (mut parts, mut watch): (Option<Box<dyn Parts>>, _) = (None, Stopwatch::start());
    while let Some(piece) = pieces.recv().await {
        match (piece, parts.take()) {
            (Piece::Part(bytes), open) => {
                let mut open = match open {
                    Some(open) => open,
                    None => blobs.clone().begin(&key).await?,
                };
                if let Err(error) = open.put(bytes).await {
                    open.abandon().await;
                    return Err(error);
                }
                parts = Some(open);
                beat.after(&mut watch, &*blobs).await?;
            }
            (Piece::Last(bytes), Some(open)) => return open.finish(bytes).await,
            (Piece::Last(bytes), None) => {
                if blobs.put_new(&key, bytes).await? {
                    return Ok(());
                }
                return Err(Error::could_not_verify(format!("{key} exists already, and is not overwritten")));
            }
        }
    }
    if let Some(open) = parts {
        open.abandon().await;
    }
    Err(Error::could_not_verify(format!("the upload of {key} was given up")))
}
