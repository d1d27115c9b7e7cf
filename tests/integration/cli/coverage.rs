//! A rolling check of several backups, what it covers, and evidence that outlives its machine.

use comeback_engine::substrate::{Command, Io};

use crate::kit::place::{Place, text};
use crate::kit::redis_bench::{RedisBench, ask};

const SETTINGS: &str = "[run]\nsubstrate = \"local\"\n[evidence]\nstore = \"kept\"\n\
    [[backup]]\nname = \"cache\"\nfrom = \"backups\"\nselect = \"oldest-unverified\"\n\
    [[backup]]\nname = \"lost\"\nfrom = \"nowhere\"\n";

fn run(place: &Place, args: &[&str], code: i32) -> String {
    let output = place.as_it_is(args).output().unwrap();
    let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
    told
}

/// Three RDB files of one server. The second of them was damaged.
async fn backups(place: &Place) -> bool {
    let Some(bench) = RedisBench::local().await else { return false };
    let folder = place.work().join("backups");
    std::fs::create_dir(&folder).unwrap();
    for at in 1..=3 {
        ask::<()>(&bench.primary, &["SET", &format!("key-{at}"), "some value"]).await;
        ask::<()>(&bench.primary, &["SAVE"]).await;
        let read = Command::new("cat").arg(bench.primary.rdb_path());
        let mut file = bench.primary.node().exec(&read, Io::default()).await.unwrap().stdout;
        if at == 2 {
            let value = memchr::memmem::find(&file, b"some value").unwrap();
            file[value] ^= 1;
        }
        std::fs::write(folder.join(format!("{at}.rdb")), file).unwrap();
    }
    true
}

/// The coverage, as JSON.
fn coverage(place: &Place, code: i32) -> serde_json::Value {
    let output = place.as_it_is(&["coverage", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn every_backup_has_its_turn_also_when_the_machine_is_lost() {
    let place = Place::new();
    if !backups(&place).await {
        return;
    }
    std::fs::write(place.work().join("comeback.toml"), SETTINGS).unwrap();
    let verified = run(&place, &["verify", "cache"], 0);
    assert!(verified.contains("chose 1.rdb of 3 backups: nobody tried to verify it yet"), "{verified}");
    assert!(verified.contains("verify cache --select 1.rdb --seed "), "{verified}");
    run(&place, &["verify", "cache"], 1);
    // The machine is gone, with the evidence on it.
    std::fs::remove_dir_all(place.work().join("evidence")).unwrap();

    let seen = coverage(&place, 3);
    assert_eq!(seen["runs"], 2);
    let store = &seen["stores"][0];
    assert_eq!((&store["windows"][0]["verified"], &store["windows"][0]["failed"]), (&1.into(), &1.into()));
    assert_eq!(store["without_conclusion"], serde_json::json!(["3.rdb"]));
    assert_eq!(store["next"], "3.rdb");
    let problem = seen["stores"][1]["problem"].as_str().unwrap();
    assert!(problem.contains("nowhere"), "{problem}");
    let told = run(&place, &["coverage", "cache"], 0);
    for line in ["verified          1 of 3", "✗ failed            2.rdb", "never looked at   1 of 3: 3.rdb"]
    {
        assert!(told.contains(line), "{line} is not in {told}");
    }

    // A suite chooses as the command does.
    let verified = run(&place, &["run", "verify/cache"], 0);
    assert!(verified.contains("chose 3.rdb of 3 backups"), "{verified}");
    let again = run(&place, &["verify", "cache"], 0);
    assert!(again.contains("chose 1.rdb of 3 backups: last tried "), "{again}");
    // A copy of a backup under its name, written since, is another backup.
    std::fs::copy(place.work().join("backups/3.rdb"), place.work().join("backups/1.rdb")).unwrap();
    assert_eq!(coverage(&place, 3)["stores"][0]["next"], "1.rdb");
    assert_eq!(place.left_behind(), [""; 0]);

    let runs = run(&place, &["evidence", "list"], 0);
    let runs: Vec<_> = runs.lines().collect();
    assert_eq!(runs.len(), 4);
    // Two runs may begin in one second, and have no order then.
    let verified = store["backups"][0]["looks"][0]["run_id"].as_str().unwrap();
    let oldest = runs.iter().find(|run| run.ends_with(verified)).unwrap();
    run(&place, &["evidence", "fetch", oldest], 0);
    let fetched = place.work().join("evidence").join(oldest);
    let told = run(&place, &["report", &format!("evidence/{oldest}")], 0);
    assert!(told.contains("✓ verified"), "{told}");
    run(&place, &["evidence", "push"], 0);
    std::fs::write(fetched.join("note.txt"), "all is well\n").unwrap();
    let changed = run(&place, &["evidence", "push", &format!("evidence/{oldest}")], 1);
    assert!(changed.contains("is there already, with other files: note.txt"), "{changed}");
    // The verdict stands in the report, and the exit code says that the evidence is not safe.
    let no_folder = SETTINGS.replace("kept", "backups/1.rdb");
    std::fs::write(place.work().join("comeback.toml"), no_folder).unwrap();
    let unkept = run(&place, &["verify", "cache", "--select", "1.rdb", "--evidence-dir", "other"], 3);
    assert!(unkept.contains("✓ verified") && unkept.contains("comeback evidence push other/"), "{unkept}");
    std::fs::write(place.work().join("comeback.toml"), SETTINGS).unwrap();
    let unknown = run(&place, &["evidence", "fetch", "20260101T000000Z-00000000"], 2);
    assert!(unknown.contains("there is no run") && unknown.contains("hint: "), "{unknown}");
}

#[test]
fn what_cannot_be_kept_or_covered_is_refused() {
    let place = Place::new();
    let none = run(&place, &["coverage"], 2);
    assert!(none.contains("no backup is declared") && none.contains("hint: "), "{none}");
    let none = run(&place, &["evidence", "list"], 2);
    assert!(none.contains("no store of the evidence was named") && none.contains("hint: "), "{none}");
    std::fs::write(place.work().join("comeback.toml"), SETTINGS).unwrap();
    let wrong = run(&place, &["coverage", "cash"], 2);
    assert!(wrong.contains("did you mean `cache`?"), "{wrong}");
}
