//! The zoo, which has every kind of object, through every form of a backup. What is intact gives no finding, neither by
//! itself nor against the record of another form, whatever wraps it and however its rows lie.

use std::path::{Path, PathBuf};

use async_compression::tokio::bufread::{GzipEncoder, Lz4Encoder, ZstdEncoder};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::kit::backup_tools::{barman, barman_incoming, has, pgbackrest, set_up_barman, set_up_pgbackrest};
use crate::kit::foreign_cluster::ForeignCluster;
use crate::kit::substrates::TRIXIE;
use crate::kit::verify::{Verified, each, standing, verify, verify_in};

const ZOO_ROLES: &str = include_str!("../postgres/catalogue/zoo_roles.sql");
const ZOO: &str = include_str!("../postgres/catalogue/zoo.sql");
const ZOO_DATABASE: &str = include_str!("../postgres/catalogue/zoo_database.sql");
/// Names that a session of the database finds without their schemas.
const SEARCH_PATH: &str = "alter database zoo set search_path = zoo, \"Odd; schema\"";

/// What changes no content: other places of rows, indexes built anew, a role that nobody names. Two things that a dump
/// leaves out are put right: an invalid index, and triggers of a foreign key that do not fire.
const STIR: &str = "update zoo.animals set weight = weight; vacuum full;
    drop index zoo.left_over; alter table zoo.bills enable trigger all; reindex schema zoo; create role passer_by login";

/// What is done to a file before it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrap {
    /// Lines end as on Windows, and the server was of a minor version that does not exist yet.
    Elsewhere,
    Gzip,
    Zstd,
    Lz4,
    Age,
}

use Wrap::{Age, Elsewhere, Gzip, Lz4, Zstd};

/// Where the roles of a dump come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roles {
    /// It brings them itself.
    Own,
    /// A file of globals beside it.
    Beside,
    /// They are made up.
    MadeUp,
}

/// A form of a backup: its kind in the report, the command that writes it, its wraps from the inside, its roles, and
/// whether the test on PostgreSQL 17 has it as well.
type Form = (&'static str, &'static [&'static str], &'static [Wrap], Roles, bool);

/// The first is recorded, and the others are compared with it. The last three are taken after the stir.
const FORMS: [Form; 10] = [
    ("plain SQL dump, age, gzip", &["pg_dump", "--create", "--clean"], &[Gzip, Age], Roles::MadeUp, true),
    ("plain SQL dump, lz4", &["pg_dump"], &[Elsewhere, Lz4], Roles::Beside, false),
    ("plain SQL dump, zstd", &["pg_dump", "--create", "--inserts"], &[Zstd], Roles::MadeUp, false),
    ("plain SQL dump of a cluster", &["pg_dumpall", "--clean"], &[], Roles::Own, true),
    ("pg_dump archive, custom format, zstd", &["pg_dump", "--format=custom"], &[Zstd], Roles::MadeUp, true),
    (
        "pg_dump archive, tar format, gzip, lz4",
        &["pg_dump", "--format=tar"],
        &[Lz4, Gzip],
        Roles::MadeUp,
        true,
    ),
    ("pg_dump archive, directory format in a tar, gzip", PACKED, &[Gzip], Roles::Beside, true),
    ("pg_dump archive, directory format", &["pg_dump", "--format=directory"], &[], Roles::MadeUp, true),
    ("base backup, with its manifest", &["pg_basebackup", "--checkpoint=fast"], &[], Roles::Own, true),
    ("base backup, tar, gzip", &["pg_basebackup", "--checkpoint=fast", "-Ft", "-z"], &[], Roles::Own, false),
];

/// A dump of a folder, which is then packed.
const PACKED: &[&str] = &["pg_dump", "--format=directory", "--compress=1"];
/// The number of the first form that is taken after the stir.
const STIRRED: usize = 7;

async fn zoo(cluster: &ForeignCluster) {
    cluster.script("postgres", "create role postgres superuser; create database zoo").await;
    cluster.script("postgres", ZOO_ROLES).await;
    cluster.script("zoo", ZOO).await;
    cluster.script("postgres", &format!("{ZOO_DATABASE}; {SEARCH_PATH}")).await;
}

/// Writes a form into the folder `forms` of the cluster.
async fn take(cluster: &ForeignCluster, number: usize) {
    let (program, options) = FORMS[number].1.split_first().unwrap();
    let path = format!("forms/{number}");
    let target = match *program {
        "pg_basebackup" => vec!["-D", &path],
        "pg_dump" => vec!["--file", &path, "--dbname", "zoo"],
        _ => vec!["--file", &path],
    };
    cluster.client(program, &[options, &target[..]].concat()).await;
    if FORMS[number].1 == PACKED {
        cluster
            .run("sh", &["-c", &format!("cd forms && tar -cf t {number} && rm -r {number} && mv t {number}")])
            .await;
    }
}

async fn read(mut reader: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// The key of everything that is encrypted.
struct Key {
    file: String,
    recipient: age::x25519::Recipient,
}

impl Key {
    fn new(folder: &Path) -> Self {
        let file = folder.join("key");
        let recipient = comeback_secrets::make_identity(&file).unwrap().parse().unwrap();
        Self { file: file.display().to_string(), recipient }
    }

    async fn wrap(&self, bytes: Vec<u8>, wrap: Wrap) -> Vec<u8> {
        match wrap {
            Elsewhere => {
                let text = String::from_utf8(bytes).unwrap().replace('\n', "\r\n");
                let newer = text.replacen("version 15.", "version 15.9", 2);
                assert_ne!(text, newer);
                newer.into_bytes()
            }
            Gzip => read(GzipEncoder::new(&bytes[..])).await,
            Zstd => read(ZstdEncoder::new(&bytes[..])).await,
            Lz4 => read(Lz4Encoder::new(&bytes[..])).await,
            Age => age::encrypt(&self.recipient, &bytes).unwrap(),
        }
    }
}

/// Wraps the file of a form in place, and returns its path.
async fn wrapped(forms: &Path, number: usize, key: &Key) -> PathBuf {
    let path = forms.join(number.to_string());
    for wrap in FORMS[number].2 {
        let bytes = key.wrap(std::fs::read(&path).unwrap(), *wrap).await;
        std::fs::write(&path, bytes).unwrap();
    }
    path
}

/// The options for a form.
fn options<'a>(roles: Roles, globals: &'a str, key: &'a Key) -> Vec<&'a str> {
    let mut options = match roles {
        Roles::Own => Vec::new(),
        Roles::Beside => vec!["--globals", globals],
        Roles::MadeUp => vec!["--create-missing", "roles"],
    };
    options.extend(["--identity", &key.file]);
    options
}

/// Verifies forms against the record of the first, which is made here.
fn all_pass(
    forms: &[(usize, PathBuf)],
    folder: &Path,
    key: &Key,
    verify: impl Fn(&[&str]) -> Verified + Sync,
) -> String {
    let globals = folder.join("forms/globals.sql").display().to_string();
    let reference = folder.join("reference.json").display().to_string();
    let run = |(number, path): &(usize, PathBuf), more: &[&str]| {
        let (kind, _, _, roles, _) = FORMS[*number];
        let options = options(roles, &globals, key);
        let path = path.display().to_string();
        let verified = verify(&[&[&*path], &options[..], &["--reference", &reference], more].concat());
        assert_eq!(verified.code, 0, "{kind}: {}", verified.printed);
        assert_eq!(verified.report["drills"][0]["artefact"]["kind"], kind, "{}", verified.printed);
        let says = verified.passed().iter().any(|line| line.contains("made up the roles Zoo Writer, "));
        assert_eq!(says, roles == Roles::MadeUp, "{kind}: {}", verified.printed);
        verified
    };
    let (first, others) = forms.split_first().unwrap();
    shows("the first", &run(first, &["--record"]), &["restored", "sound"]);
    each(others.iter(), |form| shows(FORMS[form.0].0, &run(form, &[]), &["restored", "sound", "compared"]));
    reference
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_zoo_comes_back_from_every_form_on_15() {
    if !has("pgbackrest", "version") || !has("barman", "--version") {
        return;
    }
    let archive = |dir: &str| {
        format!(
            "cp %p {dir}/archive/%f && {} archive-push %p && cp %p {}/%f",
            pgbackrest(dir, false),
            barman_incoming(dir)
        )
    };
    let Some(cluster) = ForeignCluster::with("--data-checksums", archive).await else { return };
    let tool = set_up_pgbackrest(&cluster, false).await;
    set_up_barman(&cluster).await;
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new(folder.path());
    let numbers: Vec<usize> = (0..FORMS.len()).collect();
    let forms = taken(&cluster, &numbers, folder.path(), &key).await;
    cluster.run("sh", &["-c", &format!("{tool} --start-fast --repo1-retention-full=9 backup")]).await;
    barman(&cluster, &["backup", "--immediate-checkpoint", "app"]).await;
    cluster.archive_log().await;
    barman(&cluster, &["archive-wal", "app"]).await;
    cluster.stop().await;

    let reference = all_pass(&forms, folder.path(), &key, verify);
    let repositories = [cluster.path("repo"), cluster.path("barman/app")];
    each(repositories.iter(), |path| {
        let verified = verify(&[path.to_str().unwrap(), "--reference", &reference]);
        shows(&path.display().to_string(), &verified, &["restored", "sound", "compared"]);
    });
    each(CUTS.iter(), |cut| cut_layers_are_found(cut, &forms, &key));
    cluster.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_zoo_comes_back_from_every_form_on_17() {
    let Some(cluster) = ForeignCluster::of_17().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new(folder.path());
    let numbers: Vec<usize> = (0..FORMS.len()).filter(|number| FORMS[*number].4).collect();
    let forms = taken(&cluster, &numbers, folder.path(), &key).await;
    cluster.clear().await;
    all_pass(&forms, folder.path(), &key, |args| verify_in(TRIXIE, args));
    // Here is only an older server, and each says so before anything is restored.
    for (_, path) in forms.iter().filter(|(number, _)| [0, 4].contains(number)) {
        let path = path.display().to_string();
        let verified = verify(&[&path, "--create-missing", "roles", "--identity", &key.file]);
        assert_eq!(verified.code, 3, "{}", verified.printed);
        assert!(verified.printed.contains("PostgreSQL 17"), "{}", verified.printed);
    }
}

/// Takes forms of the zoo and brings them here, wrapped.
async fn taken(
    cluster: &ForeignCluster,
    numbers: &[usize],
    folder: &Path,
    key: &Key,
) -> Vec<(usize, PathBuf)> {
    zoo(cluster).await;
    cluster.run("mkdir", &["forms"]).await;
    cluster.client("pg_dumpall", &["--globals-only", "--file", "forms/globals.sql"]).await;
    for number in numbers {
        if *number == STIRRED {
            cluster.script("zoo", STIR).await;
        }
        take(cluster, *number).await;
    }
    cluster.export("forms", folder).await;
    let mut forms = Vec::new();
    for number in numbers {
        forms.push((*number, wrapped(&folder.join("forms"), *number, key).await));
    }
    forms
}

/// Forms whose outermost layer is cut short, and what is found.
const CUTS: [(usize, [&str; 2]); 4] = [
    (0, ["backup-damaged", "decryption error"]),
    (1, ["backup-truncated", "it ends too early"]),
    (4, ["backup-truncated", "it ends too early"]),
    (5, ["backup-truncated", "it ends too early"]),
];

fn cut_layers_are_found((number, words): &(usize, [&str; 2]), forms: &[(usize, PathBuf)], key: &Key) {
    let (_, path) = &forms[*number];
    let mut bytes = std::fs::read(path).unwrap();
    bytes.truncate(bytes.len() * 2 / 3);
    let folder = tempfile::tempdir().unwrap();
    let cut = put(folder.path(), "cut", &bytes);
    let verified = verify(&[&cut, "--create-missing", "roles", "--identity", &key.file]);
    let printed = verified.printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(verified.code, 1, "{number}: {printed}");
    assert!(words.iter().all(|word| printed.contains(word)), "{number}: {printed}");
}

/// Writes a file into a folder, and returns its path.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// Fails unless exactly these statements were shown, and the others were not looked at.
#[track_caller]
fn shows(what: &str, verified: &Verified, statements: &[&str]) {
    assert_eq!(verified.code, 0, "{what}: {}", verified.printed);
    for statement in ["restored", "sound", "answered", "compared", "exact"] {
        let wanted = if statements.contains(&statement) { "shown" } else { "not_looked_at" };
        assert_eq!(standing(verified, statement), wanted, "{what}, {statement}: {}", verified.printed);
    }
}
