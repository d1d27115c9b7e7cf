//! Declared backups: settings are written, verified by name, by suite, and looked at by `doctor`.

use std::time::{Duration, UNIX_EPOCH};

use crate::kit::place::{Place, text};
use crate::kit::substrates;

const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n
create table public.people (id integer not null primary key, name text);
insert into public.people select g, 'n' || g from generate_series(1, 100) g;

--
-- PostgreSQL database dump complete
--

";

/// A folder of dumps, each written an hour after the one before it.
fn folder_of(place: &Place, dumps: &[(&str, &str)]) {
    let folder = place.work().join("backups");
    std::fs::create_dir_all(&folder).unwrap();
    for (hour, (name, dump)) in (1..).zip(dumps) {
        let path = folder.join(name);
        std::fs::write(&path, dump).unwrap();
        let written = UNIX_EPOCH + Duration::from_hours(hour);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    }
}

fn run(place: &Place, args: &[&str]) -> (Option<i32>, String) {
    let output = place.as_it_is(args).output().unwrap();
    (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_folder_is_declared_and_verified_by_name_and_by_suite() {
    if substrates::local().is_none() {
        return;
    }
    let place = Place::new();
    folder_of(&place, &[("app-1.sql", DUMP), ("app-2.sql", DUMP)]);
    let (code, told) = run(&place, &["init", "backups"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("next: comeback verify backups"), "{told}");
    let (code, told) = run(&place, &["init", "backups"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("comeback.toml exists already"), "{told}");

    let settings = place.work().join("comeback.toml");
    let snapshot = "\n[[backup.query]]\nname = \"first\"\nsql = \"select * from people where id < 4\"\nexpect = \"snapshot\"\n";
    std::fs::write(&settings, std::fs::read_to_string(&settings).unwrap() + snapshot).unwrap();

    let local = ["--substrate", "local"];
    let record = [&["verify", "backups", "--record"], &local[..]].concat();
    let (code, told) = run(&place, &record);
    assert_eq!(code, Some(0), "{told}");
    let reference = place.work().join("evidence/references/backups.json");
    let recorded = std::fs::read_to_string(&reference).unwrap();
    assert!(recorded.contains("\"n3\"") && !recorded.contains("\"n4\""), "{recorded}");
    assert!(
        told.contains("chose app-2.sql of 2 backups") && told.contains("shown: restored, sound"),
        "{told}"
    );
    // The files are of 1970. Whether they are new enough is asked only if there is a schedule.
    let settings = place.work().join("comeback.toml");
    let without = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, without.replace("# schedule = ", "schedule = ")).unwrap();
    let (code, told) = run(&place, &[&["run", "--suite", "monthly"], &local[..]].concat());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("verify/backups (local)") && !told.contains("sample"), "{told}");
    let shown = "shown: restored, sound, answered, compared";
    assert!(told.contains("backup-stale") && told.contains(shown), "{told}");
    std::fs::write(&settings, without).unwrap();

    // What nobody looked at is not shown, however green the rest is.
    let exact = ["verify", "backups", "--require", "restored,exact"];
    let (code, told) = run(&place, &[&exact, &local[..]].concat());
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("`exact` is required, and no judge looked at it"), "{told}");

    // A snapshot that no longer fits is found, and nothing is recorded over it.
    let other = DUMP.replace("'n' || g", "'m' || g");
    folder_of(&place, &[("app-1.sql", DUMP), ("app-2.sql", &other)]);
    let (code, told) = run(&place, &record);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("the 3 rows in the reference of") && told.contains("refuted: answered"), "{told}");
    assert_eq!(std::fs::read_to_string(&reference).unwrap(), recorded);

    // Last night's backup failed: the one before it does not stand in for it.
    folder_of(
        &place,
        &[("app-1.sql", DUMP), ("app-2.sql", DUMP), ("app-3.sql", "no space left on device\n")],
    );
    let (code, told) = run(&place, &[&["verify", "backups"], &local[..]].concat());
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("app-3.sql, which was written last"), "{told}");
    let (code, told) = run(&place, &[&["run", "--suite", "monthly"], &local[..]].concat());
    assert_eq!(code, Some(3), "{told}");
    let (code, told) = run(&place, &[&["doctor"], &local[..]].concat());
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("✗ backups: app-3.sql, which was written last"), "{told}");
    assert_eq!(place.left_behind(), [""; 0]);
}

#[test]
fn slips_are_told_before_anything_starts() {
    let place = Place::new();
    std::fs::write(place.work().join("note.txt"), "not a backup").unwrap();
    std::fs::write(place.work().join("empty.sql"), "").unwrap();
    for (args, code, told) in [
        (&["verify", "nowhere.sql"][..], 2, "nowhere.sql: No such file"),
        (&["verify", "note.txt"], 2, "hint: looked for: a backup of PostgreSQL"),
        (&["verify", "note.txt", "--as", "rbd"], 2, "there is no kind of backup `rbd`"),
        (&["verify", "empty.sql"], 1, "empty.sql is empty"),
        (&["verify", "note.txt", "--require", "proven"], 2, "there are restored, sound"),
        (&["verify", "note.txt", "--at", "noon"], 2, "2026-11-22T05:41:00Z"),
        (&["run", "--suite", "monthly"], 3, "declare your backups as [[backup]]"),
    ] {
        let (exit, all) = run(&place, args);
        assert_eq!(exit, Some(code), "{args:?}: {all}");
        assert!(all.contains(told), "{args:?}: {all}");
    }
    assert!(!place.work().join("evidence").exists());
}
