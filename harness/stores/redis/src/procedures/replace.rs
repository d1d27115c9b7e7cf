//! Replaces the content of a running server by that of a snapshot, all at once.

use comeback_engine::repository::Repository;
use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::{KeyspaceFingerprint, Manifest, Phase, RedisSnapshot, Verdict};

use crate::judges::{AccessJudge, DamagedState, KeyCounts, KeyspaceJudge};
use crate::{
    Judgement, Loaded, RedisAddress, RedisNodes as _, RedisServer, Replaced, RestoreSettings, ServerAccess,
    Settled, replace_keyspace, restore_snapshot,
};

/// A replacement that has begun: the damaged state was saved, and nothing was changed.
pub struct KeyspaceReplacement {
    target: RedisAddress,
    access: ServerAccess,
}

/// A snapshot that a throw-away server has loaded.
pub struct ProvenSnapshot<'a> {
    /// The throw-away server.
    pub proof: RedisServer,
    /// What it reported.
    pub loaded: Loaded,
    snapshot: &'a RedisSnapshot,
    recorded: &'a KeyspaceFingerprint,
    replacement: KeyspaceReplacement,
}

/// The content of the snapshot is in place, and the damaged content is kept beside it.
pub struct ReplacedKeyspace<'a> {
    /// The result of the replacement.
    pub replaced: Replaced,
    target: RedisAddress,
    access: ServerAccess,
    snapshot: &'a RedisSnapshot,
    recorded: &'a KeyspaceFingerprint,
}

impl KeyspaceReplacement {
    /// Saves the content of the damaged server in a separate repository. A damaged server may be unreadable
    /// and can still be restored; then the check could not verify that its content was saved.
    pub async fn begin(course: &Course, target: &RedisAddress, evidence: &dyn Repository) -> Result<Self> {
        course.step(Phase::Recover, "take a snapshot of the damaged server, as evidence");
        let access = ServerAccess::read(target).await?;
        course.judge(&DamagedState { server: target, evidence, clock: course.clock() }).await;
        Ok(Self { target: target.clone(), access })
    }

    /// Loads the snapshot on a throw-away server.
    pub async fn prove<'a>(self, course: &mut Course, snapshot: &'a Manifest) -> Result<ProvenSnapshot<'a>> {
        course.step(Phase::Recover, "prove on a throw-away server that the snapshot loads");
        let (about, recorded) = snapshot.content.keyspace()?;
        let proof = course.redis_node("proof").await?;
        let settings = RestoreSettings::default();
        let restored = restore_snapshot(&proof, course.repository(), snapshot, &settings).await;
        let (_, loaded) = course.restored(restored)?;
        course.note(format!("{} loads: {} keys; {} had expired", snapshot.id, loaded.keys, loaded.expired));
        Ok(ProvenSnapshot { proof, loaded, snapshot: about, recorded, replacement: self })
    }
}

impl<'a> ProvenSnapshot<'a> {
    /// Puts the content in place.
    pub async fn exchange(self, course: &Course) -> Result<ReplacedKeyspace<'a>> {
        course.step(
            Phase::Recover,
            "copy it beside what the damaged server holds, compare the copy, and exchange the two all at once",
        );
        let KeyspaceReplacement { target, access } = self.replacement;
        let replaced = replace_keyspace(&self.proof.address(), &target, self.recorded).await?;
        course.note(format!(
            "{} keys were copied and compared in {} ms beside the damaged ones, and exchanged for them in {} µs",
            replaced.keys, replaced.copy_ms, replaced.exchange_us
        ));
        Ok(ReplacedKeyspace { replaced, target, access, snapshot: self.snapshot, recorded: self.recorded })
    }
}

impl ReplacedKeyspace<'_> {
    /// Counts the keys.
    pub async fn count_keys(&self, course: &Course) {
        course.step(Phase::Recover, "verify the number of keys against the snapshot's manifest");
        let set_aside = &self.replaced.set_aside();
        course.judge(&KeyCounts { server: &self.target, recorded: self.recorded, set_aside }).await;
    }

    /// Compares every key, and checks who can log in. Returns the verdict of the judge of the keys.
    pub async fn judge(&self, course: &Course) -> Verdict {
        course.step(Phase::Judge, "prove that every key came back, and that nothing else is there");
        let (server, recorded) = (&self.target, self.recorded);
        let set_aside = &self.replaced.set_aside();
        let judged = course.judge(&KeyspaceJudge { server, recorded, set_aside }).await;
        course.judge(&AccessJudge { server, recorded: self.snapshot, before: self.access }).await;
        judged
    }

    /// Ends the replacement according to the verdict of the judge of the keys.
    pub async fn settle(self, course: &Course, judged: Verdict) -> Result<Settled> {
        course.step(Phase::Judge, "remove the damaged content that was kept, or bring it back");
        let settled = self.replaced.settle(judgement(judged)).await?;
        course.note(told(&settled));
        Ok(settled)
    }
}

fn judgement(judged: Verdict) -> Judgement {
    match judged {
        Verdict::Verified => Judgement::Agreed,
        Verdict::Failed => Judgement::Disagreed,
        _ => Judgement::Unknown,
    }
}

fn told(settled: &Settled) -> String {
    match settled {
        Settled::New => "the judges agree: the damaged content is removed".to_owned(),
        Settled::Old => "the judges disagree: the server serves what it held before".to_owned(),
        Settled::Both { why, back, .. } => format!("{why}: both are kept; to go back: {back}"),
    }
}
