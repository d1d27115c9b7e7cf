//! The table of damages to backups of other people: each is found by the statement that the table names, for its own
//! reason, and is not claimed where nothing can find it.

pub(crate) mod base_backups;
pub(crate) mod chains;
mod contents;
mod dumps;
mod edit;
pub(crate) mod own;
pub(crate) mod pgbackrest;
pub(crate) mod redis;
mod row;
mod shop;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::verify::{Verified, each, standing};
use contents::{ARCHIVED, EMPTIED, UNLIKE, UNSOUND};
pub(crate) use row::Facts;
use row::{Row, table};
use shop::Shop;

#[test]
fn the_table_says_of_each_damage_who_finds_it() {
    let physical = [base_backups::PLAIN, base_backups::TARS, base_backups::ARCHIVE];
    let of_redis = [redis::FILES, redis::FOLDERS];
    let others = [
        pgbackrest::ROWS,
        chains::OF_BARMAN,
        chains::INCREMENTAL,
        own::REPOSITORY,
        own::TRUSTED,
        own::TABLES,
        own::EXPORTS,
        own::LOCKED,
    ];
    let rows =
        [&[dumps::ROWS, UNSOUND, EMPTIED, UNLIKE, ARCHIVED][..], &physical, &of_redis, &others].concat();
    insta::assert_snapshot!("table", table(&rows));
}

/// Does each damage to the bytes of its backup, and verifies them: each has its number.
pub(crate) fn each_file<'a>(
    rows: &[Row],
    intact: impl Fn(&str) -> &'a [u8] + Sync,
    verify: impl Fn(&[u8], usize) -> Verified + Sync,
) {
    each(rows.iter().zip(0..), |(row, number): (&Row, usize)| {
        row.judge(&verify(&row.damage_bytes(intact(row.of)), number), &Facts::default());
    });
}

/// Does each damage to a copy of its backup, which lies beside it, and verifies the copy of this kind.
pub(crate) fn each_damage(
    rows: &[Row],
    facts: &Facts,
    intact: impl Fn(&str) -> PathBuf + Sync,
    verify: impl Fn(&str, &Path) -> Verified + Sync,
) {
    each(rows.iter(), |row| {
        let intact = intact(row.of);
        let beside = tempfile::tempdir_in(intact.parent().unwrap()).unwrap();
        let copy = beside.path().join(intact.file_name().unwrap());
        let copied = Command::new("cp").arg("-a").args([&intact, &copy]).status().unwrap();
        assert!(copied.success(), "{}", row.name);
        row.damage_folder(&copy, facts);
        row.judge(&verify(row.of, &copy), facts);
    });
}

/// Does all damages of a table to one dump.
fn all_of(rows: &[Row], intact: &[u8]) -> Vec<u8> {
    rows.iter().fold(intact.to_vec(), |dump, row| row.damage_bytes(&dump))
}

/// The dump as `pg_dump --no-owner --no-privileges` writes it.
fn without_owners(dump: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(dump).unwrap();
    let names_a_role = |line: &str| line.contains(" OWNER TO ") || line.starts_with("GRANT ");
    let left: Vec<_> = text.split_inclusive('\n').filter(|line| !names_a_role(line)).collect();
    assert_ne!(left.concat(), text);
    left.concat().into_bytes()
}

/// Fails unless each row is found as it says, and nothing else is.
fn finds_each_and_no_more(rows: &[Row], verified: &Verified) {
    let refuted: usize = rows.iter().map(|row| row.is_found(verified, &Facts::default()).len()).sum();
    let findings = verified.findings();
    assert_eq!(findings.len(), refuted, "{findings:#?}");
}

fn shows(verified: &Verified, statements: &[&str]) {
    verified.passed();
    for statement in ["restored", "sound", "answered", "compared", "exact"] {
        let wanted = if statements.contains(&statement) { "shown" } else { "not_looked_at" };
        assert_eq!(standing(verified, statement), wanted, "{statement}: {}", verified.printed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damages_to_the_file_of_a_dump_are_found() {
    let Some(shop) = Shop::open().await else { return };
    let verify = |bytes: &[u8], number: usize| shop.verify(&number.to_string(), bytes, &[]);
    each_file(dumps::ROWS, |of| shop.dump(of), verify);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damages_to_what_a_dump_holds_are_found_with_evidence_and_not_claimed_without() {
    let Some(shop) = Shop::open().await else { return };
    shows(&shop.record(), &["restored", "sound"]);
    let unlike = all_of(UNLIKE, &shop.plain);
    shop.take_a_slow_archive().await;
    let cases: [&(dyn Fn() + Sync); 8] = [
        &|| {
            // How far pg_restore is can be seen while it restores.
            let journal = shop.verify_the_slow_archive();
            let events = journal.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let read = events.filter(|event| event["event"] == "progressed");
            let read: Vec<_> = read.map(|event| event["progress"]["read_bytes"].as_u64().unwrap()).collect();
            assert!(!read.is_empty() && read.iter().all(|bytes| *bytes > 1000), "{read:?}: {journal}");
        },
        &|| {
            let whole = shop.verify_with_evidence("whole", &shop.plain);
            shows(&whole, &["restored", "sound", "answered", "compared"]);
        },
        &|| {
            let ownerless = shop.verify_with_evidence("ownerless", &without_owners(&shop.plain));
            shows(&ownerless, &["restored", "sound", "answered", "compared"]);
            assert!(ownerless.report.to_string().contains("the backup names no owner"));
        },
        &|| {
            let archive = shop.verify_with_live("archive", &shop.custom, &[]);
            shows(&archive, &["restored", "sound", "answered", "compared"]);
            let flipped = shop.verify_with_live("flipped", &all_of(ARCHIVED, &shop.custom), &[]);
            finds_each_and_no_more(ARCHIVED, &flipped);
        },
        &|| finds_each_and_no_more(UNLIKE, &shop.verify_with_evidence("unlike", &unlike)),
        &|| {
            let unaided = shop.verify("unaided", &unlike, &["--skip", "structure,constraints"]);
            shows(&unaided, &["restored", "sound"]);
            assert!(
                unaided.printed.contains("shown: restored, sound; not looked at:"),
                "{}",
                unaided.printed
            );
            for skipped in ["structure", "constraints"] {
                let is_it = |line: &String| line.starts_with(&format!("sound {skipped}:"));
                assert!(!unaided.passed().iter().any(is_it), "{skipped}: {}", unaided.printed);
                let left_out = format!("server-log judge {skipped}");
                assert!(unaided.not_looked_at().contains(&left_out), "{:#?}", unaided.not_looked_at());
            }
        },
        &|| finds_each_and_no_more(UNSOUND, &shop.verify("unsound", &all_of(UNSOUND, &shop.plain), &[])),
        &|| finds_each_and_no_more(EMPTIED, &shop.verify("emptied", &all_of(EMPTIED, &shop.plain), &[])),
    ];
    each(cases.into_iter(), |case| case());
    shop.close().await;
}
