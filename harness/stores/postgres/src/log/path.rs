//! Plans the path through a log archive: the files from a base backup along the timelines to a target, and
//! the first missing one.

use std::collections::{BTreeMap, BTreeSet};

use comeback_engine::repository::{LogArchive, LogFile};
use comeback_model::{
    BaseBackupPosition, Finding, FindingCode, LogFileKind, Lsn, RecoveryPoint, RecoveryTarget, SegmentName,
    TimelineHistory, history_name,
};

use crate::error::{Error, Result};

/// The files of an archive, by name.
pub(crate) type Inventory = BTreeMap<String, Vec<LogFile>>;

/// A segment on the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The name for which the server will ask.
    pub(crate) segment: SegmentName,
    /// The archive's files for it: one file, or several `.partial` segments. Empty if the base backup
    /// contains the segment.
    pub(crate) files: Vec<LogFile>,
}

/// The path as far as it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogPath {
    /// The segments, in the order of replay.
    pub(crate) steps: Vec<Step>,
    /// The first missing segment, and the first one after it, if there is one.
    pub(crate) gap: Option<(SegmentName, SegmentName)>,
}

impl LogPath {
    /// Plans the path from a position on, with the server's rule: if several timelines have a segment, the
    /// newest is used. `own` are the segments that the backup contains; nothing after `until` is needed.
    pub(crate) fn plan(
        inventory: &Inventory,
        own: &BTreeSet<SegmentName>,
        history: &TimelineHistory,
        from: Lsn,
        until: Option<Lsn>,
        segment_bytes: u64,
    ) -> Self {
        let on_path = |name: &SegmentName| {
            let number = name.number(segment_bytes);
            candidates(history, number, segment_bytes).any(|one| one == *name)
        };
        let archived = inventory.keys().filter_map(|name| match LogFileKind::of(name) {
            Some(LogFileKind::Segment(segment) | LogFileKind::Partial(segment)) => Some(segment),
            _ => None,
        });
        let numbers = archived.chain(own.iter().copied()).filter(on_path);
        let last = numbers.map(|name| name.number(segment_bytes)).max();
        let limit = until.map(|lsn| lsn.0 / segment_bytes);
        let mut path = Self { steps: Vec::new(), gap: None };
        let find = |number| {
            candidates(history, number, segment_bytes).find_map(|segment| find_step(inventory, own, segment))
        };
        for number in from.0 / segment_bytes..=last.unwrap_or(0) {
            if limit.is_some_and(|limit| number > limit) {
                break;
            }
            if let Some(step) = find(number) {
                path.steps.push(step);
                continue;
            }
            let missing = SegmentName::nth(history.timeline, number, segment_bytes);
            let missing = candidates(history, number, segment_bytes).next().unwrap_or(missing);
            let behind = (number + 1..=last.unwrap_or(0)).find_map(find);
            path.gap = behind.map(|step| (missing, step.segment));
            break;
        }
        path
    }

    /// The finding if the path ends before a segment that was once in the archive.
    pub(crate) fn ends_before(
        &self,
        promised: SegmentName,
        segment_bytes: u64,
        archive: &LogArchive,
    ) -> Option<Finding> {
        let last = self.last();
        if last.is_some_and(|last| last.number(segment_bytes) >= promised.number(segment_bytes)) {
            return None;
        }
        let last =
            last.map_or_else(|| "no segment on the way".to_owned(), |last| format!("{last} as the last one"));
        let subject = archive.describe(&promised.to_string());
        let expected = "every segment that was ever archived, this one the newest";
        let finding = Finding::new(FindingCode::ArchiveGap, subject, expected, last);
        Some(
            finding
                .remedy("look for the segment on the old server and its spool, and for what removed it here"),
        )
    }

    /// The last segment on the path.
    pub(crate) fn last(&self) -> Option<SegmentName> {
        self.steps.last().map(|step| step.segment)
    }
}

/// The names under which the server looks for a segment, in this order.
fn candidates(
    history: &TimelineHistory,
    number: u64,
    segment_bytes: u64,
) -> impl Iterator<Item = SegmentName> + use<> {
    let mut end = u64::MAX;
    let spans = history.path().into_iter().map(move |(timeline, begin)| {
        let span = (timeline, begin.0 / segment_bytes, end);
        end = begin.0 / segment_bytes;
        span
    });
    spans
        .filter(move |(_, first, last)| (*first..=*last).contains(&number))
        .map(move |(timeline, ..)| SegmentName::nth(timeline, number, segment_bytes))
}

fn find_step(inventory: &Inventory, own: &BTreeSet<SegmentName>, segment: SegmentName) -> Option<Step> {
    if own.contains(&segment) {
        return Some(Step { segment, files: Vec::new() });
    }
    let name = segment.to_string();
    let files = inventory.get(&name).or_else(|| inventory.get(&format!("{name}.partial")));
    files.map(|files| Step { segment, files: files.clone() })
}

/// The finding for a gap in an archive.
pub(crate) fn gap_finding(archive: &LogArchive, missing: SegmentName, behind: SegmentName) -> Finding {
    let subject = archive.describe(&missing.to_string());
    let actual = format!("no such segment, although {behind} is there");
    Finding::new(FindingCode::ArchiveGap, subject, "every segment up to the newest", actual)
        .remedy("look for the segment on the old server and its spool; take a base backup at once")
}

/// The nearest position after which no log is needed to reach a target; `None` if it is unknown.
pub(crate) fn end_of_need(target: &RecoveryTarget, position: &BaseBackupPosition) -> Option<Lsn> {
    match target.point {
        RecoveryPoint::Lsn(lsn) => {
            // Replay stops at the first record at or after the position, which may begin in the next segment.
            Some(Lsn(lsn.0.max(position.end_lsn.0) + position.segment_bytes))
        }
        RecoveryPoint::Immediate => Some(Lsn(position.end_lsn.0 + position.segment_bytes)),
        _ => None,
    }
}

/// Reads a timeline's history from the archive; `None` if there is none.
pub(crate) async fn read_history(
    archive: &LogArchive,
    inventory: &Inventory,
    timeline: u32,
) -> Result<Option<TimelineHistory>> {
    let name = history_name(timeline);
    let Some(files) = inventory.get(&name) else { return Ok(None) };
    let [file] = files.as_slice() else {
        let sentence =
            format!("{} is there with {} different contents", archive.describe(&name), files.len());
        return Err(Error::failed(sentence)
            .hint("two servers were promoted to the same timeline and write into one archive: part them"));
    };
    let content = archive.fetch(file).await.map_err(Error::from)?;
    TimelineHistory::parse(timeline, &String::from_utf8_lossy(&content)).map(Some).map_err(Error::failed)
}

/// The history of the timeline to follow from a backup: the timeline that the target names, or else the
/// newest one in the archive that descends from the backup.
pub(crate) async fn choose_history(
    archive: &LogArchive,
    inventory: &Inventory,
    position: &BaseBackupPosition,
    target: &RecoveryTarget,
) -> Result<Option<TimelineHistory>> {
    let comes_from = |history: &TimelineHistory| history.contains(position.timeline, position.end_lsn);
    let own = TimelineHistory::root(position.timeline);
    if let Some(timeline) = target.timeline {
        let history = read_history(archive, inventory, timeline).await?;
        let history = history.or_else(|| (timeline == position.timeline).then_some(own));
        return Ok(history.filter(comes_from));
    }
    for name in inventory.keys().rev() {
        let Some(LogFileKind::History(timeline)) = LogFileKind::of(name) else { continue };
        if let Some(history) = read_history(archive, inventory, timeline).await?.filter(comes_from) {
            return Ok(Some(history));
        }
    }
    Ok(Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT_BYTES: u64 = 16 << 20;

    fn inventory(names: &[&str]) -> Inventory {
        let file = |name: &str| LogFile { name: name.to_owned(), sha256: String::new() };
        names.iter().map(|name| ((*name).to_owned(), vec![file(name)])).collect()
    }

    fn history() -> TimelineHistory {
        // Timeline 2 begins in the middle of segment 5.
        TimelineHistory::parse(2, "1\t0/5800000\tbefore the damage\n").unwrap()
    }

    fn planned(names: &[&str], own: &[&str], until: Option<u64>) -> (Vec<String>, Option<(String, String)>) {
        let own = own.iter().map(|name| name.parse().unwrap()).collect();
        let from = Lsn(3 * SEGMENT_BYTES + 40);
        let until = until.map(|segment| Lsn(segment * SEGMENT_BYTES));
        let path = LogPath::plan(&inventory(names), &own, &history(), from, until, SEGMENT_BYTES);
        let steps = path
            .steps
            .iter()
            .map(|step| step.files.first().map_or(format!("own {}", step.segment), |file| file.name.clone()));
        (steps.collect(), path.gap.map(|(missing, behind)| (missing.to_string(), behind.to_string())))
    }

    #[test]
    fn the_way_follows_the_timelines_and_takes_what_is_there() {
        let all = [
            "00000002.history",
            "000000010000000000000003",
            "000000010000000000000004",
            "000000010000000000000005.partial",
            "000000010000000000000006",
            "000000020000000000000005",
            "000000020000000000000006",
        ];
        let steps = |steps: &[&str]| steps.iter().map(|&step| step.to_owned()).collect::<Vec<_>>();
        let way = ["000000010000000000000003", "000000010000000000000004", "000000020000000000000005"];
        let mut whole = steps(&way);
        whole.push("000000020000000000000006".to_owned());
        assert_eq!(planned(&all, &[], None), (whole, None));
        assert_eq!(planned(&all, &[], Some(5)), (steps(&way), None));
        // Segments of the backup are not fetched again.
        let own = planned(&all[2..], &["000000010000000000000003"], Some(4)).0;
        assert_eq!(own, ["own 000000010000000000000003", "000000010000000000000004"]);
        // Segment 5 exists only as the end of the old timeline.
        let partial = planned(&all[..4], &[], None);
        assert_eq!(partial.0.last().unwrap(), "000000010000000000000005.partial");
        assert_eq!(partial.1, None);
    }

    #[test]
    fn a_missing_segment_is_a_gap_only_if_one_lies_behind_it() {
        let names = ["000000010000000000000003", "000000020000000000000005"];
        let gap = ("000000010000000000000004".to_owned(), "000000020000000000000005".to_owned());
        assert_eq!(planned(&names, &[], None), (vec![names[0].to_owned()], Some(gap)));
        assert_eq!(planned(&names[..1], &[], None), (vec![names[0].to_owned()], None));
        // Nothing is missing before the gap.
        assert_eq!(planned(&names, &[], Some(3)).1, None);
        assert_eq!(planned(&[], &[], None), (vec![], None));
        // A segment of the abandoned timeline after the switch leads nowhere.
        assert_eq!(planned(&["000000010000000000000003", "000000010000000000000006"], &[], None).1, None);
    }
}
