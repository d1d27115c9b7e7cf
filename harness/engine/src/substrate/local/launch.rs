//! Starts a process that belongs only to its node, and dies with this process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};

use comeback_error::{Context, Error, Result};
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::cell::LocalCell;
use super::programs::is_program;
use super::{Account, SearchPath};
use crate::substrate::Command;

/// Runs the program, unless this process died before the parent-death signal was set.
const UNLESS_ORPHANED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// Starts programs for a node.
pub(in crate::substrate) struct Launcher {
    /// The user that programs run as.
    pub(super) account: Account,
    /// The folders that are searched for programs.
    pub(in crate::substrate) search: SearchPath,
    /// The words in front of every command.
    prefix: Vec<String>,
}

/// The streams of a process.
pub(super) enum Streams {
    /// Three pipes; no pipe for the input if there is none.
    Pipes {
        /// Whether there is an input.
        stdin: bool,
    },
    /// No input, and all output to a file.
    Log(File),
}

impl Launcher {
    /// A launcher that runs programs as an account. Unless they are to be kept, they die with this process.
    ///
    /// The programs of util-linux do what the standard library cannot do without unsafe code. They give a process
    /// its own session, so that a signal from the terminal does not reach the servers and no program asks for a
    /// password there. They set the account's user and group and no others. They request SIGKILL for when this
    /// process dies; this comes last, because a change of user would reset it.
    pub(in crate::substrate) fn new(account: Account, search: SearchPath, keep: bool) -> Result<Self> {
        let path = |name: &str| search.find(name).map(|path| path.to_string_lossy().into_owned());
        let mut prefix = vec![path("setsid")?];
        if account.is_other || !keep {
            prefix.push(path("setpriv")?);
            if account.is_other {
                let (uid, gid) = (account.uid.to_string(), account.gid.to_string());
                prefix.extend(["--reuid", &uid, "--regid", &gid, "--clear-groups"].map(str::to_owned));
            }
            if !keep {
                prefix.extend(["--pdeathsig", "KILL"].map(str::to_owned));
            }
            prefix.push("--".to_owned());
        }
        if !keep {
            let me = std::process::id().to_string();
            prefix.extend([&path("sh")?, "-c", UNLESS_ORPHANED, &me].map(str::to_owned));
        }
        Ok(Self { account, search, prefix })
    }

    /// A launcher that runs the programs of one node in a cell.
    pub(super) fn in_cell(cell: &LocalCell, search: &SearchPath, root: &Path, keep: bool) -> Result<Self> {
        let path = |name: &str| search.find(name).map(|path| path.to_string_lossy().into_owned());
        let mut prefix = vec![path("setsid")?];
        prefix.extend(cell.entrance(root, keep));
        if !keep {
            let me = std::process::id().to_string();
            prefix.extend([&path("sh")?, "-c", UNLESS_ORPHANED, &me].map(str::to_owned));
        }
        Ok(Self { account: cell.account.clone(), search: search.clone(), prefix })
    }

    /// The path of a command's program: a name is searched, and a relative path starts from the folder.
    fn resolve(&self, program: &str, dir: &Path) -> Result<PathBuf> {
        if !program.contains('/') {
            return self.search.find(program);
        }
        let path = dir.join(program);
        if is_program(&path) {
            return Ok(path);
        }
        Err(Error::could_not_verify(format!("there is no program {}", path.display())))
    }

    /// Starts a command in a folder.
    pub(super) async fn spawn(&self, command: &Command, dir: &Path, streams: Streams) -> Result<Child> {
        let program = self.resolve(&command.program, dir)?;
        let mut process = tokio::process::Command::new(&self.prefix[0]);
        process.args(&self.prefix[1..]).arg(&program).args(&command.args);
        process.env_clear().envs(self.environment(dir)).envs(&command.env).current_dir(dir);
        match streams {
            Streams::Pipes { stdin } => {
                process.stdin(if stdin { Stdio::piped() } else { Stdio::null() });
                process.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            }
            Streams::Log(file) => {
                let doing = "share the log file";
                process.stdin(Stdio::null()).stdout(file.try_clone().context(doing)?).stderr(file);
            }
        }
        spawn_for_life(process).await.context(format!("start {}", program.display()))
    }

    /// The same environment everywhere: none of the caller's settings reach a server or a client.
    fn environment(&self, dir: &Path) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("PATH", self.search.joined()),
            ("HOME", dir.to_string_lossy().into_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
        ])
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Starts a process from a thread that lives as long as this process.
///
/// The kernel sends the parent-death signal when the *thread* that started the child ends, and a runtime's thread
/// may end at any time.
async fn spawn_for_life(mut process: tokio::process::Command) -> io::Result<Child> {
    let runtime = Handle::current();
    let (reply, answer) = oneshot::channel();
    let job: Job = Box::new(move || {
        let _inside = runtime.enter();
        // If the caller is gone, the child is dropped and killed, or the sweep of its folder removes it.
        let _ = reply.send(process.spawn());
    });
    nursery()?.send(job).map_err(|_| io::Error::other("the thread that starts processes has ended"))?;
    answer.await.map_err(io::Error::other)?
}

fn nursery() -> io::Result<&'static Sender<Job>> {
    static NURSERY: OnceLock<Sender<Job>> = OnceLock::new();
    if let Some(nursery) = NURSERY.get() {
        return Ok(nursery);
    }
    let (sender, jobs) = mpsc::channel::<Job>();
    // If two callers get here at once, one sender is dropped, and its thread ends without children.
    std::thread::Builder::new().name("comeback-spawn".to_owned()).spawn(move || {
        for job in jobs {
            job();
        }
    })?;
    Ok(NURSERY.get_or_init(|| sender))
}
