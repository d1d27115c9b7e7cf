//! RDB files and append-only files of other people, each intact and damaged.

use std::collections::BTreeMap;
use std::path::Path;

use comeback_engine::substrate::{Command, Io};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::kit::redis_bench::{RedisBench, ask};
use crate::kit::substrates::TRIXIE;
use crate::kit::verify::{verify, verify_in};

use super::damages::redis::{FILES, FOLDERS, MARKER, age_by_a_day, without_checksum};
use super::damages::{Facts, each_damage, each_file};

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

/// A moment that a key ends at, and one long before.
const ENDS_AT_MS: [u64; 2] = [4_102_444_800_123, 1_000_000_000_123];

/// The same file, in which the time of a key has passed.
fn expired(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    without_checksum(&mut file);
    let [later, earlier] = ENDS_AT_MS.map(u64::to_le_bytes);
    let at = memchr::memmem::find(&file, &later).unwrap();
    file[at..at + earlier.len()].copy_from_slice(&earlier);
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

    let reference = files.path("reference.json");
    let dump = files.write("dump.rdb", &whole);
    let passed = verify(&[&dump, "--reference", &reference, "--record"]).passed();
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
    let mut older = whole.clone();
    age_by_a_day(&mut older);
    files.write("nightly/z.rdb", &older);
    files.write("nightly/a.rdb.gz", &packed(&whole));
    let newest = verify(&[&files.path("nightly"), "--reference", &reference]);
    establishes(&newest.passed(), &["restored", "sound", "compared"]);
    assert_eq!(newest.report["drills"][0]["artefact"]["id"], "a.rdb.gz", "{}", newest.report);
    // A key whose time has passed since is expected to be gone.
    establishes(&verify(&[&files.write("expired.rdb", &expired(&whole))]).passed(), &["restored", "sound"]);

    let gzip = packed(&whole);
    let intact = |of: &str| if of.starts_with("gzip") { &gzip[..] } else { &whole[..] };
    each_file(FILES, intact, |bytes, number| verify(&[&files.write(&number.to_string(), bytes)]));
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
    let scores = r#"["LRANGE", "nowhere", "0", "-1"]"#;
    establishes(&query(scores, "rows == []").passed(), &["restored", "sound", "answered"]);
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
    let scratch = tempfile::tempdir().unwrap();
    let whole = scratch.path().join("whole");
    put_all(&whole.join("appendonlydir"), &files);
    std::fs::write(whole.join("dump.rdb"), &rdb).unwrap();
    let verified = verify(&[whole.to_str().unwrap()]);
    let passed = verified.passed();
    establishes(&passed, &["restored", "sound"]);
    assert!(passed.iter().any(|line| line.contains(" commands of 1 increments")), "{passed:#?}");
    let record = verified.report.to_string();
    assert!(record.contains("dump.rdb is beside the append-only file"), "{record}");
    // The folder itself, without what is around it.
    verify(&[whole.join("appendonlydir").to_str().unwrap()]).passed();

    let mut facts = Facts::default();
    for (name, end) in [("increment", ".incr.aof"), ("manifest", ".manifest"), ("base", ".base.rdb")] {
        facts.tell(name, ending(end));
    }
    each_damage(
        FOLDERS,
        &facts,
        |_| whole.join("appendonlydir"),
        |_, copy| verify(&[copy.to_str().unwrap()]),
    );

    // One file, as servers before Redis 7 write it.
    let old = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let path = scratch.path().join("appendonly.aof");
    std::fs::write(&path, old).unwrap();
    let passed = verify(&[path.to_str().unwrap()]).passed();
    assert!(passed.iter().any(|line| line.contains("loaded 2 commands, and holds 1 keys")), "{passed:#?}");
    std::fs::write(&path, &old[..old.len() - 4]).unwrap();
    verify(&[path.to_str().unwrap()]).finds(&["backup-truncated", "in the middle of a command"]);
}
