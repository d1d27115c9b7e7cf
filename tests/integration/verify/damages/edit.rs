//! Changes to the bytes of a dump. Each fails if there is nothing to change.

pub(super) fn place_of(dump: &[u8], text: &str) -> usize {
    memchr::memmem::find(dump, text.as_bytes()).unwrap_or_else(|| panic!("{text} is not in the dump"))
}

/// Replaces a text by another; an archive bears only one of the same length.
pub(super) fn replace(dump: &mut Vec<u8>, old: &str, new: &str) {
    let at = place_of(dump, old);
    dump.splice(at..at + old.len(), new.bytes());
}

/// Removes from one text up to and with the next occurrence of another.
pub(super) fn cut_out(dump: &mut Vec<u8>, from: &str, to: &str) {
    let at = place_of(dump, from);
    let end = at + from.len() + place_of(&dump[at + from.len()..], to) + to.len();
    dump.drain(at..end);
}

pub(super) fn keep_before(dump: &mut Vec<u8>, text: &str) {
    let at = place_of(dump, text);
    dump.truncate(at);
}

/// Rewrites the rows of a table: each with its number, from 0; `None` leaves it out.
pub(super) fn rewrite(dump: &mut Vec<u8>, table: &str, row: impl Fn(usize, Vec<&str>) -> Option<String>) {
    let head = place_of(dump, &format!("COPY public.{table} "));
    let start = head + place_of(&dump[head..], "\n") + 1;
    let end = start + place_of(&dump[start..], "\\.\n");
    let rows = String::from_utf8(dump[start..end].to_vec()).unwrap();
    let rows = rows.lines().enumerate().filter_map(|(number, line)| row(number, line.split('\t').collect()));
    let rows: String = rows.map(|row| row + "\n").collect();
    dump.splice(start..end, rows.into_bytes());
}
