//! What a dump needs and is not here is told before the restore, all at once, and can be made up.

use std::path::Path;

use crate::kit::require::local_is_here;
use crate::kit::verify::{Verified, verify};

/// A dump as `pg_dump` writes it, around these statements.
fn dump(statements: &str) -> String {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.14\n-- Dumped by pg_dump version 15.14\n\n\
         SET client_encoding = 'UTF8';\nSET standard_conforming_strings = on;\n\
         SELECT pg_catalog.set_config('search_path', '', false);\n\n{statements}\n\
         --\n-- PostgreSQL database dump complete\n--\n\n"
    )
}

fn put(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const TABLE: &str = "CREATE TABLE public.t (a integer);\nALTER TABLE public.t OWNER TO rdsadmin;\n\
    COPY public.t (a) FROM stdin;\n1\n\\.\n\n\nGRANT SELECT ON TABLE public.t TO \"Read only\";\n";

fn printed(verified: &Verified) -> String {
    verified.printed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    if !local_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let extension =
        "CREATE EXTENSION IF NOT EXISTS nowhere WITH SCHEMA public;\nSET default_tablespace = fast;\n";
    let created = "CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'xx_XX.UTF-8';\n\\connect app\n";
    let all = put(folder.path(), "all.sql", &dump(&format!("{created}{extension}{TABLE}")));
    let verified = verify(&[&all]);
    assert_eq!(verified.code, 3, "{}", verified.printed);
    let printed = printed(&verified);
    for words in [
        "2 roles: Read only (1 grant), rdsadmin (owns 1 object)",
        "--create-missing roles (some exist only in RDS and Aurora)",
        "1 tablespace: fast",
        "1 extension: nowhere",
        "1 locale: xx_XX.UTF-8 (of database app)",
        "/etc/locale.gen",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
}

#[test]
fn the_disk_for_a_copy_of_files_is_looked_at_before_a_byte_is_copied() {
    if !local_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for below in ["global", "base/5"] {
        std::fs::create_dir_all(folder.path().join(below)).unwrap();
    }
    put(folder.path(), "PG_VERSION", "15\n");
    put(folder.path(), "global/pg_control", "none");
    // It takes no room itself: nothing was written to it.
    let large = std::fs::File::create(folder.path().join("base/5/16385")).unwrap();
    large.set_len(12_000_000_000_000).unwrap();
    let verified = verify(&[folder.path().to_str().unwrap()]);
    assert_eq!(verified.code, 3, "{}", verified.printed);
    let printed = printed(&verified);
    assert!(
        printed.contains("need about 12000 GB on the disk of") && printed.contains(" are free"),
        "{printed}"
    );
    assert!(!printed.contains("copy the files"), "{printed}");
}

#[test]
fn roles_and_tablespaces_are_made_up_or_come_from_the_globals() {
    if !local_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let table = put(folder.path(), "table.sql", &dump(&format!("SET default_tablespace = fast;\n{TABLE}")));
    let verified = verify(&[&table, "--create-missing", "roles,tablespaces"]);
    let passed = verified.passed();
    let summary = &passed[0];
    for words in
        ["made up the roles Read only, rdsadmin: their rights are not proven", "made up the tablespaces fast"]
    {
        assert!(summary.contains(words), "{summary}");
    }
    let globals = "--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE rdsadmin;\nALTER ROLE rdsadmin WITH NOLOGIN;\n\
        CREATE ROLE \"Read only\";\nCREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER LOGIN PASSWORD 'theirs';\n\
        CREATE TABLESPACE fast OWNER rdsadmin LOCATION '/mnt/fast';\n\
        --\n-- PostgreSQL database cluster dump complete\n--\n\n";
    let globals = put(folder.path(), "globals.sql", globals);
    let verified = verify(&[&table, "--globals", &globals]);
    assert_eq!(verified.code, 3, "{}", verified.printed);
    assert!(printed(&verified).contains("1 tablespace: fast (at /mnt/fast)"), "{}", verified.printed);
    let verified = verify(&[&table, "--globals", &globals, "--create-missing", "tablespaces"]);
    assert!(!verified.passed()[0].contains("made up the roles"), "{}", verified.printed);

    let verified = verify(&[&globals]);
    assert_eq!(verified.code, 2, "{}", verified.printed);
    assert!(verified.printed.contains("holds roles and tablespaces, and no data"), "{}", verified.printed);
    let verified = verify(&[&table, "--globals", &table]);
    assert_ne!(verified.code, 0);
    assert!(printed(&verified).contains("holds more than roles and tablespaces"), "{}", verified.printed);
}

#[test]
fn dumps_of_a_part_are_told_as_what_they_are() {
    if !local_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let rows = put(folder.path(), "rows.sql", &dump("COPY public.t (a) FROM stdin;\n1\n\\.\n"));
    let verified = verify(&[&rows]);
    assert_eq!(verified.code, 3, "{}", verified.printed);
    assert!(printed(&verified).contains("it is a dump of data alone"), "{}", verified.printed);
    // `pg_dump --schema=public` creates a schema that every new database has.
    let part =
        "CREATE SCHEMA public;\nCREATE TABLE public.t (a integer);\nCOPY public.t (a) FROM stdin;\n1\n\\.\n";
    let part = put(folder.path(), "part.sql", &dump(part));
    // The programs of the server are chosen, or they are those of the machine.
    let bin = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().next();
    let bin = bin.map(|one| one.path().join("bin").display().to_string());
    let chosen = bin.iter().flat_map(|bin| ["--bin", bin.as_str()]).collect::<Vec<_>>();
    let verified = verify(&[&[part.as_str()], &chosen[..]].concat());
    assert!(verified.passed()[0].contains("1 rows of COPY"));
    let told = verified.printed.contains("servers come from the programs in /usr/lib/postgresql/");
    assert_eq!(told, bin.is_some(), "{}", verified.printed);
    for (choice, code, told) in [
        (["--image", "postgis/postgis:15"], 2, "the backup names an image, and servers run as processes"),
        (["--bin", "/etc"], 3, "there is no server among the programs in /etc"),
    ] {
        let refused = verify(&[&part, choice[0], choice[1]]);
        assert_eq!(refused.code, code, "{}", refused.printed);
        assert!(printed(&refused).contains(told), "{}", refused.printed);
    }
}
