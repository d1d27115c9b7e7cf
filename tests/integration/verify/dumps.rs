//! Damaged dumps of PostgreSQL: of each damage it is known which statement finds it, if any does.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::kit::round_trip::RoundTrip;
use crate::kit::verify::{Verified, verify};

/// How many verifications run at once.
const AT_ONCE: usize = 2;

/// A small shop, of whose rows one is known by its words.
const SHOP: &str = "create table orders (id int primary key, note text not null);
    insert into orders select g, 'note ' || repeat(md5(g::text), 9) from generate_series(1, 2000) g;
    create table lines (id int primary key, of int not null references orders);
    insert into lines select g, g from generate_series(1, 2000) g; create index by_note on orders (note);
    create function answer() returns int language sql as 'select 42';";

async fn dump(trip: &RoundTrip, database: &str, program: &str, options: &[&str]) -> Vec<u8> {
    trip.client(&trip.source, database, program, options, b"").await
}

/// Writes a file into a folder, and returns its path.
pub(super) fn put(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Runs cases on a few threads.
pub(super) fn each<T: Sync>(cases: &[T], case: impl Fn(&T) + Sync) {
    let next = Mutex::new(cases.iter());
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = take() {
                    case(one);
                }
            });
        }
    });
}

/// How a statement about the backup stands in the report.
fn standing(verified: &Verified, statement: &str) -> String {
    let all = verified.report["drills"][0]["established"].as_array().unwrap();
    let one = all.iter().find(|one| one["statement"] == statement).unwrap();
    one["standing"].as_str().unwrap().to_owned()
}

/// Fails unless exactly these statements were shown, and the others were not looked at.
#[track_caller]
pub(super) fn shows(what: &str, verified: &Verified, statements: &[&str]) {
    assert_eq!(verified.code, 0, "{what}: {}", verified.printed);
    for statement in ["restored", "sound", "answered", "compared", "exact"] {
        let wanted = if statements.contains(&statement) { "shown" } else { "not_looked_at" };
        assert_eq!(standing(verified, statement), wanted, "{what}, {statement}: {}", verified.printed);
    }
}

/// What becomes of a damage.
enum Outcome {
    /// The statement *restored* is refuted, by a finding with this code.
    Restored(&'static str),
    /// It is refused before anything starts, with this exit code and these words.
    Refused(i32, &'static str),
    /// Nothing finds it, and nothing is claimed about it.
    NotClaimed,
}

/// A form of the dump of the shop.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    /// Custom, not compressed, so that its rows can be read in it.
    Custom,
    Gzip,
}

type Damage = fn(&mut Vec<u8>);

use Form::{Custom, Gzip, Plain};
use Outcome::{NotClaimed, Refused, Restored};

const DAMAGES: &[(&str, Form, Damage, Outcome)] = &[
    ("row deleted", Plain, |dump| cut_out(dump, "\n1234\t1234", "\n"), NotClaimed),
    ("letter of a row flipped", Custom, |dump| replace(dump, "1234\tnote", "1234\tnotd"), NotClaimed),
    (
        "index missing and function changed",
        Plain,
        |dump| {
            cut_out(dump, "CREATE INDEX by_note", ";");
            replace(dump, "select 42", "select 43");
        },
        NotClaimed,
    ),
    (
        "number of a row flipped",
        Plain,
        |dump| replace(dump, "1234\tnote", "q234\tnote"),
        Restored("restore-failed"),
    ),
    (
        "number of a row flipped in an archive",
        Custom,
        |dump| replace(dump, "1234\tnote", "q234\tnote"),
        Restored("restore-failed"),
    ),
    ("key doubled", Plain, |dump| replace(dump, "1234\tnote", "1235\tnote"), Restored("restore-failed")),
    (
        "parent missing",
        Plain,
        |dump| replace(dump, "\n1234\t1234\n", "\n1234\t9999\n"),
        Restored("restore-failed"),
    ),
    (
        "end missing",
        Plain,
        |dump| keep_before(dump, "-- PostgreSQL database dump complete"),
        Restored("backup-truncated"),
    ),
    ("ended in a COPY", Plain, |dump| keep_before(dump, "1234\tnote"), Restored("backup-truncated")),
    ("something after the end", Plain, |dump| dump.extend(b"rubbish"), Restored("backup-truncated")),
    ("archive cut in its rows", Custom, |dump| keep_before(dump, "1234\tnote"), Restored("backup-truncated")),
    ("archive cut in its contents", Custom, |dump| dump.truncate(600), Restored("backup-truncated")),
    ("archive cut in its head", Custom, |dump| dump.truncate(20), Refused(1, "is cut off in its head")),
    ("packed file cut", Gzip, |dump| dump.truncate(dump.len() / 2), Restored("backup-truncated")),
    ("packed file cut at its start", Gzip, |dump| dump.truncate(300), Refused(1, "it ends too early")),
    ("packed file damaged", Gzip, |dump| flip(dump), Restored("backup-damaged")),
    ("empty", Plain, Vec::clear, Refused(1, "is empty")),
    (
        "garbage",
        Plain,
        |dump| *dump = b"\x17\x00garbage".repeat(99),
        Refused(2, "no backup that Comeback recognises"),
    ),
    ("in UTF-16", Plain, |dump| *dump = b"\xff\xfe-\0-\0".to_vec(), Refused(1, "is in UTF-16")),
    (
        "of another system",
        Plain,
        |dump| *dump = b"-- MySQL dump 10.13\n".to_vec(),
        Refused(2, "is a dump of MySQL"),
    ),
    (
        "no dump",
        Plain,
        |dump| *dump = b"create table t (a int);\n".to_vec(),
        Refused(2, "does not say that it is a dump"),
    ),
    (
        "encrypted",
        Plain,
        |dump| *dump = b"age-encryption.org/v1\n-> X25519 x\n".to_vec(),
        Refused(2, "no key was given"),
    ),
];

fn place_of(dump: &[u8], text: &str) -> usize {
    memchr::memmem::find(dump, text.as_bytes()).unwrap_or_else(|| panic!("{text} is not in the dump"))
}

fn replace(dump: &mut [u8], old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let at = place_of(dump, old);
    dump[at..at + old.len()].copy_from_slice(new.as_bytes());
}

/// Removes from one text up to the next occurrence of another.
fn cut_out(dump: &mut Vec<u8>, from: &str, to: &str) {
    let at = place_of(dump, from);
    let length = 1 + place_of(&dump[at + 1..], to);
    dump.drain(at..at + length);
}

fn keep_before(dump: &mut Vec<u8>, text: &str) {
    let at = place_of(dump, text);
    dump.truncate(at);
}

fn flip(dump: &mut [u8]) {
    let middle = dump.len() / 2;
    dump[middle..middle + 64].fill(0xff);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_each_damage_it_is_known_which_statement_finds_it() {
    let Some(trip) = RoundTrip::local().await else { return };
    trip.create("shop", SHOP).await;
    let plain = dump(&trip, "shop", "pg_dump", &[]).await;
    let custom = dump(&trip, "shop", "pg_dump", &["--format=custom", "--compress=0"]).await;
    trip.clear().await;
    let gzip = gzipped(&plain);
    let folder = tempfile::tempdir().unwrap();
    let cases: Vec<(usize, PathBuf)> =
        (0..DAMAGES.len()).map(|number| (number, folder.path().join(number.to_string()))).collect();
    each(&cases, |(number, path)| {
        let (name, form, damage, outcome) = &DAMAGES[*number];
        let mut bytes = match form {
            Plain => plain.clone(),
            Custom => custom.clone(),
            Gzip => gzip.clone(),
        };
        damage(&mut bytes);
        std::fs::write(path, &bytes).unwrap();
        let verified = verify(&[&path.display().to_string()]);
        match outcome {
            NotClaimed => shows(name, &verified, &["restored", "sound"]),
            Restored(code) => {
                assert_eq!(standing(&verified, "restored"), "refuted", "{name}: {}", verified.printed);
                assert!(
                    verified.findings()[0].starts_with(&format!("restore {code} ")),
                    "{name}: {:?}",
                    verified.findings()
                );
                assert_eq!(standing(&verified, "sound"), "not_looked_at", "{name}");
            }
            Refused(exit, words) => {
                assert_eq!(verified.code, *exit, "{name}: {}", verified.printed);
                assert!(verified.printed.contains(words), "{name}: {}", verified.printed);
            }
        }
    });
}
