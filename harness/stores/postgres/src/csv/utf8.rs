//! Checks that a stream of text is UTF-8, in constant memory.

/// A byte that is not valid UTF-8 at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misencoded {
    pub(super) byte: u8,
    /// Its offset in the stream.
    pub(super) offset: u64,
    /// Its line, from 1.
    pub(super) line: u64,
}

/// The state of the check.
#[derive(Debug, Default)]
pub(super) struct Utf8Watch {
    offset: u64,
    lines: u64,
    /// The first bytes of a character that is not complete yet.
    begun: Vec<u8>,
}

impl Utf8Watch {
    /// Checks the next piece.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<(), Misencoded> {
        let mut piece = piece;
        while !self.begun.is_empty() {
            let Some((first, rest)) = piece.split_first() else { return Ok(()) };
            self.begun.push(*first);
            match std::str::from_utf8(&self.begun) {
                Ok(_) => {
                    let whole = std::mem::take(&mut self.begun);
                    self.pass(&whole);
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(self.misencoded(self.begun[0])),
            }
            piece = rest;
        }
        match std::str::from_utf8(piece) {
            Ok(_) => self.pass(piece),
            Err(error) => {
                let (good, rest) = piece.split_at(error.valid_up_to());
                self.pass(good);
                if error.error_len().is_some() {
                    return Err(self.misencoded(rest[0]));
                }
                self.begun = rest.to_vec();
            }
        }
        Ok(())
    }

    /// Fails if the stream ends inside a character.
    pub(super) fn finish(&self) -> Result<(), Misencoded> {
        self.begun.first().map_or(Ok(()), |byte| Err(self.misencoded(*byte)))
    }

    fn pass(&mut self, good: &[u8]) {
        self.offset += good.len() as u64;
        self.lines += memchr::memchr_iter(b'\n', good).count() as u64;
    }

    fn misencoded(&self, byte: u8) -> Misencoded {
        Misencoded { byte, offset: self.offset, line: self.lines + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn watch(bytes: &[u8], size: usize) -> Result<(), Misencoded> {
        let mut watch = Utf8Watch::default();
        for piece in bytes.chunks(size) {
            watch.feed(piece)?;
        }
        watch.finish()
    }

    #[test]
    fn another_encoding_is_seen_at_its_place() {
        // "Grüße" in Latin-1, on the second line.
        let text = b"a\nGr\xfc\xdfe\n";
        for size in 1..=text.len() {
            assert_eq!(watch(text, size), Err(Misencoded { byte: 0xfc, offset: 4, line: 2 }), "{size}");
        }
    }

    proptest! {
        #[test]
        fn what_is_said_is_what_the_standard_library_says(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(0xc3), Just(0xa4), Just(0xf0), Just(0x9f), Just(0x9a), Just(0x90), any::<u8>()], 0..40),
            size in 1_usize..9,
        ) {
            let told = std::str::from_utf8(&bytes).map_err(|error| error.valid_up_to() as u64).map(drop);
            prop_assert_eq!(watch(&bytes, size).map_err(|found| found.offset), told);
        }

        #[test]
        fn text_passes_however_it_is_cut(text in ".*", size in 1_usize..9) {
            prop_assert_eq!(watch(text.as_bytes(), size), Ok(()));
        }
    }
}
