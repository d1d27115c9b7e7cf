//! Comeback's own backups, of every store: judged exactly, from a repository that nobody writes to.

use std::collections::BTreeMap;
use std::path::Path;

use comeback_engine::clock::Clock;
use comeback_engine::repository::LocalRepository;
use comeback_model::DumpFormat;
use comeback_postgres::{export_table, take_base_backup, take_dump};
use comeback_secrets::{FolderStore, Recipients, export_secrets, keep_export};

use crate::kit::place::files_below;
use crate::kit::postgres_bench::PostgresBench;
use crate::kit::redis_bench::{RedisBench, ask};
use crate::kit::require::local_is_here;
use crate::kit::vault::Vault;
use crate::kit::verify::{Verified, verify};

use super::damages::{Facts, each_damage, each_file, own};

/// Every file of a folder, and its bytes.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_below(folder).into_iter();
    files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

/// Verifies a repository, which is the same afterwards.
fn verify_repository(folder: &Path, args: &[&str]) -> Verified {
    let before = content(folder);
    let verified = verify(&[&[folder.to_str().unwrap()], args].concat());
    assert!(content(folder) == before, "the repository was written to");
    verified
}

#[track_caller]
fn is_exact(verified: &Verified, id: &str, judges: &[&str]) {
    let passed = verified.passed();
    for judge in judges {
        let line = format!("exact {judge}: ");
        assert!(passed.iter().any(|check| check.starts_with(&line)), "no {judge}: {passed:#?}");
    }
    assert_eq!(verified.report["drills"][0]["artefact"]["id"], id);
}

/// Changes a byte in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_redis_is_exact_and_a_damaged_one_is_not() {
    let Some(bench) = RedisBench::local().await else { return };
    let older = bench.snapshot().await;
    ask::<()>(&bench.primary, &["SET", "later", "1"]).await;
    let newer = bench.snapshot().await;
    let folder = bench.folder.path();
    is_exact(&verify_repository(folder, &["--require", "exact"]), &newer.id, &["fingerprint"]);
    let select = ["--select", older.id.as_str()];
    is_exact(&verify_repository(folder, &select), &older.id, &["fingerprint"]);
    // The folder of one backup.
    is_exact(&verify_repository(&folder.join(&older.id), &[]), &older.id, &["fingerprint"]);
    let unknown = verify_repository(folder, &["--select", "nothing"]);
    assert!(unknown.code == 2 && unknown.printed.contains(&newer.id), "{}", unknown.printed);
    // Another content under the same manifest.
    let file = bench.unpacked(&older).await;
    bench.store_unpacked(&newer, &file).await;
    verify_repository(folder, &[]).finds(&["restore content-differs", "later"]);
    flip(&folder.join(&newer.id).join("dump.rdb.gz"));
    verify_repository(folder, &[]).finds(&["restore backup-damaged", &newer.id]);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_exact_with_their_manifest_and_readable_without_it() {
    let vault = Vault::new().await;
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path().join("repository")).await.unwrap();
    let store = FolderStore::open(vault.store()).unwrap();
    let recipients = Recipients::parse(&vault.recipients).unwrap();
    let out = folder.path().join("out/secrets.age");
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let exported = export_secrets(&store, &recipients, &out, &Clock::machine()).await.unwrap();
    let kept = keep_export(&exported, &repository).await.unwrap();
    let (daily, root) = (vault.key("daily"), folder.path().join("repository"));
    let identity = ["--identity", daily.as_str()];

    is_exact(&verify_repository(&root, &identity), &kept.id, &["opened-secrets"]);
    let alone = verify(&[&[out.to_str().unwrap()], &identity[..]].concat());
    let passed = alone.passed();
    assert!(!passed.iter().any(|line| line.starts_with("exact ")), "{passed:#?}");
    assert!(passed.iter().any(|line| line.contains("have the CRC32C beside them")), "{passed:#?}");
    for verified in [&alone, &verify_repository(&root, &identity)] {
        let told = verified.printed.clone() + &verified.report.to_string();
        let leaked =
            vault.values.iter().any(|value| told.contains(String::from_utf8_lossy(value).trim_end()));
        assert!(!leaked && !told.contains("AGE-SECRET-KEY-1"), "{told}");
    }

    // Without a key, with another one, and damaged.
    let other = folder.path().join("other");
    comeback_secrets::make_identity(&other).unwrap();
    let refused = verify(&[out.to_str().unwrap()]);
    assert!(refused.code == 2 && refused.printed.contains("--identity"), "{}", refused.printed);
    let export = std::fs::read(&out).unwrap();
    let with_key = |key: &str, bytes: &[u8]| {
        let file = folder.path().join("damaged.age");
        std::fs::write(&file, bytes).unwrap();
        verify(&[file.to_str().unwrap(), "--identity", key])
    };
    each_file(own::EXPORTS, |_| &export, |bytes, _| with_key(&daily, bytes));
    each_file(own::LOCKED, |_| &export, |bytes, _| with_key(other.to_str().unwrap(), bytes));
    flip(&root.join(&kept.id).join("secrets.json.age"));
    verify_repository(&root, &identity).finds(&["restore backup-damaged", &kept.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_of_postgres_are_exact_and_an_export_of_a_table_is_counted() {
    let Some(bench) = PostgresBench::local().await else { return };
    bench
        .sql("postgres", "create table t (id int primary key, title text); insert into t select n, 'it is ' || n from generate_series(1, 500) n")
        .await;
    let (address, programs, repository) =
        (bench.server.address(), bench.server.programs(), &*bench.repository);
    let base = take_base_backup(address, &programs, repository).await.unwrap();
    bench.sql("postgres", "create database app").await;
    bench
        .sql("app", "create table u (id int primary key); insert into u select generate_series(1, 50)")
        .await;
    let dump = take_dump(address, &programs, "app", repository, DumpFormat::Plain).await.unwrap();
    let csv = export_table(address, "postgres", "public.t", repository).await.unwrap();
    let root = bench.folder.path().to_owned();
    bench.server.stop().await.unwrap();

    let exact = ["row-counts", "fingerprint", "catalogue"];
    is_exact(&verify_repository(&root, &["--select", &base.id]), &base.id, &exact);
    is_exact(&verify_repository(&root, &["--select", &dump.id]), &dump.id, &exact);
    // The newest of all kinds is the export, and its columns have no types: nothing is claimed to be exact.
    let scratch = tempfile::tempdir().unwrap();
    let reference = scratch.path().join("reference.json");
    let newest = verify_repository(&root, &["--reference", reference.to_str().unwrap(), "--record"]);
    assert!(std::fs::read_to_string(&reference).unwrap().contains("\"csv\": {"));
    let passed = newest.passed();
    assert!(passed.iter().any(|line| line.contains("500 records of 2 fields")), "{passed:#?}");
    assert!(!passed.iter().any(|line| line.starts_with("exact ")), "{passed:#?}");
    let unsigned = format!("provenance signature {}", csv.id);
    let mut unseen = newest.not_looked_at();
    unseen.sort();
    assert_eq!(unseen, ["csv-shape table-definition id, title".to_owned(), unsigned]);
    assert_eq!(newest.report["drills"][0]["artefact"]["id"], csv.id.as_str());

    let mut facts = Facts::default();
    for (kind, manifest) in [(own::BASE, &base), (own::DUMP, &dump), (own::EXPORT, &csv)] {
        facts.tell(kind, manifest.id.as_str());
    }
    each_damage(
        own::REPOSITORY,
        &facts,
        |_| root.clone(),
        |kind, repository| verify_repository(repository, &["--select", facts.get(kind)]),
    );
    bench.clear().await;
}

#[test]
fn a_csv_file_of_somebody_else_is_counted_and_each_damage_is_found() {
    if !local_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = "id,name\n1,Gr\u{fc}n\n2,\"Bob\"\n".as_bytes();
    let verify = |bytes: &[u8], number: usize| {
        let file = folder.path().join(format!("{number}.csv"));
        std::fs::write(&file, bytes).unwrap();
        verify(&[file.to_str().unwrap()])
    };
    let passed = verify(whole, own::TABLES.len()).passed();
    assert!(passed.iter().any(|line| line.contains("2 records of 2 fields")), "{passed:#?}");
    each_file(own::TABLES, |_| whole, verify);
}
