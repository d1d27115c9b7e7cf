//! RDB files and append-only files of other people, each intact and damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comeback_engine::substrate::{Command, Io};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::kit::redis_bench::{RedisBench, ask};
use crate::kit::substrates::TRIXIE;
use crate::kit::verify::{verify, verify_in};

/// A value that stands in the file as it is.
const MARKER: &[u8] = b"a value of which one letter will be another";
/// The number of bytes of the checksum at the end of a file.
const CHECKSUM: usize = 8;

/// The file as the server wrote it.
async fn saved(bench: &RedisBench) -> Vec<u8> {
    ask::<()>(&bench.primary, &["SET", "marker", std::str::from_utf8(MARKER).unwrap()]).await;
    ask::<()>(&bench.primary, &["SET", "ending", "soon", "PXAT", &ENDS_AT_MS[0].to_string()]).await;
    ask::<()>(&bench.primary, &["SAVE"]).await;
    read(bench, &bench.primary.rdb_path()).await
}

async fn read(bench: &RedisBench, path: &str) -> Vec<u8> {
    let output = bench.primary.node().exec(&Command::new("cat").arg(path), Io::default()).await.unwrap();
    output.success("reading a file").unwrap().stdout
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn without_checksum(mut file: Vec<u8>) -> Vec<u8> {
    let end = file.len() - CHECKSUM;
    file[end..].fill(0);
    file
}

/// The same file with another letter in a value.
fn flipped(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let at = memchr::memmem::find(&file, MARKER).unwrap();
    file[at + 3] ^= 1;
    file
}

/// A moment that a key ends at, and one long before.
const ENDS_AT_MS: [u64; 2] = [4_102_444_800_123, 1_000_000_000_123];

/// The same file, in which the time of a key has passed.
fn expired(file: &[u8]) -> Vec<u8> {
    let mut file = without_checksum(file.to_vec());
    let [later, earlier] = ENDS_AT_MS.map(u64::to_le_bytes);
    let at = memchr::memmem::find(&file, &later).unwrap();
    file[at..at + earlier.len()].copy_from_slice(&earlier);
    file
}

/// The same file, written a day earlier.
fn yesterdays(file: &[u8]) -> Vec<u8> {
    let mut file = without_checksum(file.to_vec());
    let at = memchr::memmem::find(&file, b"\xFA\x05ctime\xC2").unwrap() + 8;
    let seconds = u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    file[at..at + 4].copy_from_slice(&(seconds - 86_400).to_le_bytes());
    file
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// Fails unless the statements that were looked at are these.
#[track_caller]
fn establishes(passed: &[String], statements: &[&str]) {
    let found: std::collections::BTreeSet<_> =
        passed.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(found, statements.iter().copied().collect(), "{passed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rdb_file_is_verified_and_each_damage_is_caught_where_it_can_be() {
    let Some(bench) = RedisBench::local().await else { return };
    let (whole, files) = (saved(&bench).await, Files::new());
    bench.end().await;

    let passed = verify(&[&files.write("dump.rdb", &whole)]).passed();
    establishes(&passed, &["restored", "sound"]);
    let told = passed.join("\n");
    for words in ["restored restore: the server loaded ", "every one equal", "the CRC-64 at the end fits"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // Another product, which writes it in other encodings.
    if crate::kit::require::docker_is_here().await {
        establishes(&verify_in(TRIXIE, &[&files.path("dump.rdb")]).passed(), &["restored", "sound"]);
    }
    // The newest of a folder is the one that was written last, whatever its name and wrapping.
    files.write("nightly/z.rdb", &yesterdays(&whole));
    files.write("nightly/a.rdb.gz", &packed(&whole));
    let newest = verify(&[&files.path("nightly")]);
    newest.passed();
    assert_eq!(newest.report["drills"][0]["artefact"]["id"], "a.rdb.gz", "{}", newest.report);
    // Yesterday's content is whole, and so is a changed value without a checksum: nothing more is claimed.
    let older = verify(&[&files.path("nightly"), "--select", "z.rdb"]);
    establishes(&older.passed(), &["restored", "sound"]);
    assert_eq!(older.not_looked_at(), ["file-checksum file-checksum RDB file"]);
    let unnoticed = verify(&[&files.write("unchecked.rdb", &without_checksum(flipped(&whole)))]);
    establishes(&unnoticed.passed(), &["restored", "sound"]);
    assert_eq!(unnoticed.not_looked_at(), ["file-checksum file-checksum RDB file"]);

    // A key whose time has passed since is expected to be gone.
    establishes(&verify(&[&files.write("expired.rdb", &expired(&whole))]).passed(), &["restored", "sound"]);

    for (name, bytes, words) in [
        ("cut.rdb", whole[..whole.len() * 2 / 3].to_vec(), ["restore", "backup-truncated"]),
        ("flipped.rdb", flipped(&whole), ["restore", "backup-damaged"]),
        ("longer.rdb", [&whole[..], b"more"].concat(), ["restore", "backup-damaged"]),
        ("cut.rdb.gz", packed(&whole)[..whole.len() / 4].to_vec(), ["restore", "backup-truncated"]),
    ] {
        verify(&[&files.write(name, &bytes)]).finds(&words);
    }
    let mut newer = whole.clone();
    newer[..9].copy_from_slice(b"REDIS0012");
    for (name, bytes, code, words) in [
        ("empty.rdb", Vec::new(), 1, "is empty"),
        ("garbage.rdb", b"no backup at all".to_vec(), 2, "looked for"),
        ("newer.rdb", newer, 3, "a server that reads RDB files of version 12"),
    ] {
        let refused = verify(&[&files.write(name, &bytes)]);
        let told = refused.printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(refused.code == code && told.contains(words), "{name}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_commands_are_asked_and_one_that_writes_is_not() {
    let Some(bench) = RedisBench::local().await else { return };
    let (whole, files) = (saved(&bench).await, Files::new());
    bench.end().await;
    let dump = files.write("dump.rdb", &whole);
    let query = |command: &str, expect: &str| {
        let text = format!("[[redis.query]]\nname = \"q\"\ncommand = {command}\nexpect = \"{expect}\"\n");
        let settings = files.write("comeback.toml", text.as_bytes());
        verify(&[&dump, "--config", &settings, "--require", "answered"])
    };
    establishes(&query(r#"["STRLEN", "marker"]"#, "== 43").passed(), &["restored", "sound", "answered"]);
    query(r#"["GET", "marker"]"#, "== 'another'").finds(&["queries", "integrity-query q"]);
    for (command, words) in [
        (r#"["DEL", "marker"]"#, "does not call DEL read-only"),
        (r#"["KEYS", "*"]"#, "values and not one"),
        (r#"["GTE", "marker"]"#, "knows no command GTE"),
    ] {
        let unasked = query(command, "== 1");
        assert!(unasked.code == 3 && unasked.report.to_string().contains(words), "{}", unasked.printed);
    }
}

/// Copies the append-only file of a running server.
async fn append_only_files(bench: &RedisBench) -> BTreeMap<String, Vec<u8>> {
    let folder = format!("{}/appendonlydir", bench.primary.data_dir());
    let listed = bench.primary.node().exec(&Command::new("ls").arg(&folder), Io::default()).await.unwrap();
    let mut files = BTreeMap::new();
    for name in listed.text().lines() {
        files.insert(name.to_owned(), read(bench, &format!("{folder}/{name}")).await);
    }
    files
}

fn put_all(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_only_file_is_verified_and_each_damage_is_caught() {
    let Some(bench) = RedisBench::local().await else { return };
    let rdb = saved(&bench).await;
    bench.primary.enable_append_only().await.unwrap();
    for number in 0..20 {
        ask::<()>(&bench.primary, &["SET", &format!("later:{number}"), "1"]).await;
    }
    let files = append_only_files(&bench).await;
    bench.end().await;
    let ending = |end: &str| files.keys().find(|name| name.ends_with(end)).unwrap().clone();
    let (increment, manifest) = (ending(".incr.aof"), ending(".manifest"));
    let scratch = tempfile::tempdir().unwrap();
    let place = |name: &str, files: &BTreeMap<String, Vec<u8>>| -> PathBuf {
        let folder = scratch.path().join(name);
        put_all(&folder.join("appendonlydir"), files);
        folder
    };

    let whole = place("whole", &files);
    std::fs::write(whole.join("dump.rdb"), &rdb).unwrap();
    let verified = verify(&[whole.to_str().unwrap()]);
    let passed = verified.passed();
    establishes(&passed, &["restored", "sound"]);
    assert!(passed.iter().any(|line| line.contains(" commands of 1 increments")), "{passed:#?}");
    let record = verified.report.to_string();
    assert!(record.contains("dump.rdb is beside the append-only file"), "{record}");
    // The folder itself, without what is around it.
    verify(&[whole.join("appendonlydir").to_str().unwrap()]).passed();

    let with = |name: &str, file: &str, bytes: Option<Vec<u8>>| {
        let mut damaged = files.clone();
        match bytes {
            Some(bytes) => damaged.insert(file.to_owned(), bytes),
            None => damaged.remove(file),
        };
        verify(&[place(name, &damaged).to_str().unwrap()])
    };
    let commands = &files[&increment];
    with("cut", &increment, Some(commands[..commands.len() - 3].to_vec()))
        .finds(&["backup-truncated", &increment]);
    with("lost", &increment, None).finds(&["backup-damaged", &manifest, "no such file"]);
    let mut wrong = commands.clone();
    wrong[1] = b'x';
    with("wrong", &increment, Some(wrong)).finds(&["backup-damaged", "no command begins here, at byte 0"]);
    let mut base = files[&ending(".base.rdb")].clone();
    base.truncate(base.len() / 2);
    with("base", &ending(".base.rdb"), Some(base)).finds(&["backup-truncated", ".base.rdb"]);

    // One file, as servers before Redis 7 write it.
    let old = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let path = scratch.path().join("appendonly.aof");
    std::fs::write(&path, old).unwrap();
    let passed = verify(&[path.to_str().unwrap()]).passed();
    assert!(passed.iter().any(|line| line.contains("loaded 2 commands, and holds 1 keys")), "{passed:#?}");
    std::fs::write(&path, &old[..old.len() - 4]).unwrap();
    verify(&[path.to_str().unwrap()]).finds(&["backup-truncated", "in the middle of a command"]);
}
