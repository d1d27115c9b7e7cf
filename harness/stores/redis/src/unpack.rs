//! Unpacks a snapshot, reads it and passes it on, all on one thread. The restore shares the machine with the
//! server that loads, and each piece that changes threads wakes one.

use std::io::{self, Read, Write as _};

use comeback_error::Result;
use flate2::bufread::GzDecoder;
use tokio::io::DuplexStream;
use tokio_util::io::SyncIoBridge;

use super::along::Pieces;
use super::ends::PipeAndCopy;
use super::rdb::{RdbSummary, fingerprint_rdb_in_edition};

/// How many bytes may wait for the task at the other end.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where unpacked bytes go.
pub(super) enum Outlet {
    /// To the server's pipe and the copy beside it.
    Pipe(PipeAndCopy),
    /// To a task, which reports its own errors.
    Task(SyncIoBridge<DuplexStream>),
}

/// The result of unpacking a snapshot.
pub(super) struct Unpacked {
    /// The summary of its content.
    pub(super) read: Result<RdbSummary>,
    /// Why it could not be unpacked to its end.
    pub(super) broke: Option<String>,
    /// The first two bytes after its end, if there are any.
    pub(super) behind: Vec<u8>,
}

/// Unpacks a gzip member, reads it as a server would, and passes it on. The fingerprint uses `edition` of the
/// canonical form.
pub(super) fn unpack(packed: Pieces, outlet: Outlet, edition: u32) -> Unpacked {
    let mut source = Unpacking { decoder: GzDecoder::new(packed), broke: None, outlet: Some(outlet) };
    let read = fingerprint_rdb_in_edition(&mut source, edition);
    // If the reader stopped early, the rest of the file may be damaged too: unpack it all. `broke` records
    // how it ends.
    let _ = io::copy(&mut source, &mut io::sink());
    let Unpacking { decoder, broke, outlet } = source;
    if let Some(Outlet::Pipe(both)) = outlet {
        both.finish();
    }
    let mut behind = Vec::new();
    // Reading pieces that have arrived cannot fail.
    let _ = decoder.into_inner().take(2).read_to_end(&mut behind);
    Unpacked { read, broke, behind }
}

/// Unpacks, passes on what it has unpacked, and records why it stopped: the RDB reader cannot tell a broken
/// stream from a broken file.
struct Unpacking {
    decoder: GzDecoder<Pieces>,
    broke: Option<String>,
    /// `None` once it accepts no more.
    outlet: Option<Outlet>,
}

impl Read for Unpacking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer).inspect_err(|error| self.broke = Some(error.to_string()))?;
        self.outlet = self.outlet.take().and_then(|outlet| outlet.pass_on(&buffer[..count]));
        Ok(count)
    }
}

impl Outlet {
    /// An outlet whose bytes can be read from the returned stream, which ends with the snapshot.
    pub(super) fn task() -> (Self, DuplexStream) {
        let (ours, other_end) = tokio::io::duplex(BUFFER_BYTES);
        (Self::Task(SyncIoBridge::new(ours)), other_end)
    }

    /// Passes bytes on. Returns `None` once no more are accepted.
    fn pass_on(self, bytes: &[u8]) -> Option<Self> {
        match self {
            Self::Pipe(both) => both.pass_on(bytes).map(Self::Pipe),
            Self::Task(mut task) => task.write_all(bytes).is_ok().then_some(Self::Task(task)),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::along::hand_over;
    use comeback_model::EDITION;

    /// No keys, no checksum.
    const EMPTY: &[u8] = b"REDIS0011\xff\0\0\0\0\0\0\0\0";

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// Unpacks what arrives in small pieces. Returns the result and the bytes at the other end.
    async fn unpack_pieces(packed: &[u8]) -> (Unpacked, Vec<u8>) {
        let ((mut feed, pieces), (outlet, mut other_end)) = (hand_over(), Outlet::task());
        let unpacking = tokio::task::spawn_blocking(|| unpack(pieces, outlet, EDITION));
        let feeding = async {
            for piece in packed.chunks(7) {
                feed.push(bytes::Bytes::copy_from_slice(piece)).await;
            }
            drop(feed);
        };
        let mut passed_on = Vec::new();
        let ((), read) = tokio::join!(feeding, other_end.read_to_end(&mut passed_on));
        read.unwrap();
        (unpacking.await.unwrap(), passed_on)
    }

    #[tokio::test]
    async fn a_whole_member_is_read_and_passed_on() {
        let (unpacked, passed_on) = unpack_pieces(&pack(EMPTY)).await;
        assert_eq!(unpacked.read.unwrap().version, 11);
        assert_eq!((unpacked.broke, unpacked.behind, &*passed_on), (None, Vec::new(), EMPTY));
    }

    #[tokio::test]
    async fn what_is_behind_a_member_is_noted_and_not_passed_on() {
        let (unpacked, passed_on) = unpack_pieces(&[pack(EMPTY), pack(b"more")].concat()).await;
        assert!(unpacked.read.is_ok() && unpacked.broke.is_none());
        assert_eq!((&*unpacked.behind, &*passed_on), (&[0x1f, 0x8b][..], EMPTY));
    }

    #[tokio::test]
    async fn a_member_cut_short_is_noted_at_every_length() {
        let packed = pack(EMPTY);
        for length in 0..packed.len() {
            let (unpacked, _) = unpack_pieces(&packed[..length]).await;
            assert!(unpacked.broke.is_some(), "{length} bytes of {}", packed.len());
        }
    }

    #[tokio::test]
    async fn who_cannot_read_it_passes_on_the_rest_nevertheless() {
        let bytes: Vec<u8> = std::iter::repeat_n(*b"no RDB file ", 100_000).flatten().collect();
        let (unpacked, passed_on) = unpack_pieces(&pack(&bytes)).await;
        assert!(unpacked.read.is_err() && unpacked.broke.is_none());
        assert!(passed_on == bytes);
    }

    #[tokio::test]
    async fn an_outlet_that_takes_no_more_does_not_end_the_reading() {
        let ((mut feed, pieces), (outlet, other_end)) = (hand_over(), Outlet::task());
        drop(other_end);
        feed.push(pack(EMPTY).into()).await;
        drop(feed);
        let unpacked = tokio::task::spawn_blocking(|| unpack(pieces, outlet, EDITION)).await.unwrap();
        assert_eq!(unpacked.read.unwrap().keys, 0);
    }
}
