//! The versions of one key, in the order in which they were live.

use jiff::Timestamp;

use super::ObjectVersion;

/// An event of a key, for stores that report events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectEvent {
    /// A version was written. The next event gives its end.
    Written(ObjectVersion),
    /// The key was deleted at this moment: a delete marker.
    Deleted(Timestamp),
}

impl ObjectEvent {
    fn at(&self) -> Timestamp {
        match self {
            Self::Written(version) => version.created_at,
            Self::Deleted(at) => *at,
        }
    }
}

/// What a bucket still holds of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHistory {
    /// The key.
    pub key: String,
    /// Its versions, in the order in which they were written. Times never decide the order: two versions may have
    /// the same time.
    pub versions: Vec<ObjectVersion>,
}

impl KeyHistory {
    /// The history from a list of events, the oldest first: each version ends with the next event.
    ///
    /// If a version was removed for good, the previous version seems to have lived longer than it did: the list
    /// does not show this. An inventory of that moment does.
    pub fn from_events(key: impl Into<String>, events: Vec<ObjectEvent>) -> Self {
        let ends: Vec<_> = events.iter().skip(1).map(|next| Some(next.at())).chain([None]).collect();
        let versions = events.into_iter().zip(ends).filter_map(|(event, ended_at)| match event {
            ObjectEvent::Written(version) => Some(ObjectVersion { ended_at, ..version }),
            ObjectEvent::Deleted(_) => None,
        });
        Self { key: key.into(), versions: versions.collect() }
    }

    /// The version that was live at a moment: the last one written by then, if it had not ended by then. An event
    /// at exactly that moment has happened. Of several events with the same time, the last one counts.
    pub fn live_at(&self, moment: Timestamp) -> Option<&ObjectVersion> {
        let last = self.versions.iter().rev().find(|version| version.created_at <= moment)?;
        last.ended_at.is_none_or(|ended| ended > moment).then_some(last)
    }

    /// The version that is live now.
    pub fn live(&self) -> Option<&ObjectVersion> {
        self.versions.last().filter(|version| version.ended_at.is_none())
    }

    /// The version with this name.
    pub fn version(&self, name: &str) -> Option<&ObjectVersion> {
        self.versions.iter().find(|version| version.version == name)
    }
}
