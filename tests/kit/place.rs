//! Makes a folder to run the binary in: with a temp dir of its own, so that everything a run leaves behind is found.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder to run in, with its own temp dir so that leftovers are seen.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

/// Longest path of a temp dir, so that paths of sockets below it stay short enough.
const MOST_OF_A_PATH: usize = 12;

impl Place {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        // The path of a socket has to be short, and that of the test runner's temp dir may not be.
        let temp = std::env::temp_dir();
        let temp = if temp.as_os_str().len() <= MOST_OF_A_PATH { temp } else { "/tmp".into() };
        let folder = tempfile::Builder::new().prefix("cb").tempdir_in(temp).unwrap();
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open.clone()).unwrap();
        for name in ["t", "w"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::set_permissions(folder.path().join(name), open.clone()).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn temp(&self) -> PathBuf {
        self.folder.path().join("t")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("w")
    }

    /// The binary, run here with the sample runbook.
    pub(crate) fn comeback(&self, args: &[&str]) -> Command {
        let mut command = self.as_it_is(args);
        command.args(Self::runbook(args));
        command
    }

    /// The binary, run here with only these arguments.
    pub(crate) fn as_it_is(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
        self.settle(&mut command);
        command.args(args);
        command
    }

    /// The option that a run needs in an empty folder, which has no runbook.
    pub(crate) fn runbook(args: &[&str]) -> Option<&'static str> {
        let names_one = args.iter().any(|arg| arg.ends_with("runbook"));
        (args.first() == Some(&"run") && !names_one).then_some("--sample-runbook")
    }

    pub(crate) fn settle(&self, command: &mut Command) {
        command
            .current_dir(self.work())
            .env("TMPDIR", self.temp())
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        command.env_remove("GITHUB_STEP_SUMMARY");
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.comeback(args).output().unwrap()
    }

    /// The evidence folder of the only run here.
    pub(crate) fn evidence(&self) -> PathBuf {
        let runs: Vec<_> = std::fs::read_dir(self.work().join("evidence")).unwrap().collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.into_iter().next().unwrap().unwrap().path()
    }

    /// The report of the only run here.
    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.evidence().join("report.json")).unwrap()).unwrap()
    }

    /// Leftovers in the temp dir: run folders, and processes that work in them.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let mut left = Vec::new();
        for base in std::fs::read_dir(self.temp()).unwrap().flatten() {
            for entry in std::fs::read_dir(base.path()).unwrap().flatten() {
                // The sweep's lock is empty and stays.
                if entry.file_name() != ".lock" {
                    left.push(entry.path().display().to_string());
                }
            }
        }
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let works_in = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
            if works_in.starts_with(self.temp()) {
                left.push(format!("process {} in {}", process.path().display(), works_in.display()));
            }
        }
        left
    }
}

/// The report of the only run whose evidence is in a folder.
pub(crate) fn report_in(evidence: &Path) -> serde_json::Value {
    let runs: Vec<_> = std::fs::read_dir(evidence).unwrap().map(|run| run.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    serde_json::from_slice(&std::fs::read(runs[0].join("report.json")).unwrap()).unwrap()
}

/// The steps of a recovery, in the words of the runbook.
pub(crate) fn recover_steps(report: &serde_json::Value) -> Vec<String> {
    let steps = report["drills"][0]["steps"].as_array().unwrap().iter();
    let recover = steps.filter(|step| step["phase"] == "recover");
    recover.map(|step| step["title"].as_str().unwrap().to_owned()).collect()
}

/// Fails unless a restore took the same steps as a drill, in order, and its record says that it is a restore.
pub(crate) fn took_the_steps_of(restore: &serde_json::Value, drill: &serde_json::Value) {
    let (own, drilled) = (recover_steps(restore), recover_steps(drill));
    let is_same = drilled.windows(own.len()).any(|steps| steps == own);
    assert!(!own.is_empty() && is_same, "{own:#?} is not in {drilled:#?}");
    let (run, part) = (&restore["run"], &restore["drills"][0]);
    assert_eq!((run["kind"].as_str(), drill["run"]["kind"].as_str()), (Some("restore"), Some("drill")));
    assert_eq!((run["runbook"].as_str(), part["section"].as_str()), (None, Some("")));
    assert!(part["sample_bytes"].is_null() && part["objective"].is_null(), "{part}");
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Copies the binary to where another user can start it. `cp` does it: a file that this process has open for writing
/// cannot be started, and a process that another test is just starting has it open, too.
pub(crate) fn copy_program(to: &Path) {
    let from = env!("CARGO_BIN_EXE_comeback");
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}
