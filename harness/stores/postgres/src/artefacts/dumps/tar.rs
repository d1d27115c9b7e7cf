//! Finds the table of contents of a dump in a tar.
//!
//! Source: POSIX, `pax`, "ustar Interchange Format".

use std::io;

use comeback_engine::repository::Reader;
use tokio::io::{AsyncReadExt as _, Take};

/// The size of a block: a member is a block of header, and its content in whole blocks.
const BLOCK: usize = 512;
/// The file with the table of contents.
const TOC: &str = "toc.dat";

/// A member's header.
struct Member {
    name: String,
    bytes: u64,
    is_file: bool,
}

impl Member {
    /// The member whose header a block is; `None` for the end of the archive and for other content.
    fn of(block: &[u8]) -> Option<Self> {
        let is_tar = block.get(257..262)? == b"ustar";
        let name = block.get(..100)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let size = String::from_utf8_lossy(block.get(124..136)?).into_owned();
        let size = size.trim_matches(|byte: char| byte == '\0' || byte == ' ');
        let bytes = u64::from_str_radix(size, 8).ok()?;
        let is_file = matches!(block.get(156)?, b'0' | 0);
        (is_tar && !name.is_empty()).then(|| Self {
            name: String::from_utf8_lossy(name).into_owned(),
            bytes,
            is_file,
        })
    }

    fn base_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// The content in whole blocks.
    fn padded(&self) -> u64 {
        self.bytes.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64)
    }
}

/// Whether the first bytes of a tar have a file of a dump in them: the table of contents, or `NNN.dat`.
pub(super) fn may_hold_a_dump(head: &[u8]) -> bool {
    let mut at = 0;
    while let Some(member) = head.get(at..at + BLOCK).and_then(Member::of) {
        let name = member.base_name();
        let (number, suffix) = name.split_once('.').unwrap_or((name, ""));
        let is_data = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty();
        if member.is_file && (name == TOC || (is_data && suffix.starts_with("dat"))) {
            return true;
        }
        let Ok(skip) = usize::try_from(member.padded()) else { return false };
        at = at.saturating_add(BLOCK).saturating_add(skip);
    }
    false
}

/// Whether the table of contents is the first member, at the top: so `pg_dump --format=tar` writes it, and hardly
/// anybody who packs a folder.
pub(super) fn begins_with_the_contents(head: &[u8]) -> bool {
    head.get(..BLOCK).and_then(Member::of).is_some_and(|member| member.name == TOC)
}

/// Goes to the table of contents in a tar; `None` if it has none.
pub(super) async fn table_of_contents(mut tar: Reader) -> io::Result<Option<Take<Reader>>> {
    loop {
        let mut block = [0; BLOCK];
        match tar.read_exact(&mut block).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        };
        let Some(member) = Member::of(&block) else { return Ok(None) };
        if member.is_file && member.base_name() == TOC {
            return Ok(Some(tar.take(member.bytes)));
        }
        let wanted = member.padded();
        if tokio::io::copy(&mut (&mut tar).take(wanted), &mut tokio::io::sink()).await? < wanted {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        block[156] = b'0';
        block[257..262].copy_from_slice(b"ustar");
        block.extend(content);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    #[tokio::test]
    async fn the_table_of_contents_is_found_behind_other_files() {
        let tar = [member("d/3001.dat.gz", &[7; 700]), member("d/toc.dat", b"PGDMP"), vec![0; 1024]].concat();
        assert!(may_hold_a_dump(&tar) && !begins_with_the_contents(&tar));
        assert!(begins_with_the_contents(&member("toc.dat", b"PGDMP")));
        let mut toc = Vec::new();
        let found = table_of_contents(Box::new(Cursor::new(tar.clone()))).await.unwrap();
        found.unwrap().read_to_end(&mut toc).await.unwrap();
        assert_eq!(toc, b"PGDMP");
        for other in [member("base/PG_VERSION", b"15\n"), b"PGDMP".to_vec(), Vec::new()] {
            assert!(!may_hold_a_dump(&other));
            assert!(table_of_contents(Box::new(Cursor::new(other))).await.unwrap().is_none());
        }
    }
}
