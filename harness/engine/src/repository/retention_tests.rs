//! Random catalogues of backups are pruned, and what must stay does.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use comeback_error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::{PublicKey, Reader, Repository, Retention, SIGNATURE_FILE, SigningKey, Upload, prune_all};
use crate::sha256::Sha256;

const DAY: Duration = Duration::from_hours(24);
const SEGMENT_BYTES: u64 = 16 << 20;
const CONTENT: &[u8] = b"content";

/// A backup of a random catalogue.
#[derive(Debug, Clone)]
struct One {
    /// `None`: an older version did not record it.
    source: Option<u8>,
    is_base: bool,
    /// Its age in days; in the future if it is negative.
    age: i64,
    is_damaged: bool,
    is_readable: bool,
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn one() -> impl Strategy<Value = One> {
    let source = prop::option::weighted(0.9, 0_u8..3);
    (source, any::<bool>(), -3_i64..400, prop::bool::weighted(0.3), prop::bool::weighted(0.97)).prop_map(
        |(source, is_base, age, is_damaged, is_readable)| One {
            source,
            is_base,
            age,
            is_damaged,
            is_readable,
        },
    )
}

/// The segment in which replay of a base backup begins: the older, the smaller.
fn start(one: &One) -> u64 {
    u64::try_from(500 - one.age).unwrap()
}

/// Whether a key has signed a backup.
type HasSigned = fn(&One) -> bool;

struct Catalogue {
    backups: Mutex<BTreeMap<String, One>>,
    /// The log of each cluster, by stored name.
    log: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// The key that is trusted, and what it signed.
    signer: Option<(SigningKey, HasSigned)>,
    trusted: Vec<PublicKey>,
    warnings: Vec<String>,
}

impl Catalogue {
    fn new(ones: Vec<One>) -> Self {
        let backups =
            ones.into_iter().enumerate().map(|(at, one)| (format!("backup-{at:02}"), one)).collect();
        let names = (90_u64..510).step_by(7).flat_map(|number| {
            let name = format!("{:08X}{:08X}{:08X}", 1 + number % 2, number / 256, number % 256);
            [format!("{name}-{}.zst", "a".repeat(64)), format!("{name}-claim")]
        });
        let names: BTreeSet<_> = names.chain(["00000002.history-claim".to_owned()]).collect();
        let log = (0..3).map(|cluster| (cluster.to_string(), names.clone())).collect();
        let (backups, log) = (Mutex::new(backups), Mutex::new(log));
        Self { backups, log, signer: None, trusted: Vec::new(), warnings: Vec::new() }
    }

    fn backups(&self) -> BTreeMap<String, One> {
        self.backups.lock().unwrap().clone()
    }

    fn log_of(&self, cluster: u8) -> BTreeSet<String> {
        self.log.lock().unwrap()[&cluster.to_string()].clone()
    }
}

fn not_here<T>() -> Result<T> {
    Err(Error::usage("this repository is pruned and nothing else"))
}

#[async_trait]
impl Repository for Catalogue {
    fn location(&self) -> String {
        "catalogue".to_owned()
    }

    fn trusted_keys(&self) -> &[PublicKey] {
        &self.trusted
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    async fn begin(&self, _: &str) -> Result<Box<dyn Upload>> {
        not_here()
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.backups().into_keys().rev().collect())
    }

    async fn manifest_bytes(&self, id: &str) -> Result<Vec<u8>> {
        let one = &self.backups()[id];
        if !one.is_readable {
            return Ok(b"{".to_vec());
        }
        let at = now().checked_sub(SignedDuration::from_hours(24 * one.age)).unwrap();
        let kind = if one.is_base { "postgres_base_backup" } else { "postgres_dump" };
        let log = one.source.filter(|_| one.is_base).map(|cluster| {
            let position = comeback_model::Lsn(start(one) * SEGMENT_BYTES + 40);
            json!({
                "system_identifier": cluster.to_string(), "timeline": 1, "segment_bytes": SEGMENT_BYTES,
                "start_lsn": position, "end_lsn": position,
            })
        });
        let manifest = json!({
            "manifest_version": 1, "id": id, "started_at": at, "taken_at": at, "elapsed_ms": 1, "versions": {},
            "files": [{ "name": "file", "bytes": CONTENT.len(), "sha256": Sha256::of(CONTENT) }],
            "sealed": {
                "kind": kind, "figures": "", "log": log,
                "source": one.source.map(|cluster| format!("cluster {cluster}")),
            },
        });
        Ok(manifest.to_string().into_bytes())
    }

    async fn beside(&self, id: &str, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((key, has_signed)) = self.signer.as_ref().filter(|_| name == SIGNATURE_FILE) else {
            return Ok(None);
        };
        let is_signed = has_signed(&self.backups()[id]);
        Ok(if is_signed { Some(key.sign(&self.manifest_bytes(id).await?)) } else { None })
    }

    async fn open(&self, id: &str, _: &str) -> Result<Reader> {
        let content: &[u8] = if self.backups()[id].is_damaged { b"damaged" } else { CONTENT };
        Ok(Box::new(content))
    }

    async fn remove(&self, id: &str) -> Result<()> {
        self.backups.lock().unwrap().remove(id).unwrap();
        Ok(())
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        not_here()
    }

    async fn list_log(&self, cluster: &str, _: &str) -> Result<Vec<String>> {
        Ok(self.log.lock().unwrap()[cluster].iter().cloned().collect())
    }

    async fn put_log(&self, _: &str, _: &str, _: &[u8]) -> Result<()> {
        not_here()
    }

    async fn put_log_new(&self, _: &str, _: &str, _: &[u8]) -> Result<bool> {
        not_here()
    }

    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()> {
        assert!(self.log.lock().unwrap().get_mut(cluster).unwrap().remove(name), "{name}");
        Ok(())
    }

    async fn open_log(&self, _: &str, _: &str) -> Result<Reader> {
        not_here()
    }
}

async fn check(ones: Vec<One>, retention: Retention) {
    let catalogue = Catalogue::new(ones);
    let (before, log_before) = (catalogue.backups(), [0, 1, 2].map(|cluster| catalogue.log_of(cluster)));
    let dry = prune_all(&catalogue, now(), retention, true).await.unwrap();
    assert_eq!(catalogue.backups().len(), before.len(), "a dry run removes nothing");
    assert_eq!(prune_all(&catalogue, now(), retention, false).await.unwrap(), dry);
    let after = catalogue.backups();
    let removed = |id: &String| !after.contains_key(id);
    assert_eq!(before.keys().filter(|id| removed(id)).count(), dry.removed.len());
    for (id, one) in &before {
        let may_go = one.source.is_some() && one.is_readable && one.age >= 0;
        assert!(may_go || !removed(id), "{id} {one:?}");
    }
    for group in [0, 1, 2].into_iter().flat_map(|source| [(source, true), (source, false)]) {
        let is_of = |one: &One| one.is_readable && (one.source, one.is_base) == (Some(group.0), group.1);
        let of_group: Vec<_> = before.iter().filter(|(_, one)| is_of(one)).collect();
        // The newest first, as they are counted.
        let mut past: Vec<_> = of_group.iter().copied().filter(|(_, one)| one.age >= 0).collect();
        past.sort_by(|one, other| (one.1.age, other.0).cmp(&(other.1.age, one.0)));
        let good = past.iter().find(|(_, one)| !one.is_damaged);
        let has_good = of_group.iter().any(|(_, one)| !one.is_damaged);
        for (at, (id, one)) in past.iter().enumerate() {
            let is_young =
                retention.keep.is_some_and(|keep| one.age.unsigned_abs() * 86_400 <= keep.as_secs());
            let is_among_last = retention.keep_last.is_some_and(|last| at < last.get());
            let is_last_good = good.is_some_and(|(good, _)| good == id);
            let stays = is_young || is_among_last || is_last_good || !has_good;
            assert_eq!(removed(id), !stays, "{id} {one:?}");
        }
    }
    for (cluster, log_before) in (0..3).zip(log_before) {
        let needs = |one: &One| one.is_base && one.source == Some(cluster);
        let oldest = after.values().filter(|one| needs(one)).map(start).min();
        let gone: Vec<_> = log_before.difference(&catalogue.log_of(cluster)).cloned().collect();
        for name in &gone {
            let number = u64::from_str_radix(&name[8..16], 16).unwrap() * 256
                + u64::from_str_radix(&name[16..24], 16).unwrap();
            assert!(oldest.is_some_and(|oldest| number < oldest), "{name} is needed");
        }
        let is_all_readable = before.values().all(|one| one.is_readable);
        let has_good = after.values().any(|one| needs(one) && !one.is_damaged);
        assert!(gone.is_empty() || (is_all_readable && has_good), "{gone:?}");
    }
}

proptest! {
    #[test]
    fn what_must_stay_does(
        ones in prop::collection::vec(one(), 0..25),
        keep in prop::option::of(0_u32..300),
        keep_last in prop::option::of(1_usize..6),
    ) {
        let keep_last = keep_last.and_then(NonZeroUsize::new);
        let keep = keep.map(|days| DAY * days).or_else(|| keep_last.is_none().then_some(DAY));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(ones, Retention { keep, keep_last }));
    }
}

/// Three sources share a repository, and one of them has made no backup for a year.
#[tokio::test]
async fn a_source_that_stalled_for_a_year_keeps_its_last_good_backup() {
    let of = |source, age, is_damaged| One {
        source: Some(source),
        is_base: true,
        age,
        is_damaged,
        is_readable: true,
    };
    let nightly = (0..60).flat_map(|age| [of(0, age, false), of(1, age, false)]);
    let stalled = [of(2, 365, true), of(2, 366, false), of(2, 367, false)];
    let catalogue = Catalogue::new(nightly.chain(stalled).collect());
    let retention = Retention { keep: Some(DAY * 30), keep_last: None };
    let pruned = prune_all(&catalogue, now(), retention, false).await.unwrap();
    let left: Vec<_> = catalogue.backups().into_values().filter(|one| one.source == Some(2)).collect();
    assert_eq!(left.iter().map(|one| (one.age, one.is_damaged)).collect::<Vec<_>>(), [(366, false)]);
    assert_eq!(catalogue.backups().len(), 31 + 31 + 1);
    assert_eq!(pruned.log.len(), 3, "{:?}", pruned.log);
}

fn dump(age: i64) -> One {
    One { source: Some(0), is_base: false, age, is_damaged: false, is_readable: true }
}

/// Somebody who may write into the repository, and has no key, writes backups of today.
#[tokio::test]
async fn backups_that_no_trusted_key_signed_stay_and_do_not_count() {
    let mut catalogue = Catalogue::new([0, 0, 1, 40, 50].map(dump).to_vec());
    let key = SigningKey::random("ours").unwrap();
    catalogue.trusted = vec![key.public().clone()];
    catalogue.signer = Some((key, |one| one.age >= 40));
    let retention = Retention { keep: None, keep_last: NonZeroUsize::new(1) };
    let pruned = prune_all(&catalogue, now(), retention, false).await.unwrap();
    assert_eq!(pruned.removed, ["backup-04"], "the newest signed one stays");
    let kept: Vec<_> = pruned.kept.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(kept, ["backup-02", "backup-01", "backup-00"]);
    assert!(pruned.kept.iter().all(|(_, why)| why.contains("no trusted key vouches for it")), "{pruned:?}");
}

#[tokio::test]
async fn nothing_is_pruned_by_a_clock_that_may_be_wrong() {
    let mut catalogue = Catalogue::new([0, 40, 50].map(dump).to_vec());
    catalogue.warnings.push("the clock of this machine is 600 s ahead".to_owned());
    let retention = Retention { keep: Some(DAY), keep_last: None };
    let refused = prune_all(&catalogue, now(), retention, false).await.unwrap_err();
    assert_eq!(refused.kind(), comeback_error::ErrorKind::CouldNotVerify);
    assert!(refused.message().contains("600 s ahead"), "{refused}");
    assert_eq!(catalogue.backups().len(), 3);
}
