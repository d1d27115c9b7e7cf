//! What benchmarks may call of stream splitting, which is otherwise private to fingerprints and imports.

use super::splitter::{Splitter, Step};
use crate::content::copy::RowReader;
use crate::error::{Error, Result};

/// How much of a script to pass at a time.
const PIECE_BYTES: usize = 512 * 1024;

/// Passes on each row of a complete binary `COPY` stream, as its bytes after the field count, as long as
/// `take` returns true.
pub fn cut_rows(stream: &[u8], take: impl FnMut(&[u8]) -> bool) -> Result<()> {
    let mut reader = RowReader::default();
    reader.feed(stream, take).and_then(|()| reader.finish()).map_err(Error::failed)
}

/// Returns the number of parts into which an import splits a SQL script.
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
