//! What benchmarks reach of the cutting of streams, which is private to fingerprints and imports.

use super::splitter::{Splitter, Step};
use crate::content::copy::RowReader;
use crate::error::{Error, Result};

/// How much of a script is given at a time.
const PIECE_BYTES: usize = 512 * 1024;

/// Hands on each row of a whole binary `COPY` stream, as its bytes after the field count, for as long as `take` says
/// that it can use them.
pub fn cut_rows(stream: &[u8], take: impl FnMut(&[u8]) -> bool) -> Result<()> {
    let mut reader = RowReader::default();
    reader.feed(stream, take).and_then(|()| reader.finish()).map_err(Error::failed)
}

/// The number of parts that an import cuts a script of SQL into.
pub fn cut_script(script: &[u8]) -> Result<u64> {
    let (mut splitter, mut pieces, mut whole, mut parts) =
        (Splitter::new(), script.chunks(PIECE_BYTES), false, 0);
    loop {
        match splitter.step(whole).map_err(|flaw| Error::failed(format!("{flaw:?}")))? {
            Step::Part(_) => parts += 1,
            Step::End => return Ok(parts),
            Step::More(_) => match pieces.next() {
                Some(piece) => splitter.buffer().extend_from_slice(piece),
                None => whole = true,
            },
        }
    }
}
