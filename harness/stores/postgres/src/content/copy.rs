//! Reads a binary `COPY` stream row by row, in constant memory.

use bytes::Buf as _;

/// The signature of every binary `COPY` stream. Source: PostgreSQL documentation, "COPY", section "Binary
/// Format".
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// The signature, the flags and the length of the header extension.
const HEADER_BYTES: usize = 11 + 4 + 4;

/// Splits a stream into rows. The server sends one row per message, but the protocol does not promise that.
#[derive(Debug, Default)]
pub(crate) struct RowReader {
    rest: Vec<u8>,
    header_seen: bool,
    trailer_seen: bool,
}

impl RowReader {
    /// Takes the next piece of the stream and passes on each whole row in it: its bytes after the field
    /// count.
    pub(crate) fn feed(&mut self, piece: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> Result<(), String> {
        let mut bytes = piece;
        if self.rest.is_empty() {
            self.consume(&mut bytes, &mut take)?;
            self.rest.extend_from_slice(bytes);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.rest);
        whole.extend_from_slice(piece);
        bytes = &whole;
        self.consume(&mut bytes, &mut take)?;
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// Fails if the stream did not reach its end mark.
    pub(crate) fn finish(self) -> Result<(), String> {
        if self.trailer_seen && self.rest.is_empty() {
            return Ok(());
        }
        Err("the stream of rows ends before its end mark".to_owned())
    }

    fn consume(&mut self, bytes: &mut &[u8], take: &mut impl FnMut(&[u8]) -> bool) -> Result<(), String> {
        if !self.header_seen {
            if bytes.len() < HEADER_BYTES {
                return Ok(());
            }
            if &bytes[..11] != SIGNATURE {
                return Err(
                    "the stream of rows does not begin with the signature of a binary copy".to_owned()
                );
            }
            let extension = i32::from_be_bytes([bytes[15], bytes[16], bytes[17], bytes[18]]);
            if extension != 0 {
                return Err(format!("the stream of rows has a header extension of {extension} bytes"));
            }
            bytes.advance(HEADER_BYTES);
            self.header_seen = true;
        }
        while let Some(length) = self.row_length(bytes)? {
            if !take(&bytes[2..length]) {
                return Err("a row does not have the columns that were asked for".to_owned());
            }
            bytes.advance(length);
        }
        Ok(())
    }

    /// The length of the row at the start of the bytes; `None` if the row is incomplete, or at the end mark.
    fn row_length(&mut self, bytes: &mut &[u8]) -> Result<Option<usize>, String> {
        if self.trailer_seen {
            return if bytes.is_empty() {
                Ok(None)
            } else {
                Err("bytes follow the end mark of the rows".to_owned())
            };
        }
        let Some(fields) = bytes.first_chunk::<2>() else { return Ok(None) };
        let fields = i16::from_be_bytes(*fields);
        if fields == -1 {
            self.trailer_seen = true;
            bytes.advance(2);
            return self.row_length(bytes);
        }
        let mut at = 2;
        for _ in 0..fields {
            let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else { return Ok(None) };
            let length = i32::from_be_bytes(*length);
            at += 4 + usize::try_from(length.max(0)).map_err(|error| error.to_string())?;
        }
        Ok((at <= bytes.len()).then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(rows: &[Vec<Option<Vec<u8>>>]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0; 8]);
        for row in rows {
            bytes.extend(i16::try_from(row.len()).expect("few").to_be_bytes());
            for field in row {
                let length = field.as_ref().map_or(-1, |field| i32::try_from(field.len()).expect("short"));
                bytes.extend(length.to_be_bytes());
                bytes.extend(field.iter().flatten());
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn the_cuts_of_the_stream_do_not_matter(
            rows in proptest::collection::vec(proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)), 0..4), 0..10),
            size in 1_usize..50,
        ) {
            let bytes = stream(&rows);
            let (mut reader, mut seen) = (RowReader::default(), Vec::new());
            for piece in bytes.chunks(size) {
                reader.feed(piece, |row| { seen.push(row.to_vec()); true }).expect("a good stream");
            }
            reader.finish().expect("a whole stream");
            prop_assert_eq!(seen.len(), rows.len());
            let (mut whole, mut at_once) = (RowReader::default(), Vec::new());
            whole.feed(&bytes, |row| { at_once.push(row.to_vec()); true }).expect("a good stream");
            prop_assert_eq!(seen, at_once);
        }

        #[test]
        fn a_stream_cut_short_is_noticed(cut in 0_usize..40) {
            let bytes = stream(&[vec![Some(b"abc".to_vec()), None], vec![Some(b"def".to_vec())]]);
            prop_assume!(cut < bytes.len());
            let mut reader = RowReader::default();
            let fed = reader.feed(&bytes[..cut], |_| true);
            prop_assert!(fed.is_err() || reader.finish().is_err());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut stream = SIGNATURE.to_vec();
            stream.extend([0; 8]);
            stream.extend(bytes);
            let _ = RowReader::default().feed(&stream, |_| true);
        }
    }
}
