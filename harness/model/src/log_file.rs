//! The files of a write-ahead log archive, by their names, and the history of a timeline.

use serde::{Deserialize, Serialize};

use super::Lsn;

/// A segment of the log: a timeline, and the two numbers by which the server counts segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The timeline.
    pub timeline: u32,
    /// The upper 32 bits of the positions in it.
    pub high: u32,
    /// Its number among the segments with that upper half.
    pub low: u32,
}

impl SegmentName {
    /// The segment of a timeline with this number, counted from the beginning of the log.
    pub fn nth(timeline: u32, number: u64, segment_bytes: u64) -> Self {
        let per_high = (1 << 32) / segment_bytes.max(1);
        let part = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self { timeline, high: part(number / per_high), low: part(number % per_high) }
    }

    /// Its number, counted from the beginning of the log.
    pub fn number(self, segment_bytes: u64) -> u64 {
        u64::from(self.high) * ((1 << 32) / segment_bytes.max(1)) + u64::from(self.low)
    }

    /// The position of its first byte.
    pub fn start(self, segment_bytes: u64) -> Lsn {
        Lsn(self.number(segment_bytes) * segment_bytes)
    }
}

impl std::fmt::Display for SegmentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08X}{:08X}{:08X}", self.timeline, self.high, self.low)
    }
}

impl std::str::FromStr for SegmentName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let upper_hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        let part = |range: std::ops::Range<usize>| u32::from_str_radix(&name[range], 16).ok();
        let well_formed = name.len() == 24 && name.bytes().all(upper_hex);
        let parts = if well_formed { (part(0..8), part(8..16), part(16..24)) } else { (None, None, None) };
        match parts {
            (Some(timeline), Some(high), Some(low)) if timeline > 0 => Ok(Self { timeline, high, low }),
            _ => Err(format!("`{name}` is no log segment such as 000000010000000000000005")),
        }
    }
}

/// A file that a server archives, or requests from its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFileKind {
    /// A whole segment.
    Segment(SegmentName),
    /// A partial segment: the last one of a timeline that ended.
    Partial(SegmentName),
    /// The backup history file that a base backup leaves in the log.
    BackupNotes,
    /// The history file of a timeline: where it comes from.
    History(u32),
}

impl LogFileKind {
    /// The kind of a file, by its name; `None` for a file that no server archives.
    pub fn of(name: &str) -> Option<Self> {
        if let Some(timeline) = name.strip_suffix(".history") {
            let timeline = u32::from_str_radix(timeline, 16).ok().filter(|_| timeline.len() == 8)?;
            return Some(Self::History(timeline));
        }
        if let Some(segment) = name.strip_suffix(".partial") {
            return segment.parse().ok().map(Self::Partial);
        }
        if let Some(rest) = name.strip_suffix(".backup") {
            let (segment, offset) = rest.split_once('.')?;
            let offset_is_hex = offset.len() == 8 && offset.bytes().all(|b| b.is_ascii_hexdigit());
            return (offset_is_hex && segment.parse::<SegmentName>().is_ok()).then_some(Self::BackupNotes);
        }
        name.parse().ok().map(Self::Segment)
    }
}

/// The name of a timeline's history file.
pub fn history_name(timeline: u32) -> String {
    format!("{timeline:08X}.history")
}

/// The ancestors of a timeline, and where each was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineHistory {
    /// The timeline whose history it is.
    pub timeline: u32,
    /// Its ancestors, the oldest first, each with the position at which it was left.
    pub left: Vec<(u32, Lsn)>,
}

impl TimelineHistory {
    /// The history of a timeline without ancestors: the first timeline, or one with an unknown past.
    pub fn root(timeline: u32) -> Self {
        Self { timeline, left: Vec::new() }
    }

    /// Reads a history file. Source: `readTimeLineHistory` of PostgreSQL's timeline.c.
    pub fn parse(timeline: u32, text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let left = lines
            .map(|line| {
                let mut words = line.split_whitespace();
                let parent = words.next().and_then(|word| word.parse().ok());
                let position = words.next().and_then(|word| word.parse().ok());
                parent.zip(position).ok_or_else(|| {
                    format!("`{line}` in {} names no timeline and position", history_name(timeline))
                })
            })
            .collect::<Result<Vec<(u32, Lsn)>, _>>()?;
        Ok(Self { timeline, left })
    }

    /// Every timeline on the path with its start position, the newest first.
    pub fn path(&self) -> Vec<(u32, Lsn)> {
        let begins = std::iter::once(Lsn(0)).chain(self.left.iter().map(|(_, left_at)| *left_at));
        let timelines = self.left.iter().map(|(timeline, _)| *timeline).chain([self.timeline]);
        let mut path: Vec<_> = timelines.zip(begins).collect();
        path.reverse();
        path
    }

    /// Whether a timeline, up to a position, is part of this one's past.
    pub fn contains(&self, timeline: u32, position: Lsn) -> bool {
        timeline == self.timeline
            || self.left.iter().any(|(one, left_at)| *one == timeline && position <= *left_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEGMENT_BYTES: u64 = 16 << 20;

    #[test]
    fn files_are_known_by_their_names() {
        let segment: SegmentName = "00000002000000010000000A".parse().unwrap();
        for (name, kind) in [
            ("00000002000000010000000A", Some(LogFileKind::Segment(segment))),
            ("00000002000000010000000A.partial", Some(LogFileKind::Partial(segment))),
            ("00000002000000010000000A.00000028.backup", Some(LogFileKind::BackupNotes)),
            ("0000000A.history", Some(LogFileKind::History(10))),
            ("00000002000000010000000a", None),
            ("00000000000000010000000A", None),
            ("000000020000000100000", None),
            ("+0000002000000010000000A", None),
            ("A.history", None),
            ("00000002000000010000000A.backup", None),
            ("../0000000A.history", None),
            ("", None),
        ] {
            assert_eq!(LogFileKind::of(name), kind, "{name}");
        }
        assert_eq!(segment.start(SEGMENT_BYTES), "1/A000000".parse().unwrap());
    }

    #[test]
    fn a_history_is_read_as_the_server_writes_it() {
        let text =
            "1\t0/5000110\tno recovery target specified\n\n2\t0/7000000\tbefore 2026-11-22 05:41:00+00\n";
        let history = TimelineHistory::parse(3, text).unwrap();
        let lsn = |text: &str| text.parse::<Lsn>().unwrap();
        assert_eq!(history.path(), [(3, lsn("0/7000000")), (2, lsn("0/5000110")), (1, Lsn(0))]);
        assert!(history.contains(1, lsn("0/5000110")) && !history.contains(1, lsn("0/5000111")));
        assert!(history.contains(3, lsn("F/0")) && !history.contains(4, Lsn(0)));
        assert!(TimelineHistory::parse(2, "one 0/1").is_err() && TimelineHistory::parse(2, "1 5").is_err());
        assert_eq!(TimelineHistory::root(1).path(), [(1, Lsn(0))]);
    }

    proptest! {
        #[test]
        fn every_segment_survives_its_name(timeline in 1_u32.., number in 0_u64..1 << 33, shift in 20_u32..31) {
            let segment = SegmentName::nth(timeline, number, 1 << shift);
            prop_assert_eq!(segment.number(1 << shift), number);
            prop_assert_eq!(segment.to_string().parse(), Ok(segment));
        }

        #[test]
        fn any_name_is_known_or_refused_without_panic(name in "\\PC{0,30}") {
            let _ = LogFileKind::of(&name);
        }
    }
}
