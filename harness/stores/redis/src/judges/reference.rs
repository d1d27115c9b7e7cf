//! Judge that compares a restored keyspace with what was recorded of an earlier verified restore.

use async_trait::async_trait;
use comeback_engine::artefact::RecordSlot;
use comeback_engine::clock::Clock;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{KeyspaceProfile, NotLookedAt, Profile, Reference, ScopeKind, Tolerance};

use crate::RedisAddress;
use crate::backup::group_server;
use crate::rdb::RdbSummary;

/// Compares the number of keys by type and by the beginning of their names, how many of them expire, how large they
/// are, and the libraries of functions. New keys are no finding.
///
/// Not compared: single keys and values. Of a backup that only the server has read, keys with an expiry are not
/// counted: the server drops those whose time has passed.
pub struct KeyspaceReference<'a> {
    /// The restored server.
    pub server: &'a RedisAddress,
    /// The file that it loaded, if it was read.
    pub file: Option<&'a RdbSummary>,
    /// What was recorded; `None` to record only.
    pub reference: Option<&'a Reference>,
    /// Takes the profile of this restore, for the caller to record.
    pub record: Option<&'a RecordSlot>,
}

#[async_trait]
impl Judge for KeyspaceReference<'_> {
    fn name(&self) -> &'static str {
        if self.reference.is_some() { "reference" } else { "record" }
    }

    async fn judge(&self) -> Result<Opinion> {
        let profile = self.profile().await?;
        if let Some(slot) = self.record {
            slot.set(Profile::Redis(profile.clone().into_record()));
        }
        let Some(reference) = self.reference else {
            return Ok(Opinion::new(format!("read figures of {} keys, to record", profile.keys()), []));
        };
        let Profile::Redis(recorded) = &reference.profile else {
            let of = reference.profile.store();
            return Err(Error::could_not_verify(format!(
                "the reference is of {of}, and the backup is of Redis"
            ))
            .hint("name the reference of this backup with --reference FILE"));
        };
        let drift = recorded.drift(&profile, &Tolerance::default());
        let (findings, accepted) = reference.settle(drift.findings, Clock::machine().today());
        let summary = format!(
            "compared {} groups of {} keys with {}, which has {} keys",
            drift.groups,
            profile.keys(),
            reference.told(),
            recorded.keys()
        );
        let why = "the server dropped those whose time had passed: their number follows the hour";
        let volatile = (drift.volatile > 0)
            .then(|| NotLookedAt::new(ScopeKind::ObjectKind, "the number of keys with an expiry", why));
        Ok(Opinion::new(summary, findings).not_looked_at(accepted).not_looked_at(volatile))
    }
}

impl KeyspaceReference<'_> {
    async fn profile(&self) -> Result<KeyspaceProfile> {
        if let Some(RdbSummary { groups: Some(groups), fingerprint, .. }) = self.file {
            return Ok(KeyspaceProfile::new(groups.clone(), fingerprint.functions.clone(), true));
        }
        let RdbSummary { groups, fingerprint, .. } = group_server(self.server).await?;
        Ok(KeyspaceProfile::new(groups.unwrap_or_default(), fingerprint.functions, false))
    }
}
