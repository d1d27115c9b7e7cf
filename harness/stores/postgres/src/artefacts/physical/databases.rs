//! The databases of a cluster that no server runs on, with their locales: read from the file of `pg_database`.
//!
//! The file is that of the copy: what the log adds is not in it. It is read to find out early what is missing, so
//! whatever does not look as expected gives nothing.

/// The file that says which file holds which shared catalogue, and the object identifier of `pg_database`.
pub(super) const MAP: &str = "global/pg_filenode.map";
const PG_DATABASE: u32 = 1262;
/// The first bytes of the map. Source: `RELMAPPER_FILEMAGIC` in PostgreSQL's relmapper.c.
const MAP_MAGIC: u32 = 0x0059_2717;
/// The most entries of a map. Source: `MAX_MAPPINGS`, 62 until PostgreSQL 15.
const MOST_MAPPINGS: usize = 64;

/// The size of a page, of its header, and of a name.
const PAGE: usize = 8192;
const PAGE_HEADER: usize = 24;
const NAME: usize = 64;
/// Bits of `t_infomask`. Source: PostgreSQL's `htup_details.h`.
const XMIN_COMMITTED: u16 = 0x0100;
const XMIN_INVALID: u16 = 0x0200;
const XMAX_LOCK_ONLY: u16 = 0x0080;
const XMAX_INVALID: u16 = 0x0800;

/// A database that can be connected to, and its locales.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) name: String,
    /// The orders of sorting and of kinds of characters, which the operating system must have.
    pub(super) locales: [String; 2],
}

/// The file of `pg_database`, by the map of shared catalogues.
pub(super) fn file(map: &[u8]) -> Option<String> {
    if u32_at(map, 0)? != MAP_MAGIC {
        return None;
    }
    let count = usize::try_from(u32_at(map, 4)?).ok()?.min(MOST_MAPPINGS);
    let mut entries = (0..count).map(|number| 8 + 8 * number);
    let entry = entries.find(|at| u32_at(map, *at) == Some(PG_DATABASE))?;
    Some(format!("global/{}", u32_at(map, entry + 4)?))
}

/// The databases in the file of `pg_database`, of a server of this major version.
pub(super) fn read(bytes: &[u8], major: u32) -> Vec<Database> {
    bytes.chunks_exact(PAGE).flat_map(|page| rows(page).filter_map(move |row| database(row, major))).collect()
}

/// The rows of a page that are neither dead nor half written, without their headers.
fn rows(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = u16_at(page, 12).map_or(0, usize::from).min(PAGE);
    let pointers = (PAGE_HEADER..end).step_by(4).filter_map(|at| u32_at(page, at));
    // An item pointer: 15 bits of offset, 2 of state (1: in use), 15 of length.
    let tuples = pointers.filter(|pointer| (pointer >> 15) & 3 == 1).filter_map(|pointer| {
        let (offset, length) = ((pointer & 0x7fff) as usize, (pointer >> 17) as usize);
        page.get(offset..offset.checked_add(length)?)
    });
    tuples.filter(|tuple| is_live(tuple).unwrap_or(false)).filter_map(|tuple| {
        let header = usize::from(*tuple.get(22)?);
        tuple.get(header..)
    })
}

/// Whether a row is there for everybody. One that a transaction deleted whose end is not noted counts as deleted.
fn is_live(tuple: &[u8]) -> Option<bool> {
    let (xmax, mask) = (u32_at(tuple, 4)?, u16_at(tuple, 20)?);
    let is_aborted = mask & XMIN_INVALID != 0 && mask & XMIN_COMMITTED == 0;
    Some(!is_aborted && (xmax == 0 || mask & (XMAX_INVALID | XMAX_LOCK_ONLY) != 0))
}

/// Reads a row: the identifier, the name, owner and encoding. The locales follow as names until version 14, and since
/// then as texts behind further columns of fixed length. Source: `pg_database.h` of each version.
fn database(row: &[u8], major: u32) -> Option<Database> {
    let name = name_at(row, 4)?;
    let (locales, may_connect) = if major < 15 {
        ([name_at(row, 76)?, name_at(row, 76 + NAME)?], *row.get(76 + 2 * NAME + 1)?)
    } else {
        let (collate, next) = text_at(row, 96)?;
        ([collate, text_at(row, next)?.0], *row.get(78)?)
    };
    (may_connect == 1).then_some(Database { name, locales })
}

fn name_at(row: &[u8], at: usize) -> Option<String> {
    let bytes = row.get(at..at + NAME)?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(NAME);
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    Some(text.to_owned()).filter(|text| !text.is_empty() && !text.contains(char::is_control))
}

/// A text with a header of one byte, in which its length is counted, and the place behind it. The server writes longer
/// headers only for texts longer than a locale's name.
fn text_at(row: &[u8], at: usize) -> Option<(String, usize)> {
    let header = *row.get(at)?;
    if header & 1 == 0 {
        return None;
    }
    let end = at + usize::from(header >> 1);
    let text = std::str::from_utf8(row.get(at + 1..end)?).ok()?;
    (!text.is_empty() && !text.contains(char::is_control)).then(|| (text.to_owned(), end))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A row of a database that may be connected to.
    fn row(name: &str, locales: [&str; 2], major: u32) -> Vec<u8> {
        let mut row = vec![0; 76];
        row[4..4 + name.len()].copy_from_slice(name.as_bytes());
        if major < 15 {
            for locale in locales {
                let mut name = locale.as_bytes().to_vec();
                name.resize(NAME, 0);
                row.extend(name);
            }
            row.extend([0, 1, 0, 0]);
        } else {
            row.extend([b'c', 0, 1, 0]);
            row.resize(96, 0);
            for locale in locales {
                row.push(u8::try_from((locale.len() + 1) << 1 | 1).unwrap());
                row.extend(locale.as_bytes());
            }
        }
        row
    }

    /// A page of rows, each with its `xmax` and its bits.
    fn page(rows: &[(Vec<u8>, u32, u16)]) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        let mut at = PAGE;
        for (number, (row, xmax, mask)) in rows.iter().enumerate() {
            let mut tuple = vec![0; 24];
            tuple[4..8].copy_from_slice(&xmax.to_le_bytes());
            tuple[20..22].copy_from_slice(&mask.to_le_bytes());
            tuple[22] = 24;
            tuple.extend(row);
            at = (at - tuple.len()) & !7;
            page[at..at + tuple.len()].copy_from_slice(&tuple);
            let pointer = u32::try_from(at | 1 << 15 | tuple.len() << 17).unwrap();
            page[PAGE_HEADER + 4 * number..][..4].copy_from_slice(&pointer.to_le_bytes());
        }
        let end = u16::try_from(PAGE_HEADER + 4 * rows.len()).unwrap();
        page[12..14].copy_from_slice(&end.to_le_bytes());
        page
    }

    #[test]
    fn the_locales_of_live_databases_are_read() {
        for major in [14, 15, 17] {
            let live = row("app", ["de_DE.UTF-8", "C"], major);
            let dropped = row("old", ["xx_XX", "xx_XX"], major);
            let mut closed = row("template0", ["yy_YY", "yy_YY"], major);
            closed[if major < 15 { 76 + 2 * NAME + 1 } else { 78 }] = 0;
            let bytes = page(&[
                (live, 0, XMIN_COMMITTED | XMAX_INVALID),
                (dropped.clone(), 9, XMIN_COMMITTED),
                (dropped, 0, XMIN_INVALID | XMAX_INVALID),
                (closed, 0, XMIN_COMMITTED),
            ]);
            let locales = ["de_DE.UTF-8", "C"].map(str::to_owned);
            assert_eq!(read(&bytes, major), [Database { name: "app".to_owned(), locales }], "{major}");
        }
    }

    #[test]
    fn the_map_names_the_file() {
        let words = [MAP_MAGIC, 2, 1260, 1260, PG_DATABASE, 16_400, 0, 0];
        let map: Vec<_> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(file(&map).as_deref(), Some("global/16400"));
        assert_eq!(file(&map[4..]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_left_out(damage in proptest::collection::vec((0..PAGE, any::<u8>()), 0..200)) {
            let mut bytes = page(&[(row("app", ["C", "C"], 15), 0, XMIN_COMMITTED | XMAX_INVALID)]);
            for (at, byte) in damage {
                bytes[at] = byte;
            }
            let _ = (read(&bytes, 15), read(&bytes, 13), file(&bytes));
        }
    }
}
