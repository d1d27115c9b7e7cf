//! `comeback clean` in a temp dir that others can write to, and without a Docker daemon.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::kit::place::{Place, text};
use crate::kit::require::{is_root, redis_is_here};

/// Another user, who exists on every system.
const NOBODY: &str = "65534";

/// The record of a dead run of this machine and boot, and of its server, forged by another user.
fn forge(folder: &Path, victim: u32) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap().display().to_string();
    let namespace = namespace.trim_start_matches("pid:").trim_matches(['[', ']']).to_owned();
    let boot = read("/proc/sys/kernel/random/boot_id").trim().to_owned();
    let stat = read(&format!("/proc/{victim}/stat"));
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(
        folder.join("run.json"),
        format!(
            r#"{{"owner":{{"pid":999999,"start_ticks":0,"boot_id":"{boot}","pid_ns":"{namespace}"}},"started_at":0,"keep":false}}"#
        ),
    )
    .unwrap();
    let server = format!(r#"{{"pid":{victim},"start_ticks":{ticks}}}"#);
    std::fs::write(folder.join("primary.server.json"), server).unwrap();
}

fn chown(path: &Path) {
    let owner = format!("{NOBODY}:{NOBODY}");
    assert!(Command::new("chown").arg("-hR").arg(owner).arg(path).status().unwrap().success());
}

#[test]
fn what_another_user_made_is_neither_believed_nor_followed() {
    if !is_root() {
        // An ordinary user cannot make files of another one.
        return;
    }
    let mut victim = Command::new("sleep").arg("1000").spawn().unwrap();
    for trap in ["folder", "link", "open", "entry", "record", "lock", "pipe", "none"] {
        let place = Place::new();
        let (base, bait) = (place.temp().join("comeback-0"), place.work().join("made-through-a-link"));
        let run = base.join("0badcafe");
        forge(&run, victim.id());
        let mode = |mode| std::fs::set_permissions(&base, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o711);
        match trap {
            "folder" => chown(&base),
            "link" => {
                let elsewhere = place.work().join("elsewhere");
                std::fs::rename(&base, &elsewhere).unwrap();
                symlink(&elsewhere, &base).unwrap();
            }
            "open" => mode(0o777),
            "entry" => chown(&run),
            "record" => chown(&run.join("run.json")),
            "lock" => symlink(&bait, base.join(".lock")).unwrap(),
            "pipe" => {
                let pipe = Command::new("mkfifo").arg(base.join(".lock")).status().unwrap();
                assert!(pipe.success());
            }
            _ => {}
        }
        let output = place.run(&["clean", "--substrate", "local"]);
        let (told, complaint) = (text(&output.stdout), text(&output.stderr));
        let is_alive = victim.try_wait().unwrap().is_none();
        assert!(!bait.exists(), "{trap}: {complaint}");
        match trap {
            // The same folder without a trap is swept with the process that it names, so the others show something.
            "none" => assert!(output.status.code() == Some(0) && !is_alive && told.contains("0badcafe")),
            // Without a record there is a day's doubt.
            "record" => assert!(output.status.code() == Some(0) && is_alive, "{told}{complaint}"),
            _ => {
                assert_eq!(output.status.code(), Some(3), "{trap}: {told}{complaint}");
                assert!(complaint.contains("comeback-0"), "{trap}: {complaint}");
                assert!(is_alive, "{trap}: {complaint}");
            }
        }
    }
    let _ = victim.kill();
    victim.wait().unwrap();
}

#[test]
fn a_docker_daemon_that_nobody_asked_for_need_not_be_there() {
    let place = Place::new();
    let nowhere = place.work().join("docker.sock");
    let host = format!("unix://{}", nowhere.display());
    let clean = |args: &[&str]| place.comeback(args).env("DOCKER_HOST", &host).output().unwrap();

    let output = clean(&["clean", "--substrate", "local"]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let output = clean(&["clean"]);
    assert_eq!(output.status.code(), Some(3), "DOCKER_HOST asks for it");
    let complaint = text(&output.stderr);
    let expected = format!("cannot reach the Docker daemon at {host}: there is no such socket\n");
    assert!(complaint.contains(&expected), "{complaint}");
    assert_eq!(complaint.matches("docker.sock").count(), 1, "{complaint}");

    // A socket at which nobody listens: the cause is the system's, without the layers of the HTTP client.
    drop(std::os::unix::net::UnixListener::bind(&nowhere).unwrap());
    let output = clean(&["clean", "--substrate", "docker"]);
    assert_eq!(output.status.code(), Some(3));
    let complaint = text(&output.stderr);
    let expected = format!("cannot reach the Docker daemon at {host}: Connection refused (os error 111)\n");
    assert!(complaint.contains(&expected), "{complaint}");
    assert!(!complaint.contains("hyper") && !complaint.contains("client error"), "{complaint}");
}

#[test]
fn what_a_killed_backup_left_in_a_repository_is_cleaned_away() {
    let place = Place::new();
    let (killed, whole) = (place.work().join(".unfinished-x-1"), place.work().join("20260101T000000Z-dump"));
    for folder in [&killed, &whole] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::File::open(&killed).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let output = place.run(&["clean", "--substrate", "local", "--repository", "."]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "removed .unfinished-x-1, which a killed backup left in .\n");
    assert!(!killed.exists() && whole.exists());
}

#[test]
fn a_run_elsewhere_says_nothing_of_a_docker_that_is_not_there() {
    if !redis_is_here() {
        return;
    }
    let run = |substrate: &str| {
        let place = Place::new();
        let mut command =
            place.comeback(&["run", "redis/cache-corruption", "--scale", "ci", "--substrate", substrate]);
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap()
    };
    // Every drill with `--substrate local` has to do the same: see [`super::drills`].
    let output = run("auto");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = [text(&output.stdout), text(&output.stderr)].concat();
    assert!(!told.contains("Docker"), "{told}");
    // With `--substrate docker` the missing daemon is an error.
    assert!(text(&run("docker").stdout).contains("cannot reach the Docker daemon"));
}
