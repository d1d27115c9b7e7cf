//! Compares the version chosen at a moment with a model that replays the history.

use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::{KeyHistory, ObjectEvent, ObjectVersion};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn written(name: usize, second: i64) -> ObjectVersion {
    ObjectVersion {
        key: "k".to_owned(),
        version: name.to_string(),
        created_at: at(second),
        ended_at: None,
        bytes: 1,
        crc32c: None,
        attributes: None,
    }
}

/// The operations on a key, in order; several may have the same second.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write,
    Delete,
}

fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
    let step = prop_oneof![3 => Just(Step::Write), 2 => Just(Step::Delete)];
    proptest::collection::vec((0..3_i64, step), 0..12).prop_map(|gaps| {
        let mut second = 0;
        gaps.into_iter()
            .map(|(gap, step)| {
                second += gap;
                (second, step)
            })
            .collect()
    })
}

/// A store that replays every step up to a moment, and then returns what is there.
fn played(steps: &[(i64, Step)], moment: i64) -> Option<usize> {
    let mut live = None;
    for (name, (second, step)) in steps.iter().enumerate() {
        if *second <= moment {
            live = match step {
                Step::Write => Some(name),
                Step::Delete => None,
            };
        }
    }
    live
}

/// The history as a store with delete markers reports it.
fn from_events(steps: &[(i64, Step)]) -> KeyHistory {
    let events = steps.iter().enumerate().map(|(name, (second, step))| match step {
        Step::Write => ObjectEvent::Written(written(name, *second)),
        Step::Delete => ObjectEvent::Deleted(at(*second)),
    });
    KeyHistory::from_events("k", events.collect())
}

/// The history as a store with generations reports it, which records when each one ended.
fn from_generations(steps: &[(i64, Step)]) -> KeyHistory {
    let mut versions: Vec<ObjectVersion> = Vec::new();
    for (name, (second, step)) in steps.iter().enumerate() {
        if let Some(last) = versions.last_mut() {
            last.ended_at.get_or_insert(at(*second));
        }
        if matches!(step, Step::Write) {
            versions.push(written(name, *second));
        }
    }
    KeyHistory { key: "k".to_owned(), versions }
}

proptest! {
    #[test]
    fn the_version_of_a_moment_is_what_playing_the_history_up_to_it_gives(steps in steps(), moment in -1..40_i64) {
        let expected = played(&steps, moment).map(|name| name.to_string());
        for history in [from_events(&steps), from_generations(&steps)] {
            let chosen = history.live_at(at(moment)).map(|version| version.version.clone());
            prop_assert_eq!(&chosen, &expected, "{:?}", history);
            let live = history.live().map(|version| version.version.clone());
            prop_assert_eq!(live, played(&steps, i64::MAX).map(|name| name.to_string()));
        }
    }

    /// A lifecycle rule removes the oldest ended versions. Whatever it removes, no wrong version is ever chosen
    /// instead of the right one.
    #[test]
    fn after_an_expiry_the_right_version_or_none_is_chosen(
        steps in steps(), moment in 0..40_i64, expired in any::<proptest::sample::Index>()
    ) {
        let whole = from_generations(&steps);
        let ended = whole.versions.iter().filter(|version| version.ended_at.is_some()).count();
        let gone = expired.index(ended + 1);
        let left = KeyHistory { versions: whole.versions[gone..].to_vec(), ..whole.clone() };
        let right = whole.live_at(at(moment)).filter(|version| left.version(&version.version).is_some());
        prop_assert_eq!(left.live_at(at(moment)), right);
    }
}

#[test]
fn what_happens_at_the_moment_itself_has_happened() {
    let steps = [(5, Step::Write), (7, Step::Write), (7, Step::Delete), (9, Step::Delete), (9, Step::Write)];
    let history = from_events(&steps);
    let chosen = |second| history.live_at(at(second)).map(|version| version.version.as_str());
    assert_eq!([4, 5, 6, 7, 8, 9].map(chosen), [None, Some("0"), Some("0"), None, None, Some("4")]);
}
