//! Watches a run of the binary from outside: learns its secrets, and searches for them where they must not be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use serde_json::Value;

use super::place::{Place, files_below};

/// Pause between two looks at the processes of this machine.
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of a longer value that are searched for: its first ones.
const NEEDLE_BYTES: usize = 30;

/// Secrets learnt about a run, and where they leaked.
#[derive(Default)]
pub(crate) struct Learnt {
    /// The values of all the secrets, and the private keys.
    values: BTreeSet<Vec<u8>>,
    /// Where a value was seen during the run.
    seen: BTreeSet<String>,
}

/// One look at a running run.
type Look = Box<dyn Fn(&Mutex<Learnt>) + Send>;

/// Runs the binary and watches it.
pub(crate) fn watched(place: &Place, args: &[&str]) -> (Output, Learnt) {
    watched_with(place, place.comeback(args), Learnt::default())
}

/// Runs a command and watches it, also for values that are already known.
pub(crate) fn watched_with(place: &Place, mut command: Command, known: Learnt) -> (Output, Learnt) {
    let stop = Arc::new(AtomicBool::new(false));
    let learnt = Arc::new(Mutex::new(known));
    let watch = |look: Look| -> JoinHandle<()> {
        let (told, learnt) = (stop.clone(), learnt.clone());
        std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                look(&learnt);
                // The end of the run wakes it up.
                std::thread::park_timeout(PAUSE);
            }
        })
    };
    let temp = place.temp();
    // Stores and keys may be there for a moment only; a look at all processes takes longer than that.
    let watchers = [
        watch(Box::new(move |learnt| learnt.lock().unwrap().learn(&temp))),
        watch(Box::new(|learnt| {
            let known = Learnt::of(learnt.lock().unwrap().values.iter().cloned());
            let seen = known.look_at_processes();
            learnt.lock().unwrap().seen.extend(seen);
        })),
    ];
    let output = command.env("GITHUB_STEP_SUMMARY", place.work().join("summary.md")).output().unwrap();
    stop.store(true, Ordering::Relaxed);
    for watcher in watchers {
        watcher.thread().unpark();
        watcher.join().unwrap();
    }
    let learnt = std::mem::take(&mut *learnt.lock().unwrap());
    (output, learnt)
}

impl Learnt {
    /// Starts with values that the test made itself.
    pub(crate) fn of(values: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { values: values.into_iter().collect(), seen: BTreeSet::new() }
    }

    /// Reads the stores and keys of the drills that run now. They come and go, so missing ones are skipped.
    fn learn(&mut self, temp: &Path) {
        let children = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        // comeback-…/RUN/dN/{secrets/STORE/NAME.json, keys/KEY/key.txt}
        let runs = children(temp).into_iter().flat_map(|base| children(&base));
        for drill in runs.flat_map(|run| children(&run)) {
            for store in children(&drill.join("secrets")) {
                self.values.extend(children(&store).iter().flat_map(|file| values_of(file)));
            }
            for key in children(&drill.join("keys")) {
                let text = std::fs::read_to_string(key.join("key.txt")).unwrap_or_default();
                let private = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-"));
                self.values.extend(private.map(|line| line.as_bytes().to_vec()));
            }
        }
    }

    /// The processes that have a value in their arguments.
    pub(crate) fn look_at_processes(&self) -> BTreeSet<String> {
        let needles = self.needles();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        let with =
            arguments.filter(|arguments| needles.iter().any(|needle| needle.find(arguments).is_some()));
        with.map(|arguments| format!("the arguments of {}", String::from_utf8_lossy(&arguments))).collect()
    }

    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.needles().iter().any(|needle| needle.find(bytes).is_some())
    }

    /// What the values look like: as they are, as hexadecimal digits, and in base 64.
    fn needles(&self) -> Vec<memmem::Finder<'static>> {
        let forms = self.values.iter().flat_map(|value| {
            let start = &value[..value.len().min(NEEDLE_BYTES)];
            // Without what depends on the bytes that follow.
            let encoded = STANDARD.encode(&start[..start.len() / 3 * 3]);
            [start.to_vec(), hex(start).into_bytes(), encoded.into_bytes()]
        });
        forms.map(|form| memmem::Finder::new(&form).into_owned()).collect()
    }

    /// Fails if a value is in the run's output, in its files, or was in the arguments of a process.
    pub(crate) fn assert_kept(&self, at_least: usize, place: &Place, output: &Output) {
        assert!(self.values.len() >= at_least, "only {} secrets were learnt", self.values.len());
        let mut found: Vec<String> = self.seen.iter().cloned().collect();
        for (name, bytes) in [("the output", &output.stdout), ("the complaints", &output.stderr)] {
            if self.is_in(bytes) {
                found.push(name.to_owned());
            }
        }
        let files = [place.temp(), place.work()]
            .iter()
            .flat_map(|folder| files_below(folder))
            .collect::<Vec<PathBuf>>();
        let needles = self.needles();
        let is_in = |bytes: &[u8]| needles.iter().any(|needle| needle.find(bytes).is_some());
        let with = files.iter().filter(|file| is_in(&std::fs::read(file).unwrap_or_default()));
        found.extend(with.map(|file| file.display().to_string()));
        assert!(found.is_empty(), "secrets are in {}", found.join("; "));
    }
}

/// Bytes as two digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The values in a file of a store. A file that is still being written gives none.
fn values_of(file: &Path) -> Vec<Vec<u8>> {
    let is_secret = file.extension().is_some_and(|extension| extension == "json");
    let text = is_secret.then(|| std::fs::read(file).ok()).flatten().unwrap_or_default();
    let record: Value = serde_json::from_slice(&text).unwrap_or_default();
    let versions = record["versions"].as_array().cloned().unwrap_or_default();
    versions.iter().filter_map(|version| STANDARD.decode(version["value"].as_str()?).ok()).collect()
}
