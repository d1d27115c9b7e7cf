//! The search for leaks itself: it proves something only if it can find one.

use std::io::Read as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::kit::leaks::{Learnt, hex};
use crate::kit::place::Place;

#[test]
fn a_leak_in_any_form_is_found() {
    let value = b"correct horse battery staple and more".to_vec();
    let learnt = Learnt::of([value.clone()]);

    for text in [value.clone(), hex(&value).into_bytes(), STANDARD.encode(&value).into_bytes()] {
        assert!(learnt.is_in(&[b"before ", &text[..], b" after"].concat()));
    }
    assert!(!learnt.is_in(b"correct horse"));
    let place = Place::new();
    let output = place.run(&["list"]);
    learnt.assert_kept(1, &place, &output);
    std::fs::write(place.work().join("log"), &value).unwrap();
    assert!(std::panic::catch_unwind(|| learnt.assert_kept(1, &place, &output)).is_err());
}

#[test]
fn a_leak_into_the_arguments_of_a_process_is_found() {
    let value = format!("a secret of process {}", std::process::id());
    let mut command = Command::new("sh");
    // More than one command, or the shell would become the one that it has.
    command.args(["-c", "echo ready; read line; true", &value]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Its arguments are there when it says something, and for a moment after its start they are not.
    process.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let seen = Learnt::of([value.into_bytes()]).look_at_processes();
    drop(process.stdin.take());
    process.wait().unwrap();
    assert_eq!(seen.len(), 1, "{seen:?}");
}
