//! Where a command prints: output that cannot be written is never success.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use super::journals::put_unchained;
use crate::kit::place::{Place, text};
use crate::kit::require::redis_is_here;

fn to(out: impl Into<Stdio>, command: &mut Command) -> Output {
    command.stdout(out).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader has gone.
fn closed() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn what_could_not_be_written_is_never_success() {
    let place = Place::new();
    put_unchained(&place);
    for args in [
        &["list"][..],
        &["completions", "bash"],
        &["--help"],
        &["run", "--help"],
        &["doctor", "--substrate", "local"],
        &["clean"],
        &["report", "evidence/unchained"],
    ] {
        let output = to(full(), &mut place.as_it_is(args));
        let wrong = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {wrong}");
        assert!(
            wrong.contains("writing to the standard output: No space left on device"),
            "{args:?}: {wrong}"
        );
    }
}

#[test]
fn a_terminal_obeys_no_text_of_others() {
    let output = Place::new().run(&["run", "\u{1b}]0;owned\u{7}\u{9b}2Jredis/\u{202e}x\nhint: trust me"]);
    let wrong = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{wrong}");
    assert!(wrong.starts_with("error: there is no scenario `redis/\u{fffd}x hint: trust me`\n"), "{wrong:?}");
}

#[test]
fn a_reader_that_has_seen_enough_of_a_list_is_no_error() {
    let place = Place::new();
    put_unchained(&place);
    for args in [&["list"][..], &["list", "--damages"], &["completions", "zsh"], &["--help"]] {
        let output = to(closed(), &mut place.as_it_is(args));
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
    }
    // What a run came to has to reach somebody.
    let output = to(closed(), &mut place.as_it_is(&["report", "evidence/unchained"]));
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}

#[test]
fn a_verified_run_that_told_nobody_is_not_a_success() {
    if redis_is_here() {
        let place = Place::new();
        let run = ["run", "redis/complete-loss", "--scale", "ci", "--substrate", "local"];
        let output = to(full(), &mut place.comeback(&run));
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert_eq!(place.report()["verdict"], "verified");
        assert_eq!(place.left_behind(), [""; 0]);
    }
}

#[test]
fn a_junit_file_that_could_not_be_written_in_the_end_is_not_a_success() {
    if !redis_is_here() {
        return;
    }
    let place = Place::new();
    let folder = place.work().join("ci");
    std::fs::create_dir(&folder).unwrap();
    let args = ["run", "redis/complete-loss", "--substrate", "local", "--junit", "ci/junit.xml"];
    let mut run = place.comeback(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(run.stderr.take().unwrap());
    let mut wrong = String::new();
    told.read_line(&mut wrong).unwrap();
    // The run is under way: from here on the folder is gone.
    std::fs::rename(&folder, place.work().join("gone")).unwrap();
    told.read_to_string(&mut wrong).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(3), "{wrong}");
    assert!(wrong.contains("error: writing ci/junit.xml: "), "{wrong}");
    assert_eq!(place.report()["verdict"], "verified");
}
