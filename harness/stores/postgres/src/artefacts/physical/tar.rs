//! Just enough of the tar format: files are sent into a node as one stream, and a stream is searched for a file.
//!
//! Source: POSIX.1-2017, `pax`, section "ustar Interchange Format".

use comeback_engine::repository::Reader;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

/// The unit of the format.
pub(super) const BLOCK: usize = 512;
/// The longest name in a header.
const NAME: usize = 100;
/// The longest content that is read into memory while a stream is searched.
const SMALL: u64 = 64 * 1024;
/// How much of a file is read at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// The mark of the format, at [`MARK_AT`] in each header.
const MARK: &[u8] = b"ustar";
const MARK_AT: usize = 257;

/// What a stream holds under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
}

/// The header of a file that only its owner can read; `None` if the format has no room for the name or the size.
pub(super) fn header(name: &str, kind: Kind, bytes: u64) -> Option<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let (mode, flag) = match kind {
        Kind::File => ("0000600", b'0'),
        Kind::Folder => ("0000700", b'5'),
    };
    let size = format!("{bytes:011o}");
    if name.is_empty() || name.len() > NAME || size.len() > 11 {
        return None;
    }
    let mut put = |at: usize, text: &[u8]| {
        if let Some(place) = block.get_mut(at..at + text.len()) {
            place.copy_from_slice(text);
        }
    };
    put(0, name.as_bytes());
    put(100, mode.as_bytes());
    put(108, b"0000000\x000000000\0");
    put(124, size.as_bytes());
    put(136, b"00000000000");
    // The sum is taken with blanks in its own place.
    put(148, b"        ");
    put(156, &[flag]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    block[148..156].copy_from_slice(sum.as_bytes());
    Some(block)
}

/// Writes a file of a known size; a reader that ends too early is an error.
pub(super) async fn write_file(
    to: &mut (impl AsyncWrite + Unpin),
    header: &[u8; BLOCK],
    content: Reader,
    bytes: u64,
) -> std::io::Result<()> {
    to.write_all(header).await?;
    let mut content = BufReader::with_capacity(PIECE_BYTES, content.take(bytes));
    let copied = tokio::io::copy_buf(&mut content, to).await?;
    if copied != bytes {
        let message = format!("it had {bytes} bytes, and now has {copied}");
        return Err(std::io::Error::other(message));
    }
    let padding = usize::try_from(copied.next_multiple_of(BLOCK as u64) - copied).unwrap_or(0);
    to.write_all(&[0; BLOCK][..padding]).await
}

/// Whether bytes begin a tar stream.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(MARK_AT..MARK_AT + MARK.len()) == Some(MARK)
}

/// A member of a stream.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// The member that a header announces; `None` for a block that is no header.
pub(super) fn member(block: &[u8; BLOCK]) -> Option<Member> {
    if !is_tar(block) {
        return None;
    }
    let text = |field: &[u8]| {
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).into_owned()
    };
    let octal = |field: &[u8]| u64::from_str_radix(text(field).trim(), 8).ok();
    let flag = block[156];
    // Links and folders have no content, whatever their size says.
    let bytes = if (b'1'..=b'6').contains(&flag) { 0 } else { octal(&block[124..136])? };
    let (prefix, name) = (text(&block[345..500]), text(&block[..NAME]));
    let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
    Some(Member { name: name.trim_start_matches("./").to_owned(), bytes })
}

/// Reads small files from a stream until `wanted` says that it has seen enough, or the stream ends or is no tar.
pub(super) async fn search(
    stream: &mut Reader,
    mut wanted: impl FnMut(&str, &[u8]) -> bool + Send,
) -> std::io::Result<()> {
    let mut block = [0; BLOCK];
    while stream.read_exact(&mut block).await.is_ok() {
        let Some(Member { name, bytes }) = member(&block) else { return Ok(()) };
        let padded = bytes.next_multiple_of(BLOCK as u64);
        let mut content = Vec::new();
        if bytes <= SMALL {
            (&mut *stream).take(padded).read_to_end(&mut content).await?;
            content.truncate(usize::try_from(bytes).unwrap_or(0));
        } else {
            tokio::io::copy(&mut (&mut *stream).take(padded), &mut tokio::io::sink()).await?;
        }
        if wanted(&name, &content) {
            return Ok(());
        }
    }
    Ok(())
}

/// Follows a stream from header to header while it passes, and sees whether it comes to the end mark.
#[derive(Default)]
pub(super) struct Walk {
    /// How much of the current member's content is still to come.
    left: u64,
    /// The part of the next header that has come.
    header: Vec<u8>,
    /// Whether an empty block was where a header is expected.
    pub(super) has_ended: bool,
}

impl Walk {
    pub(super) fn pass(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() && !self.has_ended {
            let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
            self.left -= skipped as u64;
            let wanted = BLOCK - self.header.len();
            let (taken, rest) = piece[skipped..].split_at(wanted.min(piece.len() - skipped));
            self.header.extend_from_slice(taken);
            piece = rest;
            if let Ok(block) = <[u8; BLOCK]>::try_from(self.header.as_slice()) {
                self.header.clear();
                self.has_ended = block.iter().all(|byte| *byte == 0);
                // A block that is no header is for tar to complain about.
                self.left = member(&block).map_or(0, |one| one.bytes.next_multiple_of(BLOCK as u64));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (name, content) in files {
            let header = header(name, Kind::File, content.len() as u64).unwrap();
            let content = content.clone();
            let bytes = content.len() as u64;
            write_file(&mut stream, &header, Box::new(std::io::Cursor::new(content)), bytes).await.unwrap();
        }
        stream.extend([0; 2 * BLOCK]);
        stream
    }

    /// Another implementation reads what is written here.
    #[tokio::test]
    async fn gnu_tar_reads_what_is_written() {
        use std::io::Write as _;
        let files = [("base/5/1259".to_owned(), vec![7; 700]), ("PG_VERSION".to_owned(), b"15\n".to_vec())];
        let mut stream = header("base/", Kind::Folder, 0).unwrap().to_vec();
        stream.extend(packed(&files).await);
        let folder = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new("tar");
        command.args(["-x", "-C"]).arg(folder.path()).stdin(std::process::Stdio::piped());
        let mut tar = command.spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&stream).unwrap();
        assert!(tar.wait().unwrap().success());
        for (name, content) in files {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), content);
        }
    }

    #[test]
    fn what_the_format_has_no_room_for_is_refused() {
        assert!(header(&"x".repeat(101), Kind::File, 1).is_none());
        assert!(header("x", Kind::File, 1 << 33).is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(names in proptest::collection::vec("[a-z]{1,20}(/[0-9]{1,9})?", 1..5),
            bytes in 0_usize..2000)
        {
            let files: Vec<_> = names.into_iter().map(|name| (name, vec![3; bytes])).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let found = runtime.block_on(async {
                let mut reader: Reader = Box::new(std::io::Cursor::new(packed(&files).await));
                let mut found = Vec::new();
                search(&mut reader, |name, content| { found.push((name.to_owned(), content.to_vec())); false })
                    .await
                    .unwrap();
                found
            });
            prop_assert_eq!(found, files);
        }

        #[test]
        fn a_stream_has_ended_only_at_its_mark(sizes in proptest::collection::vec(0_usize..1500, 1..5),
            cut in 1_usize..2000, step in 1_usize..700)
        {
            let files: Vec<_> = sizes.iter().map(|bytes| ("a".to_owned(), vec![0; *bytes])).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let stream = runtime.block_on(packed(&files));
            let ends = |stream: &[u8]| {
                let mut walk = Walk::default();
                stream.chunks(step).for_each(|piece| walk.pass(piece));
                walk.has_ended
            };
            prop_assert!(ends(&stream));
            // The mark is the first of two empty blocks.
            let shorter = stream.len().saturating_sub(cut);
            prop_assert_eq!(ends(&stream[..shorter]), cut <= BLOCK);
        }

        #[test]
        fn any_bytes_are_searched_without_a_crash(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut reader: Reader = Box::new(std::io::Cursor::new(bytes));
                let _ = search(&mut reader, |_, _| false).await;
            });
        }
    }
}
