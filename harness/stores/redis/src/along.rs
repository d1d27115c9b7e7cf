//! Reads an RDB file while its bytes pass by on their way to somewhere else: one pass over the data.

use std::io::{self, BufRead, Read};

use bytes::{Buf as _, Bytes};
use comeback_error::{Context as _, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::rdb::{RdbSummary, fingerprint_rdb_in_edition};

/// How many pieces may wait for the reader: it works beside us, and must not fall behind without bound.
const WAITING_PIECES: usize = 16;

/// A reader of an RDB file that works beside us, on a thread of its own.
pub(super) struct Reading(JoinHandle<Result<RdbSummary>>);

/// Where the bytes of a file go. Dropping it is the end of the file.
pub(super) struct Feed(mpsc::Sender<Bytes>);

/// Starts a reader, which gives a fingerprint of an edition of the canonical form.
pub(super) fn read_along(edition: u32) -> (Feed, Reading) {
    let (feed, pieces) = hand_over();
    (feed, Reading(tokio::task::spawn_blocking(move || fingerprint_rdb_in_edition(pieces, edition))))
}

/// A file that is handed over piece by piece, to a thread that knows no runtime.
pub(super) fn hand_over() -> (Feed, Pieces) {
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    (Feed(sender), Pieces { receiver, piece: Bytes::new() })
}

impl Feed {
    /// Hands over a piece. Whoever has given up already is no error here: he says why in the end.
    pub(super) async fn push(&mut self, piece: Bytes) {
        let _ = self.0.send(piece).await;
    }
}

impl Reading {
    /// What was in the file. Its [`Feed`] must be gone: that is the file's end.
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
