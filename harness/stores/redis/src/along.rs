//! Reads an RDB file while its bytes are on their way elsewhere, so that one pass is enough.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes};
use comeback_error::{Context as _, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::rdb::{RdbSummary, fingerprint_rdb_in_edition, fingerprint_rdb_with_groups};

/// How many pieces may wait for the reader, which works in parallel: this bounds how far it falls behind.
const WAITING_PIECES: usize = 16;

/// A reader of an RDB file, on its own thread.
pub(super) struct Reading(JoinHandle<Result<RdbSummary>>);

/// The input for the bytes of a file. Dropping it ends the file.
pub(super) struct Feed(mpsc::Sender<Bytes>);

/// Starts a reader that computes a fingerprint in an edition of the canonical form.
pub(super) fn read_along(edition: u32) -> (Feed, Reading) {
    let (feed, pieces) = hand_over();
    (feed, Reading(tokio::task::spawn_blocking(move || fingerprint_rdb_in_edition(pieces, edition))))
}

/// Starts a reader that counts groups of keys as well.
pub(super) fn read_along_with_groups() -> (Feed, Reading) {
    let (feed, pieces) = hand_over();
    (feed, Reading(tokio::task::spawn_blocking(move || fingerprint_rdb_with_groups(pieces))))
}

/// A channel that passes a file piece by piece to a thread outside the async runtime.
pub(super) fn hand_over() -> (Feed, Pieces) {
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    (Feed(sender), Pieces { receiver, piece: Bytes::new() })
}

impl Feed {
    /// Passes on a piece. A reader that stopped early is not an error here; `finish` reports why.
    pub(super) async fn push(&mut self, piece: Bytes) {
        let _ = self.0.send(piece).await;
    }
}

impl Reading {
    /// The summary of the file. The [`Feed`] must be dropped, because that ends the file.
    pub(super) async fn finish(self) -> Result<RdbSummary> {
        self.0.await.context("reading the RDB file")?
    }
}

/// The pieces as one stream.
pub(super) struct Pieces {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, count: usize) {
        self.piece.advance(count);
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut here = self.fill_buf()?;
        let count = here.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
