//! Judge of a restored keyspace: every key, value, expiry and function must be there, and nothing else.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{
    DatabaseDifference, FIRST_EDITION, Finding, FindingCode, FunctionChange, FunctionDifference, KeyChange,
    KeyDifference, KeyspaceComparison, KeyspaceFingerprint, NotLookedAt, ScopeKind, ValueKind,
};

use crate::rdb::RdbSummary;
use crate::{RedisAddress, RedisClient, fingerprint_server};

/// How many keys to name.
const NAMED: usize = 50;
const REMEDY: &str =
    "do not switch the application to this server: restore again, from an older backup if need be";

/// Compares the content of a server with what was recorded when the backup was taken. A key whose expiry has
/// passed since then is expected to be gone.
pub struct KeyspaceJudge<'a> {
    /// The restored server.
    pub server: &'a RedisAddress,
    /// What was recorded before the disaster.
    pub recorded: &'a KeyspaceFingerprint,
    /// Databases with the replaced content, which is kept until the judges agree. They are not looked at.
    pub set_aside: &'a [u32],
}

#[async_trait]
impl Judge for KeyspaceJudge<'_> {
    fn name(&self) -> &'static str {
        "fingerprint"
    }

    async fn judge(&self) -> Result<Opinion> {
        let read = fingerprint_server(self.server, self.recorded.edition).await?;
        let not_looked_at = not_looked_at(self.recorded, &read);
        let mut actual = read.fingerprint;
        actual.databases.retain(|number, _| !self.set_aside.contains(number));
        let now_ms = RedisClient::connect(self.server, 0).await?.now_ms().await?;
        let comparison = self.recorded.compare(&actual, now_ms);
        judge_comparison(self.recorded, &comparison).map(|opinion| Opinion { not_looked_at, ..opinion })
    }
}

/// What the fingerprint does not cover.
fn not_looked_at(recorded: &KeyspaceFingerprint, read: &RdbSummary) -> Vec<NotLookedAt> {
    let modules = read.modules.iter().map(|module| {
        let why = "what a module keeps beside the keys is not in the fingerprint";
        NotLookedAt::new(ScopeKind::ModuleData, module, why)
    });
    let is_old = recorded.edition == FIRST_EDITION && read.has_streams;
    let streams = is_old.then(|| {
        let why = "first identifiers and times of delivery: the backup's fingerprint was made without them";
        NotLookedAt::new(ScopeKind::ObjectKind, "streams", why)
    });
    modules.chain(streams).collect()
}

fn judge_comparison(recorded: &KeyspaceFingerprint, comparison: &KeyspaceComparison) -> Result<Opinion> {
    if !comparison.differs()
        && let Some(unverified) = comparison.unverified.first()
    {
        return Err(Error::could_not_verify(format!(
            "up to {} keys of database {} could not be compared: {}",
            unverified.keys, unverified.database, unverified.why
        ))
        .hint("compare with the backup's file itself: `comeback backup fetch`"));
    }
    let named = comparison.keys.iter().take(NAMED).map(key_finding);
    let functions = comparison.functions.iter().map(function_finding);
    let databases = comparison.databases.iter().map(database_finding);
    let findings: Vec<_> =
        named.chain(functions).chain(databases).map(|finding| finding.remedy(REMEDY)).collect();
    Ok(Opinion::new(
        format!(
            "{} keys in {} databases and {} function libraries: {}; {} expired in the meantime",
            recorded.keys(),
            recorded.databases.len(),
            recorded.functions.len(),
            if findings.is_empty() { "every one equal" } else { "not all equal" },
            comparison.expired
        ),
        findings,
    ))
}

fn key_finding(difference: &KeyDifference) -> Finding {
    let KeyDifference { database, key, kind, change } = difference;
    let expiry =
        |at: Option<u64>| at.map_or("no expiry".to_owned(), |at| format!("expiry at {}", instant(at)));
    let (code, expected, actual) = match change {
        KeyChange::Lost => (FindingCode::KeyMissing, format!("a {kind}"), "nothing".to_owned()),
        KeyChange::Extra => (FindingCode::KeyExtra, "nothing".to_owned(), format!("a {kind}")),
        KeyChange::ValueChanged if *kind == ValueKind::Stream => (
            FindingCode::StreamChanged,
            "the stream that was recorded".to_owned(),
            "other entries, groups, consumers or pending entries".to_owned(),
        ),
        KeyChange::ValueChanged => {
            (FindingCode::KeyChanged, format!("the {kind} that was recorded"), "another value".to_owned())
        }
        KeyChange::TypeChanged { expected, actual } => {
            (FindingCode::KeyTypeChanged, format!("a {expected}"), format!("a {actual}"))
        }
        KeyChange::ExpiryLost { expected_ms } => {
            (FindingCode::ExpiryLost, expiry(Some(*expected_ms)), expiry(None))
        }
        KeyChange::ExpiryShortened { expected_ms, actual_ms } => {
            (FindingCode::ExpiryShortened, expiry(*expected_ms), expiry(Some(*actual_ms)))
        }
        KeyChange::ExpiryLengthened { expected_ms, actual_ms } => {
            (FindingCode::ExpiryLengthened, expiry(Some(*expected_ms)), expiry(Some(*actual_ms)))
        }
        KeyChange::WrongDatabase { actual } => (
            FindingCode::KeyMoved,
            format!("a {kind} in database {database}"),
            format!("in database {actual}"),
        ),
    };
    Finding::new(code, format!("database {database}"), expected, actual).key(format!("key={key}"))
}

fn function_finding(difference: &FunctionDifference) -> Finding {
    let (code, expected, actual) = match difference.change {
        FunctionChange::Lost => (FindingCode::FunctionMissing, "the library", "nothing"),
        FunctionChange::Extra => (FindingCode::FunctionExtra, "nothing", "a library"),
        FunctionChange::Changed => (FindingCode::FunctionChanged, "the code that was recorded", "other code"),
    };
    Finding::new(code, format!("function library {}", difference.library), expected, actual)
}

fn database_finding(difference: &DatabaseDifference) -> Finding {
    let DatabaseDifference { database, expected_keys, actual_keys, estimate } = difference;
    let about = estimate.map_or_else(String::new, |keys| format!(", about {keys} of them different"));
    let code = if expected_keys == actual_keys { FindingCode::ContentDiffers } else { FindingCode::KeyCount };
    Finding::new(
        code,
        format!("database {database}"),
        format!("{expected_keys} keys"),
        format!("{actual_keys} keys{about}"),
    )
}

/// An instant for people; one outside of the calendar stays a number.
fn instant(at_ms: u64) -> String {
    let instant = i64::try_from(at_ms).ok().and_then(|at_ms| jiff::Timestamp::from_millisecond(at_ms).ok());
    instant.map_or_else(|| format!("{at_ms} ms"), |instant| instant.to_string())
}

/// Compares the number of keys in each database. This is quick and proves little, but the runbook asks for
/// it.
pub struct KeyCounts<'a> {
    /// The restored server.
    pub server: &'a RedisAddress,
    /// What was recorded before the disaster.
    pub recorded: &'a KeyspaceFingerprint,
    /// As for [`KeyspaceJudge`].
    pub set_aside: &'a [u32],
}

#[async_trait]
impl Judge for KeyCounts<'_> {
    fn name(&self) -> &'static str {
        "key-counts"
    }

    async fn judge(&self) -> Result<Opinion> {
        let mut found = RedisClient::connect(self.server, 0).await?.key_counts().await?;
        found.retain(|number, _| !self.set_aside.contains(number));
        let numbers =
            self.recorded.databases.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>();
        let findings = numbers.into_iter().filter_map(|number| {
            let recorded = self.recorded.databases.get(number);
            let most = recorded.map_or(0, |database| database.keys);
            // Expiring keys may be gone by now; the others may not.
            let least = most - recorded.map_or(0, |database| database.expiring);
            let keys = found.get(number).copied().unwrap_or(0);
            (!(least..=most).contains(&keys)).then(|| {
                let expected = format!("{least} to {most} keys");
                Finding::new(
                    FindingCode::KeyCount,
                    format!("database {number}"),
                    expected,
                    format!("{keys} keys"),
                )
                .remedy(REMEDY)
            })
        });
        let total: u64 = found.values().sum();
        Ok(Opinion::new(format!("{total} keys of {} recorded", self.recorded.keys()), findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::fingerprint_rdb;

    #[test]
    fn what_the_fingerprint_does_not_hold_is_said() {
        // A module's data beside the keys: its name and version, an unsigned number, the end mark.
        let beside = b"REDIS0011\xF7\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x08\x00\xFF\0\0\0\0\0\0\0\0";
        let recorded = KeyspaceFingerprint::default();
        let read = fingerprint_rdb(&beside[..]).unwrap();
        let told = not_looked_at(&recorded, &read);
        assert_eq!(told.iter().map(|one| one.kind).collect::<Vec<_>>(), [ScopeKind::ModuleData]);
        assert_eq!(told[0].subject, read.modules[0]);
        // A fingerprint of the first edition, and a stream.
        let recorded = KeyspaceFingerprint { edition: FIRST_EDITION, ..recorded };
        let read = RdbSummary { has_streams: true, modules: Vec::new(), ..read };
        let told = not_looked_at(&recorded, &read);
        assert_eq!(told.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["streams"]);
        assert_eq!(not_looked_at(&KeyspaceFingerprint::default(), &read), []);
    }
}
