//! Starting a process so that it is nobody's but the node's, and dies with this one.

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

use super::programs::is_program;
use super::{Account, SearchPath};
use crate::substrate::Command;

/// Becomes the program, unless this process died before the kernel was asked to tell of its death.
const UNLESS_ORPHANED: &str = r#"[ "$PPID" = "$0" ] && exec "$@""#;

/// Knows how to start a program for a node.
pub(super) struct Launcher {
    /// Whom programs run as.
    pub(super) account: Account,
    /// Where programs are looked for.
    pub(super) search: SearchPath,
    /// What stands in front of every command.
    prefix: Vec<String>,
}

/// What becomes of a process's streams.
pub(super) enum Streams {
    /// Three pipes; without one for the input, there is none.
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
    /// The programs of util-linux do what the standard library cannot without unsafe code: a session of its
    /// own, so that a signal from the terminal does not reach the servers and no program asks there for a
    /// password; the account's user and group and no others; and SIGKILL when this process dies, asked for
    /// last, because a change of user would undo it.
    pub(super) fn new(account: Account, search: SearchPath, keep: bool) -> Result<Self> {
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

    /// The path of a command's program: a name is looked up, a relative path is taken from the folder.
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

    /// The same everywhere: nothing of the caller's own settings reaches a server or a client.
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
/// The kernel sends the parent-death signal when the *thread* that started the child ends, and a thread of
/// the runtime may end at any time.
async fn spawn_for_life(mut process: tokio::process::Command) -> io::Result<Child> {
    let runtime = Handle::current();
    let (reply, answer) = oneshot::channel();
    let job: Job = Box::new(move || {
        let _inside = runtime.enter();
        // A caller that has gone takes the child with it, or leaves it to the sweep of its folder.
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
    // Of two that come here at once, one loses its sender, and with it its thread ends, childless.
    std::thread::Builder::new().name("comeback-spawn".to_owned()).spawn(move || {
        for job in jobs {
            job();
        }
    })?;
    Ok(NURSERY.get_or_init(|| sender))
}
