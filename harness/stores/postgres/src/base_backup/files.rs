//! The files of a base backup in the repository.

/// The data directory as one tar stream, including PostgreSQL's own `backup_manifest`.
pub(crate) const BASE: &str = "base.tar.zst";
/// The folder of the log segments.
pub(crate) const WAL: &str = "wal/";
/// Enough of the end of the tar stream to hold the last lines of PostgreSQL's manifest and the padding after
/// it.
const TAIL_BYTES: usize = 32 * 1024;

/// The name of the log segment that a file of a base backup holds.
pub(crate) fn segment_in_backup(file: &str) -> Option<&str> {
    file.strip_prefix(WAL)?.strip_suffix(".zst")
}

/// Keeps the end of a stream.
pub(crate) fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    tail.extend_from_slice(bytes);
    if tail.len() > 2 * TAIL_BYTES {
        tail.drain(..tail.len() - TAIL_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_stream_is_kept() {
        let mut tail = Vec::new();
        for number in 0..10_000_u32 {
            keep_tail(&mut tail, &[number.to_le_bytes(); 50].concat());
        }
        assert!(tail.len() <= 2 * TAIL_BYTES && tail.ends_with(&9_999_u32.to_le_bytes()));
    }
}
