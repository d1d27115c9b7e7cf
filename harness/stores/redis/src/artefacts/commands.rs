//! Counts the commands of an append-only file while it is copied, and notices where it is cut or damaged.

/// The longest line: a number with its mark, or an annotation.
const LONGEST_LINE: usize = 64 * 1024;
/// The longest name of a command that is looked at.
const LONGEST_NAME: usize = 16;

/// Reads an append-only file piece by piece, in constant memory.
///
/// The file is a sequence of commands in the protocol of the server, `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`, and lines
/// that begin with `#`. Source: `aof.c`, `loadSingleAppendOnlyFile`.
#[derive(Debug, Default)]
pub(super) struct CommandReader {
    state: State,
    line: Vec<u8>,
    name: Vec<u8>,
    commands: u64,
    /// How many bytes were read.
    offset: u64,
    /// Where the present command begins.
    start: u64,
    /// Where a transaction began that has not ended.
    transaction: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a command.
    #[default]
    Between,
    /// Before the length of a word; so many words are still to come.
    Length { words: u64, is_first: bool },
    /// In a word and the line end after it; so many bytes of both are still to come.
    Word { left: u64, words: u64, is_first: bool },
}

/// Why a file is no sequence of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread {
    /// Where the command begins that cannot be read.
    pub(super) offset: u64,
    /// What is wrong with it.
    pub(super) what: &'static str,
    /// Whether the file ends too early.
    pub(super) is_cut: bool,
}

impl CommandReader {
    /// Reads a piece.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Misread> {
        while !bytes.is_empty() {
            let read = match self.state {
                State::Word { left, words, is_first } => self.read_word(bytes, left, words, is_first)?,
                State::Between | State::Length { .. } => self.read_line(bytes)?,
            };
            self.offset += read as u64;
            bytes = bytes.get(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// The number of commands, if the file ends behind one of them and behind every transaction.
    pub(super) fn finish(self) -> Result<u64, Misread> {
        let cut = |offset, what| Err(Misread { offset, what, is_cut: true });
        if self.state != State::Between || !self.line.is_empty() {
            return cut(self.start, "it ends in the middle of a command");
        }
        match self.transaction {
            Some(offset) => cut(offset, "it ends in the middle of a transaction"),
            None => Ok(self.commands),
        }
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T, Misread> {
        Err(Misread { offset: self.start, what, is_cut: false })
    }

    /// Reads the rest of a line, or a part of it.
    fn read_line(&mut self, bytes: &[u8]) -> Result<usize, Misread> {
        if self.state == State::Between && self.line.is_empty() {
            self.start = self.offset;
        }
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.line.extend(bytes);
            return if self.line.len() > LONGEST_LINE {
                self.wrong("no command begins here")
            } else {
                Ok(bytes.len())
            };
        };
        self.line.extend(bytes.get(..end).unwrap_or_default());
        let line = std::mem::take(&mut self.line);
        self.state = self.after_line(&line)?;
        Ok(end + 1)
    }

    fn after_line(&mut self, line: &[u8]) -> Result<State, Misread> {
        let (mark, rest) = line.split_first().map_or((0, line), |(mark, rest)| (*mark, rest));
        let number =
            rest.strip_suffix(b"\r").and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        match (self.state, mark, number) {
            (State::Between, b'#', _) => Ok(State::Between),
            (State::Between, b'*', Some(words @ 1_u64..)) => {
                self.name.clear();
                Ok(State::Length { words, is_first: true })
            }
            (State::Length { words, is_first }, b'$', Some(length)) => {
                Ok(State::Word { left: u64::saturating_add(length, 2), words, is_first })
            }
            (State::Between, ..) => self.wrong("no command begins here"),
            _ => self.wrong("a word of it has no length"),
        }
    }

    fn read_word(&mut self, bytes: &[u8], left: u64, words: u64, is_first: bool) -> Result<usize, Misread> {
        let read = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let piece = bytes.get(..read).unwrap_or_default();
        // The last two bytes are the line end.
        for (at, byte) in (1..).zip(piece).skip(read.saturating_sub(2)) {
            let expected = match left - at {
                1 => b'\r',
                0 => b'\n',
                _ => continue,
            };
            if *byte != expected {
                return self.wrong("a word of it is longer or shorter than it says");
            }
        }
        if is_first && self.name.len() < LONGEST_NAME {
            self.name.extend(piece.iter().take(LONGEST_NAME));
        }
        let left = left - read as u64;
        if left > 0 {
            self.state = State::Word { left, words, is_first };
        } else if words > 1 {
            self.state = State::Length { words: words - 1, is_first: false };
        } else {
            self.end_command();
        }
        Ok(read)
    }

    fn end_command(&mut self) {
        self.state = State::Between;
        self.commands += 1;
        match self.name.to_ascii_uppercase().as_slice() {
            b"MULTI\r\n" => self.transaction = Some(self.start),
            b"EXEC\r\n" => self.transaction = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn command(words: &[Vec<u8>]) -> Vec<u8> {
        let mut text = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            text.extend(format!("${}\r\n", word.len()).bytes());
            text.extend(word);
            text.extend(b"\r\n");
        }
        text
    }

    fn read(file: &[u8], piece: usize) -> Result<u64, Misread> {
        let mut reader = CommandReader::default();
        file.chunks(piece.max(1)).try_for_each(|piece| reader.feed(piece))?;
        reader.finish()
    }

    fn words(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_transaction_that_does_not_end_is_a_cut_file() {
        let [multi, set, exec] =
            [&["multi"][..], &["SET", "a", "1"], &["EXEC"]].map(|one| command(&words(one)));
        let start = set.len() as u64;
        assert_eq!(read(&[&set[..], &multi, &set, &exec].concat(), 7), Ok(4));
        let cut = read(&[&set[..], &multi, &set].concat(), 7).unwrap_err();
        assert!(cut.is_cut && cut.offset == start, "{cut:?}");
    }

    #[test]
    fn annotations_are_skipped_and_garbage_is_told() {
        let get = command(&words(&["GET", "a"]));
        assert_eq!(read(&[b"#TS:1700000000\r\n", &get[..]].concat(), 3), Ok(1));
        for (garbage, what) in [
            (&b"\0\0\0\0\n"[..], "no command begins here"),
            (b"*2\r\nGET\r\n", "a word of it has no length"),
            (b"*1\r\n$2\r\nGET\r\n", "a word of it is longer or shorter than it says"),
            (b"*0\r\n", "no command begins here"),
            (b"*-1\r\n", "no command begins here"),
        ] {
            let misread = read(&[&get[..], garbage].concat(), 5).unwrap_err();
            assert_eq!((misread.what, misread.offset), (what, get.len() as u64));
        }
    }

    proptest! {
        #[test]
        fn whole_commands_are_counted_however_they_arrive(
            commands in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..5), 0..8),
            piece in 1_usize..40,
        ) {
            let commands: Vec<_> = commands
                .into_iter()
                .map(|words| [vec![b"SET".to_vec()], words].concat())
                .collect();
            let file: Vec<u8> = commands.iter().flat_map(|words| command(words)).collect();
            prop_assert_eq!(read(&file, piece), Ok(commands.len() as u64));
            let starts: Vec<usize> = commands.iter().scan(0, |at, words| {
                *at += command(words).len();
                Some(*at)
            }).collect();
            for length in 0..file.len() {
                let is_whole = length == 0 || starts.contains(&length);
                prop_assert_eq!(read(&file[..length], piece).is_ok(), is_whole, "cut at {}", length);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, 11);
        }
    }
}
