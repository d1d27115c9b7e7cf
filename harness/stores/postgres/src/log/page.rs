//! Reads log segments just far enough to find where they end.
//!
//! It follows the chain of records, each of which names the previous one. It does not check their CRC: the
//! server does that during replay, and here it only decides which of two partial segments is longer.
//!
//! Source: PostgreSQL's `xlog_internal.h` and `xlogrecord.h`; the same in all majors from 9.3 to 17.

use comeback_model::{Lsn, SegmentName};

/// The size of a page's header, and of the header of a segment's first page.
const PAGE_HEADER: usize = 24;
const FIRST_PAGE_HEADER: usize = 40;
const RECORD_HEADER: usize = 24;
/// The flag of a page that begins with the rest of a record.
const CONTINUES: u16 = 0x0001;
/// Records begin at multiples of this.
const ALIGNMENT: usize = 8;

/// The content of a segment, with the fields of its first page.
struct Pages<'a> {
    content: &'a [u8],
    start: u64,
    page_bytes: usize,
}

/// The segment size of a log, if these bytes begin a segment that was written under that name. A server
/// renames old segments for future use before it writes them again: those do not count.
pub(crate) fn written_segment_bytes(beginning: &[u8], name: SegmentName) -> Option<u64> {
    let segment_bytes = u64::from(u32_at(beginning, 32)?);
    let plausible = segment_bytes.is_power_of_two() && (1 << 20..=1 << 30).contains(&segment_bytes);
    (plausible && u64_at(beginning, 8)? == name.start(segment_bytes).0).then_some(segment_bytes)
}

/// The system identifier of the cluster whose log a segment is, by its first page.
pub(crate) fn system_identifier(beginning: &[u8]) -> Option<u64> {
    u64_at(beginning, 24)
}

/// The position after the last complete record of a segment, or the segment's end if a record continues in
/// the next one.
pub(crate) fn reach(content: &[u8], name: SegmentName) -> Option<Lsn> {
    let pages = Pages::of(content, name)?;
    let mut end = pages.first_record()?;
    let mut before = None;
    while let Some((begin, next)) = pages.record(end, before) {
        before = Some(pages.start + begin as u64);
        end = next;
        if end >= content.len() {
            break;
        }
    }
    Some(Lsn(pages.start + end.min(content.len()) as u64))
}

/// The position of the last record that is whole in a segment; `None` if there is none.
pub(crate) fn last_record(content: &[u8], name: SegmentName) -> Option<Lsn> {
    let pages = Pages::of(content, name)?;
    let (mut end, mut last) = (pages.first_record()?, None);
    while let Some((begin, next)) = pages.record(end, last)
        && next < content.len()
    {
        last = Some(pages.start + begin as u64);
        end = next;
    }
    last.map(Lsn)
}

impl<'a> Pages<'a> {
    fn of(content: &'a [u8], name: SegmentName) -> Option<Self> {
        let segment_bytes = written_segment_bytes(content, name)?;
        let page_bytes =
            usize::try_from(u32_at(content, 36)?).ok().filter(|bytes| bytes.is_power_of_two())?;
        Some(Self { content, start: name.start(segment_bytes).0, page_bytes })
    }

    /// The offset of the first record that begins in this segment.
    fn first_record(&self) -> Option<usize> {
        let continues = u16_at(self.content, 2)? & CONTINUES != 0;
        let rest = if continues { u32_at(self.content, 16)? as usize } else { 0 };
        self.skip(FIRST_PAGE_HEADER, rest)
    }

    /// The start and end of the record at an offset, if there is one that follows the previous record.
    fn record(&self, at: usize, before: Option<u64>) -> Option<(usize, usize)> {
        let is_page_start = at.is_multiple_of(self.page_bytes);
        let begin = if is_page_start { at + header_bytes(at) } else { at };
        let total = u32_at(self.content, begin)? as usize;
        if total < RECORD_HEADER || (is_page_start && !self.is_page(at)) {
            return None;
        }
        // The field that names the previous record can be on the next page.
        let on_this_page = self.page_bytes - begin % self.page_bytes;
        if on_this_page >= 16 && before.is_some() && u64_at(self.content, begin + 8) != before {
            return None;
        }
        Some((begin, self.skip(begin, total)?))
    }

    /// The offset `bytes` further on, not counting page headers; `None` if a page in between was not written.
    /// An offset past the segment gives the segment's end.
    fn skip(&self, from: usize, mut bytes: usize) -> Option<usize> {
        let mut at = from;
        loop {
            let left = self.page_bytes - at % self.page_bytes;
            if bytes < left || (bytes == left && bytes > 0) {
                return Some((at + bytes).next_multiple_of(ALIGNMENT));
            }
            if bytes == 0 {
                return Some(at);
            }
            bytes -= left;
            at += left;
            if at >= self.content.len() {
                return Some(self.content.len());
            }
            if !self.is_page(at) || u16_at(self.content, at + 2)? & CONTINUES == 0 {
                return None;
            }
            at += header_bytes(at);
        }
    }

    /// Whether the page at an offset was written as part of this segment.
    fn is_page(&self, at: usize) -> bool {
        u64_at(self.content, at + 8) == Some(self.start + at as u64)
    }
}

fn header_bytes(page: usize) -> usize {
    if page == 0 { FIRST_PAGE_HEADER } else { PAGE_HEADER }
}

// A server writes and reads its log in the byte order of its machine.
fn bytes_at<const N: usize>(content: &[u8], at: usize) -> Option<[u8; N]> {
    content.get(at..at + N)?.try_into().ok()
}

fn u16_at(content: &[u8], at: usize) -> Option<u16> {
    bytes_at(content, at).map(u16::from_ne_bytes)
}

fn u32_at(content: &[u8], at: usize) -> Option<u32> {
    bytes_at(content, at).map(u32::from_ne_bytes)
}

fn u64_at(content: &[u8], at: usize) -> Option<u64> {
    bytes_at(content, at).map(u64::from_ne_bytes)
}
